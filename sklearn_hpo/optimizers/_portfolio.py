"""Several surrogates on the same observations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._surrogate import SurrogateOptimizer
from sklearn_hpo.space import SearchSpace


class Portfolio(SurrogateOptimizer):
    """Let surrogates propose in turn, and learn from one another's proposals.

    They fail in different places: what one believes for too long, the other one
    disproves.

    Parameters
    ----------
    members : sequence of SurrogateOptimizer
        At least one; the first decides on the design, and predicts.
    """

    def __init__(self, members: Sequence[SurrogateOptimizer]) -> None:
        super().__init__(members[0].n_iter, members[0].n_initial_points)
        self.members = members

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
        for member in self.members:
            member.start(space, seed)
            member.n_design = self.n_design

    def tell_source_task(self, rows: Rows, losses: NDArray[np.float64]) -> None:
        """Let each member learn what another study has found.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.
        losses : ndarray of shape (m,)
            To be minimised, all finite.
        """
        for member in self.members:
            member.tell_source_task(rows, losses)
        self.n_design = self.members[0].n_design
        for member in self.members:
            member.n_design = self.n_design

    def tell(
        self,
        rows: Rows,
        losses: NDArray[np.float64],
        budgets: NDArray[np.float64],
        seconds: NDArray[np.float64] | None = None,
        variances: NDArray[np.float64] | None = None,
    ) -> None:
        """Let each member learn the losses of evaluated rows.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            What was evaluated.
        losses : ndarray of shape (m,), or (m, n_objectives) if members learn several
            To be minimised; NaN for a candidate that failed.
        budgets : ndarray of shape (m,)
            The share of the full budget that each loss was measured with, in (0, 1].
        seconds : ndarray of shape (m,) or None, default=None
            What each evaluation takes at the full budget; NaN, or None for all of
            them, if unknown.
        variances : ndarray of shape (m,) or None, default=None
            How uncertain each loss is, beside the noise of all: 0, or None for all of
            them, if it was measured whole.
        """
        first = losses.reshape(len(rows), -1)[:, 0]
        super().tell(rows, first, budgets, seconds, variances)
        for member in self.members:
            member.tell(rows, losses, budgets, seconds, variances)

    def choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        """Return the choice of the member whose turn it is.

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
        return self._member(len(pending)).choose(pending, taken, rng)

    def source(self, n_pending: int) -> str:
        """Return "design", or the name of the member whose turn it is.

        Parameters
        ----------
        n_pending : int
            Number of rows proposed and not yet told.

        Returns
        -------
        name : str
            For instance "gp".
        """
        return self._member(n_pending).source(n_pending)

    def _member(self, n_pending: int) -> SurrogateOptimizer:
        turn = len(self.rows) + n_pending - self.n_design
        return self.members[turn % len(self.members)]

    @property
    def predicts(self) -> bool:
        """Whether the first member has a model that predicts losses."""
        return self.members[0].predicts

    @property
    def predictor(self) -> Any:
        """That of the first member."""
        return self.members[0].predictor

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the first member expects the losses of rows to be.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.

        Returns
        -------
        mean, std : ndarray of shape (m,)
            Mean and standard deviation of the loss.
        """
        return self.members[0].predict(rows)
