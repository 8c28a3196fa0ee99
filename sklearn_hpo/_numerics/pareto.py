"""Several losses at once: dominance, crowding and hypervolume.

A row of losses dominates another if it is nowhere larger and somewhere smaller.

References
----------
.. [1] Deb, Pratap, Agarwal & Meyarivan (2002), A Fast and Elitist Multiobjective
   Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6.
.. [2] While, Bradstreet & Barone (2012), A Fast Way of Calculating Exact Hypervolumes,
   IEEE Transactions on Evolutionary Computation 16.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def non_dominated_rank(losses: Array) -> Index:
    """Return the front of each row: 0 if none dominates it, 1 if only those of 0 do.

    Parameters
    ----------
    losses : ndarray of shape (n, k)
        To be minimised; infinite for failures, never NaN.

    Returns
    -------
    rank : ndarray of shape (n,), int
        As the non-dominated sorting of Deb et al. (2002) gives them.

    Examples
    --------
    >>> non_dominated_rank(np.array([[0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])).tolist()
    [0, 0, 1]
    """
    no_larger = np.all(losses[:, None] <= losses[None], axis=2)
    dominates = no_larger & ~no_larger.T
    rank = np.zeros(len(losses), dtype=np.intp)
    left = np.arange(len(losses))
    while len(left):
        beaten = dominates[np.ix_(left, left)].any(axis=0)
        left = left[beaten]
        rank[left] += 1
    return rank


def crowding_distance(losses: Array) -> Array:
    """Return how far from its neighbours each row of a front is.

    That is the sum over objectives of the distance between the next smaller and the
    next larger loss, in units of the front's range (Deb et al. 2002).

    Parameters
    ----------
    losses : ndarray of shape (n, k)
        Of one front.

    Returns
    -------
    distance : ndarray of shape (n,)
        Infinite for rows that are first or last in an objective.

    Examples
    --------
    >>> crowding_distance(np.array([[0.0, 4.0], [1.0, 1.0], [4.0, 0.0]])).tolist()
    [inf, 2.0, inf]
    """
    n, k = losses.shape
    distance = np.zeros(n)
    for j in range(k):
        order = np.argsort(losses[:, j], kind="stable")
        y = losses[order, j]
        distance[order[[0, -1]]] = np.inf
        # in a front of failures all losses are infinite, and none is crowded
        if np.isfinite(y[[0, -1]]).all() and y[-1] > y[0]:
            distance[order[1:-1]] += (y[2:] - y[:-2]) / (y[-1] - y[0])
    return distance


def crowded_order(losses: Array) -> Index:
    """Return numbers of rows from best to worst: by front, then the least crowded.

    Parameters
    ----------
    losses : ndarray of shape (n, k)
        To be minimised; infinite for failures, never NaN.

    Returns
    -------
    order : ndarray of shape (n,), int
        By the crowded comparison of Deb et al. (2002); ties in their order.

    Examples
    --------
    >>> crowded_order(np.array([[9.0, 9.0], [0.0, 1.0], [1.0, 0.0]])).tolist()
    [1, 2, 0]
    """
    rank = non_dominated_rank(losses)
    distance = np.empty(len(losses))
    for front in range(rank.max(initial=-1) + 1):
        distance[rank == front] = crowding_distance(losses[rank == front])
    return np.lexsort((-distance, rank))


def hypervolume(losses: Array, reference: Array) -> float:
    """Return the volume that rows dominate, up to a reference point.

    It is exact: a sweep for two objectives; for more, the exclusive volumes of rows
    that are sorted by the last objective, each by recursion with an objective less
    (While et al. 2012).

    Parameters
    ----------
    losses : ndarray of shape (n, k)
        To be minimised; never NaN. Rows not below the reference add nothing.
    reference : ndarray of shape (k,)
        Upper corner of the volume.

    Returns
    -------
    volume : float
        In the product of the objectives' units.

    Examples
    --------
    >>> hypervolume(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))
    3.0
    """
    inside = losses[np.all(losses < reference, axis=1)]
    if not len(inside):
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    if inside.shape[1] == 2:
        return _area(inside, reference)
    front = inside[non_dominated_rank(inside) == 0]
    front = front[np.argsort(-front[:, -1], kind="stable")]
    volume = 0.0
    for i, row in enumerate(front):
        base = float(np.prod(reference[:-1] - row[:-1]))
        # those after it are as good in the last objective, so that one drops out
        limited = np.maximum(front[i + 1 :, :-1], row[:-1])
        depth = float(reference[-1] - row[-1])
        volume += depth * (base - hypervolume(limited, reference[:-1]))
    return volume


def _area(losses: Array, reference: Array) -> float:
    order = np.lexsort((losses[:, 1], losses[:, 0]))
    x, y = losses[order].T
    top = np.minimum.accumulate(np.append(reference[1], y))
    return float(np.sum((reference[0] - x) * (top[:-1] - top[1:])))
