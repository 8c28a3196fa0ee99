"""How the parents of a population become children: three kinds of evolution."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.variation import (
    below,
    binomial,
    differential,
    halfway_inside,
    pairs,
    polynomial,
    resample,
    simulated_binary,
)
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._inherit import inherit
from sklearn_hpo.space import Group

Mask = NDArray[np.bool_]
Index = NDArray[np.intp]
Rate = float | Literal["auto"]

# Of differential evolution: one child's F and CR where many are screened, and
# otherwise; the best fifth leads.
SCALES, RATES = np.array([0.3, 0.5, 0.8]), np.array([0.3, 0.6, 0.9])
SCALE = RATE = 0.5
LEADERS = 5
# Of the genetic algorithm; indices as in Deb's NSGA-II.
TOURNAMENT = 3
CROSSED = 0.9
CROSSOVER_INDEX, MUTATION_INDEX = 15.0, 20.0
# Of regularised evolution: as in its paper, a quarter of the population competes.
SAMPLED = 4
AGING_INDEX = 5.0


@dataclass(frozen=True)
class Parents:
    """A population, and whom its next child shall replace.

    Parameters
    ----------
    rows : ndarray of shape (n, d), n >= 3
        Members, NaN where inactive.
    losses : ndarray of shape (n,)
        Infinite for failures.
    target : int
        The member with whom the child competes.
    categorical : ndarray of shape (d,), bool
        Columns without an order.
    plain : bool
        Whether all columns are numeric, always active and in no group.
    groups : tuple of Group, default=()
        The columns that are one sequence, subset or order.
    widths : ndarray of shape (d,) or float, default=0.0
        How far apart the values of a column are; 0 for continuous ones.
    """

    rows: Rows
    losses: NDArray[np.float64]
    target: int
    categorical: Mask
    plain: bool
    groups: tuple[Group, ...] = ()
    widths: Rows | float = 0.0


class Breeder(ABC):
    """Makes children of parents."""

    @abstractmethod
    def breed(
        self, parents: Parents, m: int, screened: bool, rng: np.random.Generator
    ) -> Rows:
        """Return children.

        Parameters
        ----------
        parents : Parents
            The population.
        m : int
            How many.
        screened : bool
            Whether a model will choose among them.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        points : ndarray of shape (m, d)
            In the unit cube, not snapped; any value where inactive.
        """


@dataclass(frozen=True)
class DifferentialBreeder(Breeder):
    """Differential evolution: best/1 [1]_ and current-to-pbest/1 [2]_.

    Where many children are screened, half of them come from either, with factors and
    rates drawn from three values each; otherwise all are of best/1. Categories cross
    like numbers, and are drawn afresh with probability ``1 / d``. What is inactive in
    one parent is inherited from the other.

    Parameters
    ----------
    rate : float or "auto", default="auto"
        The probability CR of inheriting from the mutant.
    scale : float or "auto", default="auto"
        The factor F of differences.

    References
    ----------
    .. [1] Storn & Price (1997), Differential Evolution - A Simple and Efficient
       Heuristic for Global Optimization over Continuous Spaces, Journal of Global
       Optimization 11.
    .. [2] Zhang & Sanderson (2009), JADE: Adaptive Differential Evolution with
       Optional External Archive, IEEE Transactions on Evolutionary Computation 13.
    """

    rate: Rate = "auto"
    scale: Rate = "auto"

    def breed(
        self, parents: Parents, m: int, screened: bool, rng: np.random.Generator
    ) -> Rows:
        rows = parents.rows
        first, second = pairs(len(rows), m, parents.target, rng)
        order = np.argsort(parents.losses, kind="stable")
        scale = _drawn(self.scale, SCALES if screened else SCALE, m, rng)
        rate = _drawn(self.rate, RATES if screened else RATE, m, rng)
        rank, pull = np.zeros(m, dtype=int), np.ones((m, 1))
        if screened:
            n_leaders = max(2, len(rows) // LEADERS)
            rank[::2] = below(n_leaders, len(rank[::2]), rng)
            pull[::2] = scale[::2]
        leader = rows[order[rank]]
        difference = rows[first] - rows[second]
        rates = pull, scale, rate
        return step(parents, leader, rows[first], difference, rates, rng)


@dataclass(frozen=True)
class GeneticBreeder(Breeder):
    """A real-coded genetic algorithm [1]_ with tournaments of three.

    Numbers cross by simulated binary crossover and move by polynomial mutation;
    categories cross uniformly and are drawn afresh. What is inactive in one parent is
    inherited from the other.

    Parameters
    ----------
    rate : float or "auto", default="auto"
        Probability that a child has two parents; "auto" is 0.9.
    mutation : float or "auto", default="auto"
        Probability that a parameter mutates; "auto" is ``1 / d``.

    References
    ----------
    .. [1] Deb, Pratap, Agarwal & Meyarivan (2002), A Fast and Elitist Multiobjective
       Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6.
    """

    rate: Rate = "auto"
    mutation: Rate = "auto"

    def breed(
        self, parents: Parents, m: int, screened: bool, rng: np.random.Generator
    ) -> Rows:
        mother, father = (
            parents.rows[_tournament(parents.losses, (m, TOURNAMENT), rng)]
            for _ in range(2)
        )
        wholes = mother, father
        father = _filled(father, _filled(mother, rng.random(mother.shape)))
        mother = _filled(mother, father)
        crossed = rng.random((m, 1)) < (CROSSED if self.rate == "auto" else self.rate)
        mixed = simulated_binary(mother, father, CROSSOVER_INDEX, rng)
        mixed = halfway_inside(mixed, mother)
        if not parents.plain:
            uniform = binomial(mother, father, 0.5, rng)
            mixed = np.where(parents.categorical, uniform, mixed)
        child = np.where(crossed, mixed, mother)
        rate = 1.0 / child.shape[1] if self.mutation == "auto" else self.mutation
        numeric = np.where(parents.categorical, 0.0, rate)
        child = polynomial(child, MUTATION_INDEX, numeric, rng, parents.widths)
        child = resample(child, parents.categorical, rate, rng)
        return inherit(child, wholes, parents.groups, parents.categorical, rng)


class RegularizedBreeder(Breeder):
    """Regularised evolution [1]_: the oldest dies, and one parameter mutates.

    The parent is the best of a quarter of the population, drawn at random. A category
    is drawn afresh, a number moves by polynomial mutation.

    References
    ----------
    .. [1] Real, Aggarwal, Huang & Le (2019), Regularized Evolution for Image
       Classifier Architecture Search, AAAI.
    """

    def breed(
        self, parents: Parents, m: int, screened: bool, rng: np.random.Generator
    ) -> Rows:
        size = (m, max(2, len(parents.rows) // SAMPLED))
        parent = parents.rows[_tournament(parents.losses, size, rng)]
        draws = np.where(np.isnan(parent), np.inf, rng.random(parent.shape))
        mutated = np.zeros(parent.shape)
        mutated[np.arange(m), np.argmin(draws, axis=1)] = 1.0
        child = _filled(parent, rng.random(parent.shape))
        moved = polynomial(child, AGING_INDEX, mutated, rng, parents.widths)
        drawn = (mutated > 0.0) & parents.categorical
        child = np.where(drawn, rng.random(parent.shape), moved)
        of = parents.groups, parents.categorical
        return inherit(child, (parent, parent), *of, rng, 0.5 * mutated)


def step(
    parents: Parents,
    leader: Rows,
    other: Rows,
    difference: Rows,
    rates: tuple[Rows, Rows, Rows | float],
    rng: np.random.Generator,
) -> Rows:
    """Return children of differential evolution, also in mixed spaces.

    Parameters
    ----------
    parents : Parents
        The population.
    leader, other : ndarray of shape (m, d)
        Members to step towards, and others whose categories may be inherited.
    difference : ndarray of shape (m, d)
        Of two rows; NaN where either is inactive.
    rates : tuple of three ndarray of shape (m, 1)
        Share of the way to the leader, factor of the difference, and probability of
        inheriting from the mutant.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    points : ndarray of shape (m, d)
        In the unit cube, not snapped.
    """
    pull, scale, rate = rates
    parent = parents.rows[parents.target]
    if parents.plain:
        mutant = differential(parent, leader, pull, difference, scale)
        return binomial(parent, halfway_inside(mutant, parent), rate, rng)
    wholes = leader, np.broadcast_to(parent, leader.shape)
    donor = np.where(rng.random((len(leader), 1)) < 0.5, leader, other)
    donor = _filled(donor, rng.random(donor.shape))
    parent = _filled(parent, donor)
    leader = _filled(leader, parent)
    mutant = differential(parent, leader, pull, difference, scale)
    mutant = halfway_inside(mutant, parent)
    mutant = np.where(parents.categorical, donor, mutant)
    child = binomial(parent, mutant, rate, rng)
    child = resample(child, parents.categorical, 1.0 / child.shape[1], rng)
    return inherit(child, wholes, parents.groups, parents.categorical, rng)


def _filled(rows: Rows, source: Rows) -> Rows:
    """Return rows with those of `source` where they are NaN."""
    return np.where(np.isnan(rows), source, rows)


def _drawn(
    given: Rate, values: Rows | float, m: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (m, 1) draws from values, or m times the number that the user gave."""
    if given != "auto" or isinstance(values, float):
        return np.full((m, 1), values if given == "auto" else given)
    return values[below(len(values), (m, 1), rng)]


def _tournament(
    losses: NDArray[np.float64], size: tuple[int, int], rng: np.random.Generator
) -> Index:
    """Return the winners of `size[0]` tournaments among `size[1]` members each."""
    drawn = below(len(losses), size, rng)
    best = np.argmin(losses[drawn], axis=1)
    winners: Index = drawn[np.arange(size[0]), best]
    return winners
