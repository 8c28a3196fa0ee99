"""Designs of few rows that are even in every column.

References
----------
.. [1] McKay, Beckman & Conover (1979), A Comparison of Three Methods for Selecting
   Values of Input Variables in the Analysis of Output from a Computer Code,
   Technometrics 21: Latin hypercubes.
.. [2] Morris & Mitchell (1995), Exploratory Designs for Computational Experiments,
   Journal of Statistical Planning and Inference 43: the one whose nearest rows are
   farthest apart.
"""

from collections.abc import Callable

import numpy as np

from sklearn_hpo._numerics.gp import Array, Layout, Mask
from sklearn_hpo._numerics.maximize import spread

N_TRIES = 16  # hypercubes of which the best is taken
MANY = 64  # rows so many that Sobol points are as good, and distances dear
MAX_DEPTH = 3  # a branch decides on a length, which decides on entries


def even_design(
    n: int,
    snap: Callable[[Array], Array],
    layout: Layout,
    anchor: Array | None,
    rng: np.random.Generator,
) -> Array:
    """Return rows that have the values of each column equally often.

    In a column, the rows in which it is active lie at equal distances, as in a Latin
    hypercube [1]_: no count of a value differs from its expectation by 1. Of several
    such designs, the one with the largest least distance is taken [2]_.

    Parameters
    ----------
    n : int
        Number of rows.
    snap : callable
        From points of the unit cube to canonical rows.
    layout : Layout
        Kinds of the columns.
    anchor : ndarray of shape (d,) or None
        The first row, around which the others are laid, if it is given.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    rows : ndarray of shape (n, d)
        Canonical rows.
    """
    d = len(layout.categorical)
    if n > MANY:
        return _even_rows(rng.permutation(spread(n, d, rng)), snap, anchor, rng)
    best, largest = np.empty((0, d)), -1.0
    i, j = np.triu_indices(n, 1)
    for _ in range(N_TRIES):
        points = rng.permuted(np.tile(np.arange(n)[:, None], d), axis=0) / n
        rows = _even_rows(points, snap, anchor, rng)
        least = layout.distances(rows, i, j).sum(axis=0).min(initial=np.inf)
        if least > largest:
            best, largest = rows, least
    return best


def _even_rows(
    points: Array,
    snap: Callable[[Array], Array],
    anchor: Array | None,
    rng: np.random.Generator,
) -> Array:
    """Return the rows of points whose coordinates are made even, in the same order."""
    shift = rng.random(points.shape[1:])
    active = np.ones(points.shape, dtype=bool)
    for _ in range(MAX_DEPTH):
        rows = snap(_evened(points, active, shift, anchor))
        before, active = active, ~np.isnan(rows)
        if (active == before).all():
            break
    return rows


def _evened(points: Array, active: Mask, shift: Array, anchor: Array | None) -> Array:
    ranks = np.argsort(np.argsort(np.where(active, points, np.inf), axis=0), axis=0)
    even = (ranks + shift) / np.maximum(active.sum(axis=0), 1)
    if anchor is not None:
        # turned until the first row is where it shall be, they are as even as before
        even += np.where(np.isnan(anchor), 0.0, anchor - even[0])
    return even % 1.0
