"""Gaussian process on rows with discrete, categorical and inactive columns.

The kernel is Matérn-5/2 with one lengthscale for each column. All columns enter
through one squared distance, a weighted sum of

- ``(x - x')^2`` of a numeric column; if the column is inactive in some branches, the
  distance of the embeddings ``(a (x - 1/2), a / 2)`` where a is 1 if active, else 0;
- ``1[x != x']`` of a categorical column, where "inactive" counts as a category.

Both are squared distances between points of a Euclidean space, so the kernel is
positive semi-definite for every mix of columns.

References
----------
.. [1] Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, MIT
   Press; sections 2.2 (posterior), 4.2 (Matérn).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]
Score = Callable[[Array, Array], tuple[Array, Array, Array]]

NUGGET = 1e-6
BLOCK = 256  # rows predicted at once
N_SHARED = 64  # rows that all processes of a mixture score, if there are more
SMALL = 64  # size of a triangle that is inverted at once


@dataclass(frozen=True)
class Layout:
    """What the kernel must know of the columns.

    Parameters
    ----------
    categorical : ndarray of shape (d,), bool
        Columns whose values are only equal or different.
    conditional : ndarray of shape (d,), bool
        Columns that are inactive (NaN) in some rows.
    """

    categorical: Mask
    conditional: Mask

    @cached_property
    def plain(self) -> bool:
        """Whether all columns are numeric and always active."""
        return not (self.categorical.any() or self.conditional.any())

    @cached_property
    def _any_optional(self) -> bool:
        """Whether any column may be inactive."""
        return bool(self.conditional.any())

    @cached_property
    def _categories(self) -> Index:
        return np.flatnonzero(self.categorical)

    @cached_property
    def _optional(self) -> Index:
        """Return the numeric columns that may be inactive."""
        return np.flatnonzero(self.conditional & ~self.categorical)

    def embed(self, rows: Array) -> tuple[Array, Array, Array]:
        """Return position, presence and category of every entry, free of NaN.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            NaN where inactive.

        Returns
        -------
        position : ndarray of shape (n, d)
            ``a (x - 1/2)`` of numeric columns, else 0.
        presence : ndarray of shape (n, n_conditional_numeric)
            ``a / 2`` of the numeric columns that may be inactive.
        category : ndarray of shape (n, n_categorical)
            The coordinate of categorical columns, -1 where inactive.
        """
        position = rows - 0.5
        if self.plain:
            return position, rows[:, :0], rows[:, :0]
        if not self._any_optional:
            position[:, self._categories] = 0.0
            return position, rows[:, :0], rows[:, self._categories]
        active = ~np.isnan(rows)
        position = np.where(active & ~self.categorical, position, 0.0)
        presence = 0.5 * active[:, self._optional]
        category = np.where(active, rows, -1.0)[:, self._categories]
        return position, presence, category

    def distances(self, rows: Array, i: Index, j: Index) -> Array:
        """Return the squared distances of pairs of rows, column by column.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            NaN where inactive.
        i, j : ndarray of shape (P,), int
            The pairs.

        Returns
        -------
        distances : ndarray of shape (d, P)
            Before division by the lengthscales.
        """
        position, presence, category = self.embed(rows)
        out = np.square((position[i] - position[j]).T)
        out[self.conditional & ~self.categorical] += np.square(
            presence[i] - presence[j]
        ).T
        out[self.categorical] = (category[i] != category[j]).T
        return out


class Posterior:
    """Gaussian process conditioned on one or several target vectors.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Observed rows.
    y : ndarray of shape (n,) or (n, S)
        Targets; several vectors share the standard deviation and differ in the mean.
    theta : ndarray of shape (d + 2,)
        Log hyperparameters.
    layout : Layout
        Kinds of the columns.
    extra : ndarray of shape (n,) or float, default=0.0
        Variances of the targets beside the noise that all have.
    """

    def __init__(
        self,
        rows: Array,
        y: Array,
        theta: Array,
        layout: Layout,
        extra: Array | float = 0.0,
    ) -> None:
        n, d = rows.shape
        self._layout = layout
        self._weight = np.exp(-2.0 * theta[:d])
        self._log_s2 = theta[d]
        self._s2, noise = np.exp(theta[d:])
        self.noise = noise + NUGGET
        self._position, _, category = layout.embed(rows)
        # Levels nobody observed have a zero product with every observed row.
        pairs = [
            (j, v) for j, column in enumerate(category.T) for v in np.unique(column)
        ]
        self._level_column = np.array([j for j, _ in pairs], dtype=int)
        self._level = np.array([v for _, v in pairs])
        scale = np.sqrt(5.0 * self._weight)
        both = layout.conditional & ~layout.categorical
        by_category = scale[layout.categorical] / np.sqrt(2.0)
        self._scale = np.concatenate(
            [scale, scale[both], by_category[self._level_column]]
        )
        self._category_norm = by_category @ by_category
        z = self._coordinates(rows)
        # One product gives squared distances: |z|^2 + |z'|^2 - 2 z z'.
        self._known = np.column_stack([-2.0 * z[:, :-2], z[:, -1], z[:, -2]]).T
        K, _ = self._kernel(z)
        K[np.diag_indices(n)] = self._s2 + self.noise + extra
        self._inverse_factor = _inverse(_cholesky(K))
        targets = y.reshape(n, -1)
        self._alpha = self._inverse_factor.T @ (self._inverse_factor @ targets)

    def _coordinates(self, rows: Array) -> Array:
        """Return scaled Euclidean coordinates, squared norms and ones, (m, e + 2)."""
        position, presence, category = self._layout.embed(rows)
        one_hot = category[:, self._level_column] == self._level
        n_numeric = position.shape[1] + presence.shape[1]
        out = np.ones((len(rows), len(self._scale) + 2))
        z = out[:, :-2]
        np.concatenate([position, presence, one_hot], axis=1, out=z)
        z *= self._scale
        numeric = z[:, :n_numeric]
        np.einsum("ij,ij->i", numeric, numeric, out=out[:, -2])
        out[:, -2] += self._category_norm
        return out

    def _kernel(self, z: Array) -> tuple[Array, Array]:
        """Return the covariances (m, n) and minus 6/5 of their slopes in r2."""
        squared = z @ self._known
        np.abs(squared, out=squared)  # rounding errors may be negative
        slope = np.sqrt(squared)
        decay = np.subtract(self._log_s2, slope)
        np.exp(decay, out=decay)
        slope += 1.0
        squared *= 1.0 / 3.0
        squared += slope
        squared *= decay
        slope *= decay
        return squared, slope

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return posterior means and standard deviations.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Where.

        Returns
        -------
        mean : ndarray of shape (m, S)
            One column for each target vector.
        std : ndarray of shape (m,)
            Of the noise-free function, at least 1e-6.
        """
        means, deviations = [], []
        # Larger arrays would be fresh memory of the operating system at each step.
        for first in range(0, max(len(rows), 1), BLOCK):
            block = rows[first : first + BLOCK]
            k, _ = self._kernel(self._coordinates(block))
            means.append(k @ self._alpha)
            deviations.append(self._std(self._whiten(k)))
        return np.concatenate(means), np.concatenate(deviations)

    def _whiten(self, k: Array) -> Array:
        """Return (L^-1 k')', (m, n)."""
        v: Array = blas.dtrmm(1.0, self._inverse_factor, k.T, lower=1).T
        return v

    def _std(self, v: Array) -> Array:
        variance: Array = self._s2 - np.einsum("ij,ij->i", v, v)
        return np.sqrt(np.maximum(variance, 1e-12))

    def gradient(self, rows: Array, score: Score) -> tuple[Array, Array]:
        """Return a function of mean and standard deviation, and its gradient.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Where.
        score : callable
            ``score(mean, std) -> (value, by_mean, by_std)`` of shapes (m,), (m, S)
            and (m,): the value and its partial derivatives.

        Returns
        -------
        value : ndarray of shape (m,)
            The score of each row.
        gradient : ndarray of shape (m, d)
            By the numeric coordinates; 0 for categorical and inactive ones.
        """
        sight = self._look(rows)
        value, by_mean, by_std = score(sight.mean, sight.std)
        return value, self._pull(sight, by_mean, by_std)

    def _look(self, rows: Array) -> "_Sight":
        z = self._coordinates(rows)
        k, slope = self._kernel(z)
        # For few rows, a product with the zeros of the triangle is the faster one.
        v = k @ self._inverse_factor.T
        return _Sight(rows, z, slope, v, k @ self._alpha, self._std(v))

    def _pull(self, sight: "_Sight", by_mean: Array, by_std: Array) -> Array:
        """Return the gradient of what has these partial derivatives, (m, d)."""
        by_k = by_mean @ self._alpha.T
        by_k -= (by_std / sight.std)[:, None] * (sight.v @ self._inverse_factor)
        by_k *= sight.slope
        d = sight.rows.shape[1]
        own = sight.z[:, :d] / self._scale[:d]
        pull = by_k @ self._position - own * by_k.sum(axis=1)[:, None]
        pull *= (5.0 / 3.0) * self._weight
        pull[np.isnan(sight.rows)] = 0.0
        return pull

    def sample(self, rows: Array, normals: Array) -> Array:
        """Draw noisy targets of rows jointly, from the first target vector.

        Parameters
        ----------
        rows : ndarray of shape (q, d)
            Where.
        normals : ndarray of shape (q, S)
            Standard normal draws, one column for each target vector to draw.

        Returns
        -------
        targets : ndarray of shape (q, S)
            The draws.
        """
        k, _ = self._kernel(self._coordinates(rows))
        v = self._whiten(k)
        i, j = np.indices((len(rows), len(rows))).reshape(2, -1)
        r = np.sqrt(5.0 * (self._weight @ self._layout.distances(rows, i, j)))
        prior = self._s2 * (1.0 + r + r * r / 3.0) * np.exp(-r)
        covariance = prior.reshape(len(rows), -1) - v @ v.T
        covariance[np.diag_indices(len(rows))] += self.noise
        draws: Array = (k @ self._alpha)[:, :1] + _cholesky(covariance) @ normals
        return draws


