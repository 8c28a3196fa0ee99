"""BayesSearchCV: few, well-chosen candidates."""

import numbers
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from sklearn_hpo._sklearn_compat import Interval, StrOptions
from sklearn_hpo.optimizers import Optimizer
from sklearn_hpo.schedulers import Scheduler
from sklearn_hpo.search._base import SearchCV
from sklearn_hpo.search._types import (
    Candidates,
    GivenObjectives,
    Refit,
    Scoring,
    Space,
    Surrogate,
)


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
    optimizer : {"auto", "gp", "rbf", "forest", "tpe", "sobol", "random"} or \
            Optimizer, default="auto"
        What proposes the candidates:

        - ``"auto"``: a Gaussian process and radial basis functions in turn;
        - ``"gp"``: a Gaussian process,
          :class:`~sklearn_hpo.optimizers.GaussianProcess`, which has other acquisitions
          too;
        - ``"rbf"``: cubic radial basis functions with dynamic coordinate search, at a
          fraction of the cost, :class:`~sklearn_hpo.optimizers.RBF`;
        - ``"forest"``: extremely randomised trees, in the manner of SMAC,
          :class:`~sklearn_hpo.optimizers.Forest`;
        - ``"tpe"``: the multivariate tree-structured Parzen estimator,
          :class:`~sklearn_hpo.optimizers.TPE`;
        - ``"sobol"``: an even spread, deaf to all scores;
        - ``"random"``: independent draws, as in ``RandomizedSearchCV``;
        - an object out of :mod:`sklearn_hpo.optimizers`, with settings, or one of your
          own. It is cloned, never changed; its settings are nested parameters, as
          ``optimizer__acquisition``.
    scheduler : {"full", "racing"} or Scheduler, default="full"
        Whether a candidate may be given up before it has all its folds:

        - ``"full"``: it may not;
        - ``"racing"``: candidates are evaluated fold by fold, and one stops that lies
          clearly behind the best so far: whose mean is below the best one's worst fold,
          or who is behind on the same folds by more than the usual scatter of such
          differences [3]_. It saves fits; ``cv_results_`` then has NaN in the folds
          that were not run, and in the mean of such a candidate, which is never the
          best. Needs 3 folds or more, and one score to go by;
        - an object out of :mod:`sklearn_hpo.schedulers`, or one of your own.
    objectives : list of str or callable, or None, default=None
        Two or more goals at once, all to be maximised: names out of `scoring`
        (``"score"`` where that has no names); functions that get the model fitted on a
        training fold and return a number, which stands in ``cv_results_`` under the
        name of the function; ``"neg_fit_time"`` and ``"neg_score_time"``, the seconds
        of a fit and of its scoring with a minus. Each has a Gaussian process of its
        own, and a candidate is the one that is expected to add the most volume to their
        front; with ``optimizer="auto"`` every other one is bred, as in
        :class:`EvolutionarySearchCV`. The front is ``pareto_front_``; what `refit` says
        chooses the best of all candidates, and `n_iter_no_change` goes by the score
        that it names, or the first one. Times depend on the clock, so with them equal
        seeds give equal results no more. Optimizers and schedulers that go by one score
        are refused, and so are known scores in `warm_start_from`.
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
    .. [3] E. Bergman, L. Purucker and F. Hutter, "Don't waste your time: early stopping
       cross-validation", AutoML Conference 2024.

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

    _parameter_constraints = {
        **SearchCV._parameter_constraints,
        "n_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(get_args(Surrogate))), Optimizer],
        "scheduler": [StrOptions({"full", "racing"}), Scheduler],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | None = None,
        *,
        param_grid: Space | None = None,
        n_iter: int = 50,
        optimizer: Surrogate | Optimizer = "auto",
        scheduler: Literal["full", "racing"] | Scheduler = "full",
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
            optimizer=optimizer,
            scheduler=scheduler,
            n_iter=n_iter,
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
