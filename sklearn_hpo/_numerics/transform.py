"""Losses made Gaussian, and back.

References
----------
.. [1] Yeo & Johnson (2000), A New Family of Power Transformations to Improve Normality
   or Symmetry, Biometrika 87.
.. [2] Marchand, Muzellec, Beguier, Ogier du Terrail & Andreux (2022), SecureFedYJ: a
   safe feature Gaussianization protocol for Federated Learning, NeurIPS.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POWERS = np.linspace(-2.0, 4.0, 13)  # among which the likeliest is looked for first
N_NODES = 16


def yeo_johnson(x: Array, power: float) -> Array:
    """Apply the transformation of Yeo and Johnson [1]_.

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


def inverse_yeo_johnson(z: Array, power: float) -> Array:
    """Return the values that `yeo_johnson` maps to `z`.

    Parameters
    ----------
    z : ndarray of shape (n,)
        Transformed values; beyond the range of the transformation, its end counts.
    power : float
        Its parameter lambda.

    Returns
    -------
    x : ndarray of shape (n,)
        The values.
    """
    p = np.where(z < 0.0, 2.0 - power, power)
    size = np.abs(z)
    safe = np.where(np.abs(p) < 1e-8, 1.0, p)
    inside = np.maximum(safe * size, -1.0 + 1e-9)
    log = np.where(np.abs(p) < 1e-8, size, np.log1p(inside) / safe)
    return np.copysign(np.expm1(np.minimum(log, 600.0)), z)


class Gaussianised:
    """Losses that look Gaussian: Yeo-Johnson after scaling, zero mean, unit variance.

    The power is the one of maximal likelihood, or 1 below five distinct values.

    Parameters
    ----------
    losses : ndarray of shape (n,), n > 0
        Any values; those that are not finite count as failures, half the range worse
        than the worst.

    Attributes
    ----------
    y : ndarray of shape (n,)
        In the order of the losses; all zero if the losses are all equal.
    """

    def __init__(self, losses: Array) -> None:
        finite = np.isfinite(losses)
        some = np.sort(losses[finite]) if finite.any() else np.zeros(1)
        low, high = some[0], some[-1]
        # Halved, so that no difference of finite numbers overflows.
        self._middle = 0.25 * some[(len(some) - 1) // 2] + 0.25 * some[len(some) // 2]
        y = 0.5 * np.where(finite, losses, high) - self._middle
        self._scale = max(np.abs(y).max(), np.finfo(float).tiny)
        y /= self._scale
        y[~finite] += 0.5 * (0.5 * high - 0.5 * low) / self._scale
        self._power, self._mean, self._std = 1.0, 0.0, 1.0
        if np.ptp(y) == 0.0:
            self.y = np.zeros(len(losses))
            return
        self._scale *= y.std()
        y /= y.std()
        if np.count_nonzero(np.diff(np.sort(y))) >= 4:
            self._power = _likely_power(y)
            y = yeo_johnson(y, self._power)
        self._mean = y.mean()
        y -= self._mean
        self._std = y.std()
        self.y = y / self._std

    def slopes(self, losses: Array) -> Array:
        """Return the derivative of the transformation.

        Parameters
        ----------
        losses : ndarray of shape (n,)
            Where.

        Returns
        -------
        slopes : ndarray of shape (n,)
            0 where the loss is not finite, and if all losses told are equal.
        """
        if not self.y.any():
            return np.zeros(len(losses))
        x = (
            0.5 * np.where(np.isfinite(losses), losses, 0.0) - self._middle
        ) / self._scale
        power = np.where(x < 0.0, 1.0 - self._power, self._power - 1.0)
        steepness = (1.0 + np.abs(x)) ** power / (2.0 * self._scale * self._std)
        return np.where(np.isfinite(losses), steepness, 0.0)

    def losses(self, y: Array) -> Array:
        """Return the losses that correspond to transformed values.

        Parameters
        ----------
        y : ndarray
            Transformed values.

        Returns
        -------
        losses : ndarray
            Of the same shape; no further beyond the observed ones than their range,
            since a transformation may have an end that stands for infinite losses.
        """
        seen = inverse_yeo_johnson(self.y * self._std + self._mean, self._power)
        z = inverse_yeo_johnson(y * self._std + self._mean, self._power)
        z = np.clip(z, 2 * seen.min() - seen.max(), 2 * seen.max() - seen.min())
        losses: Array = 2.0 * (z * self._scale + self._middle)
        return losses

    def moments(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return mean and deviation of losses whose transforms are Gaussian.

        Parameters
        ----------
        mean, std : ndarray of shape (m,)
            Of the transformed losses.

        Returns
        -------
        mean, std : ndarray of shape (m,)
            Of the losses, by Gauss-Hermite quadrature.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
        weights /= weights.sum()
        losses = self.losses(mean[:, None] + std[:, None] * nodes)
        centre = losses @ weights
        return centre, np.sqrt(np.square(losses - centre[:, None]) @ weights)


def normalise(losses: Array) -> Array:
    """Return losses that look Gaussian, as in `Gaussianised`.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Any values, NaN for failures.

    Returns
    -------
    y : ndarray of shape (n,)
        In the order of the losses.
    """
    return Gaussianised(losses).y if len(losses) else losses


def normalise_noisy(losses: Array, variances: Array) -> tuple[Array, Array]:
    """Return losses that look Gaussian, and their variances on the new scale.

    Parameters
    ----------
    losses : ndarray of shape (n,)
        Any values, NaN for failures.
    variances : ndarray of shape (n,)
        How uncertain each loss is.

    Returns
    -------
    y, variances : ndarray of shape (n,)
        The latter to first order; 0 for failures.
    """
    if not (len(losses) and variances.any()):
        return normalise(losses), variances
    scale = Gaussianised(losses)
    # the square of a huge score overflows: its variance is unknown, not infinite
    known = np.where(np.isfinite(variances), variances, 0.0)
    return scale.y, known * scale.slopes(losses) ** 2


def _likely_power(y: Array) -> float:
    """Return the power under which the transformed values are most likely normal.

    The log likelihood is concave [2]_, so that the best of a grid and its neighbours
    enclose the maximum; in the finest grid, it is that of a parabola.
    """
    sign = np.where(y < 0.0, -1.0, 1.0)
    log = np.log1p(np.abs(y))
    log_jacobian = sign @ log

    def likelihood(powers: Array) -> Array:
        p = 1.0 + sign * (powers[:, None] - 1.0)
        p[np.abs(p) < 1e-8] = 1e-8
        z = sign * np.expm1(p * log) / p
        z -= z.mean(axis=1)[:, None]
        spread = np.einsum("ij,ij->i", z, z)
        return (powers - 1.0) * log_jacobian - 0.5 * len(y) * np.log(spread)

    powers = POWERS
    for n_finer in (7, 7, 0):
        gain = likelihood(powers)
        best = min(max(int(gain.argmax()), 1), len(powers) - 2)
        if n_finer:
            powers = np.linspace(powers[best - 1], powers[best + 1], n_finer)
    before, here, after = gain[best - 1 : best + 2]
    bend = 2.0 * here - before - after
    move = 0.5 * (after - before) / bend if bend > 0.0 else 0.0
    step = powers[1] - powers[0]
    return float(powers[best] + step * min(max(move, -1.0), 1.0))
