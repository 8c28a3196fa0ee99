"""Successive halving and Hyperband: little budget for many, all of it for few."""

import math
import numbers
from collections import deque
from collections.abc import Sequence
from typing import Literal

from sklearn_hpo._sklearn_compat import Interval, StrOptions
from sklearn_hpo.schedulers._base import (
    Continue,
    New,
    Rung,
    Scheduler,
    Setting,
    Verdict,
)
from sklearn_hpo.schedulers._plans import (
    N_FINALISTS,
    budgets_of,
    halving_plan,
    hyperband_plan,
    n_candidates_of,
    n_least,
    without_useless_rungs,
)
from sklearn_hpo.schedulers._scores import Scores


class _Bracket:
    """One competition of successive halving.

    Parameters
    ----------
    rungs : sequence of (int, Rung)
        With their places in the plan.
    dropped : list of int
        To which it adds the trials that go no further.
    """

    def __init__(self, rungs: Sequence[tuple[int, Rung]], dropped: list[int]) -> None:
        self.rungs = rungs
        self.dropped = dropped
        self.level = 0
        self.size = rungs[0][1].n_trials
        self.n_started = 0
        self.scores = Scores()
        self.due: deque[int] = deque()

    @property
    def is_handed_out(self) -> bool:
        """Whether all of its work has been given away."""
        if self.size == 0:
            return True
        waits = self.n_started < self.size if self.level == 0 else bool(self.due)
        return self.level == len(self.rungs) - 1 and not waits

    def next(self, number: int | None) -> New | Continue | None:
        """Return work; a new trial gets `number`, if it may start."""
        place, rung = self.rungs[self.level]
        if self.due:
            return Continue(self.due.popleft(), rung.budget, place)
        if self.level > 0 or self.n_started >= self.size or number is None:
            return None
        self.n_started += 1
        return New(rung.budget, place)

    def report(self, trial: int, score: float) -> None:
        self.scores.add(trial, score)
        if len(self.scores) == self.size:
            self._promote()
        else:
            n_kept = self._n_promoted(self.rungs[self.level][1].n_trials)
            self.dropped += self.scores.give_up(n_kept)

    def stop_starting(self, n_started: int) -> None:
        if self.level == 0 and n_started < self.size:
            self.size = self.n_started = n_started
            if self.size == len(self.scores):
                self._promote()

    def remaining_cost(self, reuses: bool) -> float:
        size = self.n_started if self.level == 0 else self.size
        left = size - len(self.scores)
        cost = 0.0
        for level in range(self.level, len(self.rungs)):
            before = self.rungs[level - 1][1].budget if reuses and level > 0 else 0.0
            cost += left * (self.rungs[level][1].budget - before)
            left = size = self._n_promoted(size, level)
        return cost

    def _n_promoted(self, size: int, level: int | None = None) -> int:
        """Return how many of `size` trials of a rung, by default this one, go on."""
        level = self.level if level is None else level
        if level + 1 == len(self.rungs):
            return 0
        here, above = (self.rungs[level + i][1].n_trials for i in (0, 1))
        # a rung that was cut short keeps the planned share
        return above if size == here else math.ceil(size * above / here)

    def _promote(self) -> None:
        self.dropped += self.scores.give_up(self._n_promoted(self.size))
        kept = self.scores.open
        if self.level + 1 < len(self.rungs):
            self.level += 1
        # after its last rung nobody is left, and nothing remains to be paid
        self.size = self.n_started = len(kept)
        self.scores = Scores()
        self.due.extend(trial for _, trial in kept)


class _Brackets(Scheduler):
    """Brackets of successive halving, one after the other or side by side.

    On each rung all trials get the same budget; when all have their scores, the best
    go on to the next one. A trial that failed does not.
    """

    _parameter_constraints: dict[str, list[object]] = {
        "factor": [Interval(numbers.Real, 1, None, closed="neither")],
        "n_brackets": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
    }
    uses_rungs = True

    def __init__(
        self, *, factor: float = 3, n_brackets: int | Literal["auto"] = "auto"
    ) -> None:
        self.factor = factor
        self.n_brackets = n_brackets

    def start(self, setting: Setting) -> None:
        super().start(setting)
        # If no candidate depends on scores, those of a later bracket may start while
        # an earlier one waits for the scores of a rung.
        self._overlap = not setting.learns
        self._dropped: list[int] = []
        rungs: dict[int, list[tuple[int, Rung]]] = {}
        for place, rung in enumerate(self.plan):
            rungs.setdefault(rung.bracket, []).append((place, rung))
        self._brackets = [_Bracket(own, self._dropped) for own in rungs.values()]
        self._bracket_of: list[_Bracket] = []

    def next(self, n_told: int | None) -> New | Continue | None:
        number = None if n_told is None else len(self._bracket_of)
        for bracket in self._brackets:
            work = bracket.next(number)
            if isinstance(work, New):
                self._bracket_of.append(bracket)
            if work is not None:
                return work
            if not self._overlap and not bracket.is_handed_out:
                return None
        return None

    def report(self, trial: int, budget: float, score: float) -> Verdict:
        self._bracket_of[trial].report(trial, score)
        dropped = tuple(self._dropped)
        self._dropped.clear()  # the brackets hold this very list
        return Verdict(True, score, dropped=dropped)

    def stop_starting(self, n_started: int) -> None:
        del self._bracket_of[n_started:]
        for bracket in self._brackets:
            bracket.stop_starting(self._bracket_of.count(bracket))

    def remaining_cost(self, reuses: bool) -> float:
        return sum(bracket.remaining_cost(reuses) for bracket in self._brackets)


