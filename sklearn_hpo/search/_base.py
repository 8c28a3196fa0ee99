"""SearchCV: what every search does between scikit-learn's interface and the study."""

import math
import numbers
import time
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_hpo._checkpoint.header import open_checkpoint
from sklearn_hpo._evaluation.callbacks import FitEvents
from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.fit_warnings import held, summary
from sklearn_hpo._evaluation.resources import Resource, choose_resource, folds_of
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
from sklearn_hpo.optimizers import MultiFidelity, Optimizer
from sklearn_hpo.optimizers._registry import OPTIMIZERS, make_optimizer
from sklearn_hpo.schedulers import Scheduler, make_scheduler
from sklearn_hpo.schedulers._registry import SCHEDULERS
from sklearn_hpo.search._history import warnings_of_fits
from sklearn_hpo.search._objectives import Objectives
from sklearn_hpo.search._points import check_names
from sklearn_hpo.search._results import Results
from sklearn_hpo.search._rungs import overture, write
from sklearn_hpo.search._start import check_known, make_start
from sklearn_hpo.search._task import make_setting, make_task, planned
from sklearn_hpo.search._tried import tried
from sklearn_hpo.search._types import (
    Auto,
    Candidates,
    GivenObjectives,
    OptimizerName,
    Refit,
    SchedulerName,
    Scoring,
    Space,
)
from sklearn_hpo.search._workers import (
    limit_folder_of,
    open_jobs,
    open_workers,
    warn_of_shared,
)
from sklearn_hpo.space import SearchSpace

# Candidates, if neither the user nor the scheduler says how many.
_N_ITER = 50
# Least share of the tested rows that a race goes on by.
_RACING_SHARE = 0.05


def _has_model(search):
    """Whether what proposed the candidates predicts scores; raise if not fitted."""
    check_is_fitted(search, "space_")
    return search._optimizer is not None


