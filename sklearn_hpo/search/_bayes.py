"""BayesSearchCV: few, well-chosen candidates."""

import numbers
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from sklearn_hpo._evaluation.resources import folds_of
from sklearn_hpo._sklearn_compat import Interval, StrOptions, num_samples
from sklearn_hpo.optimizers import (
    RBF,
    DifferentialEvolution,
    GaussianProcess,
    HypervolumeGP,
    Portfolio,
)
from sklearn_hpo.optimizers._bayesian import Acquisition
from sklearn_hpo.optimizers._registry import make_optimizer
from sklearn_hpo.schedulers import make_scheduler
from sklearn_hpo.search._base import SearchCV
from sklearn_hpo.search._types import (
    Candidates,
    GivenObjectives,
    Refit,
    Scoring,
    Space,
)

Surrogate: TypeAlias = Literal["auto", "gp", "rbf", "forest", "tpe", "sobol", "random"]
# Least share of the tested rows that a race goes on by.
_RACING_SHARE = 0.05


class BayesSearchCV(SearchCV):
    """Bayesian search with cross-validation, in the place of ``GridSearchCV``.

    A model learns from the candidates evaluated so far where the score is likely to
    rise, and proposes the next one there [1]_ [2]_. Everything around the choice of
    candidates is scikit-learn's: ``fit``, ``predict``, ``cv_results_``,
    ``best_estimator_``, metadata routing, callbacks, nested cross-validation.

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
    n_iter : int, default=50
        Number of candidates.
    surrogate : {"auto", "gp", "rbf", "forest", "tpe", "sobol", "random"}, \
            default="auto"
        What proposes the candidates:

        - ``"auto"``: a Gaussian process and radial basis functions in turn;
        - ``"gp"``: a Gaussian process [1]_ [2]_;
        - ``"rbf"``: cubic radial basis functions with dynamic coordinate search [3]_,
          at a fraction of the cost;
        - ``"forest"``: extremely randomised trees, in the manner of SMAC [4]_;
        - ``"tpe"``: the multivariate tree-structured Parzen estimator [5]_;
        - ``"sobol"``: an even spread, deaf to all scores;
        - ``"random"``: independent draws, as in ``RandomizedSearchCV``.
    acquisition : {"auto", "log_ei", "log_noisy_ei", "log_pi", "ucb", "thompson", \
            "log_ei_per_second"}, default="auto"
        What the Gaussian process looks for in a candidate. All but ``"auto"`` are its
        alone: `surrogate` must be ``"gp"``, or ``"auto"``, which then means the same.

        - ``"auto"``: the expected improvement on the best score so far and a margin
          that shrinks to nothing at `n_iter`; where scores repeat, a wider search;
        - ``"log_ei"``: the expected improvement [7]_ on the best posterior mean;
        - ``"log_noisy_ei"``: the expected improvement averaged over what the scores may
          be without noise [8]_, for estimators or folds that differ from fit to fit;
        - ``"log_pi"``: the probability of an improvement by that margin;
        - ``"ucb"``: the upper confidence bound, 1.8 deviations above the mean [9]_;
        - ``"thompson"``: the best of a function drawn from the posterior [10]_;
        - ``"log_ei_per_second"``: the expected improvement for each second of fitting
          [2]_, by a second process that learns the times in the same search. As
          measured times differ from run to run, so do the candidates.
    n_initial_points : int or "auto", default="auto"
        Number of candidates before the surrogate takes over, which have the choices of
        each parameter, and the dicts, equally often, and numbers evenly spread. The
        first one is the estimator as it is (see `initial_candidates`). ``"auto"`` is 2
        more than a third of the columns of the space, those of each dict counted, at
        most a quarter of `n_iter`, but at least 4.
    racing : bool, default=False
        Whether to evaluate candidates fold by fold, and to stop one that lies clearly
        behind the best so far: whose mean is below the best one's worst fold, or who is
        behind on the same folds by more than the usual scatter of such differences
        [6]_. It saves fits; ``cv_results_`` then has NaN in the folds that were not
        run, and in the mean of such a candidate, which is never the best. Needs 3 folds
        or more, and one score to go by.
    objectives : list of str or callable, or None, default=None
        Two or more goals at once, all to be maximised: names out of `scoring`
        (``"score"`` where that has no names); functions that get the model fitted on a
        training fold and return a number, which stands in ``cv_results_`` under the
        name of the function; ``"neg_fit_time"`` and ``"neg_score_time"``, the seconds
        of a fit and of its scoring with a minus. Each has a Gaussian process of its
        own, and a candidate is the one that is expected to add the most volume to their
        front [11]_; with ``surrogate="auto"`` every other one is bred, as in
        :class:`EvolutionarySearchCV`. The front is ``pareto_front_``; what `refit` says
        chooses the best of all candidates, and `n_iter_no_change` goes by the score
        that it names, or the first one. Times depend on the clock, so with them equal
        seeds give equal results no more. Known scores in `initial_candidates`,
        `racing`, and other surrogates and acquisitions are refused.
    scoring : str, callable, list, tuple, dict or None, default=None
        How a candidate is scored, as in ``GridSearchCV``. Of several scores the one
        that `refit` names guides the search; if it names none, the first.
    n_jobs : int or None, default=None
        Number of fits side by side, on the joblib backend that is active. None is 1
        unless ``joblib.parallel_config`` says otherwise; -1 is all processors.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all data at the end. With several scores,
        the name of the one that chooses it; a callable gets ``cv_results_`` and returns
        the index of the best. With `objectives`, ``"knee"`` takes the member of the
        front that is farthest below the plane through the best ones of each objective,
        in ranges of the front [12]_ [13]_.
    cv : int, splitter, iterable or None, default=None
        The folds, as in ``GridSearchCV``: None is 5 folds, stratified for classifiers.
        They are drawn once, so all candidates meet the same ones.
    verbose : int, default=0
        1 writes the number of fits and each new best score, 2 each candidate and the
        time of each fit, 3 the scores of each fit too, 10 the beginning of each fit.
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
        at their middle, integers and choices are drawn. None is the same if a surrogate
        learns and there is no `warm_start_from`; an empty list is no such candidate. A
        pair ``(params, score)`` is a whole candidate whose score on these folds is
        known: the search learns from it without fitting it again, but for the best of
        them, which is evaluated first.
    warm_start_from : fitted search, dict, DataFrame or None, default=None
        An earlier search, ours or scikit-learn's, or its ``cv_results_``, on the same
        or on other data. Its best candidates, 3 at most, are evaluated first; the
        Gaussian process learns from its scores as from a related task, as far as the
        new scores agree with them; other surrogates do not.
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
        soon as it is there, in whichever order fits end. ``"auto"`` is True.
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
        is what was spent, so nothing is shared if `refit` is a callable or `objectives`
        holds a time or a function, nor with `fit_memory_limit`.
    n_iter_no_change : int or None, default=None
        End the search after so many candidates in a row that do not raise the best
        score by more than `tol`.
    tol : float, default=0.0
        The least rise of the best score that counts, in units of the score.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        Scores, times and parameters of each candidate, with the keys and dtypes of
        ``RandomizedSearchCV``.
    best_estimator_ : estimator object
        The estimator refitted with the best parameters; if `refit` is not False.
    best_score_ : float
        Mean cross-validated score of the best candidate; not if `refit` is a callable
        or ``"knee"``.
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
    history_ : dict of list
        One entry a candidate, in the order of proposals, those included that an
        interrupt left incomplete: ``candidate``, ``params``, ``source`` ("initial",
        "estimator", "design" or what proposed it), ``score``, ``status`` ("complete",
        "stopped" by racing, "failed" or "incomplete"), ``n_folds`` evaluated,
        ``best_score`` so far, ``proposal_time`` in seconds, ``start`` and ``end`` in
        seconds since the epoch; with `objectives` ``hypervolume``, the volume of
        objectives that the front so far dominates, up to the worst value of each in the
        initial design. ``pandas.DataFrame`` takes it as it is.
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
    sklearn.model_selection.GridSearchCV : Evaluates every point of a grid.
    sklearn.model_selection.RandomizedSearchCV : Evaluates random draws.

    Notes
    -----
    An interrupt (Ctrl-C) ends the search early: ``fit`` refits the best candidate so
    far, warns, and returns. If a callback registered with ``set_callbacks``
    (scikit-learn 1.9 or newer) returns True at the end of a fit, no new candidate is
    started. Each fit of a candidate on a fold is a task named
    "candidate-split-evaluation", whose ``task_id`` is the number of the candidate times
    ``n_splits_`` plus the number of the fold.

    References
    ----------
    .. [1] D. R. Jones, M. Schonlau and W. J. Welch, "Efficient global optimization of
       expensive black-box functions", Journal of Global Optimization 13, 1998.
    .. [2] J. Snoek, H. Larochelle and R. P. Adams, "Practical Bayesian optimization of
       machine learning algorithms", NeurIPS 2012.
    .. [3] R. G. Regis and C. A. Shoemaker, "Combining radial basis function surrogates
       and dynamic coordinate search in high-dimensional expensive black-box
       optimization", Engineering Optimization 45, 2013.
    .. [4] F. Hutter, H. H. Hoos and K. Leyton-Brown, "Sequential model-based
       optimization for general algorithm configuration", LION 5, 2011.
    .. [5] J. Bergstra, R. Bardenet, Y. Bengio and B. Kégl, "Algorithms for
       hyper-parameter optimization", NeurIPS 2011.
    .. [6] E. Bergman, L. Purucker and F. Hutter, "Don't waste your time: early stopping
       cross-validation", AutoML Conference 2024.
    .. [7] S. Ament, S. Daulton, D. Eriksson, M. Balandat and E. Bakshy, "Unexpected
       improvements to expected improvement for Bayesian optimization", NeurIPS 2023.
    .. [8] B. Letham, B. Karrer, G. Ottoni and E. Bakshy, "Constrained Bayesian
       optimization with noisy experiments", Bayesian Analysis 14, 2019.
    .. [9] X. Song et al., "The Vizier Gaussian process bandit algorithm",
       arXiv:2408.11527, 2024.
    .. [10] K. Kandasamy, A. Krishnamurthy, J. Schneider and B. Póczos, "Parallelised
       Bayesian optimisation via Thompson sampling", AISTATS 2018.
    .. [11] M. Emmerich, A. Deutz and J. W. Klinkenberg, "Hypervolume-based expected
       improvement: monotonicity properties and exact computation", IEEE CEC 2011.
    .. [12] I. Das, "On characterizing the 'knee' of the Pareto curve based on
       normal-boundary intersection", Structural Optimization 18, 1999.
    .. [13] J. Branke, K. Deb, H. Dierolf and M. Osswald, "Finding knees in
       multi-objective optimization", PPSN VIII, 2004.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sklearn_hpo import BayesSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = BayesSearchCV(
    ...     SVC(),
    ...     {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)},
    ...     n_iter=12,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> bool(search.best_score_ > 0.97)
    True
    >>> len(search.cv_results_["params"])
    12
    """

    pareto_front_: NDArray[np.intp]

    _parameter_constraints = {
        **SearchCV._parameter_constraints,
        "n_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "surrogate": [StrOptions(set(get_args(Surrogate)))],
        "acquisition": [StrOptions(set(get_args(Acquisition)))],
        "n_initial_points": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "racing": ["boolean"],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | None = None,
        *,
        param_grid: Space | None = None,
        n_iter: int = 50,
        surrogate: Surrogate = "auto",
        acquisition: Acquisition = "auto",
        n_initial_points: int | Literal["auto"] = "auto",
        racing: bool = False,
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
            param_distributions=param_distributions,
            param_grid=param_grid,
            objectives=objectives,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
            initial_candidates=initial_candidates,
            warm_start_from=warm_start_from,
            max_time=max_time,
            max_concurrent=max_concurrent,
            deterministic=deterministic,
            checkpoint=checkpoint,
            fit_timeout=fit_timeout,
            fit_memory_limit=fit_memory_limit,
            cache_transformers=cache_transformers,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
        )
        self.n_iter = n_iter
        self.surrogate = surrogate
        self.acquisition = acquisition
        self.n_initial_points = n_initial_points
        self.racing = racing

    def _make_optimizer(self):
        n_objectives = len(self.objectives or [None])
        if self.acquisition != "auto":
            if self.surrogate not in ("auto", "gp"):
                raise ValueError(
                    f"acquisition={self.acquisition!r} needs a Gaussian process, but "
                    f"surrogate={self.surrogate!r}; set surrogate='gp', or "
                    "acquisition='auto'."
                )
            return GaussianProcess(
                acquisition=self.acquisition, n_initial_points=self.n_initial_points
            )
        size = {"n_initial_points": self.n_initial_points}
        if self.surrogate == "auto" and self.n_initial_points != "auto":
            if n_objectives == 1:
                return Portfolio(members=[GaussianProcess(**size), RBF(**size)])
            return Portfolio(members=[HypervolumeGP(**size), DifferentialEvolution()])
        optimizer = make_optimizer(self.surrogate, n_objectives)
        if "n_initial_points" in optimizer.get_params():
            optimizer.set_params(**size)
        return optimizer

    def _make_resource(self, data):
        if not self.racing:
            return super()._make_resource(data)
        y = data.y if is_classifier(self.estimator) and np.ndim(data.y) == 1 else None
        return folds_of(data.splits, num_samples(data.X), y, _RACING_SHARE)

    def _make_scheduler(self):
        scheduler = make_scheduler("racing" if self.racing else "full")
        if scheduler.one_score and self.objectives is not None:
            raise ValueError(
                "racing=True compares candidates by one score, so it can't be had with "
                "objectives; leave it False."
            )
        if scheduler.one_score and (
            callable(self.refit)
            or (self.refit is False and isinstance(self.scoring, list | tuple | dict))
        ):
            raise ValueError(
                f"racing=True needs one score to compare candidates by, but refit="
                f"{self.refit!r}; let refit be the name of the score."
            )
        return scheduler
