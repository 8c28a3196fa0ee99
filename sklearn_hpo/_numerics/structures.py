"""How populations of sequences, subsets and orders vary, as whole arrays of children.

References
----------
.. [1] Davis (1985), Applying Adaptive Algorithms to Epistatic Domains, IJCAI; the
   variant that fills from the left is Falkenauer & Bouffouix (1991), A Genetic
   Algorithm for Job Shop, ICRA.
.. [2] Larrañaga, Kuijpers, Murga, Inza & Dizdarevic (1999), Genetic Algorithms for the
   Travelling Salesman Problem: A Review of Representations and Operators, Artificial
   Intelligence Review 13; section 4.3.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

SMALL_STEP = 0.1  # standard deviation of an entry that moves


def cross_orders(first: Index, second: Index, rng: np.random.Generator) -> Index:
    """Return children by order crossover [1]_.

    A slice of the first parent stays where it is; all other items fill the remaining
    places in the order of the second.

    Parameters
    ----------
    first, second : ndarray of shape (m, n), int
        The place of each item: permutations of 0, ..., n - 1, with n >= 2.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    places : ndarray of shape (m, n), int
        Of the children.
    """
    m, n = first.shape
    length = rng.integers(1, n, size=(m, 1))
    start = np.floor(rng.random((m, 1)) * (n - length + 1)).astype(int)
    end = start + length
    kept = (first >= start) & (first < end)
    others = np.argsort(np.where(kept, n, second), axis=1, kind="stable")
    place = np.argsort(others, axis=1)
    return np.where(kept, first, np.where(place < start, place, place + end - start))


def vary_orders(places: Index, rng: np.random.Generator) -> Index:
    """Return orders with two items swapped, one item moved or a slice reversed [2]_.

    Parameters
    ----------
    places : ndarray of shape (m, n), int
        The place of each item, n >= 2.
    rng : numpy.random.Generator
        Draws what is done to each.

    Returns
    -------
    places : ndarray of shape (m, n), int
        None as before.
    """
    m, n = places.shape
    i = rng.integers(n, size=(m, 1))
    j = (i + rng.integers(1, n, size=(m, 1))) % n
    low, high = np.minimum(i, j), np.maximum(i, j)
    between = (places >= low) & (places <= high)
    swapped = np.where(places == i, j, np.where(places == j, i, places))
    moved = np.where(places == i, j, places + np.where(between, np.sign(i - j), 0))
    reverse = np.where(between, low + high - places, places)
    kind = rng.integers(3, size=(m, 1))
    return np.where(kind == 0, swapped, np.where(kind == 1, moved, reverse))


def vary_subsets(members: Mask, low: int, high: int, rng: np.random.Generator) -> Mask:
    """Return subsets with one item flipped, or a member swapped for another item.

    Half of them swap, unless all items are in, or none; the others flip any item, and
    swap where that would break a bound.

    Parameters
    ----------
    members : ndarray of shape (m, n), bool
        Who is in; sizes between the bounds.
    low, high : int
        Least and largest size, not both n.
    rng : numpy.random.Generator
        Draws what is done to each.

    Returns
    -------
    members : ndarray of shape (m, n), bool
        None as before.
    """
    m, n = members.shape
    rows, size = np.arange(m), members.sum(axis=1)
    score = rng.random((m, n))
    out = np.argmax(np.where(members, score, -1.0), axis=1)
    into = np.argmax(np.where(members, -1.0, score), axis=1)
    swaps = rng.random(m) < 0.5
    removes = rng.random(m) * n < size
    swaps |= np.where(removes, size == low, size == high)
    # all are in, or none: nothing to swap
    drops = (swaps & (size > 0) & (size < n)) | (removes & (size > low))
    adds = (swaps & (size > 0) & (size < n)) | (~removes & (size < high))
    varied = members.copy()
    varied[rows[drops], out[drops]] = False
    varied[rows[adds], into[adds]] = True
    return varied


def vary_sequences(
    lengths: Index,
    entries: Array,
    low: int,
    categorical: Mask,
    rng: np.random.Generator,
) -> tuple[Index, Array]:
    """Return sequences with an entry inserted, deleted, duplicated or changed.

    A change draws the entry afresh, or moves its numbers a little. What a bound does
    not allow becomes a change.

    Parameters
    ----------
    lengths : ndarray of shape (m,), int
        How many entries count.
    entries : ndarray of shape (m, high, w)
        Each of w coordinates, in the unit cube; anything beyond the lengths.
    low : int
        Least length.
    categorical : ndarray of shape (w,), bool
        Coordinates without an order.
    rng : numpy.random.Generator
        Draws what is done to each.

    Returns
    -------
    lengths : ndarray of shape (m,), int
        Between `low` and `high`.
    entries : ndarray of shape (m, high, w)
        In the unit cube.
    """
    m, high, w = entries.shape
    # 0 inserts, 1 deletes, 2 duplicates, 3 changes
    kind = rng.integers(4, size=(m, 1))[:, 0]
    kind[((kind == 0) | (kind == 2)) & (lengths == high)] = 3
    kind[(kind == 1) & (lengths == low)] = 3
    kind[(lengths == 0) & (kind > 1)] = 0
    # an entry can be inserted after the last one too
    place = np.floor(rng.random(m) * (lengths + (kind == 0))).astype(int)[:, None]
    k = np.arange(high)[None]
    shift = np.where(kind == 1, 1, np.where(kind == 3, 0, -1))[:, None]
    after = np.where((kind == 2)[:, None], k > place, k >= place)
    source = np.clip(np.where(after, k + shift, k), 0, high - 1)
    varied = np.take_along_axis(entries, source[:, :, None], axis=1)
    fresh = rng.random((m, high, w))
    step = np.clip(varied + SMALL_STEP * rng.standard_normal((m, high, w)), 0.0, 1.0)
    small = (kind == 3)[:, None] & (rng.random((m, 1)) < 0.5)
    new = np.where(small[:, :, None] & ~categorical, step, fresh)
    here = (k == place) & ((kind == 0) | (kind == 3))[:, None]
    varied = np.where(here[:, :, None], new, varied)
    return lengths - np.where(kind == 3, 0, shift[:, 0]), varied
