"""Evolution in a steady state, whose children may be screened by a surrogate."""

import math
import numbers
from abc import abstractmethod
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.gp import Layout
from sklearn_hpo._numerics.maximize import perturb, untaken
from sklearn_hpo._numerics.rbf import CubicRBF, expected_losses
from sklearn_hpo._sklearn_compat import Interval, StrOptions
from sklearn_hpo.optimizers._base import Rows, Told, extended, smallest
from sklearn_hpo.optimizers._breeders import (
    Breeder,
    DifferentialBreeder,
    GeneticBreeder,
    Parents,
    Rate,
    RegularizedBreeder,
)
from sklearn_hpo.optimizers._population import (
    POPULATION_SIZE,
    ParetoPopulation,
    Population,
    diversity,
)
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
_PROBABILITY = [StrOptions({"auto"}), Interval(numbers.Real, 0, 1, closed="both")]

Size = int | Literal["auto"]
Screening = Literal["rbf"] | None


class EvolutionaryOptimizer(SurrogateOptimizer):
    """Base of the optimizers that propose children of the best rows so far.

    Each proposal has a place in the population to compete for, and proposals need not
    wait for one another. The population begins with an even design.

    With a surrogate [1]_, a proposal is the best of many children by the weighted mean
    of two criteria: the value under a cubic radial basis function, and the distance
    from the nearest row that is evaluated or pending [2]_. It is fitted to the best and
    to the most recent rows, so that a proposal costs the same however many there are,
    and to the signed logarithm of their losses about the median [3]_. Of several
    objectives it learns another mixture each time.

    References
    ----------
    .. [1] Jin (2011), Surrogate-Assisted Evolutionary Computation: Recent Advances and
       Future Challenges, Swarm and Evolutionary Computation 1.
    .. [2] Regis & Shoemaker (2007), A Stochastic Radial Basis Function Method for the
       Global Optimization of Expensive Functions, INFORMS Journal on Computing 19.
    .. [3] Eriksson & Poloczek (2021), Scalable Constrained Bayesian Optimization,
       AISTATS; section 3, the "bilog" transformation.
    """

    _parameter_constraints: ClassVar = {
        "population_size": POPULATION_SIZE,
        "screening": [StrOptions({"rbf"}), None],
    }
    _ages = False  # whether a member is replaced by age, not by loss
    _niches = False  # whether members rank by the niches of NSGA-III, not by crowding

    def __init__(
        self, *, population_size: Size = "auto", screening: Screening = "rbf"
    ) -> None:
        self.population_size = population_size
        self.screening = screening

    @abstractmethod
    def _breeder(self) -> Breeder:
        """Return what makes the children."""

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        self._widths = self._level_widths()
        self._past: list[NDArray[np.intp]] = []
        # the losses, infinite for failures
        self._known = np.empty(0 if n_objectives == 1 else (0, n_objectives))
        self._population = self._make_population()

    def tell(self, told: Told) -> None:
        super().tell(told)
        fresh = np.where(np.isnan(told.losses), np.inf, told.losses)
        self._known = extended(
            self._known, fresh[:, 0] if self.n_objectives == 1 else fresh
        )
        # an interrupt may have come before the last rows told were gone through
        for number in range(len(self._past), len(self._known)):
            self._population.admit(number, self._known)
            members = self._population.members
            if not self._past or not np.array_equal(members, self._past[-1]):
                self._past.append(members.copy())
            else:  # most rows find no place
                self._past.append(self._past[-1])

    @property
    def diversity(self) -> list[float]:  # type: ignore[override]
        """The mean distance of two members, after each row that was told."""
        kinds = self.layout.categorical
        found: list[float] = []
        for _, equal in groupby(self._past, id):
            past, *others = equal
            value = diversity(self.rows[past[past >= 0]], kinds)
            found += [value] * (1 + len(others))
        return found

    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
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
                near = perturb(self.rows[members], N_POOL, self._feasible, rng)
                free = untaken(self.space.from_unit(near), taken)
        if not len(free):
            anywhere: Rows = self._pool(taken, N_POOL, rng)[0]
            return anywhere
        if self.screening is None:
            return free[0]
        weight = WEIGHTS[(number + self._shift(number)) % len(WEIGHTS)]
        losses = self._population.guide(self._known, rng)
        value, distance = self._model(pending, losses).predict(free)
        score = weight * _scaled(value) - (1.0 - weight) * _scaled(distance)
        best: Rows = free[np.argmin(score)]
        return best

    @property
    def predicts(self) -> bool:  # type: ignore[override]
        """Whether a surrogate screens for one loss."""
        return self.screening is not None and getattr(self, "n_objectives", 1) == 1

    @property
    def predictor(self) -> "Interpolant | None":
        """What predicts, without the populations of the past."""
        if not self.predicts:
            return None
        return Interpolant(self.rows.copy(), self._loss.copy(), self.layout)

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self.predicts:
            return super().predict(rows)
        return Interpolant(self.rows, self._loss, self.layout).predict(rows)

    def _shift(self, number: int) -> int:
        """Return by how much weights are shifted, so that each place meets all."""
        size = self._size()
        return number // size if size % len(WEIGHTS) == 0 else 0

    def _size(self) -> int:
        """Return the number of places."""
        if self.population_size != "auto":
            return self.population_size
        several = self.n_objectives > 1
        size = self.n_iter // FRONT_SHARE if several else math.isqrt(self.n_iter)
        return min(max(size, MIN_SIZE), MAX_SIZE)

    def _design_size(self) -> int:
        return self._size()

    def _make_population(self) -> Population | ParetoPopulation:
        if self.n_objectives == 1:
            return Population(self._size(), ages=self._ages)
        n_niched = self.n_objectives if self._niches else 0
        return ParetoPopulation(self._size(), n_niched)

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
        m = N_UNSCREENED if self.screening is None else N_CHILDREN
        return self.space.from_unit(self._breed(parents, m, rng))

    def _breed(self, parents: Parents, m: int, rng: np.random.Generator) -> Rows:
        return self._breeder().breed(parents, m, self.screening is not None, rng)

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


