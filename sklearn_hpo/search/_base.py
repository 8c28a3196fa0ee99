"""SearchCV: what every search does between scikit-learn's interface and the study."""

import math
import numbers
import sys
import time
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, indexable
from sklearn.utils.validation import check_is_fitted

from sklearn_hpo._evaluation.callbacks import FitEvents
from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.evaluate import Problem, evaluate, lost
from sklearn_hpo._evaluation.fit_warnings import held, summary
from sklearn_hpo._evaluation.resources import Data, Resource
from sklearn_hpo._evaluation.transformer_cache import TransformerCache
from sklearn_hpo._execution.executor import open_executor
from sklearn_hpo._execution.limits import Limits
from sklearn_hpo._execution.signals import sigterm_raises
from sklearn_hpo._sklearn_compat import (
    BaseSearchCV,
    Interval,
    StrOptions,
    available_if,
    average_over_folds_run,
    check_method_params,
    check_refit,
    close_scores,
    fit_context,
    format_results,
    get_scorers,
    num_samples,
    rank_by_level,
    route_fit_params,
    scorer_attribute,
    select_best_index,
    split_mismatch,
    without_scores,
)
from sklearn_hpo._study.evaluation import Rules
from sklearn_hpo._study.loop import Study
from sklearn_hpo._study.paused import PausedModels
from sklearn_hpo.search._checkpoint import open_checkpoint
from sklearn_hpo.search._history import history, mean_score, warnings_of_fits
from sklearn_hpo.search._points import check_names
from sklearn_hpo.search._types import Candidates, Objectives, Refit, Scoring, Space
from sklearn_hpo.search._warm import make_start
from sklearn_hpo.search._workers import (
    limit_folder_of,
    own_filters,
    parts_of_jobs,
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

    # whether the seconds of fits or scores are goals, so must be real
    _goes_by_times = False
    # whether candidates are evaluated with less than all of the resource
    _has_rungs = False

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | None = None,
        *,
        param_grid: Space | None = None,
        objectives: Objectives | None = None,
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
    def _make_optimizer(self, n_trials):
        """Return an Optimizer for a study that plans so many trials."""

    @abstractmethod
    def _make_scheduler(self, resource, n_points):
        """Return a Scheduler that shares out a resource among at most `n_points`."""

    @property
    def _begins_with_own(self):
        """Whether the estimator's own values are the first candidate."""
        return False

    def _make_objectives(self):
        """Return a function from results to several scores, if the search has them."""

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

    def _make_resource(self, data):
        """Return what the candidates get more or less of."""
        return Resource("folds", 1, len(data.splits))

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
        with sigterm_raises(), python_numbers(self):
            problem, space, scheduler = self._prepare(X, y, params)
            warn_of_shared(problem)
            self.n_splits_ = len(problem.splits)
            events = FitEvents(self, problem.X, problem.y, params.get("sample_weight"))
            study = self._run(problem, space, scheduler, events, began)
            if study.difference is not None:
                problem = replace(problem, resource=problem.resource.plain())
            with held(summary(warnings_of_fits(study))):
                self._close(study, problem)
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
        """Return the problem, the space and the scheduler, all checked."""
        if isinstance(self.estimator, type):
            name = self.estimator.__name__
            raise TypeError(
                f"Expected an estimator instance ({name}()), got estimator class "
                f"instead ({name})."
            )
        scorers, _ = get_scorers(self)
        space = SearchSpace(self._given_space)
        check_names(space, self.estimator)
        X, y = indexable(X, y)
        params = check_method_params(X, params=params)
        routed = route_fit_params(self, params)
        splits = self._split(X, y, routed.splitter.split)
        groups = routed.splitter.split.get("groups")
        resource = self._make_resource(
            Data(
                self.estimator,
                X,
                y,
                splits,
                groups,
                frozenset(space.names),
                routed.estimator.fit,
            )
        )
        scheduler = self._make_scheduler(resource, space.size)
        resource = resource.planned([(s.n_trials, s.budget) for s in scheduler.plan])
        problem = Problem(
            estimator=copy_unfitted(self.estimator),
            X=X,
            y=y,
            splits=splits,
            scorer=scorers,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            n_candidates=_n_planned(space, scheduler),
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            verbose=self.verbose,
            resource=resource,
            limits=Limits(self.fit_timeout, self.fit_memory_limit),
            transformer_cache=TransformerCache()
            if self._caches_transformers()
            else None,
        )
        return problem, space, scheduler

    def _caches_transformers(self):
        """Whether candidates may share transformers without a change of the result."""
        by_time = callable(self.refit) or self._goes_by_times
        # what is kept would count as memory of the fit that keeps it
        limited = self.fit_memory_limit is not None
        return self.cache_transformers and not (by_time or limited)

    def _split(self, X, y, split_params):
        """Draw the folds, once for all candidates."""
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        n_splits = cv.get_n_splits(X, y, **split_params)
        splits = list(cv.split(X, y, **split_params))
        if not splits:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no "
                "candidates? An iterator can be used up only once: pass a splitter, or "
                "a list of (train, test) pairs."
            )
        if len(splits) != n_splits:
            raise ValueError(split_mismatch(n_splits, len(splits)))
        # they may be lists, ranges, masks or slices
        numbers_of = np.arange(num_samples(X))
        return [(numbers_of[train], numbers_of[test]) for train, test in splits]

    def _run(self, problem, space, scheduler, events, began):
        """Run the study on the joblib backend that is active."""
        seed = self._draw_seed()
        n_splits = len(problem.splits)
        exact = scheduler.keeps_to_plan
        rungs = [rung.n_trials if exact else None for rung in scheduler.plan]
        metric = self.refit if isinstance(self.refit, str) else None
        start_of = partial(make_start, self, space, metric, scheduler.n_planned)
        start = start_of(seed)
        if self.verbose > 0:
            _write(self._overture(problem, scheduler))
        with (
            own_filters(problem.resource),
            open_executor(
                evaluate,
                problem,
                self.n_jobs,
                lost,
                in_process=bool(problem.limits),
            ) as executor,
            events.searching(
                rungs, n_splits, detach=not executor.in_caller
            ) as fold_events,
            self._waiting_models(problem.resource, executor) as models,
            open_checkpoint(self, problem, space, scheduler, seed) as journal,
        ):
            if journal is not None and journal.seed != seed:
                # parameters that a point leaves out are drawn from the seed
                start = start_of(journal.seed)
            executor.check(parts_of_jobs(self, has_listeners=fold_events is not None))
            study = Study(
                space,
                self._make_optimizer(scheduler.n_planned),
                scheduler,
                seed=seed if journal is None else journal.seed,
                n_splits=n_splits,
                score_of=partial(mean_score, metric=metric),
                first=start.first,
                source_of_first=start.source,
                given_scores=start.given_scores,
                source_task=start.source_task,
                objectives_of=self._make_objectives(),
                by_fold=problem.resource.by_fold,
                fold_order=problem.resource.order,
                limit_folder=limit_folder_of(problem.limits, executor),
                journal=journal,
                paused_models=models,
                rules=self._rules(problem, scheduler, executor.n_workers, began),
                fold_events=fold_events,
                announce=self._announce if self.verbose > 0 else None,
            )
            study.run(executor)
        if problem.transformer_cache is not None:
            problem.transformer_cache.clear()
        return study

    def _draw_seed(self):
        """Return the user's seed, or one drawn from the user's generator."""
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        generator = check_random_state(self.random_state)
        return int(generator.randint(np.iinfo(np.int32).max))

    @contextmanager
    def _waiting_models(self, resource, executor):
        """Yield the keeper of models that may go on, if the resource needs one."""
        yield PausedModels(executor.folder) if resource.continues else None

    def _overture(self, problem, scheduler):
        """Return what is said before the first fit."""
        n_splits, n_trials = len(problem.splits), problem.n_candidates
        return (
            f"Fitting {n_splits} folds for each of {n_trials} candidates,"
            f" totalling {n_splits * n_trials} fits"
        )

    def _rules(self, problem, scheduler, n_workers, began):
        concurrent = self.max_concurrent
        if concurrent == "auto":
            # while the last folds of one candidate run, the next one fills idle workers
            n_folds = len(problem.splits)
            if problem.resource.by_fold:
                n_folds = max(1, round(scheduler.first_budget * n_folds))
            ahead = math.ceil(n_workers / n_folds)
            concurrent = 1 if n_workers == 1 else 1 + ahead
        n_train = np.mean([len(train) for train, _ in problem.splits])
        return Rules(
            max_concurrent=concurrent,
            deterministic=self._is_deterministic,
            deadline=math.inf if self.max_time is None else began + self.max_time,
            refit_factor=num_samples(problem.X) / n_train if self.refit else 0.0,
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
            _write(
                f"[{type(self).__name__}] candidate {evaluation.trial.number + 1}"
                f"{share if len(study.scheduler.plan) > 1 else ''}: "
                f"mean score {evaluation.score:.6g}, "
                f"best {best.score if best else math.nan:.6g}"
                + (f" with {evaluation.trial.params}" if is_best else "")
            )

    def _close(self, study, problem):
        """Turn the study into scikit-learn's attributes."""
        evaluations = study.listed
        close_scores(_own_results(evaluations), self.scoring, self.error_score)
        results = [result for e in evaluations for result in self._of_all_folds(e)]
        self.multimetric_ = isinstance(results[0]["test_scores"], dict)
        self.n_candidates_evaluated_ = len({e.trial.number for e in evaluations})
        shortfalls = self._shortfalls(study, evaluations, problem)
        if study.cut_short_by is not None:
            shortfalls[:0] = [
                f"The search was interrupted ({study.cut_short_by!r}): it keeps "
                f"the {self.n_candidates_evaluated_} candidates evaluated so far."
            ]
        if shortfalls:
            warnings.warn(" ".join(shortfalls), RuntimeWarning, stacklevel=4)
        cut = {
            i: sorted(evaluation.reports)
            for i, evaluation in enumerate(evaluations)
            if len(evaluation.reports) < self.n_splits_
        }
        self.cv_results_ = format_results(
            self,
            [self._listed_params(e, problem.resource) for e in evaluations],
            self.n_splits_,
            results,
            cut=cut,
            more=self._more_results(study, evaluations, problem.resource),
        )
        if self._has_rungs:
            average_over_folds_run(self.cv_results_, cut)
            rank_by_level(self.cv_results_, self.cv_results_["iter"])
        metric = self.refit if isinstance(self.refit, str) else None
        self.scorer_ = scorer_attribute(problem.scorer)
        self.space_ = study.space
        # what it knows of every candidate is as much as `cv_results_`
        self._optimizer = study.optimizer if study.optimizer.predicts else None
        self.history_ = {
            **history(
                study,
                problem.resource,
                metric,
                with_train_score=self.return_train_score,
                with_rungs=self._has_rungs,
            ),
            **self._more_history(study, problem.resource),
        }
        # what the user's `refit` gets wrong must not cost what is above
        if self.multimetric_:
            self._check_refit(results[0]["test_scores"])
        if self.refit or not self.multimetric_:
            self._store_best(evaluations, problem.resource)

    def _store_best(self, evaluations, resource):
        refit_metric = self.refit if self.multimetric_ else "score"
        self.best_index_ = self._choose_best(refit_metric)
        column = f"mean_test_{refit_metric}"
        if not callable(self.refit) and column in self.cv_results_:
            self.best_score_ = self.cv_results_[column][self.best_index_]
        best = evaluations[self.best_index_]
        self.best_params_ = self._best_params(best, resource)
        self._best_budget = best.budget

    def _shortfalls(self, study, evaluations, problem):
        """Return, a sentence each, in what the results are less than was planned."""
        return []

    def _check_refit(self, scores):
        """Raise unless `refit` says how the best of several scores is chosen."""
        check_refit(self, scores)

    def _listed_params(self, evaluation, resource):
        """Return the parameters that ``cv_results_`` shows."""
        return evaluation.trial.params

    def _more_results(self, study, evaluations, resource):
        """Return further columns of ``cv_results_``."""
        return {}

    def _more_history(self, study, resource):
        """Return further columns of ``history_``."""
        return {}

    def _choose_best(self, refit_metric):
        """Return the index of the best candidate, by scikit-learn's rule."""
        return select_best_index(self, refit_metric, self.cv_results_)

    def _best_params(self, best, resource):
        """Return the parameters of the refit."""
        return self.cv_results_["params"][self.best_index_]

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
        return params

    def _of_all_folds(self, evaluation):
        """Return a trial's results; a fold that was not run has NaN for a score."""
        reports = evaluation.reports
        blank = without_scores(evaluation.results)
        folds = range(self.n_splits_)
        return [reports[i].result if i in reports else blank for i in folds]

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


def _own_results(evaluations):
    """Return results once, where a rung of more folds repeats those before it."""
    first = {}
    return [
        result
        for evaluation in evaluations
        for result in evaluation.results
        if first.setdefault(id(result), evaluation) is evaluation
    ]


def _write(line):
    sys.stdout.write(line + "\n")


def _n_planned(space, scheduler):
    return int(min(scheduler.n_planned, space.size))
