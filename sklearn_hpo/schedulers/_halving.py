"""Successive halving, Hyperband and ASHA: little budget for many, all of it for few."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from sklearn_hpo.schedulers._base import Continue, New, Rung, Scheduler

_Rank = tuple[float, int]  # the best first, then the older trial

# Trials beyond the best share that go on, as scores of a rung are noisy.
MARGIN = 2
# So much of a step more than there is room for makes another rung: 1, 2 and 5 folds.
PART_OF_STEP = 0.6


def rung_budgets(
    minimum: float, maximum: float, factor: float, part_of_step: float = PART_OF_STEP
) -> tuple[float, ...]:
    """Return the budgets of the rungs, each `factor` times the one before.

    They are counted from the top, so that the last one is all there is; the lowest is
    raised to the minimum if it lies little more than half a step below it.

    Parameters
    ----------
    minimum : float
        The least amount of the resource that is worth a try, positive.
    maximum : float
        The amount that the best trials get.
    factor : float
        Ratio of two rungs, above 1.
    part_of_step : float, default=0.6
        By how much of a step the lowest rung may be raised to the minimum; 0 gives the
        rungs of Hyperband's paper.

    Returns
    -------
    budgets : tuple of float
        Shares of `maximum`, ascending, the last one 1.

    Examples
    --------
    >>> [round(81 * budget) for budget in rung_budgets(1, 81, 3)]
    [1, 3, 9, 27, 81]
    >>> [round(5 * budget) for budget in rung_budgets(1, 5, 3)]
    [1, 2, 5]
    >>> [round(15 * budget) for budget in rung_budgets(1, 15, 3, part_of_step=0)]
    [2, 5, 15]
    """
    n_steps = math.floor(math.log(maximum / minimum, factor) + part_of_step + 1e-9)
    lowest = minimum / maximum
    return tuple(max(lowest, factor**-step) for step in range(n_steps, -1, -1))


def halving_plan(
    n_trials: int,
    budgets: Sequence[float],
    factor: float,
    n_brackets: int = 1,
    margin: int | None = None,
) -> tuple[Rung, ...]:
    """Return brackets of successive halving [1]_, which all start on the lowest rung.

    Parameters
    ----------
    n_trials : int
        Number of trials on the lowest rung, shared out among the brackets.
    budgets : sequence of float
        Shares of the full budget, one a rung.
    factor : float
        One in so many trials goes on.
    n_brackets : int, default=1
        Number of brackets, at most one for each trial.
    margin : int or None, default=None
        How many trials more than that go on; None is 2 for one bracket, and 0 for
        several, as whoever is mistaken for worse in one may have a like in another.

    Returns
    -------
    plan : tuple of Rung
        One stage a rung.

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and
       hyperparameter optimization", AISTATS 2016.

    Examples
    --------
    >>> [rung.n_trials for rung in halving_plan(27, [1 / 9, 1 / 3, 1.0], 3, margin=0)]
    [27, 9, 3]
    """
    n_brackets = min(n_brackets, n_trials)
    if margin is None:
        margin = MARGIN if n_brackets == 1 else 0
    rungs = []
    for bracket in range(n_brackets):
        n = (n_trials + bracket) // n_brackets
        for level, budget in enumerate(budgets):
            rungs.append(Rung(n, budget, bracket, level))
            n = min(n, math.ceil(n / factor - 1e-9) + margin)
    return tuple(rungs)


def hyperband_plan(
    budgets: Sequence[float], factor: float, n_brackets: int | None = None
) -> tuple[Rung, ...]:
    """Return the brackets of Hyperband, algorithm 1 of Li et al. [1]_.

    Parameters
    ----------
    budgets : sequence of float
        Shares of the full budget, one a rung, as `rung_budgets` returns them.
    factor : float
        One in so many trials goes on; the paper's eta.
    n_brackets : int or None, default=None
        Number of brackets, from the one that starts lowest; after the one that starts
        with the full budget they begin anew. None for one round.

    Returns
    -------
    plan : tuple of Rung
        Bracket by bracket, rung by rung.

    References
    ----------
    .. [1] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar, "Hyperband:
       a novel bandit-based approach to hyperparameter optimization", JMLR 18, 2018.

    Examples
    --------
    >>> plan = hyperband_plan(rung_budgets(1, 9, 3), 3)
    >>> [(s.bracket, s.n_trials, round(9 * s.budget)) for s in plan]
    [(0, 9, 1), (0, 3, 3), (0, 1, 9), (1, 5, 3), (1, 1, 9), (2, 3, 9)]
    """
    n_rungs = len(budgets)
    rungs = []
    for bracket in range(n_brackets or n_rungs):
        s = n_rungs - 1 - bracket % n_rungs
        n = math.ceil(n_rungs * factor**s / (s + 1) - 1e-9)
        for level in range(s + 1):
            n_trials = math.floor(n / factor**level + 1e-9)
            budget = budgets[n_rungs - 1 - s + level]
            rungs.append(Rung(n_trials, budget, bracket, level))
    return tuple(rungs)


class _Scores:
    """The scores of a rung, kept in order: to take one costs no look at the others.

    `open` are the trials, best first, that may still go on.
    """

    def __init__(self) -> None:
        self._ranked: list[_Rank] = []
        self._waiting: list[_Rank] = []
        self._failed: list[int] = []
        self.open: list[_Rank] = []

    def __len__(self) -> int:
        return len(self._ranked)

    def add(self, trial: int, score: float) -> None:
        """Take the score of a trial that has none."""
        rank = -_finite(score), trial
        insort(self._ranked, rank)
        if math.isnan(score):
            self._failed.append(trial)
        else:
            insort(self._waiting, rank)
            insort(self.open, rank)

    def promote(self, n_kept: int) -> int | None:
        """Take the best trial that has not gone on, if among the `n_kept` best."""
        if not self._waiting or not self._is_among(self._waiting[0], n_kept):
            return None
        rank = self._waiting.pop(0)
        if self.open and self.open[0] == rank:  # else it has been given up too early
            self.open.pop(0)
        return rank[1]

    def give_up(self, n_kept: int) -> list[int]:
        """Name, once, the failures and those whom `n_kept` others have beaten."""
        gone, self._failed = self._failed, []
        while self.open and not self._is_among(self.open[-1], n_kept):
            gone.append(self.open.pop()[1])
        return gone

    def _is_among(self, rank: _Rank, n_best: int) -> bool:
        return bisect_left(self._ranked, rank) < n_best


def without_useless_rungs(
    plan: Sequence[Rung], cost: Callable[[float, float], float]
) -> tuple[Rung, ...]:
    """Return a plan whose rungs all drop someone, and save more than they cost.

    Parameters
    ----------
    plan : sequence of Rung
        As `halving_plan` or `hyperband_plan` returns it.
    cost : callable
        From the budget of a trial on a rung and the one before (0 if there is none) to
        what it pays, in full budgets.

    Returns
    -------
    plan : tuple of Rung
        No bracket of which costs more than the full budget for each of its trials. It
        starts with as many, and gives the full budget to no fewer.

    Examples
    --------
    >>> plan = halving_plan(5, [1 / 9, 1 / 3, 1.0], 3)
    >>> [rung.n_trials for rung in plan]
    [5, 4, 4]
    >>> kept = without_useless_rungs(plan, lambda budget, before: budget - before)
    >>> [(rung.n_trials, round(9 * rung.budget)) for rung in kept]
    [(5, 1), (4, 9)]
    """
    brackets: dict[int, list[Rung]] = {}
    for rung in plan:
        brackets.setdefault(rung.bracket, []).append(rung)
    kept: list[Rung] = []
    for rungs in brackets.values():
        kept += _useful(rungs, cost)
    return tuple(kept)


def _useful(rungs: Sequence[Rung], cost: Callable[[float, float], float]) -> list[Rung]:
    """Return the useful rungs of one bracket."""

    def total(sizes: Sequence[tuple[int, float]]) -> float:
        below = [0.0, *(budget for _, budget in sizes)]
        return sum(
            n * cost(budget, before)
            for (n, budget), before in zip(sizes, below, strict=False)
        )

    def without(sizes: list[tuple[int, float]], i: int) -> list[tuple[int, float]]:
        # whoever would start on the lowest rung starts on the next one
        rest = sizes[:i] + sizes[i + 1 :]
        return [(sizes[0][0], rest[0][1]), *rest[1:]]

    sizes = [(rung.n_trials, rung.budget) for rung in rungs]
    above = [*(n for n, _ in sizes[1:]), 0]
    sizes = [size for size, n in zip(sizes, above, strict=True) if size[0] > n]
    n_started = rungs[0].n_trials
    # budgets are sums of floats
    while len(sizes) > 1 and total(sizes) > n_started * (1 + 1e-9):
        sizes = min((without(sizes, i) for i in range(len(sizes) - 1)), key=total)
    first = rungs[0]
    return [
        replace(first, n_trials=n, budget=budget, level=level)
        for level, (n, budget) in enumerate(sizes)
    ]


class _Bracket:
    """One competition of successive halving.

    Parameters
    ----------
    rungs : sequence of (int, Rung)
        Its stages, with their places in the plan.
    """

    def __init__(self, rungs: Sequence[tuple[int, Rung]]) -> None:
        self.rungs = rungs
        self.level = 0
        self.size = rungs[0][1].n_trials
        self.n_started = 0
        self.scores = _Scores()
        self.due: deque[int] = deque()
        self.retired: list[int] = []

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
        """Take a score of the current rung."""
        self.scores.add(trial, score)
        if len(self.scores) == self.size:
            self._promote()
        else:
            n_kept = self._n_promoted(self.rungs[self.level][1].n_trials)
            self.retired += self.scores.give_up(n_kept)

    def stop_starting(self, n_started: int) -> None:
        """Let those that have started be all."""
        if self.level == 0 and n_started < self.size:
            self.size = self.n_started = n_started
            if self.size == len(self.scores):
                self._promote()

    def remaining_cost(self, paid: bool) -> float:
        """Return the cost of what is left if no other trial starts."""
        size = self.n_started if self.level == 0 else self.size
        left = size - len(self.scores)
        cost = 0.0
        for level in range(self.level, len(self.rungs)):
            before = self.rungs[level - 1][1].budget if paid and level > 0 else 0.0
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
        self.retired += self.scores.give_up(self._n_promoted(self.size))
        kept = self.scores.open
        if self.level + 1 < len(self.rungs):
            self.level += 1
        self.size = len(kept)
        self.scores = _Scores()
        self.due.extend(trial for _, trial in kept)


class Halving(Scheduler):
    """Brackets of successive halving, one after the other or side by side.

    On each rung all trials get the same budget; when all have their scores, the best
    go on to the next one. A trial that failed does not.

    Parameters
    ----------
    plan : sequence of Rung
        As `halving_plan` or `hyperband_plan` returns it.
    overlap : bool, default=False
        Whether trials of a later bracket may start while an earlier one waits for the
        scores of a rung. The order of evaluations then depends on timing.
    """

    uses_rungs = True

    def __init__(self, plan: Sequence[Rung], overlap: bool = False) -> None:
        self._plan = tuple(plan)
        self.overlap = overlap
        places: dict[int, list[tuple[int, Rung]]] = {}
        for place, rung in enumerate(self._plan):
            places.setdefault(rung.bracket, []).append((place, rung))
        self._brackets = [_Bracket(rungs) for rungs in places.values()]
        self._bracket_of: list[_Bracket] = []
        self._scores: dict[int, float] = {}
        self._n_retired = [0] * len(self._brackets)

    @property
    def plan(self) -> tuple[Rung, ...]:
        """Its stages, bracket by bracket."""
        return self._plan

    def next(self, n_told: int | None) -> New | Continue | None:
        """Return work of the first bracket that has some."""
        number = None if n_told is None else len(self._bracket_of)
        for bracket in self._brackets:
            work = bracket.next(number)
            if isinstance(work, New):
                self._bracket_of.append(bracket)
            if work is not None:
                return work
            if not self.overlap and not bracket.is_handed_out:
                return None
        return None

    def report(self, trial: int, budget: float, score: float) -> bool:
        """Take the score of a trial on its rung."""
        self._scores[trial] = score
        self._bracket_of[trial].report(trial, score)
        return True

    def retired(self) -> list[int]:
        """Return the trials that can't reach another rung any more."""
        found = []
        for i, bracket in enumerate(self._brackets):
            found += bracket.retired[self._n_retired[i] :]
            self._n_retired[i] = len(bracket.retired)
        return found

    def stop_starting(self, n_started: int) -> None:
        """Go on with the trials that have started."""
        del self._bracket_of[n_started:]
        for bracket in self._brackets:
            bracket.stop_starting(self._bracket_of.count(bracket))

    def remaining_cost(self, paid: bool) -> float:
        """Return the cost of what is left if no other trial starts."""
        return sum(bracket.remaining_cost(paid) for bracket in self._brackets)

    def estimate(self, trial: int) -> float:
        """Return the score of a trial on its highest rung."""
        return self._scores[trial]


