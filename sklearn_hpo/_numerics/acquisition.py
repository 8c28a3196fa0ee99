"""What a proposal is worth: scores of posterior mean and deviation, to be maximised.

A score takes ``mean`` (m, S) and ``std`` (m,) and returns its value (m,) and its
partial derivatives by them, (m, S) and (m,). S target vectors are averaged over.

References
----------
.. [1] Jones, Schonlau & Welch (1998), Efficient Global Optimization of Expensive
   Black-Box Functions, Journal of Global Optimization 13: expected improvement.
.. [2] Ament, Daulton, Eriksson, Balandat & Bakshy (2023), Unexpected Improvements to
   Expected Improvement for Bayesian Optimization, NeurIPS: its logarithm.
.. [3] Kushner (1964), A New Method of Locating the Maximum Point of an Arbitrary
   Multipeak Curve in the Presence of Noise, Journal of Basic Engineering 86:
   probability of improvement.
.. [4] Srinivas, Krause, Kakade & Seeger (2010), Gaussian Process Optimization in the
   Bandit Setting: No Regret and Experimental Design, ICML: confidence bounds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

Array = NDArray[np.float64]

LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)


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
    log_mean, share = _log_mean_exp(value)
    return (
        log_mean + np.log(std),
        -share * slope / std[:, None],
        (share * ratio).sum(axis=1) / std,
    )


def log_pi(mean: Array, std: Array, best: Array) -> tuple[Array, Array, Array]:
    """Logarithm of the probability of improvement, averaged over target vectors.

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
        ``log mean_s P(f < best_s)`` [3]_.
    by_mean : ndarray of shape (m, S)
        Partial derivatives.
    by_std : ndarray of shape (m,)
        Partial derivative.
    """
    u = (best - mean) / std[:, None]
    value, slope = log_ndtr(u), np.empty_like(u)
    high = u > 0.0
    slope[high] = np.exp(-0.5 * u[high] ** 2 - LOG_SQRT_2PI - value[high])
    slope[~high] = np.sqrt(2.0 / np.pi) / erfcx(-u[~high] / np.sqrt(2.0))  # phi / Phi
    log_mean, share = _log_mean_exp(value)
    by_mean = -share * slope / std[:, None]
    return log_mean, by_mean, (by_mean * u).sum(axis=1)


def lower_bound(mean: Array, std: Array, kappa: float) -> tuple[Array, Array, Array]:
    """Negative lower confidence bound [4]_, averaged over target vectors.

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


def _log_mean_exp(value: Array) -> tuple[Array, Array]:
    """Return log mean exp of each row, (m,), and its partial derivatives, (m, S)."""
    top = value.max(axis=1)
    share = np.exp(value - top[:, None])
    total = share.sum(axis=1)
    share /= total[:, None]
    return top + np.log(total / value.shape[1]), share
