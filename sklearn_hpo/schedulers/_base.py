"""The interface of everything that spends the budget, and the plain way to do so."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """A part of a plan: some trials, all with the same budget.

    Attributes
    ----------
    n_trials : int
        How many trials.
    budget : float
        The share of the full budget that each may use, in (0, 1].
    bracket : int
        The competition that it belongs to.
    level : int
        How many stages of that competition come before it; on rung 0 trials start.
    """

    n_trials: int
    budget: float
    bracket: int = 0
    level: int = 0


@dataclass(frozen=True)
class New:
    """Start a new trial.

    Attributes
    ----------
    budget : float
        The share of the full budget that it may use, in (0, 1].
    rung : int
        Its place in the plan.
    """

    budget: float
    rung: int = 0


@dataclass(frozen=True)
class Continue:
    """Let a trial go on.

    Attributes
    ----------
    trial : int
        Its number.
    budget : float
        The share of the full budget up to which it may go, in (0, 1].
    rung : int
        Its place in the plan.
    """

    trial: int
    budget: float
    rung: int = 0


class Scheduler(ABC):
    """Says what runs next, from the scores of what ran.

    Attributes
    ----------
    keeps_to_plan : bool
        Whether no stage gets more trials than planned.
    """

    keeps_to_plan = True
    # whether trials get less than all of the resource, and are told of by rungs
    uses_rungs = False

    @property
    @abstractmethod
    def plan(self) -> tuple[Rung, ...]:
        """What will run, known before anything does."""

    @property
    def n_planned(self) -> int:
        """The number of trials that will be started."""
        return sum(rung.n_trials for rung in self.plan if rung.level == 0)

    @property
    def first_budget(self) -> float:
        """The least share of the full budget that a trial is given at once."""
        return min(rung.budget for rung in self.plan)

    @abstractmethod
    def next(self, n_told: int | None) -> New | Continue | None:
        """Return the next piece of work.

        Parameters
        ----------
        n_told : int or None
            If a new trial may start, the number of the first evaluations whose scores
            it may depend on, however far it goes; None if no trial may start now. An
            evaluation is what `report` ends.

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
        settled : bool
            Whether this ends an evaluation, whose score then counts; if not, the trial
            goes on.
        """

    @abstractmethod
    def retired(self) -> list[int]:
        """Return the trials that, since the last call, turned out to get no more."""

    def stop_starting(  # noqa: B027 - where trials do not compete, nothing ends
        self, n_started: int
    ) -> None:
        """Learn that no new trial will start, whatever the plan says.

        Parameters
        ----------
        n_started : int
            How many have, which may be one less than were handed out.
        """

    def remaining_cost(self, paid: bool) -> float:
        """Return what the trials under way will still cost if no other one starts.

        Parameters
        ----------
        paid : bool
            Whether a trial that goes on need not pay for its earlier budget again.

        Returns
        -------
        cost : float
            In full budgets; 0 where trials do not compete.
        """
        return 0.0

    @abstractmethod
    def estimate(self, trial: int) -> float:
        """Return what a trial would score with all that its stage gives it.

        Parameters
        ----------
        trial : int
            Number of the trial.

        Returns
        -------
        score : float
            Its last score, or the best guess from a part of it.
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
        self._retired: list[int] = []

    @property
    def plan(self) -> tuple[Rung, ...]:
        """One stage, for all."""
        return (Rung(self.n_trials, 1.0),)

    def next(self, n_told: int | None) -> New | None:
        """Return a full trial until all have been started."""
        if n_told is None or self._n_started == self.n_trials:
            return None
        self._n_started += 1
        return New(1.0)

    def report(self, trial: int, budget: float, score: float) -> bool:
        """Note the score; a trial ends with its first one."""
        self._scores[trial] = score
        self._retired.append(trial)
        return True

    def retired(self) -> list[int]:
        """Return the trials that ended since the last call."""
        retired, self._retired = self._retired, []
        return retired

    def estimate(self, trial: int) -> float:
        """Return the score of a trial."""
        return self._scores[trial]
