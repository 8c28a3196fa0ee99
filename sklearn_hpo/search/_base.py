"""SearchCV: what every search does between scikit-learn's interface and the study."""

import math
import numbers
import time
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_hpo._checkpoint.header import open_checkpoint
from sklearn_hpo._evaluation.callbacks import FitEvents
from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.fit_warnings import held, summary
from sklearn_hpo._evaluation.resources import Resource
from sklearn_hpo._execution.signals import signals_raise, uncut
from sklearn_hpo._sklearn_compat import (
    BaseSearchCV,
    Interval,
    StrOptions,
    available_if,
    fit_context,
    get_scorers,
    num_samples,
)
from sklearn_hpo._study.loop import Study
from sklearn_hpo._study.order import TellOrder
from sklearn_hpo._study.stopping import Stopping
from sklearn_hpo.schedulers import Setting
from sklearn_hpo.search._history import warnings_of_fits
from sklearn_hpo.search._objectives import Objectives
from sklearn_hpo.search._points import check_names
from sklearn_hpo.search._results import Results
from sklearn_hpo.search._rungs import overture, write
from sklearn_hpo.search._start import make_start
from sklearn_hpo.search._task import make_task, planned
from sklearn_hpo.search._tried import tried
from sklearn_hpo.search._types import Candidates, GivenObjectives, Refit, Scoring, Space
from sklearn_hpo.search._workers import (
    limit_folder_of,
    open_jobs,
    open_workers,
    warn_of_shared,
)
from sklearn_hpo.space import SearchSpace


def _has_model(search):
    """Whether what proposed the candidates predicts scores; raise if not fitted."""
    check_is_fitted(search, "space_")
    return search._optimizer is not None


