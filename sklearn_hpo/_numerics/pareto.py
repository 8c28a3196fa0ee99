"""Several losses at once: dominance, crowding and hypervolume.

A row of losses dominates another if it is nowhere larger and somewhere smaller.

References
----------
.. [1] Deb, Pratap, Agarwal & Meyarivan (2002), A Fast and Elitist Multiobjective
   Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6.
.. [2] While, Bradstreet & Barone (2012), A Fast Way of Calculating Exact Hypervolumes,
   IEEE Transactions on Evolutionary Computation 16.
.. [3] Das (1999), On Characterizing the "Knee" of the Pareto Curve Based on
   Normal-Boundary Intersection, Structural Optimization 18.
.. [4] Branke, Deb, Dierolf & Osswald (2004), Finding Knees in Multi-Objective
   Optimization, PPSN VIII.
.. [5] Das & Dennis (1998), Normal-Boundary Intersection: A New Method for Generating
   the Pareto Surface in Nonlinear Multicriteria Optimization Problems, SIAM Journal on
   Optimization 8.
.. [6] Deb & Jain (2014), An Evolutionary Many-Objective Optimization Algorithm Using
   Reference-Point-Based Nondominated Sorting Approach, Part I: Solving Problems with
   Box Constraints, IEEE Transactions on Evolutionary Computation 18.
"""

import itertools
import math

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


def first_front(losses: Array) -> Index:
    """Return the rows of rank 0, without the memory that all pairs of rows would need.

    Parameters
    ----------
    losses : ndarray of shape (n, k)
        To be minimised; infinite for failures, never NaN.

    Returns
    -------
    rows : ndarray of shape (n_front,), int
        In ascending order.

    Examples
    --------
    >>> first_front(np.array([[2.0, 2.0], [2.0, 0.0], [0.0, 2.0]])).tolist()
    [1, 2]
    """
    found = np.zeros(len(losses), dtype=bool)
    left = np.lexsort(losses.T)
    while len(left):
        # what dominates a row comes before it, so nothing that is left does
        first, others = losses[left[0]], losses[left]
        found[left[(others == first).all(axis=1)]] = True
        left = left[(others < first).any(axis=1)]
    return np.flatnonzero(found)


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


def knee(losses: Array) -> int:
    """Return the row of a front where giving up one objective gains most in others.

    It is the one farthest below the hyperplane through the best rows of each objective,
    in ranges of the front [3]_ [4]_. Where those don't span a plane, it is the row with
    the least sum.

    Parameters
    ----------
    losses : ndarray of shape (n, k), n > 0
        Finite, none dominated; to be minimised.

    Returns
    -------
    row : int
        The first, if several are equally far.

    Examples
    --------
    >>> knee(np.array([[0.0, 9.0], [1.0, 1.0], [5.0, 0.5], [9.0, 0.0]]))
    1
    """
    low = losses.min(axis=0)
    width = losses.max(axis=0) - low
    scaled = (losses - low) / np.where(width > 0.0, width, 1.0)
    # the best of an objective, and among equals the one that is good in others
    total = scaled.sum(axis=1)
    best = [np.lexsort((total, column))[0] for column in scaled.T]
    # rounding, so that rows on the plane are equally far
    return int(np.argmin(np.round(scaled @ _normal(scaled[best]), 12)))


def _normal(points: Array) -> Array:
    """Return a of the plane ``a x = 1`` through k points, or all ones.

    The latter where there is no such plane, or it does not cut all positive axes.
    """
    k = points.shape[1]
    normal = np.ones(k)
    if np.linalg.matrix_rank(points) == k:
        normal = np.asarray(np.linalg.solve(points, normal), dtype=np.float64)
    return normal if (normal > 0.0).all() else np.ones(k)


