"""Evolution in a steady state, whose children may be screened by a surrogate."""

import math
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.gp import Layout
from sklearn_hpo._numerics.maximize import perturb, untaken
from sklearn_hpo._numerics.rbf import CubicRBF, expected_losses
from sklearn_hpo.optimizers._base import Rows, extended, smallest
from sklearn_hpo.optimizers._breeders import Breeder, Parents
from sklearn_hpo.optimizers._population import ParetoPopulation, Population, diversity
from sklearn_hpo.optimizers._surrogate import SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

N_CHILDREN, N_UNSCREENED = 50, 8
N_POOL = 64  # rows from anywhere, if all children are taken
MAX_FITTED = 100  # rows: the best half of them and the last half
# Of the predicted value, in turn.
WEIGHTS = (0.3, 0.5, 0.8, 0.95, 1.0)
MIN_SIZE, MAX_SIZE = 8, 24
FRONT_SHARE = 6  # evaluations for a member, where a front is looked for
MIN_PARENTS = 3


class EvolutionaryOptimizer(SurrogateOptimizer):
    """Propose children of the best rows so far.

    Each proposal has a place in the population to compete for, and proposals need not
    wait for one another. The population begins with an even design.

    With a surrogate [1]_, a proposal is the best of many children by the weighted mean
    of two criteria: the value under a cubic radial basis function, and the distance
    from the nearest row that is evaluated or pending [2]_. It is fitted to the best and
    to the most recent rows, so that a proposal costs the same however many there are,
    and to the signed logarithm of their losses about the median [3]_.

    Parameters
    ----------
    n_iter : int
        How many evaluations the study plans.
    breeder : Breeder
        Makes children, and says which algorithm this is.
    population_size : int or "auto", default="auto"
        "auto" is the square root of `n_iter`, but 8 at least and 24 at most.
    surrogate : {"rbf"} or None, default="rbf"
        What screens the children.
    n_objectives : int, default=1
        With two or more, members rank by fronts and crowding, and the surrogate learns
        another mixture of the objectives each time; with a genetic algorithm that is
        NSGA-II [4]_ in a steady state. "auto" is then a population of a sixth of
        `n_iter`, but 8 at least and 24 at most.
    niches : bool, default=False
        Whether members rank by the niches of NSGA-III [5]_ instead of by crowding.

    Attributes
    ----------
    diversity : list of float
        After each row that was told, the mean distance of two members.

    References
    ----------
    .. [1] Jin (2011), Surrogate-Assisted Evolutionary Computation: Recent Advances and
       Future Challenges, Swarm and Evolutionary Computation 1.
    .. [2] Regis & Shoemaker (2007), A Stochastic Radial Basis Function Method for the
       Global Optimization of Expensive Functions, INFORMS Journal on Computing 19.
    .. [3] Eriksson & Poloczek (2021), Scalable Constrained Bayesian Optimization,
       AISTATS; section 3, the "bilog" transformation.
    .. [4] Deb, Pratap, Agarwal & Meyarivan (2002), A Fast and Elitist Multiobjective
       Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6.
    .. [5] Deb & Jain (2014), An Evolutionary Many-Objective Optimization Algorithm
       Using Reference-Point-Based Nondominated Sorting Approach, Part I, IEEE
       Transactions on Evolutionary Computation 18.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import DifferentialBreeder
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = EvolutionaryOptimizer(50, DifferentialBreeder())
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), seed=0)
    >>> for _ in range(50):
    ...     row = optimizer.ask(1, np.empty((0, 1)))
    ...     optimizer.tell(row, (row[:, 0] - 0.3) ** 2, np.ones(1))
    >>> bool(optimizer.losses.min() < 1e-4)
    True
    """

    def __init__(
        self,
        n_iter: int,
        breeder: Breeder,
        population_size: int | Literal["auto"] = "auto",
        surrogate: Literal["rbf"] | None = "rbf",
        n_objectives: int = 1,
        niches: bool = False,
    ) -> None:
        size = math.isqrt(n_iter) if n_objectives == 1 else n_iter // FRONT_SHARE
        size = min(max(size, MIN_SIZE), MAX_SIZE)
        if population_size != "auto":
            size = population_size
        super().__init__(n_iter, size)
        self.breeder = breeder
        self.name = breeder.name
        if n_objectives > 1 and breeder.name == "ga":
            self.name = "nsga3" if niches else "nsga2"
        self.population_size = size
        self.surrogate = surrogate
        self.n_objectives = n_objectives
        self.niches = niches

    def start(self, space: SearchSpace, seed: int) -> None:
        """Begin a study on `space` and forget every earlier one.

        Parameters
        ----------
        space : SearchSpace
            What the rows mean.
        seed : int
            Non-negative.
        """
        super().start(space, seed)
        self._widths = self.level_widths()
        self._past: list[NDArray[np.intp]] = []
        self._population: Population | ParetoPopulation
        if self.n_objectives == 1:
            self._population = Population(self.population_size, ages=self.breeder.ages)
            self._known = np.empty(0)
        else:
            niched = self.n_objectives if self.niches else 0
            self._population = ParetoPopulation(self.population_size, niched)
            self._known = np.empty((0, self.n_objectives))

    def tell(
        self,
        rows: Rows,
        losses: NDArray[np.float64],
        budgets: NDArray[np.float64],
        seconds: NDArray[np.float64] | None = None,
        variances: NDArray[np.float64] | None = None,
    ) -> None:
        """Let evaluated rows compete for places in the population.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            What was evaluated.
        losses : ndarray of shape (m,), or (m, n_objectives) for two or more
            To be minimised; NaN for a candidate that failed.
        budgets : ndarray of shape (m,)
            The share of the full budget that each loss was measured with, in (0, 1].
        seconds : ndarray of shape (m,) or None, default=None
            What each evaluation takes at the full budget; of no use here.
        variances : ndarray of shape (m,) or None, default=None
            How uncertain each loss is; of no use here.
        """
        first = losses if self.n_objectives == 1 else losses[:, 0]
        super().tell(rows, first, budgets, seconds, variances)
        fresh = np.where(np.isnan(losses), np.inf, losses)
        self._known = extended(self._known, fresh)
        # an interrupt may have come before the last rows told were gone through
        for number in range(len(self._past), len(self._known)):
            self._population.admit(number, self._known)
            members = self._population.members
            if not self._past or not np.array_equal(members, self._past[-1]):
                self._past.append(members.copy())
            else:  # most rows find no place
                self._past.append(self._past[-1])

    @property
    def diversity(self) -> list[float]:
        """The mean distance of two members, after each row that was told."""
        kinds = self.layout.categorical
        found: list[float] = []
        for _, equal in groupby(self._past, id):
            past, *others = equal
            value = diversity(self.rows[past[past >= 0]], kinds)
            found += [value] * (1 + len(others))
        return found

    def choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        """Return a child, or a row from anywhere for a place that is vacant.

        Parameters
        ----------
        pending : ndarray of shape (n_pending, n_columns)
            Rows whose losses have not been told yet.
        taken : set of bytes
            The rows told and pending.
        rng : numpy.random.Generator
            Of this proposal.

        Returns
        -------
        row : ndarray of shape (n_columns,)
            A canonical row.
        """
        number = len(self.rows) + len(pending)
        places = self._population.members
        place = self._place(number)
        members = places[places >= 0]
        free = np.empty((0, self.space.n_columns))
        if places[place] >= 0 and len(members) >= MIN_PARENTS:
            if self.n_objectives == 1:
                target = int(np.count_nonzero(places[:place] >= 0))
            else:  # who comes takes the place of the worst, wherever that is
                target = int(rng.integers(len(members)))
            free = untaken(self._children(members, target, rng), taken)
            if not len(free):
                # among few values children repeat what is there
                near = perturb(self.rows[members], N_POOL, self.domain, rng)
                free = untaken(self.space.from_unit(near), taken)
        if not len(free):
            anywhere: Rows = self.pool(taken, N_POOL, rng)[0]
            return anywhere
        if self.surrogate is None:
            return free[0]
        weight = WEIGHTS[(number + self._shift(number)) % len(WEIGHTS)]
        losses = self._population.guide(self._known, rng)
        value, distance = self._model(pending, losses).predict(free)
        score = weight * _scaled(value) - (1.0 - weight) * _scaled(distance)
        best: Rows = free[np.argmin(score)]
        return best

    @property
    def predicts(self) -> bool:
        """Whether a surrogate screens for one loss."""
        return self.surrogate is not None and self.n_objectives == 1

    @property
    def predictor(self) -> "Interpolant | None":
        """What predicts, without the populations of the past."""
        if not self.predicts:
            return None
        return Interpolant(self.rows.copy(), self.losses.copy(), self.layout)

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what an interpolant of all losses says of rows.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.

        Returns
        -------
        mean, std : ndarray of shape (m,)
            Of the loss; the deviation follows from the errors at rows left out.

        Raises
        ------
        NotImplementedError
            If no surrogate screens, or for several losses.
        """
        if not self.predicts:
            return super().predict(rows)
        return Interpolant(self.rows, self.losses, self.layout).predict(rows)

    def _shift(self, number: int) -> int:
        """Return by how much weights are shifted, so that each place meets all."""
        in_step = self.population_size % len(WEIGHTS) == 0
        return number // self.population_size if in_step else 0

    def _place(self, number: int) -> int:
        """Return the place for which a row competes."""
        return number % len(self._population.members)

    def _children(
        self, members: NDArray[np.intp], target: int, rng: np.random.Generator
    ) -> Rows:
        parents = Parents(
            rows=self.rows[members],
            losses=self._population.fitness(self._known),
            target=target,
            categorical=self.layout.categorical,
            plain=self.layout.plain and not self.space.groups,
            groups=self.space.groups,
            widths=self._widths,
        )
        m = N_UNSCREENED if self.surrogate is None else N_CHILDREN
        return self.space.from_unit(self._breed(parents, m, rng))

    def _breed(self, parents: Parents, m: int, rng: np.random.Generator) -> Rows:
        return self.breeder.breed(parents, m, self.surrogate is not None, rng)

    def _model(self, pending: Rows, losses: NDArray[np.float64]) -> CubicRBF:
        """Return the interpolant of the best and of the last rows."""
        rows = self.rows
        if len(rows) > MAX_FITTED:
            kept = np.zeros(len(rows), dtype=bool)
            kept[smallest(losses, MAX_FITTED // 2)] = True
            kept[-MAX_FITTED // 2 :] = True
            rows, losses = rows[kept], losses[kept]
        return CubicRBF(rows, _levelled(losses), self.layout, pending)


@dataclass(frozen=True)
class Interpolant:
    """Predicts losses from all that are known."""

    rows: Rows
    losses: NDArray[np.float64]
    layout: Layout

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return means and standard deviations of the losses of rows."""
        return expected_losses(self.rows, self.losses, self.layout, rows)


def _levelled(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the signed logarithm of losses about their median; failures are worst."""
    finite = np.isfinite(losses)
    if not finite.any():
        return np.zeros(len(losses))
    # Halved, so that no difference of finite numbers overflows.
    half = 0.5 * np.where(finite, losses, losses[finite].max())
    middle = len(half) // 2
    half -= np.sort(half)[middle]  # np.median is ten times as slow
    size = np.abs(half)
    scale = np.sort(size)[middle] or size.max() or 1.0
    y: NDArray[np.float64] = np.copysign(np.log1p(size / scale), half)
    return y


def _scaled(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map the range of x to [0, 1]."""
    low = x.min()
    width = x.max() - low
    return (x - low) / (width if width > 0.0 else 1.0)
