"""The only importer of private scikit-learn names, for every supported release.

The functions below give scikit-learn's own search machinery one face from 1.6 to the
newest release; a section for a release goes when support for older ones does.
"""

import copy
import warnings
from inspect import signature
from traceback import format_exception
from typing import TYPE_CHECKING, Final

import numpy as np
import sklearn
from scipy.stats import rankdata
from sklearn.metrics import check_scoring
from sklearn.metrics._scorer import _check_multimetric_scoring, _MultimetricScorer
from sklearn.model_selection._validation import (
    _fit_and_score,
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.fixes import parse_version
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _num_samples as num_samples

# Only mypy takes this for true. Without types it would allow any attribute of a search.
MYPY: Final = False
if MYPY:
    from sklearn_hpo._sklearn_types import BaseSearchCV
else:
    from sklearn.model_selection._search import BaseSearchCV
if TYPE_CHECKING:
    from sklearn_hpo._sklearn_types import available_if, fit_context
else:
    from sklearn.base import _fit_context as fit_context
    from sklearn.utils.metaestimators import available_if

__all__ = [
    "BaseSearchCV",
    "Interval",
    "StrOptions",
    "available_if",
    "average_over_folds_run",
    "check_method_params",
    "check_refit",
    "close_scores",
    "configured",
    "failed_result",
    "fit_and_score",
    "fit_context",
    "format_results",
    "get_scorers",
    "named_scorers",
    "num_samples",
    "rank_by_level",
    "route_fit_params",
    "scorer_attribute",
    "select_best_index",
    "split_mismatch",
    "validate_params",
    "without_scores",
]

version = parse_version(sklearn.__version__)
FROM_1_7 = version >= parse_version("1.7.0rc0")
FROM_1_9 = version >= parse_version("1.9.0rc0")


def validate_params(estimator):
    """Raise in scikit-learn's words if a parameter breaks its constraint."""
    estimator._validate_params()


# Steps of BaseSearchCV.fit


def get_scorers(search):
    """Return the scorer, or the one object that holds several, and the refit metric."""
    return search._get_scorers()


def named_scorers(search, more):
    """Return one object that holds the scorers of `scoring`, by name, and others.

    Parameters
    ----------
    search : BaseSearchCV
        With `estimator`, `scoring` and `error_score`.
    more : dict of callable
        Further scorers.

    Returns
    -------
    scorers : callable
        The one scorer that has no name is called "score".
    """
    if search.scoring is None or isinstance(search.scoring, str):
        scorers = {"score": check_scoring(search.estimator, search.scoring)}
    elif callable(search.scoring):
        # alone, a function need not tell whether it takes weights
        known = hasattr(search.scoring, "_accept_sample_weight")
        scorers = {"score": search.scoring if known else _Scorer(search.scoring)}
    else:
        scorers = _check_multimetric_scoring(search.estimator, search.scoring)
    return _MultimetricScorer(
        scorers={**scorers, **more}, raise_exc=search.error_score == "raise"
    )


class _Scorer:
    """A function that scores, where scikit-learn expects one of its own scorers."""

    def __init__(self, function):
        self._function = function

    def __call__(self, *args, **params):
        return self._function(*args, **params)

    def __repr__(self):
        return repr(self._function)

    def _accept_sample_weight(self):
        return "sample_weight" in signature(self._function).parameters


def route_fit_params(search, params):
    """Return the fit parameters by consumer: estimator, splitter, scorer."""
    return search._get_routed_params_for_fit(params)


def check_refit(search, scores):
    """Raise if `refit` does not name one of several scores."""
    search._check_refit_for_multimetric(scores)


def scorer_attribute(scorers):
    """Return what `scorer_` holds: a dict for several scorers."""
    return scorers._scorers if isinstance(scorers, _MultimetricScorer) else scorers


def close_scores(results, scoring, error_score):
    """Warn of failed fits, raise if all failed, give every failure its error score."""
    _warn_or_raise_about_fit_failures(results, error_score)
    if callable(scoring):
        # only a fit that worked tells which names a callable's dict has
        _insert_error_scores(results, error_score)


def without_scores(results):
    """Return what stands for a split that a candidate was not evaluated on.

    Parameters
    ----------
    results : list of dict
        The candidate's results on other splits.

    Returns
    -------
    result : dict
        Scores of NaN, and mean times, so that the candidate's means stay what they are.
    """
    blank = dict(results[0])
    for name in ("test_scores", "train_scores"):
        if name in blank:
            scores = blank[name]
            several = isinstance(scores, dict)
            blank[name] = dict.fromkeys(scores, np.nan) if several else np.nan
    for name in ("fit_time", "score_time"):
        blank[name] = float(np.mean([result[name] for result in results]))
    return blank


def format_results(search, candidates, n_splits, results, *, cut, more=None):
    """Return `cv_results_`.

    Parameters
    ----------
    search : BaseSearchCV
        The search that was fitted.
    candidates : list of dict
        Parameters.
    n_splits : int
        Number of splits.
    results : list of dict
        As `fit_and_score` returns them, by candidate, then by split.
    cut : dict of int to list of int
        The candidates that were evaluated on some of the splits, and on which. That
        they lack the other scores is nothing to warn of.
    more : dict of list or None
        Columns to add, with one entry a candidate.

    Returns
    -------
    cv_results : dict of ndarray
        In scikit-learn's form.
    """
    if not cut:
        return search._format_results(candidates, n_splits, results, more)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One or more of the .* non-finite")
        formatted = search._format_results(candidates, n_splits, results, more)
    for name in _score_names(formatted):
        means = formatted[f"mean_{name}"].copy()
        for row, scores in _scores_run(formatted, name, cut):
            means[row] = np.mean(scores)
        if not np.isfinite(means).all():
            warnings.warn(
                f"One or more of the {name.split('_')[0]} scores are non-finite: "
                f"{means}",
                UserWarning,
                stacklevel=2,
            )
    return formatted


def average_over_folds_run(results, rows):
    """Let means and deviations be those of the folds that were run.

    Parameters
    ----------
    results : dict of ndarray
        `cv_results_`; changed in place.
    rows : dict of int to list of int
        The candidates that were evaluated on some of the splits, and on which. A fit
        that failed on one of these leaves them without a mean, as on all folds.
    """
    for name in _score_names(results):
        for row, scores in _scores_run(results, name, rows):
            results[f"mean_{name}"][row] = np.mean(scores)
            results[f"std_{name}"][row] = np.std(scores)


def _score_names(results):
    """Return such as "test_score", for each score of test and training folds."""
    return [key[len("mean_") :] for key in results if key.startswith("mean_t")]


def _scores_run(results, name, rows):
    for row, splits in rows.items():
        yield row, [results[f"split{i}_{name}"][row] for i in splits]


def rank_by_level(results, levels):
    """Let rows of a higher level rank before all others, those without a mean last.

    Parameters
    ----------
    results : dict of ndarray
        `cv_results_`; changed in place.
    levels : ndarray of shape (n_candidates,)
        Where scores of different candidates may be compared, a number.
    """
    for key in [key for key in results if key.startswith("rank_")]:
        means = results["mean_" + key[len("rank_") :]]
        missing = np.isnan(means)
        losses = np.where(missing, 0.0, -means)
        order = np.column_stack([missing, -np.asarray(levels), losses])
        _, place = np.unique(order, axis=0, return_inverse=True)
        results[key] = rankdata(place.ravel(), method="min").astype(np.int32)


def select_best_index(search, refit_metric, results):
    """Return the index of the best candidate by scikit-learn's rule."""
    return search._select_best_index(search.refit, refit_metric, results)


def split_mismatch(expected, got):
    """Return scikit-learn's words for a splitter whose two methods disagree."""
    verb = "return" if FROM_1_9 else "returned"
    return (
        f"cv.split and cv.get_n_splits {verb} inconsistent results. Expected "
        f"{expected} splits, got {got}"
    )


# Evaluation


def fit_and_score(estimator, params, problem, train, test, job):
    """Fit a clone on one split and score it.

    Parameters
    ----------
    estimator : estimator object
        A clone that may be changed.
    params : dict
        To be set before.
    problem : Problem
        Data, scorer and settings.
    train, test : ndarray of shape (n_train,), (n_test,)
        Row numbers of the split.
    job : FoldJob
        Which fold of which candidate it is, and who listens.

    Returns
    -------
    result : dict
        As scikit-learn's own evaluation returns it, with scores that are floats.
    """
    events = {} if job.events is None else job.events.arguments()
    result = _fit_and_score(
        estimator,
        problem.X,
        problem.y,
        scorer=problem.scorer,
        train=train,
        test=test,
        verbose=problem.verbose,
        parameters=params,
        fit_params=problem.own(problem.fit_params),
        score_params=problem.own(problem.score_params),
        return_train_score=problem.return_train_score,
        return_n_test_samples=True,
        return_times=True,
        split_progress=(job.fold, len(problem.splits)),
        candidate_progress=(job.trial, problem.n_candidates),
        error_score=problem.error_score,
        **events,
    )
    for name in ("test_scores", "train_scores"):
        if isinstance(result.get(name), dict):
            result[name] = {k: _as_float(score) for k, score in result[name].items()}
        elif name in result:
            result[name] = _as_float(result[name])
    return result


def _as_float(score):
    """Return any number that a scorer may return, such as a Fraction, as NumPy does.

    Of a complex one that is the real part, with a warning.
    """
    return float(np.asarray(score).astype(np.float64))


def failed_result(problem, error, n_test_samples):
    """Return what `fit_and_score` would for a fit that raised `error`.

    Parameters
    ----------
    problem : Problem
        Scorer and settings.
    error : Exception
        What was raised.
    n_test_samples : int
        Number of rows that were to be scored.

    Returns
    -------
    result : dict
        With the error score in place of each score.
    """
    scores = problem.error_score
    if isinstance(problem.scorer, _MultimetricScorer):
        scores = dict.fromkeys(problem.scorer._scorers, scores)
    result = {
        "fit_error": "".join(format_exception(error)),
        "test_scores": scores,
        "n_test_samples": n_test_samples,
        "fit_time": 0.0,
        "score_time": 0.0,
    }
    if problem.return_train_score:
        result["train_scores"] = copy.copy(scores)
    return result


def configured(function):
    """Return a picklable `function` that runs under today's config and warning filters.

    Parameters
    ----------
    function : callable
        A function that can be imported by its name.

    Returns
    -------
    wrapped : callable
        Same arguments, same result, in whichever process or thread it runs.
    """
    wrapped = delayed(function)()[0]
    if not FROM_1_7:
        return wrapped.with_config(sklearn.get_config())
    get_filters = getattr(warnings, "_get_filters", None)
    filters = get_filters() if get_filters is not None else warnings.filters
    return wrapped.with_config_and_warning_filters(sklearn.get_config(), filters)
