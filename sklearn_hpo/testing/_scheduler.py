"""Checks for schedulers that were written elsewhere, in plain words."""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from sklearn.base import clone

from sklearn_hpo.schedulers import (
    Continue,
    New,
    Rung,
    Scheduler,
    Setting,
    Verdict,
)

__all__ = ["check_scheduler"]

# Works that a scheduler may hand out for each that its plan counts.
_PATIENCE = 200


def check_scheduler(scheduler: Scheduler) -> None:
    """Raise unless a scheduler does all that a search relies on.

    It is run with scores of several kinds that come in several orders, without any
    fit, which takes about a second. The scheduler itself is not changed.

    .. versionadded:: 0.1

    Parameters
    ----------
    scheduler : Scheduler
        An instance.

    Raises
    ------
    AssertionError
        Says what it did, what it should do, and in which setting.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import Halving
    >>> from sklearn_hpo.testing import check_scheduler
    >>> check_scheduler(Halving(factor=2))
    """
    if not isinstance(scheduler, Scheduler):
        raise AssertionError(f"{scheduler!r} is no instance of a subclass of Scheduler")
    _check_parameters(scheduler)
    for name, setting in _settings(scheduler):
        try:
            _check_in(scheduler, setting)
        except AssertionError as error:
            text = f"{type(scheduler).__name__}, {name}: {error}"
            raise AssertionError(text) from error


def _settings(scheduler: Scheduler) -> Iterator[tuple[str, Setting]]:
    """Yield what may be asked of a scheduler, each with a name."""
    folds = Setting(20, minimum=1, maximum=5, whole=True, resource="folds")
    iterations = Setting(30, minimum=1, maximum=27, resource="iterations")
    settings = {
        "5 folds": folds,
        "10 folds, of which 2 are the least": replace(
            folds, minimum=2, maximum=10, n_splits=10
        ),
        "1 candidate": replace(folds, n_candidates=1),
        "3 candidates, which are all of the space": replace(
            folds, n_candidates=3, n_points=3
        ),
    }
    if not scheduler.by_fold:
        settings |= {
            "1 to 27 iterations": iterations,
            "proposals that do not learn": replace(iterations, learns=False),
            "fits that begin anew": replace(iterations, cost=_anew),
            "one amount only": replace(iterations, minimum=27),
        }
    for name, setting in settings.items():
        if scheduler.says_n_candidates:
            setting = replace(setting, n_candidates=None)
        yield name, setting


def _anew(budget: float, before: float) -> float:
    return budget


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(text)


def _check_parameters(scheduler: Scheduler) -> None:
    """Check what scikit-learn asks of everything that has parameters."""
    name = type(scheduler).__name__
    try:
        twin = clone(scheduler)
    except Exception as error:
        raise AssertionError(
            f"{name} can't be cloned, as its constructor does more than store its "
            f"parameters under their own names: {error}"
        ) from error
    _require(
        set(vars(twin)) <= set(twin.get_params(deep=False)),
        f"the constructor of {name} must only store its parameters; what it works out "
        f"from them, {sorted(set(vars(twin)) - set(twin.get_params(deep=False)))}, "
        "belongs into start",
    )


def _check_in(scheduler: Scheduler, setting: Setting) -> None:
    """Check all that a scheduler does in one setting."""
    scheduler = clone(scheduler)
    before = repr(scheduler.get_params())
    _start(scheduler, setting)
    _require(
        repr(scheduler.get_params()) == before,
        "start changed a parameter; it must leave those alone, for clone and repr",
    )
    _check_plan(scheduler, setting)
    _require(
        scheduler.next(None) is None,
        "next(None) returned work before any trial was there to go on; None means that "
        "no new trial may start now",
    )
    for scores in _SCORES.values():
        _check_run(scheduler, setting, scores)
    _check_order(scheduler, setting)
    _check_stop(scheduler, setting)


def _start(scheduler: Scheduler, setting: Setting) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All candidates get all")
        scheduler.start(setting)


