"""Cubic radial basis functions on rows with discrete and inactive columns.

The interpolant is ``s(x) = sum_i c_i |x - x_i|^3 + b_0 + b' x`` [1]_. Distances are
those of the Gaussian process (see ``gp``) with unit weights: between points of a
Euclidean space that has a coordinate for each numeric column, one for each category,
and one that tells active from inactive. There the cubic is conditionally positive
definite of order two, so that the linear tail makes the interpolant unique.

References
----------
.. [1] Powell (1992), The Theory of Radial Basis Function Approximation in 1990, in
   Advances in Numerical Analysis, volume 2, Oxford University Press.
.. [2] Wendland (2005), Scattered Data Approximation, section 11.3, Cambridge University
   Press.
.. [3] Rippa (1999), An Algorithm for Selecting a Good Value for the Parameter c in
   Radial Basis Function Interpolation, Advances in Computational Mathematics 11.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from sklearn_hpo._numerics.gp import Layout

Array = NDArray[np.float64]

# Both keep the linear system regular: equal rows may be told, and the tail may have
# more terms than there are rows (the categories of a column always add up to 1).
SMOOTHING = 1e-6
TAIL_RIDGE = 1e-5
KEY_STEP = 3.0  # above the range of categories: -1, and 0 to 1
MAX_EXPECTED = 1000  # rows to which an interpolant is fitted that is asked for once


class CubicRBF:
    """Cubic interpolant with a linear tail.

    Parameters
    ----------
    rows : ndarray of shape (n, d), n > 0
        Observed rows, NaN where inactive.
    y : ndarray of shape (n,)
        Their values, of the order of one.
    layout : Layout
        Kinds of the columns.
    others : ndarray of shape (p, d)
        Rows without a value, pending for instance, which count as neighbours. Their
        values are taken to be what the interpolant says, which leaves it as it is.
    """

    def __init__(self, rows: Array, y: Array, layout: Layout, others: Array) -> None:
        self._layout = layout
        known = np.concatenate([rows, others]) if len(others) else rows
        position, presence, category = layout.embed(known)
        keys = _keyed(category)
        # Levels that no known row has differ from all of them, and need no coordinate.
        self._level = np.sort(keys, axis=None)
        if len(self._level):
            first = self._level[1:] > self._level[:-1]
            self._level = np.append(self._level[:1], self._level[1:][first])
            self._level_column = (self._level / KEY_STEP).astype(int)
        z = self._coordinates(position, presence, keys)
        # One product gives squared distances: |z|^2 + |z'|^2 - 2 z z'.
        self._left = np.empty(z.shape)
        np.multiply(z[:, :-2], -2.0, out=self._left[:, :-2])
        self._left[:, -2:] = z[:, :-3:-1]
        # The tail has a prior of its own, as if with a linear kernel; their sum is
        # positive definite, as no distance comes near 1 / (3 TAIL_RIDGE).
        n = len(rows)
        terms = z[:n].copy()
        terms[:, -2] = 0.0
        kernel = _cubes(self._left[:n], z[:n])[0].T
        kernel.reshape(-1, order="F")[:: n + 1] += SMOOTHING
        kernel = blas.dsyrk(1.0 / TAIL_RIDGE, terms.T, 1.0, kernel, 1, 0, 1)
        self._factor, self._c, _ = lapack.dposv(kernel, y, overwrite_a=1)
        self._tail = self._c @ terms / TAIL_RIDGE
        self._observed = z[:n]

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return the values of the interpolant and the distances from known rows.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Where.

        Returns
        -------
        value : ndarray of shape (m,)
            The interpolant.
        distance : ndarray of shape (m,)
            To the nearest row that is observed or among the others.
        """
        position, presence, category = self._layout.embed(rows)
        z = self._coordinates(position, presence, _keyed(category))
        cubes, distances = _cubes(self._left, z)
        value = self._c @ cubes[: len(self._c)] + z @ self._tail
        return value, distances.min(axis=0)

    def left_out(self) -> tuple[Array, Array]:
        """Return what the interpolant of all other rows says of each observed row.

        Returns
        -------
        errors : ndarray of shape (n,)
            The value less what is said of it, in closed form [3]_.
        distance : ndarray of shape (n,)
            To the nearest other row that is observed; infinite if there is none.
        """
        n = len(self._c)
        inverse, _ = lapack.dtrtri(self._factor)
        precision = np.square(np.triu(inverse)).sum(axis=1)
        distances = _cubes(self._left[:n], self._observed)[1]
        np.fill_diagonal(distances, np.inf)
        return self._c / precision, distances.min(axis=0)

    def _coordinates(self, position: Array, presence: Array, keys: Array) -> Array:
        """Return Euclidean coordinates, squared norms and ones, (m, e + 2)."""
        d = position.shape[1]
        n_numeric = d + presence.shape[1]
        z = np.ones((len(position), n_numeric + len(self._level) + 2))
        z[:, :d] = position
        z[:, d:n_numeric] = presence
        if len(self._level):
            one_hot = keys[:, self._level_column] == self._level
            np.multiply(one_hot, np.sqrt(0.5), out=z[:, n_numeric:-2])
        numeric = z[:, :n_numeric]
        z[:, -2] = np.einsum("ij,ij->i", numeric, numeric) + 0.5 * keys.shape[1]
        return z


