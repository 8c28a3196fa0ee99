"""EvolutionarySearchCV: populations of candidates that breed."""

import numbers
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._sklearn_compat import Interval, StrOptions
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

Algorithm: TypeAlias = Literal[
    "auto", "de", "lshade", "ga", "cmaes", "nsga2", "nsga3", "regularized"
]


class EvolutionarySearchCV(SearchCV):
    """Evolutionary search with cross-validation, in the place of ``GridSearchCV``.

    A small population of good candidates breeds new ones by crossover and mutation
    [1]_ [2]_ [3]_. By default many children are bred each time, and a surrogate, an
    interpolant of the scores so far, chooses the one to evaluate [4]_: that saves most
    of the fits that evolution is known to waste. There are no generations to wait for.
    Everything around the choice of candidates is scikit-learn's: ``fit``, ``predict``,
    ``cv_results_``, ``best_estimator_``, metadata routing, callbacks, nested
    cross-validation.

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
    n_iter : int, default=100
        Number of candidates.
    algorithm : {"auto", "de", "lshade", "ga", "cmaes", "nsga2", "nsga3", \
            "regularized"}, default="auto"
        How candidates breed:

        - ``"auto"``: differential evolution; but covariance matrix adaptation from 1000
          candidates on, if all parameters are continuous, `crossover` and `mutation`
          are ``"auto"``, and there is one objective; NSGA-III from 3 objectives on;
        - ``"de"``: differential evolution [1]_, which steps along differences of
          members; half of the children that a surrogate screens are drawn to one of the
          best members only in part [5]_. With `objectives`, members rank as in NSGA-II;
        - ``"lshade"``: differential evolution that learns CR and F from the children
          that beat their parents, and whose population shrinks linearly to 4 members by
          the end of `n_iter` [9]_. It pays from a thousand candidates on, without a
          surrogate and where parameters depend on each other;
        - ``"ga"``: a genetic algorithm [2]_ with tournaments of three, simulated binary
          crossover and polynomial mutation of numbers, uniform crossover and new draws
          of choices;
        - ``"cmaes"``: covariance matrix adaptation [6]_, which draws all candidates
          from a distribution that learns the scales and correlations of parameters, and
          starts anew with twice the population when it has converged; integers and
          choices keep a least probability to change [7]_. It pays from some hundred
          candidates on;
        - ``"nsga2"``: NSGA-II [2]_, the same genetic algorithm for `objectives`, whose
          members rank by fronts and by their distance from others;
        - ``"nsga3"``: NSGA-III [10]_, the same but that members of a front rank by how
          full their niche is, about the nearest of directions that are spread evenly;
        - ``"regularized"``: regularised evolution [3]_, which mutates one parameter of
          the best of a few members, and drops the oldest member, not the worst: made
          for noisy scores and many choices.
    population_size : int or "auto", default="auto"
        Number of members, at least 4. They begin with the estimator as it is (see
        `initial_candidates`) and with candidates that have the choices of each
        parameter, and the dicts, equally often, and numbers evenly spread. ``"auto"``
        is the square root of `n_iter`, but 8 at least and 24 at most. After 3 times as
        many candidates without a better score, the worse half makes room for new draws;
        with ``"lshade"``, where this is the number at first, it does not. With
        ``"cmaes"`` it is the number of candidates that it learns from at a time, by
        default 4 and 3 times the logarithm of the number of parameters. With
        `objectives` it is by default a sixth of `n_iter`, but 8 at least and 24 at
        most, and no member makes room.
    surrogate : {"rbf"} or None, default="rbf"
        What chooses among the children of each turn: cubic radial basis functions,
        which weigh the score that they expect against the distance from all candidates
        so far; or None, for plain evolution. ``"cmaes"`` uses none. Of `objectives` it
        learns another weighted mixture each turn [8]_.
    crossover : float or "auto", default="auto"
        With ``"de"`` the probability CR that a parameter comes from the mutant; with
        the genetic algorithms that of a child to have two parents. ``"auto"`` is 0.5
        and 0.9; 0.3, 0.6 or 0.9 for the children of ``"de"`` that a surrogate screens.
    mutation : float or "auto", default="auto"
        With ``"de"`` the factor F of differences, up to 2; with the genetic algorithms
        the probability that a parameter mutates. ``"auto"`` is 0.5 and one in the
        number of parameters; 0.3, 0.5 or 0.8 for the children of ``"de"`` that a
        surrogate screens.
    objectives : list of str or callable, or None, default=None
        Two or more goals at once, all to be maximised: names out of `scoring`
        (``"score"`` where that has no names); functions that get the model fitted on a
        training fold and return a number, which stands in ``cv_results_`` under the
        name of the function; ``"neg_fit_time"`` and ``"neg_score_time"``, the seconds
        of a fit and of its scoring with a minus. The search looks for their front,
        ``pareto_front_``; what `refit` says chooses the best of all candidates, and
        `n_iter_no_change` goes by the score that it names, or the first one. Times
        depend on the clock, so with them equal seeds give equal results no more. Known
        scores in `initial_candidates` are refused.
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
        in ranges of the front [11]_ [12]_.
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
        Candidates to evaluate before all others, counted in `n_iter`: the founders of
        the population. Parameters that a dict leaves out are drawn at random.
        ``"default"`` is the estimator as it is: its own values, as far as the space has
        them; of the rest, continuous ranges are at their middle, integers and choices
        are drawn. None is the same if there is no `warm_start_from`; an empty list is
        no such candidate. A pair ``(params, score)`` is a whole candidate whose score
        on these folds is known: the search learns from it without fitting it again, but
        for the best of them, which is evaluated first.
    warm_start_from : fitted search, dict, DataFrame or None, default=None
        An earlier search, ours or scikit-learn's, or its ``cv_results_``, on the same
        or on other data. Its best candidates, 3 at most, are evaluated first.
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
        "estimator", "design" or the algorithm), ``score``, ``status`` ("complete",
        "failed" or "incomplete"), ``n_folds`` evaluated, ``best_score`` so far,
        ``proposal_time`` in seconds, ``start`` and ``end`` in seconds since the epoch;
        but for ``"cmaes"`` ``diversity``, the mean distance of two members of the
        population after the candidate, over parameters: the difference of numbers on
        the scale of the space, from 0 to 1, and 1 for different choices; with
        `objectives` ``hypervolume``, the volume of objectives that the front so far
        dominates, up to the worst value of each in the first population.
        ``pandas.DataFrame`` takes it as it is.
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
    BayesSearchCV : Fewer candidates, each chosen with more thought.
    sklearn.model_selection.RandomizedSearchCV : Evaluates random draws.

    Notes
    -----
    An interrupt (Ctrl-C) ends the search early: ``fit`` refits the best candidate so
    far, warns, and returns. Callbacks (scikit-learn 1.9 or newer) see the same tasks as
    those of ``BayesSearchCV``.

    A candidate competes for its place in the population with the member that holds it,
    and otherwise with the worst; ties go to the newer one. Of a list of dicts, a child
    inherits the parameters that only one of its parents has together with its dict.

    References
    ----------
    .. [1] R. Storn and K. Price, "Differential evolution: a simple and efficient
       heuristic for global optimization over continuous spaces", Journal of Global
       Optimization 11, 1997.
    .. [2] K. Deb, A. Pratap, S. Agarwal and T. Meyarivan, "A fast and elitist
       multiobjective genetic algorithm: NSGA-II", IEEE Transactions on Evolutionary
       Computation 6, 2002.
    .. [3] E. Real, A. Aggarwal, Y. Huang and Q. V. Le, "Regularized evolution for image
       classifier architecture search", AAAI 2019.
    .. [4] Y. Jin, "Surrogate-assisted evolutionary computation: recent advances and
       future challenges", Swarm and Evolutionary Computation 1, 2011.
    .. [5] J. Zhang and A. C. Sanderson, "JADE: adaptive differential evolution with
       optional external archive", IEEE Transactions on Evolutionary Computation 13,
       2009.
    .. [6] N. Hansen, "The CMA evolution strategy: a tutorial", arXiv:1604.00772, 2016.
    .. [7] R. Hamano, S. Saito, M. Nomura and S. Shirakawa, "CMA-ES with margin:
       lower-bounding marginal probability for mixed-integer black-box optimization",
       GECCO 2022.
    .. [8] J. Knowles, "ParEGO: a hybrid algorithm with on-line landscape approximation
       for expensive multiobjective optimization problems", IEEE Transactions on
       Evolutionary Computation 10, 2006.
    .. [9] R. Tanabe and A. S. Fukunaga, "Improving the search performance of SHADE
       using linear population size reduction", CEC 2014.
    .. [10] K. Deb and H. Jain, "An evolutionary many-objective optimization algorithm
       using reference-point-based nondominated sorting approach, part I", IEEE
       Transactions on Evolutionary Computation 18, 2014.
    .. [11] I. Das, "On characterizing the 'knee' of the Pareto curve based on
       normal-boundary intersection", Structural Optimization 18, 1999.
    .. [12] J. Branke, K. Deb, H. Dierolf and M. Osswald, "Finding knees in
       multi-objective optimization", PPSN VIII, 2004.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sklearn_hpo import EvolutionarySearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = EvolutionarySearchCV(
    ...     SVC(),
    ...     {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)},
    ...     n_iter=20,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> bool(search.best_score_ > 0.97)
    True
    >>> len(search.cv_results_["params"])
    20
    """

    pareto_front_: NDArray[np.intp]

    _parameter_constraints = {
        **SearchCV._parameter_constraints,
        "n_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "algorithm": [StrOptions(set(get_args(Algorithm)))],
        "population_size": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 4, None, closed="left"),
        ],
        "surrogate": [StrOptions({"rbf"}), None],
        "crossover": [
            StrOptions({"auto"}),
            Interval(numbers.Real, 0, 1, closed="both"),
        ],
        "mutation": [StrOptions({"auto"}), Interval(numbers.Real, 0, 2, closed="both")],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | None = None,
        *,
        param_grid: Space | None = None,
        n_iter: int = 100,
        algorithm: Algorithm = "auto",
        population_size: int | Literal["auto"] = "auto",
        surrogate: Literal["rbf"] | None = "rbf",
        crossover: float | Literal["auto"] = "auto",
        mutation: float | Literal["auto"] = "auto",
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
        self.algorithm = algorithm
        self.population_size = population_size
        self.surrogate = surrogate
        self.crossover = crossover
        self.mutation = mutation

    def _make_optimizer(self):
        rates = {"crossover": self.crossover, "mutation": self.mutation}
        settings = {
            "population_size": self.population_size,
            "screening": self.surrogate,
        }
        optimizer = make_optimizer(
            "evolution" if self.algorithm == "auto" else self.algorithm
        )
        known = optimizer.get_params()
        if "mutation" not in known and not self.crossover == self.mutation == "auto":
            raise ValueError(
                f"algorithm={self.algorithm!r} has no use for crossover="
                f"{self.crossover!r} and mutation={self.mutation!r}; leave both at "
                "'auto'."
            )
        given = {**settings, **rates}
        return optimizer.set_params(**{name: given[name] for name in known})

    def _make_scheduler(self):
        return make_scheduler("full")
