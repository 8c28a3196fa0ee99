"""Where to look: among everything, or in a box around the best of many rows.

References
----------
.. [1] Eriksson, Pearce, Gardner, Turner & Poloczek (2019), Scalable Global Optimization
   via Local Bayesian Optimization, NeurIPS; the constants are those of TuRBO-1.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.gp import Layout
from sklearn_hpo._numerics.maximize import KEEP_CATEGORY, FeasibleSet, spread

Array = NDArray[np.float64]

# Side of the box in units of the cube, where all lengthscales are equal: doubled after
# N_SUCCESSES in a row, halved after as many failures as there are columns, but at least
# MIN_FAILURES, and begun anew below MIN_LENGTH.
LENGTH, MAX_LENGTH, MIN_LENGTH = 0.8, 1.6, 2.0**-7
N_SUCCESSES, MIN_FAILURES = 3, 4
N_NEAR = 256  # rows that the model of the box is conditioned on
N_MOVED = 20.0  # columns that a candidate moves, on average, if there are more


class View(NamedTuple):
    """What a proposal is based on.

    Attributes
    ----------
    rows : ndarray of shape (n, d)
        Observations.
    y, extra : ndarray of shape (n,)
        Their targets, and the variances of these beside the noise that all have.
    theta : ndarray of shape (d + 2,)
        Log hyperparameters.
    n_earlier : int
        How many observations, the first ones, are from an earlier study.
    feasible : FeasibleSet
        Where to look.
    pool : ndarray of shape (m, n_columns)
        Candidates, m > 0.
    """

    rows: Array
    y: Array
    extra: Array
    theta: Array
    n_earlier: int
    feasible: FeasibleSet
    pool: Array


class TrustRegion:
    """A box around the best row, with sides in proportion to the lengthscales [1]_.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        What was evaluated, NaN where inactive.
    losses : ndarray of shape (n,)
        At least one finite.
    first : int
        From which row on successes and failures count.
    lengthscales : ndarray of shape (d,)
        Of the columns, positive.
    layout : Layout
        Kinds of the columns.

    Attributes
    ----------
    near : ndarray of shape (m,), int
        The 256 rows nearest to the best one, increasing.
    """

    def __init__(
        self,
        rows: Array,
        losses: Array,
        first: int,
        lengthscales: Array,
        layout: Layout,
    ) -> None:
        d = len(lengthscales)
        finite = np.where(np.isfinite(losses), losses, np.inf)
        best = int(finite.argmin())
        self._centre = rows[best]
        everything = np.arange(len(rows))
        squared = layout.distances(rows, everything, np.full(len(rows), best))
        order = np.argsort(lengthscales**-2.0 @ squared, kind="stable")
        self.near = np.sort(order[:N_NEAR])
        self._rows = rows[self.near]
        lowest = np.minimum.accumulate(finite)
        length = box_length((lowest[1:] < lowest[:-1])[max(first - 1, 0) :], d)
        numeric = ~layout.categorical
        mean = np.exp(np.log(lengthscales[numeric]).mean()) if numeric.any() else 1.0
        half = np.where(numeric, 0.5 * length * lengthscales / mean, np.inf)
        # an inactive coordinate may have any value where it is active
        self._half = np.where(np.isnan(self._centre), np.inf, half)

    def restrict(self, feasible: FeasibleSet) -> FeasibleSet:
        """Return the part of a feasible set that lies in the box.

        Parameters
        ----------
        feasible : FeasibleSet
            The whole cube.

        Returns
        -------
        feasible : FeasibleSet
            With narrower bounds, and without the levels beyond; one level on either
            side of the best row is kept, and the categories that near rows have.
        """
        step = np.array([0.0 if v is None else 1.0 / len(v) for v in feasible.levels])
        half = np.maximum(self._half, 1.001 * step)
        centre = np.where(np.isnan(self._centre), 0.5, self._centre)
        low, high = np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
        levels = list(feasible.levels)
        for j, v in enumerate(levels):
            if v is not None:
                inside = (v >= low[j]) & (v <= high[j])
                known = np.isin(v, self._rows[:, j])
                levels[j] = v[known if feasible.categorical[j] else inside]
        return replace(feasible, levels=tuple(levels), low=low, high=high)

    def candidates(
        self, feasible: FeasibleSet, n: int, rng: np.random.Generator
    ) -> Array:
        """Return copies of the best row, some of whose columns lie anywhere in the box.

        Half of them move all columns, or 20 if there are more; half a random share.
        A category that moves becomes that of a near row.

        Parameters
        ----------
        feasible : FeasibleSet
            From `restrict`.
        n : int
            How many.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        rows : ndarray of shape (n, d)
            Valid rows.
        """
        d = len(self._centre)
        points = feasible.low + (feasible.high - feasible.low) * spread(n, d, rng)
        donors = self._rows[rng.integers(len(self._rows), size=n)]
        points = np.where(feasible.categorical & ~np.isnan(donors), donors, points)
        share = np.where(np.arange(n) % 2, min(N_MOVED / d, 1.0), rng.random(n))
        moved = rng.random((n, d)) < share[:, None]
        moved &= ~feasible.categorical | (rng.random((n, d)) > KEEP_CATEGORY)
        moved[np.arange(n), rng.integers(d, size=n)] = True
        moved |= np.isnan(self._centre)
        return feasible.snap(np.where(moved, points, self._centre))


def box_length(improved: NDArray[np.bool_], d: int) -> float:
    """Return the side of the box after some proposals.

    Parameters
    ----------
    improved : ndarray of shape (n,), bool
        Whether each was better than all before.
    d : int
        Number of columns.

    Returns
    -------
    length : float
        In units of the cube.
    """
    length, successes, failures = LENGTH, 0, 0
    for success in improved.tolist():
        successes = successes + 1 if success else 0
        failures = 0 if success else failures + 1
        if successes == N_SUCCESSES:
            length, successes = min(2.0 * length, MAX_LENGTH), 0
        elif failures == max(d, MIN_FAILURES):
            length, failures = 0.5 * length, 0
            if length < MIN_LENGTH:
                length = LENGTH
    return length