def reference_directions(k: int, n: int) -> Array:
    """Return directions that are spread evenly over the positive orthant.

    They are the points of a simplex whose coordinates are multiples of ``1 / p`` [5]_,
    with the largest p that gives no more than `n` of them; if there is room for the
    points of ``p - 1`` too, these are an inner layer of half the size [6]_.

    Parameters
    ----------
    k : int
        Number of objectives, at least 2.
    n : int
        The most directions, at least `k`.

    Returns
    -------
    directions : ndarray of shape (m, k), m <= n
        Of sum 1.

    Examples
    --------
    >>> reference_directions(2, 3).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    p = 1
    while math.comb(p + k, k - 1) <= n:
        p += 1
    outer, inner = (_simplex(k, parts) / max(parts, 1) for parts in (p, p - 1))
    if p > 1 and p < k and len(outer) + len(inner) <= n:
        return np.vstack([outer, 0.5 * inner + 0.5 / k])
    return outer


def _simplex(k: int, p: int) -> Array:
    """Return all rows of k natural numbers that add up to p."""
    bars = np.array(list(itertools.combinations(range(p + k - 1), k - 1)))
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=(-1, p + k - 1))
    parts: Array = np.diff(edges, axis=1) - 1.0
    return parts


def niched_order(losses: Array, directions: Array) -> Index:
    """Return numbers of rows from best to worst: by front, then the emptiest niche.

    Each row belongs to the nearest of the rays along the directions, in units of the
    intercepts of the hyperplane through the extreme rows of the first front [6]_. Of
    the rows of a niche the first is the best by front and, within one, the nearest.

    Parameters
    ----------
    losses : ndarray of shape (n, k)
        To be minimised; infinite for failures, never NaN.
    directions : ndarray of shape (m, k)
        As `reference_directions` gives them.

    Returns
    -------
    order : ndarray of shape (n,), int
        Ties in their order.

    Examples
    --------
    >>> losses = np.array([[9.0, 9.0], [0.0, 4.0], [0.1, 3.9], [4.0, 0.0]])
    >>> niched_order(losses, np.eye(2)).tolist()
    [1, 3, 2, 0]
    """
    rank = non_dominated_rank(losses)
    whole = np.isfinite(losses).all(axis=1)
    niche, distance = np.zeros(len(losses), dtype=np.intp), np.zeros(len(losses))
    if whole.any():
        scaled = _in_intercepts(losses[whole], rank[whole])
        unit = directions / np.linalg.norm(directions, axis=1)[:, None]
        along = scaled @ unit.T
        squared = np.square(scaled).sum(axis=1)[:, None] - np.square(along)
        niche[whole] = np.argmin(squared, axis=1)
        distance[whole] = np.sqrt(np.maximum(squared.min(axis=1), 0.0))
    # how many of its niche come before a row
    order = np.lexsort((distance, rank, niche))
    first = np.searchsorted(niche[order], niche[order])
    depth = np.empty(len(losses), dtype=np.intp)
    depth[order] = np.arange(len(losses)) - first
    return np.lexsort((distance, depth, rank))


def _in_intercepts(losses: Array, rank: Index) -> Array:
    """Return finite losses from their best values, in units of the intercepts."""
    moved = losses - losses.min(axis=0)
    outer = moved[rank == rank.min()]
    k = losses.shape[1]
    # the row that is nearest to each axis, by the achievement function of [6]_
    extreme = [
        np.argmin(np.max(outer / np.where(np.eye(k)[j], 1.0, 1e-6), axis=1))
        for j in range(k)
    ]
    nadir = outer.max(axis=0)
    nadir = np.where(nadir > 0.0, nadir, 1.0)
    scaled: Array = moved / nadir
    return scaled * _normal(scaled[rank == rank.min()][extreme])


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
    front = _first_front(inside)
    front = front[np.argsort(-front[:, -1], kind="stable")]
    volume = 0.0
    for i, row in enumerate(front):
        base = float(np.prod(reference[:-1] - row[:-1]))
        # those after it are as good in the last objective, so that one drops out
        limited = np.maximum(front[i + 1 :, :-1], row[:-1])
        depth = float(reference[-1] - row[-1])
        volume += depth * (base - hypervolume(limited, reference[:-1]))
    return volume


def _first_front(losses: Array) -> Array:
    """Return the rows that no other dominates, equal ones once."""
    left = losses[np.argsort(losses.sum(axis=1), kind="stable")]
    front = []
    while len(left):
        # what dominates a row has a smaller sum, so nothing that is left does
        front.append(left[0])
        left = left[(left < left[0]).any(axis=1)]
    return np.array(front)


def _area(losses: Array, reference: Array) -> float:
    order = np.lexsort((losses[:, 1], losses[:, 0]))
    x, y = losses[order].T
    top = np.minimum.accumulate(np.append(reference[1], y))
    return float(np.sum((reference[0] - x) * (top[:-1] - top[1:])))
