"""L-SHADE: differential evolution whose rates and size follow its progress."""

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.shade import SuccessHistory, linear_size
from sklearn_hpo._numerics.streams import stream
from sklearn_hpo._numerics.variation import below, pairs
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._breeders import (
    Breeder,
    DifferentialBreeder,
    Parents,
    step,
)
from sklearn_hpo.optimizers._evolutionary import EvolutionaryOptimizer
from sklearn_hpo.optimizers._population import Population

Losses = NDArray[np.float64]

LEAST = 4  # members in the end
LEADERS = 0.11  # share of the population, but two members at least
ARCHIVE = 2.6  # times the population


class ShrinkingPopulation(Population):
    """Members that become fewer, and an archive of those whom their children beat.

    A generation is as many rows as there are places; with the last of them, the history
    of successes learns, and the worst members go. A child that loses against its parent
    replaces the worst member if that is worse still, as in `Population`.

    Parameters
    ----------
    size : int
        Number of places at first.
    n_iter : int
        Rows until 4 places are left.
    seed : int
        Of the study: row ``t`` drew its scale and rate, first of all, from the stream
        of proposal ``t``.

    Attributes
    ----------
    members : ndarray of shape (n,), int
        Numbers of rows; -1 where a place is vacant.
    archive : list of int
        Numbers of rows; when they are 2.6 times as many as members, random ones go.
    history : SuccessHistory
        What scales and rates are drawn from.

    Examples
    --------
    >>> population = ShrinkingPopulation(6, n_iter=12, seed=0)
    >>> for number in range(12):
    ...     population.admit(number, np.arange(12.0, 0.0, -1.0))
    >>> population.members.tolist(), population.archive
    ([11, 8, 9, 10], [1, 2, 3, 4, 5, 7])
    """

    def __init__(self, size: int, n_iter: int, seed: int) -> None:
        super().__init__(size)
        self.archive: list[int] = []
        self.history = SuccessHistory()
        self._n_iter = n_iter
        self._seed = seed
        self._places: list[int] = []
        self._successes: list[tuple[float, float, float]] = []

    def place(self, number: int) -> int:
        """Return the place for which a row competes.

        Parameters
        ----------
        number : int
            Of the row.

        Returns
        -------
        place : int
            Each once in a generation.
        """
        while len(self._places) <= number:
            self._places += range(self._size_at(len(self._places)))
        return self._places[number]

    def admit(self, number: int, losses: Losses) -> None:
        """Let a row compete; after the last one of a generation, learn and shrink.

        Parameters
        ----------
        number : int
            Of the row.
        losses : ndarray of shape (n,), n > number
            Losses of all rows; infinite for failures.
        """
        self._compete(number, self.place(number), losses)
        if self.place(number + 1) > 0:
            return
        self.history.learn(*np.array(self._successes).reshape(-1, 3).T)
        self._successes = []
        order = np.argsort(losses[self.members], kind="stable")
        self.members = self.members[np.sort(order[: self._size_at(number + 1)])]
        rng = stream(self._seed, number, "archive")
        while len(self.archive) > ARCHIVE * len(self.members):
            del self.archive[rng.integers(len(self.archive))]

    def _size_at(self, number: int) -> int:
        last = min(LEAST, self.size)
        return linear_size(self.size, last, number / self._n_iter)

    def _compete(self, number: int, place: int, losses: Losses) -> None:
        held = np.where(self.members < 0, np.inf, losses[self.members])
        loss, parent = float(losses[number]), float(held[place])
        if self.members[place] < 0 or loss <= parent:
            if loss < parent and self.members[place] >= 0:
                rng = stream(self._seed, number, "proposal")
                self._successes.append((*self.history.draw(rng), parent - loss))
                self.archive.append(int(self.members[place]))
            self.members[place] = number
        elif loss < held.max():
            self.members[np.argmax(held)] = number


class LSHADE(EvolutionaryOptimizer):
    """Differential evolution that learns its rates, with fewer and fewer members.

    This is L-SHADE [1]_ without waiting for generations: current-to-pbest/1 with an
    archive, scales and rates that follow from the successes so far, and a population
    that shrinks linearly to 4 members. With a surrogate, which chooses among many
    children of one scale and one rate, a proposal is as of
    `DifferentialEvolution`.

    The scale and the rate of a row that is told are derived from its number and from
    the history as it is then. So the state follows from the rows and losses alone, and
    credit is exact if each row is told before the next is proposed. If rows are told in
    another order than proposed, it goes to the rates of others.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        At first. "auto" is the square root of the number of candidates that the study
        plans, but 8 at least and 24 at most.
    screening : {"rbf"} or None, default="rbf"
        The surrogate that chooses among many children; None: a child is proposed as it
        is bred.

    References
    ----------
    .. [1] Tanabe & Fukunaga (2014), Improving the Search Performance of SHADE Using
       Linear Population Size Reduction, CEC.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import LSHADE, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = LSHADE(screening=None)
    >>> space = SearchSpace({"x": uniform(0, 1), "y": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=200, seed=0)
    >>> for _ in range(200):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], losses=[((row - 0.3) ** 2).sum()]))
    >>> bool(optimizer.losses.min() < 1e-4)
    True
    """

    name = "lshade"
    _population: ShrinkingPopulation

    def _make_population(self) -> ShrinkingPopulation:
        return ShrinkingPopulation(self._size(), self.n_iter, self.seed)

    def _breeder(self) -> Breeder:
        return DifferentialBreeder()

    def _place(self, number: int) -> int:
        return self._population.place(number)

    def _breed(self, parents: Parents, m: int, rng: np.random.Generator) -> Rows:
        scale, rate = self._population.history.draw(rng)
        archived = self.rows[self._population.archive]
        n = len(parents.rows)
        first, second = pairs(n, m, parents.target, rng, len(archived))
        n_leaders = max(2, round(LEADERS * n))
        order = np.argsort(parents.losses, kind="stable")
        leader = parents.rows[order[below(n_leaders, m, rng)]]
        other = parents.rows[first]
        difference = other - np.concatenate([parents.rows, archived])[second]
        scales = np.full((m, 1), scale)
        return step(parents, leader, other, difference, (scales, scales, rate), rng)
