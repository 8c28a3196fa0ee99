"""Fit the hyperparameters of the Gaussian process: evidence, prior and their maximum.

References
----------
.. [1] Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, MIT
   Press; section 5.4 (evidence and gradient).
.. [2] Hvarfner, Hellsten & Nardi (2024), Vanilla Bayesian Optimization Performs
   Great in High Dimensions, ICML: lengthscale priors that grow with sqrt(d).
"""

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from sklearn_hpo._numerics.gp import NUGGET, Array, Layout

# Bounds of the lengthscales (unit cube), of the signal variance and of the noise
# variance (targets of unit variance); inside them K always has a Cholesky factor.
LENGTHSCALE_BOUNDS = (0.005, 50.0)
SIGNAL_BOUNDS = (1e-3, 1e3)
NOISE_BOUNDS = (1e-8, 1.0)


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
        neither vanish nor saturate whatever d [2]_; a signal of unit variance; little
        noise, but anything from none to a tenth of the variance is plausible.
    """
    mean, std = np.full(d + 2, -1.0 + 0.5 * np.log(max(d, 1))), np.ones(d + 2)
    mean[d:] = 0.0, -6.0
    std[-1] = 2.0
    return mean, std


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
    extra : ndarray of shape (n,) or float, default=0.0
        Variances of the targets beside the noise that all have.
    """

    def __init__(
        self, rows: Array, y: Array, layout: Layout, extra: Array | float = 0.0
    ) -> None:
        self.y, self._extra = y, extra
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
        flat[:: n + 1] = s2 + noise + NUGGET + self._extra
        L, info = lapack.dpotrf(K, lower=1, clean=0, overwrite_a=1)
        z = (theta - self._mean) / self._std
        if info != 0:
            return -1e10, -z / self._std
        alpha, _ = lapack.dpotrs(L, self.y, lower=1)
        # Copied: how NumPy 1.24 rounds a strided logarithm depends on the addresses.
        log_det = 2.0 * np.log(np.diagonal(L).copy()).sum()
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
    rows: Array,
    y: Array,
    layout: Layout,
    start: Array,
    max_iter: int = 20,
    extra: Array | float = 0.0,
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
    extra : ndarray of shape (n,) or float, default=0.0
        Variances of the targets beside the noise that all have.

    Returns
    -------
    theta : ndarray of shape (d + 2,)
        The best hyperparameters found.
    value : float
        Their log posterior density, to compare starts by.
    """
    evidence = Evidence(rows, y, layout, extra)

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