class SearchCV(BaseSearchCV):
    """Base of the searches: a subclass says which optimizer and scheduler it uses.

    Parameters are documented in the subclasses.
    """

    _parameter_constraints = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list, None],
        "param_grid": [dict, list, None],
        "objectives": [list, tuple, None],
        "random_state": ["random_state"],
        "initial_candidates": [StrOptions({"default"}), list, None],
        "warm_start_from": "no_validation",  # checked where it is read
        "max_time": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "max_concurrent": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "deterministic": ["boolean", StrOptions({"auto"})],
        "checkpoint": [str, Path, None],
        "fit_timeout": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "fit_memory_limit": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "cache_transformers": ["boolean"],
        "n_iter_no_change": [
            Interval(numbers.Integral, 1, None, closed="left"),
            None,
        ],
        "tol": [Interval(numbers.Real, 0, None, closed="left")],
    }

    param_grid: Space | None = None
    cv_results_: dict[str, Any]
    best_estimator_: Any
    best_score_: float
    best_params_: dict[str, Any]
    best_index_: int
    scorer_: Any
    n_splits_: int
    refit_time_: float
    multimetric_: bool
    history_: dict[str, list[Any]]
    space_: SearchSpace
    n_candidates_evaluated_: int
    feature_names_in_: NDArray[Any]
    _optimizer: Any
    _resource_names: set[str]
    _best_budget: float

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | None = None,
        *,
        param_grid: Space | None = None,
        objectives: GivenObjectives | None = None,
        scoring: Scoring = None,
        n_jobs: int | None = None,
        refit: Refit = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: int | np.random.RandomState | None = None,
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
        initial_candidates: Candidates | Literal["default"] | None = None,
        warm_start_from: Any = None,
        max_time: float | None = None,
        max_concurrent: int | Literal["auto"] = "auto",
        deterministic: bool | Literal["auto"] = "auto",
        checkpoint: str | Path | None = None,
        fit_timeout: float | None = None,
        fit_memory_limit: int | None = None,
        cache_transformers: bool = True,
        n_iter_no_change: int | None = None,
        tol: float = 0.0,
    ) -> None:
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        if param_grid is not None:
            # a subclass with the constructor of GridSearchCV may have set its own
            self.param_grid = param_grid
        self.objectives = objectives
        self.random_state = random_state
        self.initial_candidates = initial_candidates
        self.warm_start_from = warm_start_from
        self.max_time = max_time
        self.max_concurrent = max_concurrent
        self.deterministic = deterministic
        self.checkpoint = checkpoint
        self.fit_timeout = fit_timeout
        self.fit_memory_limit = fit_memory_limit
        self.cache_transformers = cache_transformers
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol

    @abstractmethod
    def _make_optimizer(self):
        """Return the Optimizer, not started."""

    @abstractmethod
    def _make_scheduler(self):
        """Return the Scheduler, not started."""

    def _make_resource(self, data):
        """Return what the candidates get more or less of."""
        return Resource("folds", 1, len(data.splits))

    def _get_scorers(self):
        scorers = Objectives(self).scorers(self)
        return super()._get_scorers() if scorers is None else (scorers, self.refit)

    @property
    def _given_space(self):
        """The space as the user gave it, under either of its two names."""
        # a subclass may take one name only, whatever it hands on
        settings = self.get_params(deep=False)
        named = map(settings.get, ("param_distributions", "param_grid"))
        given = [space for space in named if space is not None]
        if len(given) != 1:
            raise ValueError(
                "param_distributions and param_grid are two names for one search "
                f"space: give one of both, not {'both' if given else 'neither'}."
            )
        return given[0]

    def __sklearn_clone__(self):
        """Return an unfitted twin that begins with the same earlier search."""
        twin = super().__sklearn_clone__()
        # a clone of that one would have nothing to begin with
        twin.warm_start_from = self.warm_start_from
        return twin

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Search, then refit the best candidate on all data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            Training data, in whatever form the estimator takes; a square matrix for
            precomputed kernels and distances.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets; None for unsupervised estimators.
        **params : dict of str to object
            Metadata for the estimator's ``fit``, the scorer and the splitter, such as
            ``sample_weight`` and ``groups``, passed on as scikit-learn's searches do.
            Each fit gets its own copy of what is no data, such as callbacks.

        Returns
        -------
        object
            The search itself, fitted.

        Raises
        ------
        TypeError, ValueError
            Before any fit, if a parameter of the search or its space is wrong; after
            all of them, if every fit failed.
        KeyboardInterrupt, SystemExit
            If Ctrl-C or SIGTERM comes twice, or before any candidate is complete; the
            latter at once, if an earlier search of this process has heard SIGTERM.
        """
        began = time.monotonic()
        with signals_raise(), python_numbers(self):
            space, problem, optimizer, scheduler = self._prepare(X, y, params)
            warn_of_shared(problem)
            self.n_splits_ = len(problem.splits)
            events = FitEvents(self, problem.X, problem.y, params.get("sample_weight"))
            stopping = self._stopping(problem, began)
            study, problem = self._run(
                problem, space, optimizer, scheduler, stopping, events
            )
            with held(summary(warnings_of_fits(study))):
                self._publish(study, problem)
            if self.refit:
                self._refit_best(problem, events)
            events.close()
        for details in events.errors:
            warnings.warn(
                "A callback raised an error after the last fit of the search, whose "
                f"results are whole:\n{details}",
                RuntimeWarning,
                stacklevel=3,
            )
        return self

    def _prepare(self, X, y, params):
        """Return the space, the problem, the optimizer and the scheduler, checked."""
        if isinstance(self.estimator, type):
            name = self.estimator.__name__
            raise TypeError(
                f"Expected an estimator instance ({name}()), got estimator class "
                f"instead ({name})."
            )
        scorers, _ = get_scorers(self)
        space = SearchSpace(self._given_space)
        check_names(space, self.estimator)
        problem, data = make_task(self, scorers, space.names, X, y, params)
        resource = self._make_resource(data)
        optimizer = self._make_optimizer()
        scheduler = self._planning(
            resource, space, len(problem.splits), optimizer.learns, self._n_asked
        )
        Objectives(self).check_initial(self.initial_candidates)
        problem = planned(problem, resource, scheduler, space)
        return space, problem, optimizer, scheduler

    def _planning(self, resource, space, n_splits, learns, n_candidates):
        """Return a scheduler that has planned how to share out a resource."""
        scheduler = self._make_scheduler()
        setting = Setting(
            n_candidates=n_candidates,
            n_points=space.size,
            minimum=resource.minimum,
            maximum=resource.maximum,
            whole=resource.whole,
            cost=resource.cost,
            n_splits=n_splits,
            learns=learns,
            resource=resource.name,
            why_alone=resource.why_alone,
        )
        scheduler.start(setting)
        return scheduler

    @property
    def _n_asked(self):
        """How many candidates the user asks for; None if the scheduler shall say."""
        return self.n_iter

    def _run(self, problem, space, optimizer, scheduler, stopping, events):
        """Return the study, which has ended, and the problem that it has solved.

        Its resource may not be the one that was asked for.
        """
        objectives = Objectives(self)
        seed = self._draw_seed()
        own = optimizer.begins_with_own and not scheduler.uses_rungs
        with open_checkpoint(self, problem, space, scheduler.plan, seed) as journal:
            seed = seed if journal is None else journal.seed
            n_trials = scheduler.n_candidates
            start = make_start(self, space, objectives.metric, n_trials, seed, own)
            tuner = start.tuner(
                space,
                optimizer,
                n_trials,
                n_objectives=len(objectives),
                journal=journal,
            )
            if self.verbose > 0:
                write(self._overture(problem, scheduler))
            with open_workers(self, problem, events) as executor:
                settings = {
                    "journal": journal,
                    "limit_folder": limit_folder_of(problem.limits, executor),
                }
                resource = problem.resource
                problem, scheduler, check = tried(
                    self, problem, scheduler, tuner, executor=executor, **settings
                )
                # workers have the one that was asked for
                gave_up = resource.continues and not problem.resource.continues
                settings["resource"] = problem.resource if gave_up else None
                with open_jobs(
                    self, problem, scheduler, executor, events, check=check, **settings
                ) as jobs:
                    stopping.begin()
                    study = Study(
                        tuner,
                        scheduler,
                        jobs,
                        objectives,
                        self._order(optimizer, scheduler, jobs),
                        stopping,
                        announce=self._announce if self.verbose > 0 else None,
                    )
                    study.run()
        return study, problem

    def _overture(self, problem, scheduler):
        """Return what is said before the first fit."""
        if scheduler.uses_rungs:
            return overture(self, problem, scheduler)
        n_splits, n_trials = len(problem.splits), problem.n_candidates
        return (
            f"Fitting {n_splits} folds for each of {n_trials} candidates,"
            f" totalling {n_splits * n_trials} fits"
        )

    def _draw_seed(self):
        """Return the user's seed, or one drawn from the user's generator."""
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        generator = check_random_state(self.random_state)
        return int(generator.randint(np.iinfo(np.int32).max))

    def _order(self, optimizer, scheduler, jobs):
        """Return which candidates know of which."""
        concurrent, n_workers = self.max_concurrent, jobs.executor.n_workers
        if concurrent == "auto":
            # while the last folds of one candidate run, the next one fills idle workers
            n_folds = jobs.n_splits
            if jobs.by_fold:
                n_folds = max(1, round(scheduler.first_budget * n_folds))
            ahead = math.ceil(n_workers / n_folds)
            concurrent = 1 if n_workers == 1 else 1 + ahead
        # if no candidate depends on a score, rungs depend on nobody's end either
        free = scheduler.uses_rungs and not optimizer.learns
        return TellOrder(concurrent, self._is_deterministic and not free)

    def _stopping(self, problem, began):
        """Return the rules that end the study early."""
        n_train = np.mean([len(train) for train, _ in problem.splits])
        return Stopping(
            deadline=math.inf if self.max_time is None else began + self.max_time,
            refit_factor=num_samples(problem.X) / n_train if self.refit else 0.0,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
        )

    @property
    def _is_deterministic(self):
        """Whether equal seeds give equal results, as far as the search may decide."""
        return self.deterministic == "auto" or bool(self.deterministic)

    def _announce(self, study, evaluation):
        best = study.best
        is_best = evaluation is best
        if self.verbose > 1 or is_best:
            share = "" if is_best else f" at {evaluation.budget:.3g} of the budget"
            write(
                f"[{type(self).__name__}] candidate {evaluation.trial.number + 1}"
                f"{share if len(study.scheduler.plan) > 1 else ''}: "
                f"mean score {evaluation.score:.6g}, "
                f"best {best.score if best else math.nan:.6g}"
                + (f" with {evaluation.trial.params}" if is_best else "")
            )

    def _publish(self, study, problem):
        """Set scikit-learn's attributes."""
        with uncut:  # it may have taken days
            results = Results(self, study, problem)
            vars(self).update(results.attributes)
        # what the user's `refit` gets wrong must not cost what is above
        results.check_refit()
        if self.refit or not self.multimetric_:
            vars(self).update(results.best_attributes())

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the score on such data, as scikit-learn's searches do.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            The target; None for unsupervised learning.
        **params : dict of str to object
            Passed to the scorer, if metadata routing is enabled.

        Returns
        -------
        float
            The score named by `refit`, or the only one.

        Raises
        ------
        ValueError
            If there are several, of which `refit` names none: where it is a callable,
            or "knee".
        """
        if getattr(self, "multimetric_", False) and (
            callable(self.refit) or self.refit == "knee"
        ):
            raise ValueError(
                f"refit={self.refit!r} does not say which of the scores is meant: use "
                "one of scorer_, or give scoring to cross_val_score and the like."
            )
        return super().score(X, y, **params)

    @available_if(_has_model)
    def predict_score(self, params: dict[str, Any] | Sequence[dict[str, Any]]) -> Any:
        """Return what the search expects candidates to score.

        This is the kind of model that proposed or screened the candidates, given all
        results of the search. Only available after ``fit``, and if that model is a
        Gaussian process or consists of radial basis functions.

        .. versionadded:: 0.1

        Parameters
        ----------
        params : dict or list of dict
            One candidate of the space, or several, as in ``cv_results_["params"]``.

        Returns
        -------
        mean : float or ndarray of shape (n_candidates,)
            Mean of the cross-validated score that guides the search.
        std : float or ndarray of shape (n_candidates,)
            Standard deviation of the model's belief about it.

        Raises
        ------
        AttributeError
            If the search has not been fitted, or its optimizer has no such model.
        ValueError
            If a candidate is outside the space.

        Examples
        --------
        >>> from scipy.stats import loguniform
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.svm import SVC
        >>> from sklearn_hpo import BayesSearchCV
        >>> space = {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}
        >>> search = BayesSearchCV(SVC(), space, n_iter=20, random_state=0)
        >>> search = search.fit(*load_iris(return_X_y=True))
        >>> mean, std = search.predict_score(search.best_params_)
        >>> bool(abs(mean - search.best_score_) < 0.05)
        True
        """
        several = not isinstance(params, dict)
        candidates = map(self._of_space, params if several else [params])
        rows = [self.space_.encode(candidate) for candidate in candidates]
        mean, std = self._optimizer.predict(np.array(rows))
        return (-mean, std) if several else (float(-mean[0]), float(std[0]))

    def _of_space(self, params):
        """Return of a row of ``cv_results_`` what the space has."""
        more = self._resource_names.difference(self.space_.names)
        return {name: value for name, value in params.items() if name not in more}

    def _refit_best(self, problem, events):
        self.best_estimator_ = copy_unfitted(problem.estimator).set_params(
            **clone(self.best_params_, safe=False)
        )
        targets = () if problem.y is None else (problem.y,)
        with events.refitting(self.best_estimator_):
            began = time.time()
            problem.resource.fit(
                self.best_estimator_,
                self._best_budget,
                (problem.X, *targets),
                problem.own(problem.fit_params),
            )
            self.refit_time_ = time.time() - began
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


@contextmanager
def python_numbers(search):
    """Let parameters that are NumPy scalars be Python's within the block.

    NumPy's integers overflow, have no negative powers and no ``bit_length``.
    """
    given = {
        name: value
        for name, value in search.get_params(deep=False).items()
        if isinstance(value, np.generic)
    }
    try:
        for name, value in given.items():
            # `item` leaves a long double as it is
            is_float = isinstance(value, np.floating)
            setattr(search, name, float(value) if is_float else value.item())
        yield
    finally:
        for name, value in given.items():
            setattr(search, name, value)
