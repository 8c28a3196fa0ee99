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
   Press; sections 2.2 (posterior), 4.2 (Matérn) and 5.4 (evidence and gradient).
.. [2] Hvarfner, Hellsten & Nardi (2024), Vanilla Bayesian Optimization Performs
   Great in High Dimensions, ICML: lengthscale priors that grow with sqrt(d).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

NUGGET = 1e-6
# Bounds of the lengthscales (unit cube), of the signal variance and of the noise
# variance (targets of unit variance); inside them K always has a Cholesky factor.
LENGTHSCALE_BOUNDS = (0.005, 50.0)
SIGNAL_BOUNDS = (1e-3, 1e3)
NOISE_BOUNDS = (1e-8, 1.0)


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
        active = ~np.isnan(rows)
        numeric = active & ~self.categorical
        position = np.where(numeric, rows - 0.5, 0.0)
        presence = 0.5 * active[:, self.conditional & ~self.categorical]
        category = np.where(active, rows, -1.0)[:, self.categorical]
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


def prior(d: int) -> tuple[Array, Array]:
    """Return mean and standard deviation of the Gaussian prior of theta.

    Parameters
    ----------
    d : int
        Number of columns.

    Returns
    -------
    mean, std : ndarray of shape (d + 2,)
        Lengthscales around ``sqrt(d) / e``, so that distances between random rows
        neither vanish nor saturate whatever d [2]_; a signal of unit variance; noise
        of about 2 % of the variance.
    """
    mean = np.full(d + 2, -1.0 + 0.5 * np.log(max(d, 1)))
    mean[d:] = 0.0, -4.0
    return mean, np.ones(d + 2)


