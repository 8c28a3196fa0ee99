"""What a search begins with: candidates to evaluate first, results known before."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_hpo.search._points import complete_points, whole_grid

# Of an earlier search, the best candidates are evaluated first: this share of the
# budget, but no more than so many.
_EARLIER_SHARE, _MAX_EARLIER = 8, 3


@dataclass(frozen=True)
class Start:
    """What a study begins with.

    Attributes
    ----------
    first : list of dict
        Candidates to evaluate before all others.
    known : tuple of (rows, losses)
        Results on the same folds and data, as good as evaluated.
    earlier : tuple of (rows, losses)
        Results of another study, which may mislead.
    """

    first: list[dict[str, Any]]
    known: tuple[Any, Any]
    earlier: tuple[Any, Any]


def make_start(search, space, metric, n_trials, seed):
    """Return what the settings of a search say of its beginning.

    Parameters
    ----------
    search : SearchCV
        With `points_to_evaluate`, `warm_start_from`, `param_distributions` and
        `estimator`.
    space : SearchSpace
        Its space.
    metric : str or None
        Name of the score that guides it, if it has several.
    n_trials : int
        How many candidates the budget covers.
    seed : int
        Of the draws for parameters that a point leaves out.

    Returns
    -------
    start : Start
        With all candidates of the space, if the budget covers them.

    Raises
    ------
    TypeError, ValueError
        If a point is malformed or outside the space.
    """
    points, known = split_known(search.points_to_evaluate)
    first = complete_points(points, space, search.estimator, seed)
    earlier = inside([], space)
    if search.warm_start_from is not None:
        earlier = inside(earlier_results(search.warm_start_from, metric), space)
        n_best = min(max(1, n_trials // _EARLIER_SHARE), _MAX_EARLIER)
        first += map(space.decode, earlier[0][:n_best])
    by_key = {space.key(params): params for params in reversed(first)}
    first = list(reversed(by_key.values()))
    grid = whole_grid(search.param_distributions, space, n_trials)
    first += [params for params in grid if space.key(params) not in by_key]
    return Start(first, inside(known, space, strict=True), earlier)


def split_known(points):
    """Separate points to evaluate from those whose scores are known.

    Parameters
    ----------
    points : None, "default" or list
        `points_to_evaluate`: dicts, and pairs of a dict and its score.

    Returns
    -------
    points : None, "default" or list of dict
        What is to be evaluated. The best of the known points is among it, first: a
        search can only return what it has evaluated on its own folds.
    known : list of (dict, float)
        The other known points.

    Raises
    ------
    ValueError
        If a score is not a finite number.
    """
    if not isinstance(points, list):
        return points, []
    known = [point for point in points if isinstance(point, tuple)]
    for point in known:
        if len(point) != 2 or not np.isfinite(_as_float(point[1])):
            raise ValueError(
                f"points_to_evaluate holds {point!r}; a known point is a pair of a "
                "dict of parameters and its score, a finite number."
            )
    if not known:
        return points, []
    best = max(range(len(known)), key=lambda i: known[i][1])
    fresh = [point for point in points if not isinstance(point, tuple)]
    return [known[best][0], *fresh], known[:best] + known[best + 1 :]


def _as_float(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def earlier_results(source, metric):
    """Return candidates and scores of an earlier search.

    Parameters
    ----------
    source : fitted search, dict or DataFrame
        The search, or its ``cv_results_``.
    metric : str or None
        Name of the score that guides the new search, if it has several.

    Returns
    -------
    results : list of (dict, float)
        Those with a finite score, best first.

    Raises
    ------
    ValueError
        If there are no candidates or no scores in it.
    """
    table = getattr(source, "cv_results_", source)
    names = [f"mean_test_{metric}", "mean_test_score"]
    column = next((name for name in names if _has(table, name)), None)
    if column is None or not _has(table, "params"):
        raise ValueError(
            "warm_start_from should be a fitted search, or a table like cv_results_ "
            f"with the columns 'params' and {names[0] if metric else names[1]!r}; "
            f"got {type(source).__name__}."
        )
    pairs = zip(list(table["params"]), map(float, table[column]), strict=True)
    finite = [pair for pair in pairs if np.isfinite(pair[1])]
    return sorted(finite, key=lambda pair: -pair[1])


def _has(table, name):
    try:
        return name in table
    except TypeError:
        return False


def inside(results, space, strict=False):
    """Return rows and losses of the results that lie in a space.

    Parameters
    ----------
    results : list of (dict, float)
        Candidates and scores.
    space : SearchSpace
        The space of the new search.
    strict : bool, default=False
        Whether all of them must, or only one.

    Returns
    -------
    rows : ndarray of shape (n, n_columns)
        Canonical rows.
    losses : ndarray of shape (n,)
        Negative scores.

    Raises
    ------
    ValueError
        If a result is outside that must not be; the message tells why.
    """
    fitting = [pair for pair in results if strict or space.contains(pair[0])]
    if results and not fitting:
        space.encode(results[0][0])
    rows = np.array([space.encode(params) for params, _ in fitting])
    losses = -np.array([float(score) for _, score in fitting])
    return rows.reshape(len(fitting), space.n_columns), losses
