"""Covariance matrix adaptation for mixed spaces."""

import copy
import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.cmaes import UNMUTATED, Categories, Normal
from sklearn_hpo._numerics.maximize import untaken
from sklearn_hpo._numerics.streams import stream
from sklearn_hpo.optimizers._base import Rows, Told
from sklearn_hpo.optimizers._population import POPULATION_SIZE
from sklearn_hpo.optimizers._surrogate import SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

SIGMA = 0.2
N_DRAWS = 16  # of which the first new one is proposed
N_POOL = 64  # rows from anywhere, if none is


@dataclass
class Draws:
    """What a distribution draws for one proposal.

    Parameters
    ----------
    rows : ndarray of shape (N_DRAWS, n_columns)
        Canonical rows.
    steps : ndarray of shape (N_DRAWS, n_numeric)
        Their steps in units of the step size.
    values : ndarray of shape (N_DRAWS, n_categorical), int
        Their categories.
    """

    rows: Rows
    steps: Rows
    values: NDArray[np.intp]


@dataclass
class Distribution:
    """One generation's distribution.

    Parameters
    ----------
    lam : int
        Size of the generation.
    normal : Normal or None
        Of the numeric columns, if there are any.
    categories : Categories or None
        Of the others.
    """

    lam: int
    normal: Normal | None
    categories: Categories | None


class CMAES(SurrogateOptimizer):
    """Propose draws from a normal distribution that learns scales and correlations.

    This is CMA-ES [1]_ with margins for discrete columns [2]_, distributions of
    categories [3]_ and restarts with twice the population [4]_. It begins at the centre
    of the space. Draws beyond the cube are mirrored.

    The distribution learns when as many rows have been told as a generation has. What
    a row was before it was snapped is drawn again from the number of the proposal;
    rows that come from elsewhere are injected [5]_.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        Size of a generation; "auto" is 4 and 3 times the logarithm of the number of
        columns.

    References
    ----------
    .. [1] Hansen (2016), The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772.
    .. [2] Hamano, Saito, Nomura & Shirakawa (2022), CMA-ES with Margin:
       Lower-Bounding Marginal Probability for Mixed-Integer Black-Box Optimization,
       GECCO.
    .. [3] Hamano, Saito, Nomura, Uchida & Shirakawa (2024), CatCMA: Stochastic
       Optimization for Mixed-Category Problems, GECCO.
    .. [4] Auger & Hansen (2005), A Restart CMA Evolution Strategy with Increasing
       Population Size, CEC.
    .. [5] Hansen (2011), Injecting External Solutions Into CMA-ES, arXiv 1110.4181.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import CMAES, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = CMAES()
    >>> space = SearchSpace({"x": uniform(0, 1), "y": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=300, seed=0)
    >>> for _ in range(300):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], losses=[((row - 0.3) ** 2).sum()]))
    >>> bool(optimizer.losses.min() < 1e-9)
    True
    """

    name = "cmaes"
    _parameter_constraints: ClassVar = {"population_size": POPULATION_SIZE}

    def __init__(self, *, population_size: int | Literal["auto"] = "auto") -> None:
        self.population_size = population_size

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        self._numeric = ~self.layout.categorical
        edges = [c.edges for c in space.columns if c.kind != "categorical"]
        self._edges = [None if ends is None else ends[1:-1] for ends in edges]
        levels = [c.centres for c in space.columns if c.kind == "categorical"]
        self._centres = [v for v in levels if v is not None]
        lam = self.population_size
        if lam == "auto":
            lam = 4 + int(3 * math.log(max(space.n_columns, 1)))
        self._current = self._begin(lam, np.full(int(self._numeric.sum()), 0.5))
        self._previous = self._current
        self._n_learnt = 0
        self._generation: list[tuple[Rows, NDArray[np.intp], float]] = []

    def tell(self, told: Told) -> None:
        super().tell(told)
        while self.space.n_columns and self._n_learnt < len(self.losses):
            number = self._n_learnt
            loss = self.losses[number, 0]
            step, values = self._origin(number)
            self._generation.append(
                (step, values, math.inf if np.isnan(loss) else float(loss))
            )
            self._n_learnt += 1
            if len(self._generation) == self._current.lam:
                self._learn()

    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        free = untaken(self._draw(self._current, rng).rows, taken)
        row: Rows = free[0] if len(free) else self._pool(taken, N_POOL, rng)[0]
        return row

    def _design_size(self) -> int:
        return 1

    def _begin(self, lam: int, mean: Rows) -> Distribution:
        n_discrete = sum(edges is not None for edges in self._edges)
        n_discrete += len(self._centres)
        margin = 1.0 - UNMUTATED ** (1.0 / max(n_discrete, 1))
        return Distribution(
            lam,
            Normal(mean, SIGMA, lam, self._edges, margin) if len(mean) else None,
            Categories([len(c) for c in self._centres], margin)
            if self._centres
            else None,
        )

    def _draw(self, distribution: Distribution, rng: np.random.Generator) -> Draws:
        points = np.empty((N_DRAWS, self.space.n_columns))
        steps = np.empty((N_DRAWS, 0))
        values = np.empty((N_DRAWS, 0), dtype=np.intp)
        if distribution.normal is not None:
            z = rng.standard_normal((N_DRAWS, int(self._numeric.sum())))
            steps = distribution.normal.steps(z)
            moved = distribution.normal.points(steps)
            points[:, self._numeric] = 1.0 - np.abs(1.0 - moved % 2.0)
        if distribution.categories is not None:
            u = rng.random((N_DRAWS, len(self._centres)))
            values = distribution.categories.draw(u)
            for j, column in enumerate(np.flatnonzero(~self._numeric)):
                points[:, column] = self._centres[j][values[:, j]]
        return Draws(self.space.from_unit(points), steps, values)

    def _origin(self, number: int) -> tuple[Rows, NDArray[np.intp]]:
        """Return the step and the categories that gave a row."""
        row, current = self.rows[number], self._current
        for distribution in (current, self._previous):
            rng = stream(self.seed, number, "proposal")
            draws = self._draw(distribution, rng)
            for i, drawn in enumerate(draws.rows):
                if drawn.tobytes() != row.tobytes():
                    continue
                step = draws.steps[i]
                if distribution is not current and current.normal is not None:
                    assert distribution.normal is not None
                    point = distribution.normal.points(step)
                    step = current.normal.injected(point)
                return step, draws.values[i]
        step = np.empty(0)
        if current.normal is not None:
            step = current.normal.injected(row[self._numeric])
        values = [
            int(np.argmin(np.abs(centres - np.nan_to_num(row[j], nan=0.5))))
            for centres, j in zip(
                self._centres, np.flatnonzero(~self._numeric), strict=True
            )
        ]
        return step, np.array(values, dtype=np.intp)

    def _learn(self) -> None:
        """Update the distribution by the generation that is complete."""
        losses = np.array([loss for _, _, loss in self._generation])
        order = np.argsort(losses, kind="stable")
        steps = np.array([self._generation[i][0] for i in order])
        values = np.array([self._generation[i][1] for i in order])
        self._generation = []
        self._previous = self._current
        lam = self._current.lam
        normal = copy.copy(self._current.normal)
        categories = copy.copy(self._current.categories)
        if categories is not None:
            categories.update(values[: lam // 2], lam)
        if normal is not None:
            normal.stretch = normal.stretch.copy()
            normal.update(steps, losses[order])
            if normal.stops(losses):
                rng = stream(self.seed, self._n_learnt, "restart")
                self._current = self._begin(2 * lam, rng.random(len(normal.mean)))
                return
        self._current = Distribution(lam, normal, categories)
