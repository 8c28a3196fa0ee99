"""A surrogate for searches whose losses come from several budgets."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo.optimizers._base import Optimizer, Rows
from sklearn_hpo.optimizers._surrogate import SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

# Share of proposals that are draws from the space, as in BOHB: budgets may mislead.
RANDOM_SHARE = 0.2


class MultiFidelity(Optimizer):
    """Let a surrogate learn from the highest budget that has enough losses.

    This is the rule of BOHB [1]_: losses of different budgets are not mixed; enough
    are two more than the columns of the space. Before any budget has so many, and for a
    fifth of all later proposals, candidates are drawn at random.

    Parameters
    ----------
    make : callable
        Called without arguments; returns a fresh surrogate without a design of its own.

    References
    ----------
    .. [1] S. Falkner, A. Klein and F. Hutter, "BOHB: robust and efficient
       hyperparameter optimization at scale", ICML 2018; section 4.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import TPE
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = MultiFidelity(lambda: TPE(30, 1))
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), seed=0)
    >>> for _ in range(30):
    ...     row = optimizer.ask(1, np.empty((0, 1)))
    ...     optimizer.tell(row, (row[:, 0] - 0.3) ** 2, np.array([1 / 9]))
    >>> bool(optimizer.losses.min() < 1e-3)
    True
    """

    name = "rungs"

    def __init__(self, make: Callable[[], SurrogateOptimizer]) -> None:
        self.make = make

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
        self._member: SurrogateOptimizer | None = None
        self._level = 0.0

    def tell(
        self,
        rows: Rows,
        losses: NDArray[np.float64],
        budgets: NDArray[np.float64],
        seconds: NDArray[np.float64] | None = None,
        variances: NDArray[np.float64] | None = None,
    ) -> None:
        """Learn losses, and hand those of the level that counts to the surrogate.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            What was evaluated.
        losses : ndarray of shape (m,)
            To be minimised; NaN for a candidate that failed.
        budgets : ndarray of shape (m,)
            The share of the full budget that each loss was measured with, in (0, 1].
        seconds, variances : ndarray of shape (m,) or None, default=None
            Ignored.
        """
        super().tell(rows, losses, budgets, seconds)
        levels, counts = np.unique(self.budgets, return_counts=True)
        enough = levels[counts >= self.space.n_columns + 2]
        if not len(enough):
            return
        new = budgets == enough[-1]
        if enough[-1] != self._level:
            self._level = float(enough[-1])
            self._member = self.make()
            self._member.start(self.space, self.seed)
            rows, losses, new = self.rows, self.losses, self.budgets == self._level
        if self._member is not None and new.any():
            self._member.tell(rows[new], losses[new], np.ones(new.sum()))

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
        rows = pending
        for _ in range(n):
            rows = np.vstack([rows, self._propose(rows)])
        return rows[len(pending) :]

    def source(self, n_pending: int) -> str:
        """Return "random", or the name of the surrogate.

        Parameters
        ----------
        n_pending : int
            Number of rows proposed and not yet told.

        Returns
        -------
        name : str
            For instance "tpe".
        """
        if self._member is None or self._draws(n_pending):
            return "random"
        return self._member.name

    @property
    def predicts(self) -> bool:
        """Whether a budget has enough losses for a surrogate that predicts."""
        return self._member is not None and self._member.predicts

    @property
    def predictor(self) -> Any:
        """That of the surrogate, if there is one."""
        return None if self._member is None else self._member.predictor

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the losses of rows at the highest budget with enough of them are.

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
            If there is no surrogate yet, or it has no such model.
        """
        if self._member is None:
            return super().predict(rows)
        return self._member.predict(rows)

    def _draws(self, n_pending: int) -> bool:
        # a stream of its own: what decides on a draw must not be what is drawn
        number = self.n_proposed + n_pending
        rng = np.random.default_rng([self.seed, number, 2])
        return bool(rng.random() < RANDOM_SHARE)

    def _propose(self, pending: Rows) -> Rows:
        if self._member is None or self._draws(len(pending)):
            return self.space.sample(1, self.trial_rng(len(pending)))
        return self._member.ask(1, pending)
