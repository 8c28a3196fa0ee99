"""Several objectives of a search: what they are, their front and its volume."""

from collections import Counter

import numpy as np

from sklearn_hpo._numerics.pareto import hypervolume, non_dominated_rank

TIMES = {"neg_fit_time": "fit_time", "neg_score_time": "score_time"}


def check_objectives(search, scorers):
    """Raise unless what a search says of objectives fits together.

    Parameters
    ----------
    search : EvolutionarySearchCV
        With `objectives`, `algorithm` and `points_to_evaluate`.
    scorers : callable or dict of callable
        What its `scoring` means.

    Raises
    ------
    ValueError
        If the algorithm or a known score is for another number of objectives, and as
        `check_names`.
    """
    several = search.objectives is not None
    suits = search.algorithm in ("auto", "de", "nsga2")
    if not suits if several else search.algorithm == "nsga2":
        raise ValueError(
            f"algorithm={search.algorithm!r} does not suit objectives="
            f"{search.objectives!r}: several objectives need 'auto', 'de' or 'nsga2', "
            "and 'nsga2' needs several."
        )
    if not several:
        return
    check_names(search.objectives, scorers)
    if any(isinstance(point, tuple) for point in search.points_to_evaluate or ()):
        raise ValueError(
            "points_to_evaluate holds a known score, but there are several objectives, "
            f"{search.objectives!r}: leave the scores out."
        )


def check_names(objectives, scorers):
    """Raise unless objectives can be told apart and found.

    Parameters
    ----------
    objectives : list of str
        As the user gave them.
    scorers : callable or dict of callable
        What `scoring` means.

    Raises
    ------
    ValueError
        If they are fewer than two, repeat one another or are unknown, or if `scoring`
        gives no names.
    """
    if not isinstance(scorers, dict):
        raise ValueError(
            "objectives are names out of scoring, which must be a list, a tuple or a "
            "dict of scorers then, such as scoring=['roc_auc']."
        )
    known = [*scorers, *TIMES]
    unknown = [name for name in objectives if name not in known]
    if unknown:
        raise ValueError(
            f"objectives holds {unknown[0]!r}, which is none of {known}: the names of "
            "scoring, and two times."
        )
    repeated = [name for name, count in Counter(objectives).items() if count > 1]
    if repeated:
        raise ValueError(f"objectives holds {repeated[0]!r} more than once.")
    if len(objectives) < 2:
        raise ValueError(
            f"objectives={objectives!r} must hold two or more; for a single one leave "
            "it None and name it in refit."
        )


def values(results, objectives):
    """Return what a candidate reaches in each objective, to be maximised.

    Parameters
    ----------
    results : list of dict
        Of its folds.
    objectives : list of str
        Names of scores, and of times with "neg_" before them.

    Returns
    -------
    values : ndarray of shape (n_objectives,)
        Means over folds; all NaN if a fit failed, a mean is not finite, or there are no
        results. (A fit that fails soon would be the best of all in time.)
    """
    if not results or any(result["fit_error"] is not None for result in results):
        return np.full(len(objectives), np.nan)
    table = [[_value(result, name) for name in objectives] for result in results]
    means = np.mean(table, axis=0)
    return means if np.isfinite(means).all() else np.full(len(objectives), np.nan)


def _value(result, name):
    scores = result["test_scores"]
    return scores[name] if name in scores else -result[TIMES[name]]


def front(table):
    """Return the numbers of the rows that no other dominates.

    Parameters
    ----------
    table : ndarray of shape (n, n_objectives)
        To be maximised; NaN for failures.

    Returns
    -------
    rows : ndarray of shape (n_front,), int
        In ascending order.
    """
    whole = np.flatnonzero(np.isfinite(table).all(axis=1))
    return whole[non_dominated_rank(-table[whole]) == 0]


def volumes(table, n_first):
    """Return the hypervolume of the first row, of the first two, and so on.

    Parameters
    ----------
    table : ndarray of shape (n, n_objectives)
        To be maximised; NaN for failures.
    n_first : int
        How many of the rows set the reference point: the worst of them in each
        objective; of all rows, if those failed.

    Returns
    -------
    volumes : list of float
        Of the front against that point.
    """
    losses = -table[np.isfinite(table).all(axis=1)]
    opening = -table[:n_first]
    opening = opening[np.isfinite(opening).all(axis=1)]
    reference = (opening if len(opening) else losses).max(axis=0, initial=-np.inf)
    kept, volume, found = np.empty((0, table.shape[1])), 0.0, []
    for row in -table:
        if (row < reference).all() and not (kept <= row).all(axis=1).any():
            kept = np.vstack([kept[~(row <= kept).all(axis=1)], row])
            volume = hypervolume(kept, reference)
        found.append(volume)
    return found
