"""The interface of everything that proposes candidates: ask and tell."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo.space import SearchSpace

Rows = NDArray[np.float64]


class Optimizer(ABC):
    """Proposes rows of a search space from the losses of earlier rows.

    Losses are minimised. An optimizer knows rows, losses, budgets and seconds; it never
    sees the search, the estimator or the data.
    """

    name: str
    # whether proposals depend on losses
    learns = True
    # whether the first candidate may be the estimator's own values
    begins_with_own = True

    def start(self, space: SearchSpace, seed: int) -> None:
        """Begin a study on `space` and forget every earlier one.

        Parameters
        ----------
        space : SearchSpace
            What the rows mean.
        seed : int
            Non-negative; proposal number ``t`` draws from ``default_rng([seed, t])``.
        """
        self.space = space
        self.seed = seed
        self.rows = np.empty((0, space.n_columns))
        self.losses = np.empty(0)
        self.budgets = np.empty(0)
        self.seconds = np.empty(0)
        self.variances = np.empty(0)
        self._distinct: set[bytes] = set()

    @property
    def n_proposed(self) -> int:
        """Number of proposals that have been told, at whatever budgets."""
        return len(self._distinct)

    def tell_source_task(  # noqa: B027 - most optimizers have no use for it
        self, rows: Rows, losses: NDArray[np.float64]
    ) -> None:
        """Learn, before the first proposal, what another study has found.

        Its losses may be of another size, or contradict what will be told: they are a
        hint that an optimizer is free to ignore.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.
        losses : ndarray of shape (m,)
            To be minimised, all finite.
        """

    @property
    def predicts(self) -> bool:
        """Whether there is a model that predicts losses."""
        return False

    def expect(  # noqa: B027 - most optimizers have no use for it
        self, row: Rows
    ) -> None:
        """Learn, before the first proposal, which row will be told first.

        Parameters
        ----------
        row : ndarray of shape (n_columns,)
            A canonical row, not of the optimizer's choice.
        """

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the losses of rows are expected to be.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.

        Returns
        -------
        mean, std : ndarray of shape (m,)
            Mean and standard deviation of the loss.

        Raises
        ------
        NotImplementedError
            If the optimizer has no such model.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no model that predicts scores. Search for one "
            "score by a Gaussian process ('gp') or by radial basis functions ('rbf')."
        )

    @abstractmethod
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
            Canonical rows of the space.
        """

    def tell(
        self,
        rows: Rows,
        losses: NDArray[np.float64],
        budgets: NDArray[np.float64],
        seconds: NDArray[np.float64] | None = None,
        variances: NDArray[np.float64] | None = None,
    ) -> None:
        """Learn the losses of evaluated rows.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            What was evaluated.
        losses : ndarray of shape (m,)
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
        self.rows = extended(self.rows, rows)
        self._distinct.update(row.tobytes() for row in rows)
        self.losses = extended(self.losses, losses)
        self.budgets = extended(self.budgets, budgets)
        if seconds is None:
            seconds = np.full(len(losses), np.nan)
        self.seconds = extended(self.seconds, seconds)
        if variances is None:
            variances = np.zeros(len(losses))
        self.variances = extended(self.variances, variances)

    def source(self, n_pending: int) -> str:
        """Return what makes the next proposal.

        Parameters
        ----------
        n_pending : int
            Number of rows proposed and not yet told.

        Returns
        -------
        name : str
            Such as "design" or "gp".
        """
        return self.name

    def trial_rng(self, n_pending: int) -> np.random.Generator:
        """Return the generator of the next proposal: counter-based, so replay repeats.

        Parameters
        ----------
        n_pending : int
            Number of rows proposed and not yet told.

        Returns
        -------
        rng : numpy.random.Generator
            Seeded with the seed of the study and the number of the proposal.
        """
        return np.random.default_rng([self.seed, self.n_proposed + n_pending])


def extended(array: NDArray[np.float64], new: Rows) -> NDArray[np.float64]:
    """Append to an array that nobody else appends to, in the room behind it if any.

    So the cost of what is told does not grow with what has been told before.
    """
    n, total = len(array), len(array) + len(new)
    room = array.base
    if not isinstance(room, np.ndarray) or len(room) < total:
        room = np.empty((2 * total, *array.shape[1:]))
        room[:n] = array
    room[n:total] = new
    return room[:total]


def smallest(losses: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Return the first `n` numbers of a stable argsort, but sort these only."""
    if len(losses) <= n:
        return np.argsort(losses, kind="stable")
    edge = np.partition(losses, n - 1)[n - 1]
    few = np.flatnonzero(~(losses > edge))  # NaN is no less and comes last
    return few[np.argsort(losses[few], kind="stable")[:n]]
