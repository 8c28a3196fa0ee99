"""How much volume a candidate is expected to add to a front.

The expected hypervolume improvement is the integral, over all points that no row of
the front dominates, of the probability that the candidate dominates them [1]_. For
independent Gaussian objectives that is a product of distribution functions. The
integral is taken in polar coordinates about the reference point [2]_: along each
direction, the points in question begin where the front ends, and nodes of quadrature
lie the denser, the nearer they are to it. So it takes the same code for any number of
objectives, and no decomposition into boxes.

References
----------
.. [1] Emmerich, Deutz & Klinkenberg (2011), Hypervolume-Based Expected Improvement:
   Monotonicity Properties and Exact Computation, IEEE CEC.
.. [2] Zhang & Golovin (2020), Random Hypervolume Scalarizations for Provable
   Multi-Objective Black Box Optimization, ICML.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from sklearn_hpo._numerics.acquisition import LOG_SQRT_2PI
from sklearn_hpo._numerics.maximize import spread

Array = NDArray[np.float64]

N_DIRECTIONS, N_SHELLS = 64, 6
FARTHEST = 2.0  # beyond the front, in units of its range
REACH = 0.1  # of the reference point beyond the front, in the same units


class Improvement:
    """The expected hypervolume improvement on a front.

    Parameters
    ----------
    losses : ndarray of shape (n, k), n > 0
        All finite; what they dominate is no improvement.
    rng : numpy.random.Generator
        Turns the directions, and draws a node in each shell.

    Attributes
    ----------
    reference : ndarray of shape (k,)
        The worst values of the front and a tenth of its range.
    """

    def __init__(self, losses: Array, rng: np.random.Generator) -> None:
        k = losses.shape[1]
        # rows that others dominate never are the last along a direction
        rows = np.all(losses[:, None] <= losses[None], axis=2)
        rows &= ~rows.T
        front = losses[~rows.any(axis=0)]
        low, high = front.min(axis=0), front.max(axis=0)
        room = np.where(high > low, REACH * (high - low), losses.max(axis=0) - high)
        self.reference = high + np.where(room > 0.0, room, 1.0)
        normal = ndtri(0.5 + 0.5 * spread(N_DIRECTIONS, k, rng))
        normal = np.clip(normal, 1e-6, 10.0)
        way = normal / np.linalg.norm(normal, axis=1)[:, None]
        way *= self.reference - low
        edge = np.min((self.reference - front)[None] / way[:, None], axis=2).max(axis=1)
        ends = np.append(0.0, FARTHEST * 0.5 ** np.arange(N_SHELLS)[::-1])
        depth = np.diff(ends)
        radius = edge[:, None] + ends[:-1] + depth * rng.random((len(way), N_SHELLS))
        self._nodes = self.reference - (radius[:, :, None] * way[:, None]).reshape(
            -1, k
        )
        weight = depth * radius ** (k - 1) / N_DIRECTIONS
        self._log_weight = np.log(weight).ravel()

    def value(self, mean: Array, std: Array) -> Array:
        """Return the logarithm of the improvement, up to a constant.

        Parameters
        ----------
        mean, std : ndarray of shape (m, k)
            Of independent Gaussian losses.

        Returns
        -------
        value : ndarray of shape (m,)
            At least that of the smallest number.
        """
        share = np.exp(self._log_weight)
        chance = np.ones((len(mean), len(share)))
        for nodes, middle, width in zip(self._nodes.T, mean.T, std.T, strict=True):
            chance *= ndtr((nodes - middle[:, None]) / width[:, None])
        value: Array = np.log(np.maximum(chance @ share, 1e-300))
        return value

    def gradient(self, mean: Array, std: Array) -> tuple[Array, Array, Array]:
        """Return the value and its partial derivatives.

        Parameters
        ----------
        mean, std : ndarray of shape (m, k)
            Of independent Gaussian losses.

        Returns
        -------
        value : ndarray of shape (m,)
            As `value` has it.
        by_mean, by_std : ndarray of shape (m, k)
            0 where the value is the smallest number.
        """
        u = (self._nodes - mean[:, None]) / std[:, None]
        log_chance = log_ndtr(u)
        term = log_chance.sum(axis=2) + self._log_weight
        top = term.max(axis=1)
        share = np.exp(term - top[:, None])
        total = share.sum(axis=1)
        share /= total[:, None]
        # phi / Phi, which is about -u where both are too small
        ratio = np.exp(np.minimum(-0.5 * u * u - LOG_SQRT_2PI - log_chance, 700.0))
        ratio = np.where(u < -30.0, -u, ratio) * share[:, :, None]
        value = np.maximum(top + np.log(total), np.log(1e-300))
        ratio[value <= np.log(1e-300)] = 0.0
        by_std = -np.einsum("mnk,mnk->mk", ratio, u) / std
        return value, -ratio.sum(axis=1) / std, by_std
