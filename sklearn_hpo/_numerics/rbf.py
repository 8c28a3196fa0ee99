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
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from sklearn_hpo._numerics.gp import Layout

Array = NDArray[np.float64]

# Both keep the linear system regular: equal rows may be told, and the tail may have
# more terms than there are rows (the categories of a column always add up to 1).
SMOOTHING = 1e-6
TAIL_RIDGE = 1e-6


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
        known = np.concatenate([rows, others])
        # Levels that no known row has differ from all of them, and need no coordinate.
        category = layout.embed(known)[2]
        pairs = [
            (j, v) for j, column in enumerate(category.T) for v in np.unique(column)
        ]
        self._level_column = np.array([j for j, _ in pairs], dtype=int)
        self._level = np.array([v for _, v in pairs])
        z = self._coordinates(known)
        # One product gives squared distances: |z|^2 + |z'|^2 - 2 z z'.
        self._left = np.column_stack([-2.0 * z[:, :-2], z[:, -1], z[:, -2]])
        n, e = len(rows), z.shape[1] - 2
        z = z[:n]
        A = np.zeros((n + 1 + e, n + 1 + e), order="F")
        A[:n, :n] = _cubes(self._left[:n], z)[0]
        A[:n, n] = A[n, :n] = 1.0
        A[:n, n + 1 :] = z[:, :-2]
        A[n + 1 :, :n] = z[:, :-2].T
        flat = A.reshape(-1, order="F")
        flat[:: n + 2 + e] = np.repeat([SMOOTHING, -TAIL_RIDGE], [n, 1 + e])
        _, _, solution, _ = lapack.dgesv(
            A, np.append(y, np.zeros(1 + e)), overwrite_a=1, overwrite_b=1
        )
        self._c, constant, slope = np.split(solution, [n, n + 1])
        # Of coordinates, squared norm and one.
        self._tail = np.concatenate([slope, [0.0], constant])

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
        z = self._coordinates(rows)
        cubes, distance = _cubes(self._left, z)
        return self._c @ cubes[: len(self._c)] + z @ self._tail, distance

    def _coordinates(self, rows: Array) -> Array:
        """Return Euclidean coordinates, squared norms and ones, (m, e + 2)."""
        position, presence, category = self._layout.embed(rows)
        one_hot = category[:, self._level_column] == self._level
        n_numeric = position.shape[1] + presence.shape[1]
        out = np.ones((len(rows), n_numeric + len(self._level) + 2))
        z = np.concatenate(
            [position, presence, np.sqrt(0.5) * one_hot], axis=1, out=out[:, :-2]
        )
        numeric = z[:, :n_numeric]
        out[:, -2] = np.einsum("ij,ij->i", numeric, numeric) + 0.5 * category.shape[1]
        return out


def _cubes(left: Array, z: Array) -> tuple[Array, Array]:
    """Return the cubed distances of all pairs (n, m), and the least of each column."""
    cubes = left @ z.T
    np.abs(cubes, out=cubes)  # rounding errors may be negative
    r = np.sqrt(cubes)
    cubes *= r
    return cubes, r.min(axis=0)
