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


class Scheduler(ABC):
    """Says what runs next, from the scores of what ran."""

    @property
    @abstractmethod
    def plan(self) -> tuple[New, ...]:
        """What will run, known before anything runs."""

    @abstractmethod
    def next(self) -> New | None:
        """Return the next piece of work, or None when there is none left."""

    @abstractmethod
    def report(self, trial: int, budget: float, score: float) -> None:
        """Learn a score.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        budget : float
            The share of the full budget that the score was measured with.
        score : float
            To be maximised; NaN if the trial failed.
        """


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

    @property
    def plan(self) -> tuple[New, ...]:
        """One full trial after the other."""
        return (New(1.0),) * self.n_trials

    def next(self) -> New | None:
        """Return a full trial until all have been started."""
        if self._n_started == self.n_trials:
            return None
        self._n_started += 1
        return New(1.0)

    def report(self, trial: int, budget: float, score: float) -> None:
        """Ignore the score: no trial's budget depends on another's result."""