class DifferentialEvolution(EvolutionaryOptimizer):
    """Propose members moved by the differences of others [1]_ [2]_.

    Each proposal competes for a place in a population, without generations to wait for.
    A surrogate may choose among many children. Of several objectives, members rank by
    fronts and crowding.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        How many members. "auto" is the square root of the number of candidates that
        the study plans, but 8 at least and 24 at most; with several objectives a
        sixth of it, within the same bounds.
    crossover : float or "auto", default="auto"
        Probability CR that a parameter is inherited from the mutant; "auto" is 0.5, or
        drawn from 0.3, 0.6 and 0.9 where children are screened.
    mutation : float or "auto", default="auto"
        Factor F of the differences, at most 2; "auto" is 0.5, or drawn from 0.3, 0.5
        and 0.8 where children are screened.
    screening : {"rbf"} or None, default="rbf"
        The surrogate that chooses among many children; None: a child is proposed as it
        is bred.

    References
    ----------
    .. [1] Storn & Price (1997), Differential Evolution - A Simple and Efficient
       Heuristic for Global Optimization over Continuous Spaces, Journal of Global
       Optimization 11.
    .. [2] Zhang & Sanderson (2009), JADE: Adaptive Differential Evolution with
       Optional External Archive, IEEE Transactions on Evolutionary Computation 13.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import DifferentialEvolution, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = DifferentialEvolution()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=50, seed=0)
    >>> for _ in range(50):
    ...     x = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(x[None], losses=(x - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-3)
    True
    """

    name = "de"
    multi_objective = True
    _parameter_constraints: ClassVar = {
        **EvolutionaryOptimizer._parameter_constraints,
        "crossover": _PROBABILITY,
        "mutation": [StrOptions({"auto"}), Interval(numbers.Real, 0, 2, closed="both")],
    }

    def __init__(
        self,
        *,
        population_size: Size = "auto",
        crossover: Rate = "auto",
        mutation: Rate = "auto",
        screening: Screening = "rbf",
    ) -> None:
        super().__init__(population_size=population_size, screening=screening)
        self.crossover = crossover
        self.mutation = mutation

    def _breeder(self) -> Breeder:
        return DifferentialBreeder(self.crossover, self.mutation)


