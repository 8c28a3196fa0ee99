"""What a study knows of a trial on one rung."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush, heappushpop
from operator import attrgetter
from typing import Any, Literal

from sklearn_hpo._trial import FoldResult, Trial

Status = Literal["complete", "promoted", "stopped", "failed", "incomplete"]


@dataclass(eq=False, slots=True)
class Evaluation:
    """What one rung of the plan gives a trial.

    Attributes
    ----------
    trial : Trial
        The candidate.
    rung : int
        Its place in the plan.
    budget : float
        The share of the full budget that the trial has been given so far.
    cost : float
        The part of it that this evaluation had to pay for.
    earlier_budgets : tuple of float
        The budgets of the evaluations that the trial had before.
    reports : dict of int to FoldResult
        By fold.
    inherited : frozenset of int
        The folds whose reports are those of the evaluation before.
    n_folds : int
        How many folds it has been given so far.
    score : float
        Mean score over the folds that are in, to be maximised; NaN before, or if it
        failed.
    estimate : float
        The score that teaches the optimizer, with all folds or the best guess of it.
    variance : float
        Of that guess.
    status : {"complete", "promoted", "stopped", "failed", "incomplete"}
        Whether it ended with the full budget, was or was not followed by another one of
        the same trial, failed, or never ended.
    """

    trial: Trial
    rung: int
    budget: float = 0.0
    cost: float = 0.0
    earlier_budgets: tuple[float, ...] = ()
    reports: dict[int, FoldResult] = field(default_factory=dict)
    inherited: frozenset[int] = frozenset()
    n_folds: int = 0
    score: float = math.nan
    estimate: float = math.nan
    variance: float = 0.0
    status: Status = "incomplete"

    @property
    def is_whole(self) -> bool:
        """Whether it has, or will have, all of the budget."""
        return math.isclose(self.budget, 1.0)

    @property
    def settled(self) -> bool:
        """Whether all its folds are in, and it gets no more."""
        return self.status != "incomplete"

    @property
    def results(self) -> list[dict[str, Any]]:
        """What its folds gave, in their order."""
        return [self.reports[fold].result for fold in sorted(self.reports)]

    @property
    def own_reports(self) -> dict[int, FoldResult]:
        """Those reports that no evaluation before has, by fold, as they came in."""
        return {f: r for f, r in self.reports.items() if f not in self.inherited}

    @property
    def fit_seconds(self) -> float:
        """Mean seconds of a fit that shares nothing."""
        times = [r.result["fit_time"] + r.saved for r in self.reports.values()]
        return sum(times) / len(times)

    @property
    def seconds(self) -> float:
        """Wall seconds that its folds took."""
        return covered(self.reports.values())


class Median:
    """The middle of numbers that come one by one, the upper one of two."""

    def __init__(self) -> None:
        self._low: list[float] = []  # turned round, so that the largest is first
        self._high: list[float] = []

    def add(self, x: float) -> None:
        """Take a number; the time that it takes grows with the logarithm of theirs."""
        heappush(self._high, -heappushpop(self._low, -x))
        if len(self._high) > len(self._low) + 1:
            heappush(self._low, -heappop(self._high))

    @property
    def value(self) -> float:
        """Of those that have come, at least one."""
        return self._high[0]


@dataclass(frozen=True)
class Check:
    """What it took to find out whether models may go on.

    Attributes
    ----------
    difference : str or None
        How the model differs from a plain fit's, if it does.
    seconds : float
        0 if there was nothing to find out.
    cost : float
        The same in evaluations with the full budget.
    """

    difference: str | None = None
    seconds: float = 0.0
    cost: float = 0.0


def covered(reports: Iterable[FoldResult]) -> float:
    """Return for how many seconds at least one of several jobs ran.

    What lies between is not counted: it may be the night between two runs.
    """
    seconds, until = 0.0, -math.inf
    for report in sorted(reports, key=attrgetter("start")):
        seconds += max(0.0, report.end - max(report.start, until))
        until = max(until, report.end)
    return seconds