class SearchCV(BaseSearchCV):
    """Search of any optimizer and any scheduler, in the place of ``GridSearchCV``.

    The optimizer proposes candidates, and the scheduler says who is evaluated next, and
    how far. :class:`BayesSearchCV`, :class:`HyperbandSearchCV` and
    :class:`EvolutionarySearchCV` are this search with settings that suit each other;
    here all can be had together, and with optimizers and schedulers of your own.
    Everything around the choice of candidates is scikit-learn's.

    If the space has no more points than `n_iter`, all of them are evaluated, in the
    order of ``ParameterGrid``. No candidate is evaluated twice.

    .. versionadded:: 0.1

    Parameters
    ----------
    estimator : estimator object
        What is tuned. It needs a ``score`` method unless `scoring` is given. It is
        cloned, never changed.
    param_distributions : dict, list of dict or None, default=None
        From parameter names to lists of choices or distributions, as for
        ``GridSearchCV`` and ``RandomizedSearchCV``. A list holds any Python objects;
        one of sorted numbers is searched as an ordered scale. A distribution is a
        frozen one of ``scipy.stats`` or any object with an ``rvs`` method; its
        quantiles are the scale of the search, so a log-uniform one is searched on a log
        scale. Of a list of dicts, each candidate uses one dict. If there are no more
        points than candidates, all of them are evaluated.
    param_grid : dict, list of dict or None, default=None
        Another name for `param_distributions`, that of ``GridSearchCV``; exactly one of
        both is given.
    optimizer : str or Optimizer, default="auto"
        What proposes the candidates: one of :mod:`sklearn_hpo.optimizers`, or one of
        your own. A string stands for one with its default settings:

        - ``"auto"``: a Gaussian process and radial basis functions in turn;
        - ``"gp"``, ``"rbf"``, ``"forest"``, ``"tpe"``:
          :class:`~sklearn_hpo.optimizers.GaussianProcess`,
          :class:`~sklearn_hpo.optimizers.RBF`, :class:`~sklearn_hpo.optimizers.Forest`
          and :class:`~sklearn_hpo.optimizers.TPE`, which learn a model of the scores;
        - ``"de"``, ``"ga"``, ``"lshade"``, ``"cmaes"``, ``"regularized"``, ``"nsga2"``,
          ``"nsga3"``: evolution, as in :class:`EvolutionarySearchCV`;
        - ``"sobol"``: an even spread, deaf to all scores;
        - ``"random"``: independent draws, as in ``RandomizedSearchCV``.

        It is cloned, never changed; its settings are nested parameters, as
        ``optimizer__acquisition``.
    scheduler : str or Scheduler, default="full"
        Who is evaluated, and how far, before it is given up:

        - ``"full"``: every candidate, on all folds, with all of the resource;
        - ``"racing"``: fold by fold, until a candidate lies clearly behind the best;
        - ``"halving"``, ``"hyperband"``, ``"asha"``: as :class:`HyperbandSearchCV`
          says;
        - an object out of :mod:`sklearn_hpo.schedulers`, with settings, or one of your
          own. It is cloned, never changed.
    n_iter : int or "auto", default="auto"
        Number of candidates. ``"auto"`` is as many as the scheduler plans for, if it
        shares out a resource, else 50.
    resource : str, default="auto"
        What candidates get more or less of, if the scheduler gives them less than all:
        a parameter of the estimator, such as the number of its iterations,
        ``"partial_fit"``, ``"folds"``, ``"n_samples"``, or ``"auto"``, as
        :class:`HyperbandSearchCV` tells. With another scheduler this and the two
        amounts stay at ``"auto"``.
    min_resources : float or "auto", default="auto"
        What candidates start with, in units of the resource. ``"auto"`` is as many
        folds as have about a fifth of the tested rows, which is one of five; 1/27 of
        `max_resources` for forests and bagging, but 10 trees, or a third of them if
        they are fewer than 30, and 1/9 for other iterations and parameters; for rows
        1/9 of them, but 30 for each class and 20 for each feature, the latter up to
        500.
    max_resources : float or "auto", default="auto"
        What the best candidates get. ``"auto"`` is the estimator's own value of the
        parameter, all folds, or all rows.
    objectives : list of str or callable, or None, default=None
        Two or more goals at once, all to be maximised: names out of `scoring`
        (``"score"`` where that has no names); functions that get the model fitted on a
        training fold and return a number, which stands in ``cv_results_`` under the
        name of the function; ``"neg_fit_time"`` and ``"neg_score_time"``, the seconds
        of a fit and of its scoring with a minus. The search looks for their front,
        ``pareto_front_``; what `refit` says chooses the best of all candidates, and
        `n_iter_no_change` goes by the score that it names, or the first one. Times
        depend on the clock, so with them equal seeds give equal results no more.
        Optimizers and schedulers that go by one score are refused, and so are known
        scores in `warm_start_from`.
    scoring : str, callable, list, tuple, dict or None, default=None
        How a candidate is scored, as in ``GridSearchCV``. Of several scores the one
        that `refit` names guides the search; if it names none, the first.
    n_jobs : int or None, default=None
        Number of fits side by side, on the joblib backend that is active. None is 1
        unless ``joblib.parallel_config`` says otherwise; -1 is all processors.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all data at the end. With several scores,
        the name of the one that chooses it; a callable gets ``cv_results_`` and returns
        the index of the best. :func:`knee` makes one that looks at several scores, or
        `objectives`.
    cv : int, splitter, iterable or None, default=None
        The folds, as in ``GridSearchCV``: None is 5 folds, stratified for classifiers.
        They are drawn once, so all candidates meet the same ones.
    verbose : int, default=0
        1 writes the number of fits, or the plan, and each new best score, 2 each
        candidate and the time of each fit, 3 the scores of each fit too, 10 the
        beginning of each fit.
    pre_dispatch : int or str, default="2*n_jobs"
        Accepted for the sake of scikit-learn's signature, without effect: a fit is sent
        to a worker only when one is free.
    random_state : int, RandomState instance or None, default=None
        Seed of the candidates. With an int, each ``fit`` gives the same result, unless
        `deterministic` is False or the search goes by times, which are measured.
    error_score : "raise" or float, default=nan
        Score of a fit that fails. A candidate with a score that is not finite counts as
        worse than all others and is never repeated; a number is a score like any other.
        "raise" ends the search with the error of the fit.
    return_train_score : bool, default=False
        Whether ``cv_results_`` holds scores on the training folds.
    initial_candidates : list, "default" or None, default=None
        Candidates to evaluate before all others, counted in `n_iter`. Parameters that a
        dict leaves out are drawn at random. ``"default"`` is the estimator as it is:
        its own values, as far as the space has them; of the rest, continuous ranges are
        at their middle, integers and choices are drawn. None is the same if the
        optimizer learns and there is no `warm_start_from`; an empty list is no such
        candidate.
    warm_start_from : fitted search, dict, DataFrame, list of (dict, float) or None, \
            default=None
        An earlier search, ours or scikit-learn's, or its ``cv_results_``, on the same
        or on other data. Its best candidates, 3 at most, are evaluated first; the
        Gaussian process learns from its scores as from a related task, as far as the
        new scores agree with them; other optimizers do not. Of pairs ``(params,
        score)`` the scores are known on these very folds: the search learns from them
        without fitting them again, but for the best one, which is evaluated first.
    max_time : float or None, default=None
        Seconds that ``fit`` may take. No candidate is started that would, by the median
        of those before it, end too late for the refit, and no fit on a fold begins when
        the rest is for the refit: candidates that lack folds then are left out. A fit
        that has begun is not cut short, and one candidate is completed if none is by
        then.
    max_concurrent : int or "auto", default="auto"
        Number of candidates under way at once. Candidate ``t`` is chosen knowing
        exactly the results up to ``t - max_concurrent``, so for a given value the
        result is the same whatever `n_jobs`. ``"auto"`` is 1 for one worker, otherwise
        just enough to keep all workers busy.
    deterministic : bool or "auto", default="auto"
        Whether equal seeds must give equal results. If False, every result is used as
        soon as it is there, in whichever order fits end. ``"auto"`` is True but for
        ``"asha"``, which can't be.
    checkpoint : str, Path or None, default=None
        File to which each fit is written as soon as it has ended. If it exists, the
        search goes on where it stopped, and ends as if it had never been interrupted;
        with a larger `n_iter` it goes further. A file of another space, estimator,
        scoring, splits or data is refused. :func:`read_checkpoint` reads it. A folder
        (one that exists, or a name that ends in a slash) keeps a file for each search,
        as nested cross-validation needs it.
    fit_timeout : float or None, default=None
        Seconds that a candidate may take on one fold. The worker process of a fit that
        takes longer is ended and replaced, and the candidate has failed. Needs
        processes of this machine, as joblib's "loky"; one job has one, too.
    fit_memory_limit : int or None, default=None
        Bytes by which the memory of a worker process may grow during a fit. As
        `fit_timeout`, on Linux.
    cache_transformers : bool, default=True
        Whether candidates whose transformers have equal parameters share them, fitted
        once on each fold, if `estimator` is a ``Pipeline`` without `memory`. Scores
        stay the same to the last bit: only transformers of scikit-learn are shared, and
        none that draws random numbers without a seed. ``fit_time`` in ``cv_results_``
        is what was spent, so nothing is shared if `refit` is a callable other than a
        :func:`knee` of scores, or `objectives` holds a time or a function, nor with
        `fit_memory_limit`.
    n_iter_no_change : int or None, default=None
        End the search after so many candidates in a row that do not raise the best
        score by more than `tol`. Not with a scheduler that shares out a resource.
    tol : float, default=0.0
        The least rise of the best score that counts, in units of the score.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        Scores, times and parameters of each candidate, with the keys and dtypes of
        ``RandomizedSearchCV``; where a resource is shared out, as
        :class:`HyperbandSearchCV` has them.
    best_estimator_ : estimator object
        The estimator refitted with the best parameters; if `refit` is not False.
    best_score_ : float
        Mean cross-validated score of the best candidate; not if `refit` is a callable.
    best_params_ : dict
        Parameters of the best candidate.
    best_index_ : int
        Its row in ``cv_results_``.
    scorer_ : callable or dict of callable
        What scored the held-out folds.
    n_splits_ : int
        Number of folds.
    pareto_front_ : ndarray of shape (n_front,), int
        With `objectives`, the rows of ``cv_results_`` that no other row dominates, in
        ascending order; none of a candidate that failed on a fold.
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
        Whether there are several scores.
    resource_ : str
        The resource that was shared out; this and all up to `n_remaining_candidates_`
        only if one was.
    plan_ : dict of list
        What was planned, as :meth:`HyperbandSearchCV.plan` returns it, but with costs
        as measured on the first candidate where models go on.
    min_resources_, max_resources_ : int or float
        What candidates started with, and the most that they got.
    n_resources_ : list of int or float
        The resource on each rung.
    n_candidates_ : list of int
        Number of candidates evaluated on each rung.
    n_iterations_ : int
        Number of rungs that were reached.
    n_possible_iterations_ : int
        Number of rungs between `min_resources` and `max_resources`.
    n_required_iterations_ : int
        Number of rungs after which fewer candidates than the scheduler's ``factor``
        would be left.
    n_remaining_candidates_ : int
        Number of candidates that would go on after the last rung.
    history_ : dict of list
        One entry a candidate, and a rung, in the order of proposals, as in
        :class:`BayesSearchCV`, :class:`EvolutionarySearchCV` and
        :class:`HyperbandSearchCV`. ``pandas.DataFrame`` takes it as it is.
    space_ : SearchSpace
        The space that was searched.
    n_candidates_evaluated_ : int
        Number of candidates evaluated; equal ones of a grid count once.
    classes_ : ndarray of shape (n_classes,)
        Class labels; if `estimator` is a classifier and `refit` is not False.
    n_features_in_ : int
        Number of features seen in ``fit``, if the best estimator tells.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in ``fit``, if the best estimator tells.

    See Also
    --------
    BayesSearchCV : Few, well-chosen candidates.
    HyperbandSearchCV : Many candidates, of which few get all of a resource.
    EvolutionarySearchCV : Populations of candidates that breed.

    Notes
    -----
    An interrupt (Ctrl-C) ends the search early: ``fit`` refits the best candidate so
    far, warns, and returns. With a scheduler that shares out a resource, an optimizer
    that can't tell scores of different rungs apart learns from one rung at a time, as
    :class:`~sklearn_hpo.optimizers.MultiFidelity` says.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sklearn_hpo import SearchCV
    >>> from sklearn_hpo.optimizers import GaussianProcess
    >>> search = SearchCV(
    ...     SVC(),
    ...     {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)},
    ...     optimizer=GaussianProcess(acquisition="log_ei"),
    ...     scheduler="racing",
    ...     n_iter=12,
    ...     random_state=0,
    ... )
    >>> search.set_params(optimizer__n_initial_points=6).optimizer
    GaussianProcess(acquisition='log_ei', n_initial_points=6)
    >>> search = search.fit(*load_iris(return_X_y=True))
    >>> bool(search.best_score_ > 0.97)
    True
    """

    _parameter_constraints = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list, None],
        "param_grid": [dict, list, None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer],
        "scheduler": [StrOptions(set(SCHEDULERS)), Scheduler],
        "n_iter": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "resource": [str],
        "min_resources": [
            StrOptions({"auto"}),
            Interval(numbers.Real, 0, None, closed="neither"),
        ],
        "max_resources": [
            StrOptions({"auto"}),
            Interval(numbers.Real, 0, None, closed="neither"),
        ],
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
    # where there are several objectives
    pareto_front_: NDArray[np.intp]
    # where a resource is shared out
    resource_: str
    plan_: dict[str, list[Any]]
    min_resources_: float
    max_resources_: float
    n_resources_: list[float]
    n_candidates_: list[int]
    n_iterations_: int
    n_possible_iterations_: int
    n_required_iterations_: int
    n_remaining_candidates_: int
    _optimizer: Any
    _resource_names: set[str]
    _best_budget: float

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | None = None,
        *,
        param_grid: Space | None = None,
        optimizer: OptimizerName | Optimizer = "auto",
        scheduler: SchedulerName | Scheduler = "full",
        n_iter: int | Auto = "auto",
        resource: str = "auto",
        min_resources: float | Auto = "auto",
        max_resources: float | Auto = "auto",
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
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.n_iter = n_iter
        self.resource = resource
        self.min_resources = min_resources
        self.max_resources = max_resources
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

    def _own_optimizer(self):
        """Return an optimizer as the user has set it, never the user's own object."""
        n_objectives = len(self.objectives or [None])
        return with_python_numbers(make_optimizer(self.optimizer, n_objectives))

    def _make_optimizer(self, scheduler):
        """Return the optimizer, not started, which tells budgets apart if need be."""
        optimizer = self._own_optimizer()
        if scheduler.uses_rungs and not optimizer.multi_fidelity:
            return MultiFidelity(optimizer=optimizer)
        return optimizer

    def _make_scheduler(self):
        """Return the scheduler, not started, if the other settings suit it."""
        scheduler = make_scheduler(self.scheduler)
        given = f"scheduler={self.scheduler!r}"
        if self.deterministic is True and not scheduler.deterministic:
            raise ValueError(
                f"{given} promotes whoever is ahead when a worker is free, so its "
                "result depends on timing; leave deterministic at 'auto', or set "
                "scheduler='halving'."
            )
        competes = scheduler.one_score or scheduler.uses_rungs
        if competes and self.objectives is not None:
            raise ValueError(
                f"{given} compares candidates by one score, so it can't be had with "
                "objectives; leave it at 'full'."
            )
        if scheduler.one_score and (
            callable(self.refit)
            or (self.refit is False and isinstance(self.scoring, list | tuple | dict))
        ):
            raise ValueError(
                f"{given} needs one score to compare candidates by, but refit="
                f"{self.refit!r}; let refit be the name of the score."
            )
        if scheduler.uses_rungs and self.n_iter_no_change is not None:
            raise ValueError(
                f"{given} gives most candidates less than all of the resource, so "
                "n_iter_no_change can't tell when the best score no longer rises; "
                "leave it None, and set max_time."
            )
        if not scheduler.uses_rungs:
            self._check_whole(scheduler)
        return with_python_numbers(scheduler)

    def _check_whole(self, scheduler):
        """Raise if a resource is to be shared out by a scheduler that does not."""
        amounts = ("resource", "min_resources", "max_resources")
        given = {name: getattr(self, name) for name in amounts}
        useless = [name for name, value in given.items() if value != "auto"]
        if useless:
            way = "fold by fold" if scheduler.by_fold else "with all of the resource"
            raise ValueError(
                f"scheduler={self.scheduler!r} evaluates candidates {way}, so "
                f"{useless[0]}={given[useless[0]]!r} has no use: leave it at 'auto', "
                "or take a scheduler with rungs, such as 'halving'."
            )

    def _make_resource(self, data, scheduler):
        """Return what the candidates get more or less of."""
        if scheduler.uses_rungs:
            name = "folds" if scheduler.by_fold else self.resource
            return choose_resource(name, self.min_resources, self.max_resources, data)
        if not scheduler.by_fold:
            return Resource("folds", 1, len(data.splits))
        y = data.y if is_classifier(self.estimator) and np.ndim(data.y) == 1 else None
        return folds_of(data.splits, num_samples(data.X), y, _RACING_SHARE)

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
        scheduler = self._make_scheduler()
        optimizer = self._make_optimizer(scheduler)
        resource = self._make_resource(data, scheduler)
        scheduler.start(
            make_setting(
                resource,
                space,
                len(problem.splits),
                learns=optimizer.learns,
                n_candidates=self._n_asked(scheduler),
            )
        )
        check_known(self, scheduler)
        problem = planned(problem, resource, scheduler, space)
        return space, problem, optimizer, scheduler

    def _n_asked(self, scheduler):
        """Return how many candidates to plan for; None if the scheduler shall say."""
        if self.n_iter != "auto":
            return self.n_iter
        return None if scheduler.uses_rungs else _N_ITER

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
        deterministic = scheduler.deterministic
        if self.deterministic != "auto":
            deterministic = self.deterministic
        return TellOrder(concurrent, bool(deterministic) and not free)

    def _stopping(self, problem, began):
        """Return the rules that end the study early."""
        n_train = np.mean([len(train) for train, _ in problem.splits])
        return Stopping(
            deadline=math.inf if self.max_time is None else began + self.max_time,
            refit_factor=num_samples(problem.X) / n_train if self.refit else 0.0,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
        )

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
            If there are several, of which `refit` names none, as it is a callable.
        """
        if getattr(self, "multimetric_", False) and callable(self.refit):
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
    """Let parameters that are NumPy scalars be Python's within the block."""
    given = {
        name: value
        for name, value in search.get_params(deep=False).items()
        if isinstance(value, np.generic)
    }
    try:
        for name, value in given.items():
            setattr(search, name, python_number(value))
        yield
    finally:
        for name, value in given.items():
            setattr(search, name, value)


def with_python_numbers(part):
    """Return an optimizer or a scheduler, and all in it, without scalars of NumPy."""
    for name, value in part.get_params(deep=False).items():
        if isinstance(value, np.generic):
            setattr(part, name, python_number(value))
        for inner in value if isinstance(value, list | tuple) else [value]:
            if isinstance(inner, Optimizer | Scheduler):
                with_python_numbers(inner)
    return part


def python_number(value):
    """Return a scalar of NumPy as one of Python's.

    NumPy's integers overflow, have no negative powers and no ``bit_length``.
    """
    # `item` leaves a long double as it is
    return float(value) if isinstance(value, np.floating) else value.item()