def expected_losses(
    known: Array, losses: Array, layout: Layout, rows: Array
) -> tuple[Array, Array]:
    """Return what an interpolant of known losses says of other rows.

    Losses are taken as they are: made Gaussian they suit the choice of the next row
    better, but say less of rows far from the best ones.

    Parameters
    ----------
    known : ndarray of shape (n, d)
        Rows whose losses are known. Of more than 1000 the best half of as many is
        taken, and as many more at even ranks.
    losses : ndarray of shape (n,)
        Any values; those that are not finite say nothing.
    layout : Layout
        Kinds of the columns.
    rows : ndarray of shape (m, d)
        Where.

    Returns
    -------
    mean, std : ndarray of shape (m,)
        Of the losses. The mean is no further beyond the known ones than their range: a
        cubic goes anywhere far from what it is fitted to. The deviation grows as the
        error of a cubic does, with the power 1.5 of the distance from what is known
        [2]_, and has the size of the errors at known rows that are left out. NaN with
        fewer than two losses.
    """
    finite = np.isfinite(losses)
    known, y = known[finite], losses[finite]
    if len(y) < 2:
        unknown = np.full(len(rows), np.nan)
        return (unknown if not len(y) else np.full(len(rows), y[0])), unknown
    kept = best_and_even(y, MAX_EXPECTED)
    known, y = known[kept], y[kept]
    size = np.abs(y).max() or 1.0  # so that no difference of finite numbers overflows
    middle = np.mean(y / size)
    y = y / size - middle
    spread = y.std() or 1.0
    model = CubicRBF(known, y / spread, layout, known[:0])
    value, distance = model.predict(rows)
    errors, distances = model.left_out()
    growth = np.sum(distances**3)
    factor = np.sqrt(np.sum(errors**2) / growth) if growth > 0.0 else 0.0
    value = np.clip(spread * value, y.min() - np.ptp(y), y.max() + np.ptp(y))
    return size * (middle + value), size * spread * factor * distance**1.5


def best_and_even(y: Array, n: int) -> NDArray[np.bool_]:
    """Choose the best half of n values, and as many more at even ranks.

    Parameters
    ----------
    y : ndarray of shape (m,)
        The lowest are the best.
    n : int
        How many to choose; all if there are no more.

    Returns
    -------
    chosen : ndarray of shape (m,), bool
        Which.
    """
    if len(y) <= n:
        return np.ones(len(y), dtype=bool)
    more = np.linspace(n // 2, len(y) - 1, n // 2).astype(int)
    rank = np.argsort(np.argsort(y, kind="stable"))
    chosen: NDArray[np.bool_] = (rank < n // 2) | np.isin(rank, more)
    return chosen


def _keyed(category: Array) -> Array:
    """Return categories as numbers that differ between columns: [3 j, 3 (j + 1))."""
    keys: Array = category + (1.0 + KEY_STEP * np.arange(category.shape[1]))
    return keys


def _cubes(left: Array, z: Array) -> tuple[Array, Array]:
    """Return the cubed distances of all pairs, (n, m), and the distances."""
    cubes = left @ z.T
    np.abs(cubes, out=cubes)  # rounding errors may be negative
    r = np.sqrt(cubes)
    cubes *= r
    return cubes, r
