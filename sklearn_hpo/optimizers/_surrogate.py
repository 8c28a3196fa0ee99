"""What all optimizers with a surrogate share: the design, candidates, no repeats."""

from abc import abstractmethod
from typing import Literal

import numpy as np

from sklearn_hpo._numerics.design import even_design
from sklearn_hpo._numerics.gp import Layout
from sklearn_hpo._numerics.maximize import Domain, perturb, spread, untaken
from sklearn_hpo.optimizers._base import Optimizer, Rows, smallest
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

    Parameters
    ----------
    n_iter : int
        How many evaluations the study plans.
    n_initial_points : int or "auto", default="auto"
        Size of the initial design; "auto" is two more than a third of the columns,
        those of each branch counted, at most a quarter of `n_iter`, but at least 4.

    References
    ----------
    .. [1] Song et al. (2024), The Vizier Gaussian Process Bandit Algorithm, arXiv
       2408.11527; section 3.
    """

    def __init__(
        self, n_iter: int, n_initial_points: int | Literal["auto"] = "auto"
    ) -> None:
        self.n_iter = n_iter
        self.n_initial_points = n_initial_points

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
        categorical = np.array([c.kind == "categorical" for c in space.columns], bool)
        self.layout = Layout(categorical, space.conditional)
        self.grid: Rows | None = np.empty((1, 0))
        if space.n_columns:
            self.grid = self.domain.grid(MAX_GRID)
        self.n_design = self._design_size()
        self._first: Rows | None = None
        self._design: Rows | None = None

    def expect(self, row: Rows) -> None:
        """Learn, before the first proposal, which row will be told first.

        Parameters
        ----------
        row : ndarray of shape (n_columns,)
            A canonical row, not of the optimizer's choice.
        """
        self._first = row

    @property
    def design(self) -> Rows:
        """The rows to begin with: (n_design, n_columns), or fewer if so planned."""
        if self._design is None:
            self._design = self._draw_design()
        return self._design

    def source(self, n_pending: int) -> str:
        """Return "design", or the name of the surrogate that makes the next proposal.

        Parameters
        ----------
        n_pending : int
            Number of rows proposed and not yet told.

        Returns
        -------
        name : str
            For instance "gp".
        """
        return self.name if self._is_past_design(n_pending) else "design"

    def ask(self, n: int, pending: Rows) -> Rows:
        """Propose rows; nothing that a later call can observe changes.

        Parameters
        ----------
        n : int
            How many rows to propose.
        pending : ndarray of shape (n_pending, n_columns)
            Rows proposed earlier whose losses have not been told yet.

        Returns
        -------
        rows : ndarray of shape (n, n_columns)
            Canonical rows of the space, none of them told or pending as long as the
            space has others.
        """
        rows = pending
        for _ in range(n):
            rows = np.vstack([rows, self._propose(rows)])
        return rows[len(pending) :]

    @abstractmethod
    def choose(
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

        Returns
        -------
        row : ndarray of shape (n_columns,)
            A canonical row.
        """

    def pool(self, taken: set[bytes], n: int, rng: np.random.Generator) -> Rows:
        """Return candidates: the whole of a small space, else draws.

        Parameters
        ----------
        taken : set of bytes
            Rows to leave out, unless that leaves none.
        n : int
            Number of draws from the whole cube, which come first, and of as many near
            the best rows.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.
        """
        if self.grid is not None:
            everything = rng.permutation(self.grid)
        else:
            points = [self.space.spread(spread(n, self.space.n_columns, rng))]
            if len(self.rows):
                points.append(perturb(self.elite(), n, self.domain, rng))
            everything = self.space.from_unit(np.vstack(points))
        free = untaken(everything, taken)
        return free if len(free) else everything

    @property
    def domain(self) -> Domain:
        """The rows of the space, among which to maximise."""
        levels = tuple(column.centres for column in self.space.columns)
        return Domain(self.space.from_unit, levels, self.layout.categorical)

    def level_widths(self) -> Rows:
        """Return how far apart the values of each column are.

        Returns
        -------
        widths : ndarray of shape (n_columns,)
            On the mean; 0 for continuous columns.
        """
        levels = self.domain.levels
        return np.array([0.0 if v is None else 1.0 / len(v) for v in levels])

    def elite(self) -> Rows:
        """Return the rows near which candidates are drawn.

        Returns
        -------
        rows : ndarray of shape (n_elite, n_columns)
            The 3 best so far.
        """
        return self.rows[smallest(self.losses, N_ELITE)]

    def _propose(self, pending: Rows) -> Rows:
        rng = self.trial_rng(len(pending))
        taken = self._distinct
        if len(pending):
            taken = taken.union(row.tobytes() for row in pending)
        if self._is_past_design(len(pending)):
            return self.choose(pending, taken, rng)
        number = len(self.rows) + len(pending)
        planned = untaken(self.design[number : number + 1], taken)
        first: Rows = planned[0] if len(planned) else self.pool(taken, 1, rng)[0]
        return first

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
        rng = np.random.default_rng([self.seed, 2**32 - 1])
        anchor = self._first
        if anchor is not None:
            # anywhere in the cell of a value, so that chance decides which of the
            # others are one too many
            reach = 0.49 * self.level_widths()
            anchor = anchor + reach * rng.uniform(-1.0, 1.0, len(anchor))
        n = min(self.n_design, self.n_iter)
        return even_design(n, self._snap_design, self.layout, anchor, rng)

    def _snap_design(self, points: Rows) -> Rows:
        rows = self.space.from_unit(self.space.spread(points))
        endless = np.array([v is None for v in self.domain.levels], dtype=bool)
        number = 0 if self._first is None else 1  # of the first row that is proposed
        rows[number : number + 1, endless] = 0.5
        return self.space.from_unit(rows)
