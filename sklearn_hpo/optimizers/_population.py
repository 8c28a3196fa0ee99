"""Populations of a steady-state evolution: functions of the losses told so far."""

import numbers

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.pareto import (
    crowded_order,
    niched_order,
    reference_directions,
)
from sklearn_hpo._sklearn_compat import Interval, StrOptions
from sklearn_hpo.optimizers._base import Rows

Losses = NDArray[np.float64]
Index = NDArray[np.intp]

POPULATION_SIZE = [
    StrOptions({"auto"}),
    Interval(numbers.Integral, 4, None, closed="left"),
]
PATIENCE = 3  # times the population, without a better loss, until half of it restarts
AUGMENTED = 0.05  # the share of the sum beside the largest of weighted losses


class Population:
    """Members, each with a place of its own, among the rows that were told.

    Row number ``t`` competes for place ``t modulo size``, so that no proposal waits for
    a generation to end. Where it loses, it replaces the worst member if that is worse
    still. When the best loss has not improved for 3 times `size` rows, ties included,
    the worse half of the places become vacant, for rows from anywhere.

    Parameters
    ----------
    size : int
        Number of places.
    ages : bool, default=False
        Whether row ``t`` takes its place in any case, so that the oldest member goes.

    Attributes
    ----------
    members : ndarray of shape (size,), int
        Numbers of rows; -1 where a place is vacant.

    Examples
    --------
    >>> population = Population(2)
    >>> for number in range(3):
    ...     population.admit(number, np.array([3.0, 1.0, 2.0]))
    >>> population.members.tolist()
    [2, 1]
    """

    def __init__(self, size: int, ages: bool = False) -> None:
        self.size = size
        self.ages = ages
        self.members: Index = np.full(size, -1)
        self._best = np.inf
        self._stagnant = 0

    def admit(self, number: int, losses: Losses) -> None:
        """Let a row compete.

        Parameters
        ----------
        number : int
            Of the row.
        losses : ndarray of shape (n,), n > number
            Losses of all rows; infinite for failures.
        """
        loss = losses[number]
        self._stagnant = 0 if loss < self._best else self._stagnant + 1
        self._best = min(self._best, loss)
        held = np.where(self.members < 0, np.inf, losses[self.members])
        place, worst = number % self.size, int(np.argmax(held))
        if self.ages or self.members[place] < 0 or loss <= held[place]:
            self.members[place], held[place] = number, loss
        elif loss < held[worst]:
            self.members[worst], held[worst] = number, loss
        if self._stagnant >= PATIENCE * self.size:
            self._stagnant = 0
            order = np.argsort(held, kind="stable")
            self.members[order[(self.size + 1) // 2 :]] = -1

    def fitness(self, losses: Losses) -> Losses:
        """Return what members compete by, as parents; the least is the best.

        Parameters
        ----------
        losses : ndarray of shape (n,)
            Losses of all rows; infinite for failures.

        Returns
        -------
        fitness : ndarray of shape (n_members,)
            Their losses.
        """
        return losses[self.members[self.members >= 0]]

    def guide(self, losses: Losses, rng: np.random.Generator) -> Losses:
        """Return what a surrogate of the next proposal shall learn.

        Parameters
        ----------
        losses : ndarray of shape (n,)
            Losses of all rows; infinite for failures.
        rng : numpy.random.Generator
            Of this proposal.

        Returns
        -------
        losses : ndarray of shape (n,)
            The same.
        """
        return losses


class ParetoPopulation:
    """Members of NSGA-II [1]_ or NSGA-III [4]_; one goes as soon as one comes [2]_.

    Who goes is the last of all: of the last front the one with the nearest neighbours,
    or the farthest of the fullest niche. The surrogate learns another mixture of the
    objectives for each proposal, by weights drawn at random, as in ParEGO [3]_.

    Parameters
    ----------
    size : int
        Number of places.
    n_niched : int, default=0
        Number of objectives, if members shall be spread over the niches of NSGA-III,
        at most one for each place; 0 for the crowding of NSGA-II.

    Attributes
    ----------
    members : ndarray of shape (size,), int
        Numbers of rows; -1 where a place is vacant.

    References
    ----------
    .. [1] Deb, Pratap, Agarwal & Meyarivan (2002), A Fast and Elitist Multiobjective
       Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6.
    .. [2] Durillo, Nebro, Luna & Alba (2009), On the Effect of the Steady-State
       Selection Scheme in Multi-Objective Genetic Algorithms, EMO.
    .. [3] Knowles (2006), ParEGO: A Hybrid Algorithm with On-Line Landscape
       Approximation for Expensive Multiobjective Optimization Problems, IEEE
       Transactions on Evolutionary Computation 10.
    .. [4] Deb & Jain (2014), An Evolutionary Many-Objective Optimization Algorithm
       Using Reference-Point-Based Nondominated Sorting Approach, Part I, IEEE
       Transactions on Evolutionary Computation 18.

    Examples
    --------
    >>> population = ParetoPopulation(2)
    >>> for number in range(3):
    ...     population.admit(number, np.array([[0.0, 1.0], [2.0, 2.0], [1.0, 0.0]]))
    >>> population.members.tolist()
    [0, 2]
    """

    def __init__(self, size: int, n_niched: int = 0) -> None:
        self.members: Index = np.full(size, -1)
        self._directions = reference_directions(n_niched, size) if n_niched else None

    def admit(self, number: int, losses: Losses) -> None:
        """Let a row compete.

        Parameters
        ----------
        number : int
            Of the row.
        losses : ndarray of shape (n, n_objectives), n > number
            Losses of all rows; infinite for failures.
        """
        vacant = np.flatnonzero(self.members < 0)
        if len(vacant):
            self.members[vacant[0]] = number
            return
        last = self._order(losses[np.append(self.members, number)])[-1]
        if last < len(self.members):
            self.members[last] = number

    def fitness(self, losses: Losses) -> Losses:
        """Return what members compete by, as parents; the least is the best.

        Parameters
        ----------
        losses : ndarray of shape (n, n_objectives)
            Losses of all rows; infinite for failures.

        Returns
        -------
        fitness : ndarray of shape (n_members,)
            Their places from best to worst.
        """
        order = self._order(losses[self.members[self.members >= 0]])
        return np.argsort(order).astype(float)

    def guide(self, losses: Losses, rng: np.random.Generator) -> Losses:
        """Return what a surrogate of the next proposal shall learn.

        Parameters
        ----------
        losses : ndarray of shape (n, n_objectives)
            Losses of all rows; infinite for failures.
        rng : numpy.random.Generator
            Of this proposal.

        Returns
        -------
        losses : ndarray of shape (n,)
            The augmented Tchebycheff norm of weighted losses, in units of the members'
            range; infinite for failures.
        """
        weights = rng.dirichlet(np.ones(losses.shape[1]))
        finite = np.all(np.isfinite(losses), axis=1)
        present = self.members[self.members >= 0]
        present = present[finite[present]]
        mixed = np.full(len(losses), np.inf)
        if len(present):
            low = losses[present].min(axis=0)
            width = losses[present].max(axis=0) - low
            scaled = (losses[finite] - low) / np.where(width > 0.0, width, 1.0)
            parts = weights * scaled
            mixed[finite] = parts.max(axis=1) + AUGMENTED * parts.sum(axis=1)
        return mixed

    def _order(self, losses: Losses) -> Index:
        if self._directions is None:
            return crowded_order(losses)
        return niched_order(losses, directions=self._directions)


def diversity(rows: Rows, categorical: NDArray[np.bool_]) -> float:
    """Return the mean distance of two rows, over columns and pairs.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        In the unit cube, NaN where inactive.
    categorical : ndarray of shape (d,), bool
        Columns whose values are only equal or different.

    Returns
    -------
    distance : float
        In [0, 1]: the absolute difference of numbers, 1 for different categories and
        for columns that are active in one row only; 0 for fewer than two rows.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.25], [0.5, 0.75]])
    >>> diversity(rows, np.array([False, True]))
    0.75
    """
    first, second = np.triu_indices(len(rows), 1)
    if not len(first) or not rows.shape[1]:
        return 0.0
    a, b = rows[first], rows[second]
    distance = np.where(categorical, a != b, np.abs(a - b))
    absent = np.isnan(a).astype(int) + np.isnan(b)
    return float(np.where(absent > 0, absent == 1, distance).mean())