def _check_plan(scheduler: Scheduler, setting: Setting) -> None:
    """Check that the plan can be run, and starts as many trials as were asked for."""
    plan = scheduler.plan
    _require(
        isinstance(plan, tuple)
        and len(plan) > 0
        and all(isinstance(rung, Rung) for rung in plan),
        f"start must set plan to a tuple of Rung that is not empty, not to {plan!r}",
    )
    for rung in plan:
        _require(
            rung.n_trials >= 1 and 0 < rung.budget <= 1,
            f"each rung needs a trial or more, and a budget in (0, 1], but got {rung}",
        )
    places = [(rung.bracket, rung.level) for rung in plan]
    _require(
        len(set(places)) == len(places) and places == sorted(places),
        "the rungs of a plan must be in the order of brackets and, within them, of "
        f"levels, none of them twice, but (bracket, level) is {places}",
    )
    for bracket in {rung.bracket for rung in plan}:
        rungs = [rung for rung in plan if rung.bracket == bracket]
        _require(
            [rung.level for rung in rungs] == list(range(len(rungs))),
            f"the levels of bracket {bracket} must be counted from 0 without a gap",
        )
        _require(
            math.isclose(rungs[-1].budget, 1.0),
            f"the last rung of bracket {bracket} must have the full budget, 1.0, not "
            f"{rungs[-1].budget:g}: the best of a search is chosen among trials that "
            "got all",
        )
        for below, above in pairwise(rungs):
            _require(
                below.budget < above.budget and below.n_trials >= above.n_trials,
                f"from rung to rung budgets must rise and numbers of trials must not, "
                f"but {above} follows {below}",
            )
    if setting.n_candidates is not None:
        n = min(setting.n_candidates, setting.n_points)
        _require(
            scheduler.n_candidates >= n,
            f"{setting.n_candidates} candidates were asked for, but the plan starts "
            f"{scheduler.n_candidates}",
        )


def _noise(trial: int, budget: float) -> float:
    """Return a score in no order, which depends on nothing but what is scored."""
    return trial % 7 + 3 * math.sin(1e4 * (trial + 1) * budget)


_SCORES: dict[str, Callable[[int, float], float]] = {
    "noise": _noise,
    "equal": lambda trial, budget: 1.0,
    "failures": lambda trial, budget: math.nan,
    "some failures": lambda trial, budget: (
        math.nan if trial % 3 == 1 else _noise(trial, budget)
    ),
    "huge": lambda trial, budget: 1e200 * _noise(trial, budget),
}


