"""What a proposal is worth: scores of posterior mean and deviation, to be maximised.

A score takes ``mean`` (m, S) and ``std`` (m,) and returns its value (m,) and its
partial derivatives by them, (m, S) and (m,). S target vectors are averaged over.

References
----------
.. [1] Jones, Schonlau & Welch (1998), Efficient Global Optimization of Expensive
   Black-Box Functions, Journal of Global Optimization 13: expected improvement.
.. [2] Ament, Daulton, Eriksson, Balandat & Bakshy (2023), Unexpected Improvements to
   Expected Improvement for Bayesian Optimization, NeurIPS: its logarithm.
.. [3] Yeo & Johnson (2000), A New Family of Power Transformations to Improve Normality
   or Symmetry, Biometrika 87.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import erfcx, ndtr

Array = NDArray[np.float64]

LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)
POWER_BOUNDS = (-2.0, 4.0)


def log_h(u: Array) -> tuple[Array, Array, Array]:
    """Return the logarithm of ``h(u) = phi(u) + u Phi(u)`` without loss of precision.

    phi and Phi are the density and the distribution function of the standard normal.

    Parameters
    ----------
    u : ndarray
        Any finite values.

    Returns
    -------
    value : ndarray
        ``log h(u)``: directly above -1; below, ``h / phi = 1 + u Phi / phi`` from the
        scaled complementary error function; below -100, where that difference
        cancels, its asymptotic series.
    slope : ndarray
        ``Phi(u) / h(u)``, the derivative.
    ratio : ndarray
        ``phi(u) / h(u)``.
    """
    value, slope, ratio = (np.empty_like(u) for _ in range(3))
    high = u > -1.0
    x = u[high]
    phi, Phi = np.exp(-0.5 * x * x - LOG_SQRT_2PI), ndtr(x)
    h = phi + x * Phi
    value[high], slope[high], ratio[high] = np.log(h), Phi / h, phi / h
    x = u[~high]
    mills = np.sqrt(np.pi / 2.0) * erfcx(-x / np.sqrt(2.0))  # Phi / phi
    inverse = 1.0 / (x * x)
    series = inverse * (1.0 - inverse * (3.0 - inverse * (15.0 - 105.0 * inverse)))
    c = np.where(x > -100.0, 1.0 + x * mills, series)  # h / phi
    value[~high] = np.log(c) - 0.5 * x * x - LOG_SQRT_2PI
    slope[~high], ratio[~high] = mills / c, 1.0 / c
    return value, slope, ratio


def log_ei(mean: Array, std: Array, best: Array) -> tuple[Array, Array, Array]:
    """Logarithm of the expected improvement on `best`, averaged over target vectors.

    Parameters
    ----------
    mean : ndarray of shape (m, S)
        Posterior means.
    std : ndarray of shape (m,)
        Posterior standard deviations.
    best : ndarray of shape (S,)
        The value to fall below, for each target vector.

    Returns
    -------
    value : ndarray of shape (m,)
        ``log mean_s E max(best_s - f, 0)`` [1]_ [2]_.
    by_mean : ndarray of shape (m, S)
        Partial derivatives.
    by_std : ndarray of shape (m,)
        Partial derivative.
    """
    value, slope, ratio = log_h((best - mean) / std[:, None])
    top = value.max(axis=1)
    share = np.exp(value - top[:, None])
    total = share.sum(axis=1)
    share /= total[:, None]
    log_mean = top + np.log(total / mean.shape[1])
    return (
        log_mean + np.log(std),
        -share * slope / std[:, None],
        (share * ratio).sum(axis=1) / std,
    )


def lower_bound(mean: Array, std: Array, kappa: float) -> tuple[Array, Array, Array]:
    """Negative lower confidence bound, averaged over target vectors.

    Parameters
    ----------
    mean : ndarray of shape (m, S)
        Posterior means.
    std : ndarray of shape (m,)
        Posterior standard deviations.
    kappa : float
        How many standard deviations to go below the mean.

    Returns
    -------
    value : ndarray of shape (m,)
        ``kappa std - mean``.
    by_mean : ndarray of shape (m, S)
        Partial derivatives.
    by_std : ndarray of shape (m,)
        Partial derivative.
    """
    value = kappa * std - mean.mean(axis=1)
    return value, np.full_like(mean, -1.0 / mean.shape[1]), np.full_like(std, kappa)


def yeo_johnson(x: Array, power: float) -> Array:
    """Apply the transformation of Yeo and Johnson [3]_.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Values of the order of one.
    power : float
        Its parameter lambda; 1 leaves `x` as it is.

    Returns
    -------
    transformed : ndarray of shape (n,)
        An increasing function of `x`.
    """
    # The negative half is the positive one, turned about 0, with power 2 - lambda.
    p = np.where(x < 0.0, 2.0 - power, power)
    log = np.log1p(np.abs(x))
    # expm1(p log) / p tends to log as p tends to 0.
    safe = np.where(np.abs(p) < 1e-8, 1.0, p)
    size = np.where(np.abs(p) < 1e-8, log, np.expm1(safe * log) / safe)
    return np.copysign(size, x)


def normalise(losses: Array) -> Array:
    """Make losses look Gaussian: Yeo-Johnson after scaling, zero mean, unit variance.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Any values; those that are not finite count as failures, half the range worse
        than the worst.

    Returns
    -------
    y : ndarray of shape (n,)
        In the order of the losses; all zero if the losses are all equal. The power is
        the one of maximal likelihood, or 1 below five distinct values.
    """
    finite = np.isfinite(losses)
    if not finite.any():
        return np.zeros(len(losses))
    low, high = losses[finite].min(), losses[finite].max()
    # Halved, so that no difference of finite numbers overflows.
    y = 0.5 * np.where(finite, losses, high) - 0.5 * np.median(losses[finite])
    scale = max(np.abs(y).max(), np.finfo(float).tiny)
    y /= scale
    y[~finite] += 0.5 * (0.5 * high - 0.5 * low) / scale
    if np.ptp(y) == 0.0:
        return np.zeros(len(losses))
    y /= y.std()
    if len(np.unique(y)) >= 5:
        y = yeo_johnson(y, _likely_power(y))
    y -= y.mean()
    y /= y.std()
    return y


def _likely_power(y: Array) -> float:
    """Return the power under which the transformed values are most likely normal."""
    log_jacobian = (np.sign(y) * np.log1p(np.abs(y))).sum()

    def loss(power: float) -> float:
        variance = yeo_johnson(y, power).var()
        return float(0.5 * len(y) * np.log(variance) - (power - 1.0) * log_jacobian)

    found = minimize_scalar(loss, bounds=POWER_BOUNDS, method="bounded")
    return float(found.x)