class _Sight(NamedTuple):
    """What a process makes of rows: what its gradient is computed from."""

    rows: Array
    z: Array
    slope: Array
    v: Array
    mean: Array
    std: Array


class Mixture:
    """Processes with different hyperparameters, scored together.

    The score of the mixture is the logarithm of the weighted mean of the exponentials
    of the processes' scores; for the logarithm of an expectation, that is the
    logarithm of the expectation under the mixture.

    Parameters
    ----------
    posteriors : list of Posterior
        The processes.
    weights : list of float
        Their probabilities.
    """

    def __init__(self, posteriors: list[Posterior], weights: list[float]) -> None:
        self._posteriors = posteriors
        self._offsets = np.log(weights)[:, None]

    def value(self, rows: Array, score: Score) -> Array:
        """Return the score of each row, (m,).

        Of many rows only the 64 best under the first process are looked at by the
        others; for the rest, the share of the first is a lower bound, and is returned.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Where.
        score : callable
            As for `Posterior.gradient`.
        """
        first, *others = self._posteriors
        total: Array = self._offsets[0] + score(*first.predict(rows))[0]
        seen = np.arange(len(rows))
        if len(rows) > N_SHARED:
            seen = np.argpartition(total, -N_SHARED)[-N_SHARED:]
        for offset, posterior in zip(self._offsets[1:], others, strict=True):
            more = offset + score(*posterior.predict(rows[seen]))[0]
            total[seen] = np.logaddexp(total[seen], more)
        return total

    def gradient(self, rows: Array, score: Score) -> tuple[Array, Array]:
        """Return the score of each row, (m,), and its gradients, (m, d).

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Where.
        score : callable
            As for `Posterior.gradient`.
        """
        sights = [posterior._look(rows) for posterior in self._posteriors]
        # The score is asked once: for few rows, calls are what costs.
        value, by_mean, by_std = score(
            np.concatenate([sight.mean for sight in sights]),
            np.concatenate([sight.std for sight in sights]),
        )
        each = self._offsets + value.reshape(len(sights), -1)
        total: Array = np.logaddexp.reduce(each)
        share = np.exp(each - total).ravel()
        by_mean *= share[:, None]
        by_std *= share
        slope = np.zeros_like(rows)
        for i, (posterior, sight) in enumerate(
            zip(self._posteriors, sights, strict=True)
        ):
            own = slice(i * len(rows), (i + 1) * len(rows))
            slope += posterior._pull(sight, by_mean[own], by_std[own])
        return total, slope


def _cholesky(K: Array) -> Array:
    """Return L, adding to the diagonal of K until it has a factor."""
    jitter = 0.0
    while True:
        A = K.copy(order="F")
        A[np.diag_indices(len(A))] += jitter
        L, info = lapack.dpotrf(A, lower=1, overwrite_a=1)
        if info == 0:
            factor: Array = L
            return factor
        jitter = max(10.0 * jitter, NUGGET)


def _inverse(L: Array) -> Array:
    """Return the inverse of a lower triangular matrix.

    LAPACK's is faster by halves, for most of the work is a product then.
    """
    if len(L) <= SMALL:
        return np.asfortranarray(lapack.dtrtri(L, lower=1)[0])
    h = len(L) // 2
    A, C = _inverse(L[:h, :h]), _inverse(L[h:, h:])
    out = np.zeros(L.shape, order="F")
    out[:h, :h], out[h:, h:] = A, C
    out[h:, :h] = -blas.dtrmm(1.0, C, L[h:, :h] @ A, lower=1)
    return out