@dataclass
class _Run:
    """A run of a scheduler as a search would run it, but without any fit.

    Attributes
    ----------
    scheduler : Scheduler
        That has been started.
    score_of : callable
        From a trial and its budget to its score.
    n_concurrent : int
        How many evaluations may be under way when a new trial starts.
    seed : int or None
        Of the order in which those under way end; the first begun ends first if None.
    n_starts : int or None
        After how many trials no other one starts.
    """

    scheduler: Scheduler
    score_of: Callable[[int, float], float]
    n_concurrent: int = 1
    seed: int | None = None
    n_starts: int | None = None
    # (trial, budget, rung) in the order of their start
    works: list[tuple[int, float, int]] = field(default_factory=list)
    # by trial, the last one it was given
    budgets: dict[int, float] = field(default_factory=dict)
    # how many evaluations each was given
    rungs: Counter[int] = field(default_factory=Counter)
    # by trial, the number of its evaluation that no verdict has finished
    unfinished: dict[int, int] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._under_way: list[tuple[int, float]] = []
        self._stopped = False

    def run(self) -> "_Run":
        """Run to the end."""
        rng = None if self.seed is None else np.random.default_rng(self.seed)
        n_planned = sum(rung.n_trials for rung in self.scheduler.plan)
        for _ in range(_PATIENCE * n_planned):
            while len(self._under_way) < self.n_concurrent and self._begin():
                pass
            if not self._under_way:
                return self
            i = 0 if rng is None else int(rng.integers(len(self._under_way)))
            self._end(*self._under_way.pop(i))
        raise AssertionError(
            f"it hands out work without end: {len(self.works)} pieces so far, where "
            f"the plan has {n_planned} evaluations"
        )

    def _n_told(self) -> int | None:
        """Return what the next proposal may depend on; None if it must wait."""
        if self.n_starts is not None and len(self.budgets) >= self.n_starts:
            if not self._stopped:
                self._stopped = True
                self.scheduler.stop_starting(len(self.budgets))
            return None
        n_begun = self.rungs.total()
        if not self.scheduler.deterministic:
            return n_begun - len(self.unfinished)
        n = max(0, n_begun - self.n_concurrent + 1)
        waits = any(number < n for number in self.unfinished.values())
        return None if waits else n

    def _begin(self) -> bool:
        n_told = self._n_told()
        work = self.scheduler.next(n_told)
        if work is None:
            return False
        _require(
            isinstance(work, New | Continue),
            f"next must return New, Continue or None, not {work!r}",
        )
        _require(
            0 < work.budget <= 1 + 1e-9,
            f"a budget must be in (0, 1], but next returned {work}",
        )
        _require(
            0 <= work.rung < len(self.scheduler.plan),
            f"the plan has {len(self.scheduler.plan)} rungs, but next returned {work}",
        )
        if isinstance(work, New):
            _require(
                n_told is not None,
                f"next(None) returned {work}, but None means that no new trial may "
                "start now",
            )
            trial = len(self.budgets)
            self._evaluate(trial, work.rung)
        else:
            trial = work.trial
            self._check_going_on(work)
            if trial not in self.unfinished:
                self._evaluate(trial, work.rung)
        self.budgets[trial] = work.budget
        self.works.append((trial, work.budget, work.rung))
        self._under_way.append((trial, work.budget))
        return True

    def _evaluate(self, trial: int, rung: int) -> None:
        self.unfinished[trial] = self.rungs.total()
        self.rungs[rung] += 1

    def _check_going_on(self, work: Continue) -> None:
        trial = work.trial
        _require(
            trial in self.budgets,
            f"next returned {work}, but only {len(self.budgets)} trials have started",
        )
        _require(
            trial not in (t for t, _ in self._under_way),
            f"next returned {work} while trial {trial} is still under way",
        )
        _require(
            trial not in self.dropped,
            f"next returned {work}, but a verdict has dropped trial {trial}, so its "
            "models are gone",
        )
        _require(
            work.budget > self.budgets[trial],
            f"next returned {work}, but trial {trial} has had a budget of "
            f"{self.budgets[trial]:g} already; it must rise",
        )

    def _end(self, trial: int, budget: float) -> None:
        score = self.score_of(trial, budget)
        self._check_cost()
        verdict = self.scheduler.report(trial, budget, score)
        _require(
            isinstance(verdict, Verdict),
            f"report must return a Verdict, not {verdict!r}",
        )
        whole = math.isclose(budget, 1.0)
        if verdict.finished:
            self.unfinished.pop(trial, None)
            self._check_estimate(verdict, score, whole)
        else:
            _require(
                not whole,
                f"trial {trial} has a score with the full budget, but its verdict says "
                "that the evaluation is not finished",
            )
        for gone in verdict.dropped:
            _require(
                gone in self.budgets and gone not in self.dropped,
                f"a verdict dropped trial {gone}, which "
                + ("was dropped before" if gone in self.dropped else "never started"),
            )
            self.dropped.append(gone)

    def _check_estimate(self, verdict: Verdict, score: float, whole: bool) -> None:
        _require(
            math.isfinite(verdict.estimate) == math.isfinite(score),
            f"the estimate for a score of {score:g} was {verdict.estimate:g}; it must "
            "be a number just if the score is one",
        )
        _require(
            verdict.variance >= 0 or math.isnan(score),
            f"a variance must not be negative, but was {verdict.variance:g}",
        )
        if whole and math.isfinite(score):
            _require(
                math.isclose(verdict.estimate, score, rel_tol=1e-6)
                and verdict.variance == 0,
                f"with the full budget the estimate is the score, {score:g}, and its "
                f"variance 0, but the verdict is {verdict}",
            )

    def _check_cost(self) -> None:
        for reuses in (True, False):
            cost = self.scheduler.remaining_cost(reuses)
            _require(
                math.isfinite(cost) and cost >= 0,
                f"remaining_cost({reuses}) must be a number from 0 on, not {cost!r}",
            )

    def outcome(self) -> Hashable:
        """Return who got how much: what must not depend on timing."""
        return tuple(sorted(self.budgets.items()))