class ASHA(Scheduler):
    """Asynchronous successive halving [1]_: nobody waits for a rung to be complete.

    A trial goes on as soon as it is among the best ``1 / factor`` of those that have
    reached its rung so far; if there is none, a new one starts. Where an early score
    misleads, more trials go on than synchronous halving would let.

    Parameters
    ----------
    n_trials : int
        How many trials to start.
    budgets : sequence of float
        Shares of the full budget, one a rung.
    factor : float
        One in so many trials goes on.

    References
    ----------
    .. [1] L. Li et al., "A system for massively parallel hyperparameter tuning",
       MLSys 2020; algorithm 2.
    """

    keeps_to_plan = False

    uses_rungs = True

    def __init__(self, n_trials: int, budgets: Sequence[float], factor: float) -> None:
        self.n_trials = n_trials
        self.budgets = tuple(budgets)
        self.factor = factor
        self._rungs = [_Scores() for _ in budgets]
        self._scores: dict[int, float] = {}
        self._n_started = 0
        self._running: set[int] = set()
        self._stopped_starting = False
        self._retired: list[int] = []

    @property
    def plan(self) -> tuple[Rung, ...]:
        """What synchronous halving without a margin would do: the least that runs."""
        return halving_plan(self.n_trials, self.budgets, self.factor, margin=0)

    def next(self, n_told: int | None) -> New | Continue | None:
        """Return the promotion nearest to the top, else a new trial."""
        for level in range(len(self._rungs) - 2, -1, -1):
            trial = self._promotable(level)
            if trial is not None:
                self._running.add(trial)
                return Continue(trial, self.budgets[level + 1], level + 1)
        if n_told is None or self._all_started:
            return None
        self._running.add(self._n_started)
        self._n_started += 1
        return New(self.budgets[0], 0)

    def report(self, trial: int, budget: float, score: float) -> bool:
        """Take the score of a trial on its rung."""
        level = self.budgets.index(budget)
        self._rungs[level].add(trial, score)
        self._scores[trial] = score
        self._running.discard(trial)
        self._give_up()
        return True

    def retired(self) -> list[int]:
        """Return the trials that can't reach another rung any more."""
        retired, self._retired = self._retired, []
        return retired

    def stop_starting(self, n_started: int) -> None:
        """Start no more trials."""
        self._stopped_starting = True
        self._running -= set(range(n_started, self._n_started))
        self._give_up()

    def remaining_cost(self, paid: bool) -> float:
        """Return the cost of what is left if no other trial starts."""
        cost, before, size = 0.0, 0.0, self._n_started
        for budget, scores in zip(self.budgets, self._rungs, strict=True):
            cost += max(0, size - len(scores)) * (budget - before)
            before = budget if paid else 0.0
            size = math.floor(size / self.factor)
        return cost

    def estimate(self, trial: int) -> float:
        """Return the score of a trial on its highest rung."""
        return self._scores[trial]

    @property
    def _all_started(self) -> bool:
        return self._stopped_starting or self._n_started == self.n_trials

    def _n_kept(self, size: int) -> int:
        """Return how many of `size` trials of a rung go on."""
        return math.floor(size / self.factor + 1e-9)

    def _promotable(self, level: int) -> int | None:
        scores = self._rungs[level]
        return scores.promote(self._n_kept(len(scores)))

    def _give_up(self) -> None:
        """Note the trials that will not go on, whatever the scores to come."""
        over = self._all_started and not self._running
        for scores in self._rungs[:-1]:
            size = len(scores) if over else self.n_trials
            self._retired += scores.give_up(self._n_kept(size))
        self._retired += self._rungs[-1].give_up(0)


def _finite(score: float) -> float:
    return -math.inf if math.isnan(score) else score
