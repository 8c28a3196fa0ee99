"""HyperbandSearchCV: many candidates, and full fits only for those that earn them."""

import numbers
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sklearn_hpo._sklearn_compat import Interval, StrOptions, fit_context
from sklearn_hpo.optimizers import Optimizer
from sklearn_hpo.schedulers import Scheduler
from sklearn_hpo.search._base import SearchCV, python_numbers
from sklearn_hpo.search._rungs import plan_by_rule
from sklearn_hpo.search._types import Auto, Candidates, Refit, Scoring, Space


class HyperbandSearchCV(SearchCV):
    """Search with early stopping of candidates, in the place of ``GridSearchCV``.

    Many candidates start with little of a resource, such as iterations, folds or rows;
    the best of them get more, and only a few get all of it [1]_ [2]_. Where the
    estimator can go on training, a candidate that goes on pays only for what is added.
    The best candidate is chosen among those that got all of the resource.

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
    resource : str, default="auto"
        What candidates get more or less of:

        - a parameter of the estimator: if it counts the iterations of an estimator with
          ``warm_start`` (forests, bagging, gradient boosting, linear models) or of
          XGBoost, LightGBM, CatBoost and skorch, alone or as the last step of a
          pipeline, training goes on where it ended; AdaBoost is fitted once, and read
          at each length; any other parameter is set, and the fit begins anew;
        - ``"partial_fit"``: passes over the rows, by the estimator's ``partial_fit``,
          also for networks and models by stochastic gradients;
        - ``"folds"``: folds of `cv`; each fit is a whole one, so nothing misleads but
          the noise of few folds. They come in the splitter's own order, but the most
          recent first in a time series, many small ones drawn from all, and the largest
          test sets before tiny ones;
        - ``"n_samples"``: rows to train on. Each subset holds the smaller ones, keeps
          the shares of the classes, and does not cut `groups`; in a time series it is
          the most recent rows. Test folds stay whole;
        - ``"auto"``: iterations that go on, if the estimator has them, they are not
          searched, and fits need them all (those of linear models end long before
          ``max_iter``, by their ``tol``); else folds; else, if there is one fold, rows,
          where they are 10,000 or more, or `min_resources` or `max_resources` is given.
          If there is none of these, all candidates get a whole fit, and a warning says
          why. Where the first candidate shows that rungs of iterations would cost 1.5
          times as much as those of folds, or more, folds take their place, unless fits
          are quick, or `min_resources` or `max_resources` is given.
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
    factor : float, default=3
        From rung to rung, candidates get `factor` times as much, and about one in
        `factor` goes on.
    n_candidates : int or "auto", default="auto"
        Number of candidates; ``"auto"`` is 3 times `factor` to the power of the number
        of rungs less one. Rungs that would drop none of them, or cost more than they
        save, are left out, so no plan costs more than a plain search of as many.
    scheduler : {"halving", "hyperband", "asha"} or Scheduler, default="halving"
        Who starts with how much:

        - ``"halving"``: all start on the lowest rung. When all have their scores, one
          in `factor` goes on, and with one bracket two more, as scores are noisy;
        - ``"hyperband"``: several brackets, which start lower and with more candidates
          or higher and with fewer, exactly as in [1]_;
        - ``"asha"``: a candidate goes on as soon as it is among the best of those that
          have reached its rung so far [3]_, so that no worker waits. Its result depends
          on timing;
        - an object: :class:`~sklearn_hpo.schedulers.Halving` and
          :class:`~sklearn_hpo.schedulers.Hyperband` take the number of brackets too,
          and a ``factor`` that goes before `factor`.
    optimizer : {"gp", "tpe", "random", "sobol"} or Optimizer, default="gp"
        What proposes the candidates: a model of the scores on the highest rung that has
        enough of them, a Gaussian process or Parzen estimators, for all but a fifth of
        the candidates; or draws, or an even spread. ``scheduler="hyperband"`` with
        ``"tpe"`` is BOHB [4]_. An object out of :mod:`sklearn_hpo.optimizers` learns in
        the same way, as :class:`~sklearn_hpo.optimizers.MultiFidelity` tells; it is
        cloned, never changed.
    scoring : str, callable, list, tuple, dict or None, default=None
        How a candidate is scored, as in ``GridSearchCV``. Of several scores the one
        that `refit` names decides who goes on; if it names none, the first.
    n_jobs : int or None, default=None
        Number of fits side by side, on the joblib backend that is active. None is 1
        unless ``joblib.parallel_config`` says otherwise; -1 is all processors.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all data at the end, with the resource that
        it won with. With several scores, the name of the one that chooses it; a
        callable, such as :func:`knee` makes, gets ``cv_results_``, with all rungs, and
        returns the index of the best.
    cv : int, splitter, iterable or None, default=None
        The folds, as in ``GridSearchCV``: None is 5 folds, stratified for classifiers.
        They are drawn once, so all candidates meet the same ones.
    verbose : int, default=0
        1 writes the plan and each new best score, 2 each evaluation and the time of
        each fit, 3 the scores of each fit too, 10 the beginning of each fit.
    pre_dispatch : int or str, default="2*n_jobs"
        Accepted for the sake of scikit-learn's signature, without effect: a fit is sent
        to a worker only when one is free.
    random_state : int, RandomState instance or None, default=None
        Seed of the candidates. With an int, each ``fit`` gives the same result, unless
        `deterministic` is False, or the clock makes ``resource="auto"`` choose folds in
        one of them only.
    error_score : "raise" or float, default=nan
        Score of a fit that fails. A candidate with a score that is not finite goes no
        further. "raise" ends the search with the error of the fit.
    return_train_score : bool, default=False
        Whether ``cv_results_`` and ``history_`` hold scores on the training folds.
    initial_candidates : list, "default" or None, default=None
        Candidates that start before all others, counted among the candidates.
        Parameters that a dict leaves out are drawn at random. ``"default"`` is the
        estimator as it is: its own values, as far as the space has them.
    warm_start_from : fitted search, dict, DataFrame or None, default=None
        An earlier search, ours or scikit-learn's, or its ``cv_results_``. Its best
        candidates, 3 at most, start before all others.
    max_time : float or None, default=None
        Seconds that ``fit`` may take. No more candidates start once those that have
        started will need the rest of the time for their rungs and the refit, and no fit
        on a fold begins when the rest is for the refit. If no candidate has had all of
        the resource by then, the best one of the highest rung gets it.
    max_concurrent : int or "auto", default="auto"
        Number of evaluations under way at once before a new candidate starts. For a
        given value the result is the same whatever `n_jobs`. ``"auto"`` is 1 for one
        worker, otherwise just enough to keep all workers busy.
    deterministic : bool or "auto", default="auto"
        Whether equal seeds must give equal results. If False, every result is used as
        soon as it is there, in whichever order fits end. ``"auto"`` is True but for
        ``"asha"``, which can't be.
    checkpoint : str, Path or None, default=None
        File to which each fit is written as soon as it has ended. If it exists, the
        search goes on where it stopped, and ends as if it had never been interrupted;
        models of candidates that go on are trained again. A file of another space,
        estimator, scoring, plan, splits or data is refused. :func:`read_checkpoint`
        reads it. A folder (one that exists, or a name that ends in a slash) keeps a
        file for each search, as nested cross-validation needs it.
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
        :func:`knee` of scores, nor with `fit_memory_limit`.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As ``GridSearchCV``'s, with one row for each candidate and rung, in the order of
        the brackets and, within them, of the rungs. The columns ``iter`` and
        ``n_resources`` tell the rung and its resource. Times of fits that went on are
        those of what was added. Folds that were not run have NaN; means are of those
        that were. Rows with more of the resource rank before all with less, and rows
        without a mean last, so that the best candidate has rank 1.
    best_estimator_ : estimator object
        The estimator refitted with the best parameters; if `refit` is not False.
    best_score_ : float
        Mean cross-validated score of the best candidate with all of the resource, or,
        if all of those failed, on the highest rung that has one; not if `refit` is a
        callable.
    best_params_ : dict
        Parameters of the best candidate, and of the resource, if it is one. Where early
        stopping ended all its fits before, that is the mean of the iterations used.
    best_index_ : int
        Its row in ``cv_results_``.
    scorer_ : callable or dict of callable
        What scored the held-out folds.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
        Whether there are several scores.
    resource_ : str
        The resource that was shared out.
    plan_ : dict of list
        What was planned, as the method ``plan`` returns it, but with costs as measured
        on the first candidate where models go on.
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
        Number of rungs after which fewer than `factor` candidates would be left.
    n_remaining_candidates_ : int
        Number of candidates that would go on after the last rung.
    history_ : dict of list
        One entry for each candidate and rung: ``candidate``, ``params``, ``source``,
        ``score``, ``status`` ("complete", "promoted", "stopped", "failed" or
        "incomplete"), ``n_folds``, ``best_score``, ``proposal_time``, ``start`` and
        ``end`` in seconds, ``bracket``, ``rung``, ``n_resources``, ``train_score`` if
        `return_train_score`, ``planned_cost`` and ``paid_cost``. Costs are in
        evaluations with all of the resource, as in ``plan``. The paid one is measured
        by the clock, in fits in one go, whose time is estimated from candidates that
        got all of it; NaN if none did. ``pandas.DataFrame`` takes it as it is; its
        groups by ``candidate`` are learning curves.
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
    BayesSearchCV : Few, well-chosen candidates, all with all of the resource.
    sklearn.model_selection.HalvingRandomSearchCV : Successive halving from scratch.

    Notes
    -----
    An interrupt (Ctrl-C) ends the search early: ``fit`` refits the best candidate of
    the highest rung so far, warns, and returns. Each rung of a bracket is a callback
    task "halving-iteration" (scikit-learn 1.9 or newer), with tasks
    "candidate-split-evaluation" as in ``BayesSearchCV``.

    References
    ----------
    .. [1] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar, "Hyperband:
       a novel bandit-based approach to hyperparameter optimization", JMLR 18, 2018.
    .. [2] K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and
       hyperparameter optimization", AISTATS 2016.
    .. [3] L. Li et al., "A system for massively parallel hyperparameter tuning",
       MLSys 2020.
    .. [4] S. Falkner, A. Klein and F. Hutter, "BOHB: robust and efficient
       hyperparameter optimization at scale", ICML 2018.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_hpo import HyperbandSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = HyperbandSearchCV(
    ...     RandomForestClassifier(n_estimators=90, random_state=0),
    ...     {"max_features": uniform(0.1, 0.9), "max_depth": [1, 2, 3, 4]},
    ...     n_candidates=9,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> search.n_resources_, search.n_candidates_
    ([10, 90], [9, 3])
    >>> search.best_params_["n_estimators"]
    90
    """

    _parameter_constraints = {
        **SearchCV._parameter_constraints,
        "factor": [Interval(numbers.Real, 1, None, closed="neither")],
        "n_candidates": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "optimizer": [StrOptions({"gp", "tpe", "random", "sobol"}), Optimizer],
        "scheduler": [StrOptions({"halving", "hyperband", "asha"}), Scheduler],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | None = None,
        *,
        param_grid: Space | None = None,
        resource: str = "auto",
        min_resources: float | Auto = "auto",
        max_resources: float | Auto = "auto",
        factor: float = 3,
        n_candidates: int | Auto = "auto",
        scheduler: Literal["halving", "hyperband", "asha"] | Scheduler = "halving",
        optimizer: Literal["gp", "tpe", "random", "sobol"] | Optimizer = "gp",
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
    ) -> None:
        super().__init__(
            estimator=estimator,
            param_distributions=param_distributions,
            param_grid=param_grid,
            optimizer=optimizer,
            scheduler=scheduler,
            resource=resource,
            min_resources=min_resources,
            max_resources=max_resources,
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
        )
        self.factor = factor
        self.n_candidates = n_candidates

    @fit_context(prefer_skip_nested_validation=False)
    def plan(self, X: Any, y: Any = None, **params: Any) -> dict[str, list[Any]]:
        """Return what ``fit`` would run on such data, without fitting anything.

        Costs are by rule: a share of the resource costs that share of a whole fit. What
        each rung repeats, and so whether ``"auto"`` turns to folds, shows in ``fit``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            As in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            As in ``fit``.
        **params : dict of str to object
            As in ``fit``.

        Returns
        -------
        dict of list
            One entry a rung of a bracket: ``bracket``, ``rung``, ``resource``,
            ``n_candidates``, ``n_resources`` and ``cost``, what all its candidates use
            up, in evaluations with all of the resource. ``pandas.DataFrame`` takes it
            as it is.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sklearn_hpo import HyperbandSearchCV
        >>> search = HyperbandSearchCV(
        ...     RandomForestClassifier(),
        ...     {"max_features": [1, 2, 3, 4], "max_depth": [1, 2, 4, 8]},
        ... )
        >>> plan = search.plan(*load_iris(return_X_y=True))
        >>> plan["n_candidates"], plan["n_resources"]
        ([16, 8, 5], [11, 33, 100])
        """
        with python_numbers(self):
            _, problem, _, scheduler = self._prepare(X, y, params)
        return plan_by_rule(self, problem, scheduler)

    def _make_scheduler(self):
        scheduler = super()._make_scheduler()
        if isinstance(self.scheduler, str):
            return scheduler.set_params(factor=self.factor)
        if self.factor not in (3, getattr(scheduler, "factor", None)):
            raise ValueError(
                f"factor={self.factor} and scheduler={self.scheduler!r} both say how "
                "few go on: leave factor at 3, and say it there alone, as in "
                f"Halving(factor={self.factor})."
            )
        return scheduler

    def _n_asked(self, scheduler):
        return None if self.n_candidates == "auto" else self.n_candidates
