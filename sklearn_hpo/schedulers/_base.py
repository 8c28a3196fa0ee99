"""The interface of everything that spends the budget, and the plain way to do so."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class New:
    """Start a new trial.

    Attributes
    ----------
    budget : float
        The share of the full budget that it may use, in (0, 1].
    """

    budget: float


@dataclass(frozen=True)
class Continue:
    """Let a trial go on.

    Attributes
    ----------
    trial : int
        Its number.
    budget : float
        The share of the full budget up to which it may go, in (0, 1].
    """

    trial: int
    budget: float


class Scheduler(ABC):
    """Says what runs next, from the scores of what ran."""

    @property
    @abstractmethod
    def plan(self) -> tuple[New, ...]:
        """The trials that will be started, known before anything runs."""

    @abstractmethod
    def next(self, known: int | None) -> New | Continue | None:
        """Return the next piece of work.

        Parameters
        ----------
        known : int or None
            If a new trial may start, the number of the first trials whose scores it
            may depend on, however far it goes; None if no trial may start now.

        Returns
        -------
        work : New, Continue or None
            None if there is nothing to do until another score is reported.
        """

    @abstractmethod
    def report(self, trial: int, budget: float, score: float) -> bool:
        """Learn a score.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        budget : float
            The share of the full budget that the score was measured with.
        score : float
            To be maximised; NaN if the trial failed.

        Returns
        -------
        ended : bool
            Whether the trial gets no more budget.
        """

    @abstractmethod
    def estimate(self, trial: int) -> float:
        """Return what an ended trial would score at the full budget.

        Parameters
        ----------
        trial : int
            Number of the trial.

        Returns
        -------
        score : float
            Its score, or the best guess from a part of the budget.
        """

    def variance(self, trial: int) -> float:
        """Return how uncertain the estimate is, beside the noise of whole scores.

        Parameters
        ----------
        trial : int
            Number of the trial.

        Returns
        -------
        variance : float
            Of the estimate around what the full budget would give; 0 if it was spent,
            or if nothing is known of it.
        """
        return 0.0


class FullBudget(Scheduler):
    """Every trial gets the full budget: a plain search is no special case.

    Parameters
    ----------
    n_trials : int
        How many trials to start.
    """

    def __init__(self, n_trials: int) -> None:
        self.n_trials = n_trials
        self._n_started = 0
        self._scores: dict[int, float] = {}

    @property
    def plan(self) -> tuple[New, ...]:
        """One full trial after the other."""
        return (New(1.0),) * self.n_trials

    def next(self, known: int | None) -> New | None:
        """Return a full trial until all have been started."""
        if known is None or self._n_started == self.n_trials:
            return None
        self._n_started += 1
        return New(1.0)

    def report(self, trial: int, budget: float, score: float) -> bool:
        """Note the score; a trial ends with its first one."""
        self._scores[trial] = score
        return True

    def estimate(self, trial: int) -> float:
        """Return the score of a trial."""
        return self._scores[trial]
