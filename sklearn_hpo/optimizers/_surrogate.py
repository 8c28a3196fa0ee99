"""What all optimizers with a surrogate share: the design, candidates, no repeats."""

import numbers
from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np

from sklearn_hpo._numerics.design import even_design
from sklearn_hpo._numerics.gp import Layout
from sklearn_hpo._numerics.maximize import FeasibleSet, perturb, spread, untaken
from sklearn_hpo._numerics.streams import stream
from sklearn_hpo._sklearn_compat import Interval, StrOptions
from sklearn_hpo.optimizers._base import Optimizer, Proposal, Rows, smallest
from sklearn_hpo.space import SearchSpace

MAX_GRID = 2048  # rows of a finite space that are all scored
N_ELITE = 3  # best rows, around which candidates are drawn
MIN_DESIGN = 4


class SurrogateOptimizer(Optimizer):
    """Base of the optimizers that fit a model after an initial design.

    The design has categories and branches as often as their probabilities say, to
    within one, and is a Latin hypercube of the numbers; if it is known which row will
    be told first, the others are laid around it. The first row that is proposed has its
    numbers at the centre: people who give a range tend to have the good values inside
    [1]_.

    References
    ----------
    .. [1] Song et al. (2024), The Vizier Gaussian Process Bandit Algorithm, arXiv
       2408.11527; section 3.
    """

    n_initial_points: int | Literal["auto"]
    _parameter_constraints: ClassVar = {
        "n_initial_points": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ]
    }

    def __init__(self, *, n_initial_points: int | Literal["auto"] = "auto") -> None:
        self.n_initial_points = n_initial_points

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        categorical = np.array([c.kind == "categorical" for c in space.columns], bool)
        self.layout = Layout(categorical, space.conditional)
        self.grid: Rows | None = np.empty((1, 0))
        if space.n_columns:
            self.grid = self._feasible.grid(MAX_GRID)
        self.n_design = self._design_size()
        self._first: Rows | None = None
        self._design: Rows | None = None

    def expect(self, row: Rows) -> None:
        self._first = row

    def ask(self, pending: Rows) -> Proposal:
        n_pending = len(pending)
        rng = self.trial_rng(n_pending)
        taken = self._distinct
        if n_pending:
            taken = taken.union(row.tobytes() for row in pending)
        if self._is_past_design(n_pending):
            return Proposal(self._choose(pending, taken, rng), self.name)
        number = len(self.rows) + n_pending
        planned = untaken(self._design_rows()[number : number + 1], taken)
        row = planned[0] if len(planned) else self._pool(taken, 1, rng)[0]
        return Proposal(row, "design")

    @abstractmethod
    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        """Return the row that the model prefers; some losses have been told.

        Parameters
        ----------
        pending : ndarray of shape (n_pending, n_columns)
            Rows whose losses have not been told yet.
        taken : set of bytes
            The rows told and pending.
        rng : numpy.random.Generator
            Of this proposal.
        """

    def _pool(self, taken: set[bytes], n: int, rng: np.random.Generator) -> Rows:
        """Return candidates that are not `taken`, if there are any.

        The whole of a small space, else `n` draws from the whole cube, which come
        first, and as many near the best rows.
        """
        if self.grid is not None:
            everything = rng.permutation(self.grid)
        else:
            points = [self.space.spread(spread(n, self.space.n_columns, rng))]
            if len(self.rows):
                points.append(perturb(self._elite(), n, self._feasible, rng))
            everything = self.space.from_unit(np.vstack(points))
        free = untaken(everything, taken)
        return free if len(free) else everything

    @property
    def _feasible(self) -> FeasibleSet:
        """The rows of the space, among which to maximise."""
        levels = tuple(column.centres for column in self.space.columns)
        return FeasibleSet(self.space.from_unit, levels, self.layout.categorical)

    def _level_widths(self) -> Rows:
        """Return how far apart a column's values are on the mean; 0 if continuous."""
        levels = self._feasible.levels
        return np.array([0.0 if v is None else 1.0 / len(v) for v in levels])

    def _elite(self) -> Rows:
        """Return the rows near which candidates are drawn."""
        return self.rows[smallest(self._loss, N_ELITE)]

    def _design_rows(self) -> Rows:
        """Return the rows to begin with: n_design, or fewer if so many are planned."""
        if self._design is None:
            self._design = self._draw_design()
        return self._design

    def _is_past_design(self, n_pending: int) -> bool:
        n_told = len(self.rows)
        past = n_told + n_pending >= self.n_design
        return past and n_told > 0 and self.space.n_columns > 0

    def _design_size(self) -> int:
        if self.n_initial_points != "auto":
            return self.n_initial_points
        size = int(np.sum(self.space.active)) // 3 + 2
        return max(MIN_DESIGN, min(size, self.n_iter // 4))

    def _draw_design(self) -> Rows:
        rng = stream(self.seed, 0, "design")
        anchor = self._first
        if anchor is not None:
            # anywhere in the cell of a value, so that chance decides which of the
            # others are one too many
            reach = 0.49 * self._level_widths()
            anchor = anchor + reach * rng.uniform(-1.0, 1.0, len(anchor))
        n = min(self.n_design, self.n_iter)
        return even_design(n, self._snap_design, self.layout, anchor, rng)

    def _snap_design(self, points: Rows) -> Rows:
        rows = self.space.from_unit(self.space.spread(points))
        endless = np.array([v is None for v in self._feasible.levels], dtype=bool)
        number = 0 if self._first is None else 1  # of the first row that is proposed
        rows[number : number + 1, endless] = 0.5
        return self.space.from_unit(rows)