class GeneticAlgorithm(EvolutionaryOptimizer):
    """Propose children of two winners of tournaments, crossed and mutated [1]_.

    Each proposal competes for a place in a population, without generations to wait for.
    A surrogate may choose among many children.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        How many members. "auto" is the square root of the number of candidates that
        the study plans, but 8 at least and 24 at most.
    crossover : float or "auto", default="auto"
        Probability that a child has two parents; "auto" is 0.9.
    mutation : float or "auto", default="auto"
        Probability that a parameter mutates; "auto" is one over the number of columns.
    screening : {"rbf"} or None, default="rbf"
        The surrogate that chooses among many children; None: a child is proposed as it
        is bred.

    References
    ----------
    .. [1] Deb, Pratap, Agarwal & Meyarivan (2002), A Fast and Elitist Multiobjective
       Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import GeneticAlgorithm, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = GeneticAlgorithm()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=50, seed=0)
    >>> for _ in range(50):
    ...     x = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(x[None], losses=(x - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-3)
    True
    """

    name = "ga"
    _parameter_constraints: ClassVar = {
        **EvolutionaryOptimizer._parameter_constraints,
        "crossover": _PROBABILITY,
        "mutation": _PROBABILITY,
    }

    def __init__(
        self,
        *,
        population_size: Size = "auto",
        crossover: Rate = "auto",
        mutation: Rate = "auto",
        screening: Screening = "rbf",
    ) -> None:
        super().__init__(population_size=population_size, screening=screening)
        self.crossover = crossover
        self.mutation = mutation

    def _breeder(self) -> Breeder:
        return GeneticBreeder(self.crossover, self.mutation)


class NSGA2(GeneticAlgorithm):
    """Breed towards the front of several objectives: NSGA-II [1]_ in a steady state.

    Members rank by fronts and crowding; who comes last goes as soon as one comes.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        How many members. "auto" is a sixth of the number of candidates that the study
        plans, but 8 at least and 24 at most.
    crossover : float or "auto", default="auto"
        Probability that a child has two parents; "auto" is 0.9.
    mutation : float or "auto", default="auto"
        Probability that a parameter mutates; "auto" is one over the number of columns.
    screening : {"rbf"} or None, default="rbf"
        The surrogate that chooses among many children; None: a child is proposed as it
        is bred.

    References
    ----------
    .. [1] Deb, Pratap, Agarwal & Meyarivan (2002), A Fast and Elitist Multiobjective
       Genetic Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 6.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import NSGA2, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = NSGA2()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=50, seed=0, n_objectives=2)
    >>> for _ in range(50):
    ...     x = optimizer.ask(optimizer.rows[:0]).row
    ...     losses = [*(x - 0.4) ** 2, *(x - 0.6) ** 2]
    ...     optimizer.tell(Told.of(x[None], losses=[losses]))
    >>> int(((optimizer.rows > 0.35) & (optimizer.rows < 0.65)).sum()) > 20
    True
    """

    name = "nsga2"
    multi_objective = True
    _least_objectives = 2


class NSGA3(NSGA2):
    """Breed towards the front of many objectives: NSGA-III [1]_ in a steady state.

    Members rank by fronts and by niches, which are spread over the front.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        How many members. "auto" is a sixth of the number of candidates that the study
        plans, but 8 at least and 24 at most.
    crossover : float or "auto", default="auto"
        Probability that a child has two parents; "auto" is 0.9.
    mutation : float or "auto", default="auto"
        Probability that a parameter mutates; "auto" is one over the number of columns.
    screening : {"rbf"} or None, default="rbf"
        The surrogate that chooses among many children; None: a child is proposed as it
        is bred.

    References
    ----------
    .. [1] Deb & Jain (2014), An Evolutionary Many-Objective Optimization Algorithm
       Using Reference-Point-Based Nondominated Sorting Approach, Part I, IEEE
       Transactions on Evolutionary Computation 18.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import NSGA3, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = NSGA3()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=50, seed=0, n_objectives=2)
    >>> for _ in range(50):
    ...     x = optimizer.ask(optimizer.rows[:0]).row
    ...     losses = [*(x - 0.4) ** 2, *(x - 0.6) ** 2]
    ...     optimizer.tell(Told.of(x[None], losses=[losses]))
    >>> int(((optimizer.rows > 0.35) & (optimizer.rows < 0.65)).sum()) > 20
    True
    """

    name = "nsga3"
    _niches = True


class RegularizedEvolution(EvolutionaryOptimizer):
    """Propose mutants of good members, of which the oldest one goes [1]_.

    One parameter of a parent mutates, the best of a quarter of the population. A
    surrogate may choose among many children.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        How many members. "auto" is the square root of the number of candidates that
        the study plans, but 8 at least and 24 at most.
    screening : {"rbf"} or None, default="rbf"
        The surrogate that chooses among many children; None: a child is proposed as it
        is bred.

    References
    ----------
    .. [1] Real, Aggarwal, Huang & Le (2019), Regularized Evolution for Image
       Classifier Architecture Search, AAAI.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import RegularizedEvolution, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = RegularizedEvolution()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=50, seed=0)
    >>> for _ in range(50):
    ...     x = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(x[None], losses=(x - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-3)
    True
    """

    name = "regularized"
    _ages = True

    def _breeder(self) -> Breeder:
        return RegularizedBreeder()


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
