"""What differential evolution learns from its successes: L-SHADE.

References
----------
.. [1] Tanabe & Fukunaga (2014), Improving the Search Performance of SHADE Using Linear
   Population Size Reduction, CEC.
.. [2] Zhang & Sanderson (2009), JADE: Adaptive Differential Evolution with Optional
   External Archive, IEEE Transactions on Evolutionary Computation 13.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SLOTS = 6
SPREAD = 0.1


def lehmer_mean(values: Array, weights: Array) -> float:
    """Return the weighted Lehmer mean ``sum w x^2 / sum w x`` [1]_.

    Parameters
    ----------
    values, weights : ndarray of shape (n,), n > 0
        Not negative.

    Returns
    -------
    mean : float
        0 if no value of positive weight is positive.
    """
    first = float(weights @ values)
    return float(weights @ np.square(values)) / first if first > 0.0 else 0.0


def linear_size(first: int, last: int, share: float) -> int:
    """Return the size of a population that shrinks linearly [1]_.

    Parameters
    ----------
    first, last : int
        Sizes in the beginning and at the end.
    share : float
        Of the evaluations that are done.

    Returns
    -------
    size : int
        ``last`` for shares above 1.
    """
    return round(first + (last - first) * min(share, 1.0))


class SuccessHistory:
    """Scales F and rates CR that have made children better than their parents [1]_.

    Each slot holds a typical scale and a typical rate, 0.5 at first. A child draws a
    slot, its rate from a normal distribution about that of the slot, and its scale from
    a Cauchy distribution, both of width 0.1. After a generation with successes the
    next slot, in turn, gets their means.

    Attributes
    ----------
    scales, rates : ndarray of shape (6,)
        Of the slots; a rate that is NaN stands for 0, and stays.

    Examples
    --------
    >>> history = SuccessHistory()
    >>> history.learn(np.array([0.9]), np.array([0.1]), np.array([3.0]))
    >>> history.scales.tolist()
    [0.9, 0.5, 0.5, 0.5, 0.5, 0.5]
    """

    def __init__(self) -> None:
        self.scales = np.full(SLOTS, 0.5)
        self.rates = np.full(SLOTS, 0.5)
        self._slot = 0

    def draw(self, rng: np.random.Generator) -> tuple[float, float]:
        """Return the scale and the rate of a child.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        scale : float
            In (0, 1]: drawn until it is positive, then cut off.
        rate : float
            In [0, 1], cut off.
        """
        slot = rng.integers(SLOTS)
        rate = self.rates[slot] + SPREAD * rng.standard_normal()
        rate = 0.0 if np.isnan(rate) else min(max(rate, 0.0), 1.0)
        scale = 0.0
        while scale <= 0.0:
            scale = self.scales[slot] + SPREAD * rng.standard_cauchy()
        return float(min(scale, 1.0)), float(rate)

    def learn(self, scales: Array, rates: Array, gains: Array) -> None:
        """Take in the successes of a generation; without any nothing changes.

        Parameters
        ----------
        scales, rates, gains : ndarray of shape (n,)
            Of children better than their parents, and by how much; a gain that is
            infinite counts like the largest other one.
        """
        if not len(gains):
            return
        finite = np.isfinite(gains)
        most = gains[finite].max() if finite.any() else 1.0
        weights = np.where(finite, gains, most) / most
        slot, self._slot = self._slot, (self._slot + 1) % SLOTS
        self.scales[slot] = lehmer_mean(scales, weights)
        rate = 0.0 if np.isnan(self.rates[slot]) else lehmer_mean(rates, weights)
        self.rates[slot] = rate if rate > 0.0 else np.nan