def _check_run(
    scheduler: Scheduler, setting: Setting, score_of: Callable[[int, float], float]
) -> None:
    """Check what a scheduler hands out from the start to the end."""
    for n_concurrent, seed in ((1, None), (4, 0)):
        _start(scheduler, setting)
        run = _Run(scheduler, score_of, n_concurrent, seed).run()
        n_started = len(run.budgets)
        _require(
            n_started == scheduler.n_candidates,
            f"the plan starts {scheduler.n_candidates} trials, but {n_started} did",
        )
        _check_end(run)
        if scheduler.keeps_to_plan:
            _check_sizes(run)
        _check_amounts(run, setting)
        works = any(math.isfinite(score_of(trial, 1.0)) for trial in run.budgets)
        _require(
            not works or any(math.isclose(b, 1.0) for b in run.budgets.values()),
            "no trial got the full budget, 1.0, although not all had failed",
        )
        _start(scheduler, setting)
        again = _Run(scheduler, score_of, n_concurrent, seed).run()
        _require(
            again.works == run.works,
            "after another start it did not do the same for the same scores: start "
            "must forget all that came before, and nothing may be drawn at random",
        )


def _check_end(run: _Run) -> None:
    """Check that nobody is left over."""
    _require(
        not run.unfinished,
        f"trials {sorted(run.unfinished)} were neither finished nor given more: they "
        "would wait for ever",
    )
    left = sorted(set(run.budgets) - set(run.dropped))
    _require(
        # after stop_starting there may be no verdict to say so
        run.n_starts is not None or not left,
        f"at the end no verdict had dropped trials {left}: each trial must be named "
        "once it gets no more, so that its models can go",
    )
    for reuses in (True, False):
        cost = run.scheduler.remaining_cost(reuses)
        _require(
            # else it is a guess of how many would go on
            not run.scheduler.keeps_to_plan or abs(cost) < 1e-9,
            f"at the end remaining_cost({reuses}) must be 0, not {cost:g}",
        )


def _check_sizes(run: _Run) -> None:
    for place, rung in enumerate(run.scheduler.plan):
        _require(
            run.rungs[place] <= rung.n_trials,
            f"rung {place} was planned for {rung.n_trials} trials, but got "
            f"{run.rungs[place]}; set keeps_to_plan = False if that is meant",
        )


def _check_amounts(run: _Run, setting: Setting) -> None:
    least = min(budget for _, budget, _ in run.works)
    _require(
        least * setting.maximum > setting.minimum * (1 - 1e-9),
        f"a trial was given {least:g} of the budget, but the least that can be had is "
        f"{setting.minimum / setting.maximum:g}: setting.minimum / setting.maximum",
    )


def _check_order(scheduler: Scheduler, setting: Setting) -> None:
    """Check that who gets how much does not depend on who is first."""
    # candidates that learn nothing are let go on in any order
    if not (scheduler.deterministic and setting.learns):
        return
    outcomes = set()
    for seed in (None, 0, 1, 2):
        _start(scheduler, setting)
        outcomes.add(_Run(scheduler, _noise, 4, seed).run().outcome())
    _require(
        len(outcomes) == 1,
        "who got how much depended on the order in which equal scores came; set "
        "deterministic = False if that is meant",
    )


def _check_stop(scheduler: Scheduler, setting: Setting) -> None:
    """Check that a search that ends early comes to an end."""
    for n_starts in (1, 5):
        for n_concurrent in (1, 4):
            _start(scheduler, setting)
            run = _Run(scheduler, _noise, n_concurrent, 0, n_starts).run()
            _require(
                len(run.budgets) <= n_starts,
                f"stop_starting({n_starts}) was called, but {len(run.budgets)} trials "
                "started",
            )
            _check_end(run)
