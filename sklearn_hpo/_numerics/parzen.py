"""Parzen estimators: mixtures of product kernels over rows of the unit cube.

All densities are relative to the uniform law of the cube, so that a column counts 1
where a kernel knows nothing of it: there, and in a prior kernel, its mean is NaN.

- Numeric columns have Gaussian kernels truncated to [0, 1]; if the values of a column
  are listed, the density is the mean of the kernel over the cell of the value.
- Categorical columns have kernels that mix "the same category" with the uniform law.

References
----------
.. [1] Bergstra, Bardenet, Bengio & Kégl (2011), Algorithms for Hyper-Parameter
   Optimization, NeurIPS.
.. [2] Watanabe (2023), Tree-Structured Parzen Estimator: Understanding Its Algorithm
   Components and Their Roles for Better Empirical Performance, arXiv 2304.11127.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)
# Bandwidths: this much of the distance to the neighbours, and at least half of what
# [1]_ allow. Narrower kernels suit some tens of evaluations (chosen on test functions).
NARROWING = 0.7
MIN_BANDWIDTH = 0.01


class Cells:
    """The values that the columns of a space can take.

    Parameters
    ----------
    centres : sequence of (ndarray or None)
        For each column the coordinates of its values, increasing; None if it is
        continuous.
    edges : sequence of (ndarray or None)
        For each column the limits of the cells around its values, from 0 to 1.
    categorical : ndarray of shape (d,), bool
        Columns whose values are only equal or different; they have centres.
    """

    def __init__(
        self,
        centres: Sequence[Array | None],
        edges: Sequence[Array | None],
        categorical: Mask,
    ) -> None:
        self.categorical = categorical
        self.smooth = np.array([c is None for c in centres], dtype=bool)
        self.n_levels = np.array([0 if c is None else len(c) for c in centres], float)
        self.levels = [
            (j, c, np.diff(e))
            for j, (c, e) in enumerate(zip(centres, edges, strict=True))
            if c is not None and e is not None
        ]


def bandwidths(rows: Array) -> Array:
    """Return a standard deviation for the kernel of each coordinate.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Means of the kernels, NaN where inactive.

    Returns
    -------
    sigma : ndarray of shape (n, d)
        0.7 of the larger distance to the two neighbours in the same column [1]_, or
        to the two ends of [0, 1] for a coordinate without neighbours; at most 1 and at
        least ``1 / min(100, 2 n_active + 4)``. Arbitrary where the row is NaN.
    """
    n, d = rows.shape
    count = n - np.isnan(rows).sum(axis=0)
    order = np.argsort(rows, axis=0, kind="stable")  # NaN last
    ranked = np.take_along_axis(rows, order, axis=0)
    gaps = np.zeros((n + 1, d))
    gaps[1:-1] = np.nan_to_num(np.diff(ranked, axis=0))
    widest = np.maximum(gaps[1:], gaps[:-1])
    if n:
        lone = np.fmax(ranked[0], 1.0 - ranked[0])
        widest[0] = np.where(count == 1, lone, widest[0])
    sigma = np.empty_like(rows)
    np.put_along_axis(sigma, order, NARROWING * widest, axis=0)
    lowest = np.maximum(MIN_BANDWIDTH, 1.0 / (2.0 * count + 4.0))
    return np.clip(sigma, lowest, 1.0)


class Mixture:
    """A weighted sum of products of kernels, one for each row and a uniform one.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Where the kernels stand, NaN where inactive.
    weights : ndarray of shape (n + 1,)
        Positive; the last one is that of the uniform kernel. They are normalised.
    cells : Cells
        The values of the columns.
    """

    def __init__(self, rows: Array, weights: Array, cells: Cells) -> None:
        n, d = rows.shape
        self.cells = cells
        self.weights = weights / weights.sum()
        self.mean = np.vstack([rows, np.full(d, np.nan)])
        self.known = ~np.isnan(self.mean)
        self.sigma = np.vstack([bandwidths(rows), np.ones(d)])
        # The share of the uniform law in a categorical kernel: one count for its own
        # category, 1 / (n + 1) for every one.
        count = cells.n_levels
        self.blur = np.where(self.known, count / (n + 1.0 + count), 1.0)
        # Probability below 0 and within [0, 1] before truncation.
        self.below = ndtr(-self.mean / self.sigma)
        self.mass = ndtr((1.0 - self.mean) / self.sigma) - self.below

    def log_density(self, rows: Array) -> Array:
        """Return the logarithm of the density, relative to the uniform law.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Canonical rows, NaN where inactive: those columns count 1.

        Returns
        -------
        log_density : ndarray of shape (m,)
            Finite.
        """
        kernels = self._smooth(rows)
        for j, centres, widths in self.cells.levels:
            x = rows[:, j]
            index = np.searchsorted(centres, np.where(np.isnan(x), np.inf, x))
            if len(centres) > len(x):  # only those values that occur
                present, index = np.unique(index, return_inverse=True)
                present = present[: np.searchsorted(present, len(centres))]
                centres, widths = centres[present], widths[present]
            kernels += self._table(j, centres, widths)[index]
        kernels += np.log(self.weights)
        top = kernels.max(axis=1)
        kernels -= top[:, None]
        log_density: Array = top + np.log(np.exp(kernels).sum(axis=1))
        return log_density

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points; those in the same cell of a discrete column mean the same.

        Parameters
        ----------
        n : int
            Number of points.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        points : ndarray of shape (n, d)
            In [0, 1], not snapped; uniform where the kernel that was drawn is inactive.
        """
        chosen = rng.choice(len(self.weights), size=n, p=self.weights)
        mean = self.mean[chosen]
        u, v = rng.random((2, *mean.shape))
        below = self.below[chosen] + u * self.mass[chosen]
        x = mean + self.sigma[chosen] * ndtri(below)
        x = np.where(self.cells.categorical, mean, np.clip(x, 0.0, 1.0))
        blurred = self.cells.categorical & (u < self.blur[chosen])
        return np.where(blurred | np.isnan(mean), v, x)

    def _smooth(self, rows: Array) -> Array:
        """Return the logarithm of each kernel at each row over continuous columns."""
        smooth = self.cells.smooth
        known = self.known[:, smooth]
        mean = np.where(known, self.mean[:, smooth], 0.5) - 0.5
        norm = np.where(known, self.sigma[:, smooth] * self.mass[:, smooth], 1.0)
        precision = np.where(known, self.sigma[:, smooth] ** -2.0, 0.0)
        constant = known * LOG_SQRT_2PI + np.log(norm)
        # All (x - mean)^2 / sigma^2 and the norming constants in one matrix product.
        right = [
            -0.5 * precision,
            precision * mean,
            -0.5 * precision * mean * mean - constant,
        ]
        x = rows[:, smooth] - 0.5
        active = ~np.isnan(x)
        x = np.where(active, x, 0.0)
        out: Array = np.hstack([x * x, x, active]) @ np.hstack(right).T
        return out

    def _table(self, j: int, centres: Array, widths: Array) -> Array:
        """Return the logarithm of each kernel of column j at some of its values.

        The last row, all 0, is for rows where the column is inactive.
        """
        mean, c, w = self.mean[:, j], centres[:, None], widths[:, None]
        if self.cells.categorical[j]:
            blur = self.blur[:, j]
            density = blur + (1.0 - blur) * (c == mean) / w
        else:
            sigma = self.sigma[:, j]
            # By symmetry at the lower side, where no digits of the difference are lost.
            far, half = np.abs(c - mean) / sigma, 0.5 * w / sigma
            density = (ndtr(half - far) - ndtr(-half - far)) / (w * self.mass[:, j])
            density[:, ~self.known[:, j]] = 1.0
        table = np.zeros((len(centres) + 1, len(mean)))
        np.log(np.maximum(density, np.finfo(float).tiny), out=table[:-1])
        return table