class Halving(_Brackets):
    """Start all candidates with little, and give more to the best: halving [1]_.

    All start on the lowest rung. When all have their scores, one in `factor` goes on,
    and with one bracket two more, as scores are noisy. Rungs that would drop no
    candidate, or cost more than they save, are left out.

    .. versionadded:: 0.1

    Parameters
    ----------
    factor : float, default=3
        From rung to rung, candidates get `factor` times as much, and about one in
        `factor` goes on.
    n_brackets : int or "auto", default="auto"
        Number of brackets, each a competition of its own, which share the candidates
        evenly. ``"auto"`` is 1, but if the optimizer learns, it is as many as leave
        each of them `factor` to the power of the rungs less one, and 3 at least: scores
        of upper rungs can teach only what later brackets start with. If the candidates
        are all that the space has, it is 1.

    See Also
    --------
    Hyperband : Brackets that start on different rungs.
    ASHA : Nobody waits for a rung to be complete.

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and
       hyperparameter optimization", AISTATS 2016.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import Halving, Setting
    >>> scheduler = Halving(n_brackets=1)
    >>> scheduler.start(Setting(n_candidates=27, minimum=1, maximum=9))
    >>> [(rung.n_trials, round(9 * rung.budget)) for rung in scheduler.plan]
    [(27, 1), (11, 3), (6, 9)]
    """

    def make_plan(self, setting: Setting) -> tuple[Rung, ...]:
        factor = float(self.factor)
        budgets = budgets_of(setting, factor)
        n = n_candidates_of(setting, factor, len(budgets))
        if self.n_brackets != "auto":
            n_brackets = int(self.n_brackets)
        elif setting.learns and n < setting.n_points:
            # A surrogate learns from upper rungs only if a bracket follows, and the
            # sooner the smaller the brackets are.
            n_brackets = max(N_FINALISTS, n // n_least(factor, len(budgets)))
        else:
            n_brackets = 1
        plan = halving_plan(n, budgets, factor, n_brackets)
        return without_useless_rungs(plan, setting.cost)


class Hyperband(_Brackets):
    """Halve in brackets that start lower with many or higher with few: Hyperband [1]_.

    The brackets, and so the number of candidates, are those of the paper, without
    rungs that would drop no candidate or cost more than they save.

    .. versionadded:: 0.1

    Parameters
    ----------
    factor : float, default=3
        From rung to rung, candidates get `factor` times as much, and one in `factor`
        goes on.
    n_brackets : int or "auto", default="auto"
        Number of brackets. They start on one rung after the other, from the lowest,
        again and again; ``"auto"`` is one for each rung.

    See Also
    --------
    Halving : All candidates start on the lowest rung.

    References
    ----------
    .. [1] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar, "Hyperband:
       a novel bandit-based approach to hyperparameter optimization", JMLR 18, 2018.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import Hyperband, Setting
    >>> scheduler = Hyperband()
    >>> scheduler.start(Setting(minimum=1, maximum=9))
    >>> [(r.bracket, r.n_trials, round(9 * r.budget)) for r in scheduler.plan]
    [(0, 9, 1), (0, 3, 3), (0, 1, 9), (1, 5, 3), (1, 1, 9), (2, 3, 9)]
    """

    says_n_candidates = True

    def make_plan(self, setting: Setting) -> tuple[Rung, ...]:
        factor = float(self.factor)
        budgets = budgets_of(setting, factor, part_of_step=0.0)
        n_brackets = None if self.n_brackets == "auto" else int(self.n_brackets)
        plan = hyperband_plan(budgets, factor, n_brackets)
        return without_useless_rungs(plan, setting.cost)