class Evidence:
    """Log posterior density of theta given observed rows, with its gradient.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Observed rows.
    y : ndarray of shape (n,)
        Targets.
    layout : Layout
        Kinds of the columns.
    """

    def __init__(self, rows: Array, y: Array, layout: Layout) -> None:
        self.y = y
        self.n, self.d = rows.shape
        self._pairs = np.triu_indices(self.n, 1)
        # A pair is an element of the lower triangle; LAPACK stores by columns.
        self._flat = self._pairs[0] * self.n + self._pairs[1]
        self._distance = layout.distances(rows, *self._pairs)
        self._mean, self._std = prior(self.d)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Evaluate at theta.

        Parameters
        ----------
        theta : ndarray of shape (d + 2,)
            Log hyperparameters.

        Returns
        -------
        value : float
            Log marginal likelihood plus log prior, without their constants.
        gradient : ndarray of shape (d + 2,)
            With respect to theta.
        """
        n, d = self.n, self.d
        weight, (s2, noise) = np.exp(-2.0 * theta[:d]), np.exp(theta[d:])
        r = np.sqrt(5.0 * (weight @ self._distance))
        decay = s2 * np.exp(-r)
        K = np.zeros((n, n), order="F")
        flat = K.reshape(-1, order="F")
        kernel = (1.0 + r + r * r / 3.0) * decay
        flat[self._flat] = kernel
        flat[:: n + 1] = s2 + noise + NUGGET
        L, info = lapack.dpotrf(K, lower=1, clean=0, overwrite_a=1)
        z = (theta - self._mean) / self._std
        if info != 0:
            return -1e10, -z / self._std
        alpha, _ = lapack.dpotrs(L, self.y, lower=1)
        log_det = 2.0 * np.log(np.diagonal(L)).sum()
        value = -0.5 * (self.y @ alpha + log_det + z @ z)
        inverse, _ = lapack.dpotri(L, lower=1, overwrite_c=1)
        # Derivatives go through Q = alpha alpha' - K^-1 [1]_, eq. 5.9; each pair of
        # the lower triangle stands for two elements of Q.
        flat = inverse.reshape(-1, order="F")
        i, j = self._pairs
        Q = alpha[i] * alpha[j] - flat[self._flat]
        trace = alpha @ alpha - flat[:: n + 1].sum()
        gradient = -z / self._std
        slope = (5.0 / 3.0) * (1.0 + r) * decay
        gradient[:d] += weight * (self._distance @ (Q * slope))
        gradient[d] += Q @ kernel + 0.5 * s2 * trace
        gradient[d + 1] += 0.5 * noise * trace
        return float(value), gradient


def fit(
    rows: Array, y: Array, layout: Layout, start: Array, max_iter: int = 20
) -> tuple[Array, float]:
    """Maximise the posterior density of the hyperparameters by L-BFGS-B.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Observed rows.
    y : ndarray of shape (n,)
        Targets.
    layout : Layout
        Kinds of the columns.
    start : ndarray of shape (d + 2,)
        Where to start.
    max_iter : int, default=20
        Limit of iterations.

    Returns
    -------
    theta : ndarray of shape (d + 2,)
        The best hyperparameters found.
    value : float
        Their log posterior density, to compare starts by.
    """
    evidence = Evidence(rows, y, layout)

    def loss(theta: Array) -> tuple[float, Array]:
        value, gradient = evidence(theta)
        return -value, -gradient

    limits = [LENGTHSCALE_BOUNDS] * evidence.d + [SIGNAL_BOUNDS, NOISE_BOUNDS]
    result = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=np.log(limits),
        options={"maxiter": max_iter, "ftol": 1e-6, "gtol": 1e-3},
    )
    return result.x, -float(result.fun)


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
    """

    def __init__(self, rows: Array, y: Array, theta: Array, layout: Layout) -> None:
        n, d = rows.shape
        self._layout = layout
        self._weight = np.exp(-2.0 * theta[:d])
        self._s2, noise = np.exp(theta[d:])
        self.noise = noise + NUGGET
        self._position, _, category = layout.embed(rows)
        # Levels nobody observed have a zero product with every observed row.
        pairs = [
            (j, v) for j, column in enumerate(category.T) for v in np.unique(column)
        ]
        self._level_column = np.array([j for j, _ in pairs], dtype=int)
        self._level = np.array([v for _, v in pairs])
        scale = np.sqrt(self._weight)
        both = layout.conditional & ~layout.categorical
        by_category = scale[layout.categorical] / np.sqrt(2.0)
        self._scale = np.concatenate(
            [scale, scale[both], by_category[self._level_column]]
        )
        self._category_norm = by_category @ by_category
        self._z, self._norm = self._coordinates(rows)
        K = self._kernel(self._z, self._norm)[0]
        K[np.diag_indices(n)] = self._s2 + self.noise
        self._inverse_factor = lapack.dtrtri(_cholesky(K), lower=1, overwrite_c=1)[0]
        targets = y.reshape(n, -1)
        self._alpha = self._inverse_factor.T @ (self._inverse_factor @ targets)

    def _coordinates(self, rows: Array) -> tuple[Array, Array]:
        """Return scaled Euclidean coordinates (m, e) and squared norms (m,)."""
        position, presence, category = self._layout.embed(rows)
        one_hot = category[:, self._level_column] == self._level
        n_numeric = position.shape[1] + presence.shape[1]
        z = np.concatenate([position, presence, one_hot], axis=1)
        z *= self._scale
        numeric = z[:, :n_numeric]
        norm = np.einsum("ij,ij->i", numeric, numeric) + self._category_norm
        return z, norm

    def _kernel(self, z: Array, norm: Array) -> tuple[Array, Array]:
        """Return the covariances (m, n) and minus twice their slopes in r2."""
        r = z @ self._z.T
        r *= -2.0
        r += norm[:, None]
        r += self._norm
        np.maximum(r, 0.0, out=r)
        r *= 5.0
        np.sqrt(r, out=r)
        decay = np.exp(-r)
        decay *= self._s2
        slope = (1.0 + r) * decay
        r *= r
        r /= 3.0
        r *= decay
        r += slope
        return r, slope

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
        k, _ = self._kernel(*self._coordinates(rows))
        return k @ self._alpha, self._std(k @ self._inverse_factor.T)

    def _std(self, v: Array) -> Array:
        variance: Array = self._s2 - np.einsum("ij,ij->i", v, v)
        return np.sqrt(np.maximum(variance, 1e-12))

    def gradient(
        self, rows: Array, score: Callable[[Array, Array], tuple[Array, Array, Array]]
    ) -> tuple[Array, Array]:
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
        z, norm = self._coordinates(rows)
        k, slope = self._kernel(z, norm)
        v = k @ self._inverse_factor.T
        std = self._std(v)
        value, by_mean, by_std = score(k @ self._alpha, std)
        by_k = by_mean @ self._alpha.T
        by_k -= (by_std / std)[:, None] * (v @ self._inverse_factor)
        by_k *= slope
        d = rows.shape[1]
        own = z[:, :d] / self._scale[:d]
        pull = by_k @ self._position - own * by_k.sum(axis=1)[:, None]
        pull *= (5.0 / 3.0) * self._weight
        pull[np.isnan(rows)] = 0.0
        return value, pull

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
        k, _ = self._kernel(*self._coordinates(rows))
        v = k @ self._inverse_factor.T
        i, j = np.indices((len(rows), len(rows))).reshape(2, -1)
        r = np.sqrt(5.0 * (self._weight @ self._layout.distances(rows, i, j)))
        prior = self._s2 * (1.0 + r + r * r / 3.0) * np.exp(-r)
        covariance = prior.reshape(len(rows), -1) - v @ v.T
        covariance[np.diag_indices(len(rows))] += self.noise
        draws: Array = (k @ self._alpha)[:, :1] + _cholesky(covariance) @ normals
        return draws


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
