"""The checks for strangers' parts find what is wrong, and say so in plain words."""

import random
import re

import pytest

from sklearn_hpo.schedulers import (
    Continue,
    FullBudget,
    Halving,
    New,
    Rung,
    Scheduler,
    Verdict,
)
from sklearn_hpo.testing import check_scheduler


class Plain(FullBudget):
    """Does all that it must; each class below does one thing wrong."""


class Doubling(Scheduler):
    """Half of the budget first; all of it for those better than all before them."""

    uses_rungs = True

    def start(self, setting):
        super().start(setting)
        self.n_started = 0
        self.best = float("-inf")
        self.due = []

    def make_plan(self, setting):
        n = setting.n_candidates
        return [Rung(n, 0.5), Rung(n, 1.0, level=1)]

    def next(self, n_told):
        if self.due:
            return Continue(self.due.pop(0), 1.0, rung=1)
        if n_told is None or self.n_started == self.n_candidates:
            return None
        self.n_started += 1
        return New(0.5)

    def report(self, trial, budget, score):
        if budget < 1 and score > self.best:
            self.best = score
            self.due.append(trial)
            return Verdict(True, score)
        return Verdict(True, score, dropped=(trial,))


class OfThisOrder(Doubling):
    """Says what it depends on, and gives no less than can be had."""

    deterministic = False

    def make_plan(self, setting):
        if setting.minimum == setting.maximum:
            return [Rung(setting.n_candidates, 1.0)]
        return super().make_plan(setting)

    def next(self, n_told):
        work = super().next(n_told)
        return New(self.first_budget) if isinstance(work, New) else work


class GivesTooLittle(OfThisOrder):
    def make_plan(self, setting):
        n = setting.n_candidates
        return [Rung(n, 0.01), Rung(n, 1.0, level=1)]


def test_good_ones_pass():
    check_scheduler(Plain())
    check_scheduler(OfThisOrder())


class WorksItOut(Plain):
    def __init__(self, factor=3):
        self.factor = factor
        self.log = factor**2


class Renames(Plain):
    def __init__(self, factor=3):
        self.ratio = factor


class ChangesAParameter(Plain):
    def __init__(self, factor=None):
        self.factor = factor

    def start(self, setting):
        super().start(setting)
        self.factor = 3


class HasNoPlan(Plain):
    def make_plan(self, setting):
        return ()


class NeverGivesAll(Plain):
    def make_plan(self, setting):
        return [Rung(setting.n_candidates, 0.5)]


class GivesTooMuch(Plain):
    def make_plan(self, setting):
        return [Rung(setting.n_candidates, 1.5)]


class Shrinks(Plain):
    def make_plan(self, setting):
        n = setting.n_candidates
        return [Rung(n, 1.0), Rung(n, 1.0, level=1)]


class Disorders(Plain):
    def make_plan(self, setting):
        n = setting.n_candidates
        return [Rung(n, 1.0, level=1), Rung(n, 0.5)]


class BeginsAbove(Plain):
    def make_plan(self, setting):
        return [Rung(setting.n_candidates, 1.0, level=1)]


class StartsFewer(Plain):
    def make_plan(self, setting):
        return [Rung(1, 1.0)]


class StartsUnasked(Plain):
    def next(self, n_told):
        return super().next(0)


class ReturnsABudget(Plain):
    def next(self, n_told):
        return 1.0 if super().next(n_told) else None


class HandsOutTooMuch(Plain):
    def next(self, n_told):
        return New(2.0) if super().next(n_told) else None


class NamesNoRung(Plain):
    def next(self, n_told):
        return New(1.0, rung=3) if super().next(n_told) else None


class StopsShort(Plain):
    def next(self, n_told):
        return None if self._n_started == 1 else super().next(n_told)


class ReturnsABool(Plain):
    def report(self, trial, budget, score):
        return True


class KeepsAll(Plain):
    def report(self, trial, budget, score):
        return Verdict(True, score)


class DropsTwice(Plain):
    def report(self, trial, budget, score):
        return Verdict(True, score, dropped=(trial, trial))


class DropsStrangers(Plain):
    def report(self, trial, budget, score):
        return Verdict(True, score, dropped=(trial + 1000,))


class Leaves(Doubling):
    deterministic = False

    def report(self, trial, budget, score):
        return Verdict(False)


class ForgetsToEstimate(Plain):
    def report(self, trial, budget, score):
        return Verdict(True, dropped=(trial,))


class EstimatesAnother(Plain):
    def report(self, trial, budget, score):
        return Verdict(True, score + 1, dropped=(trial,))


class IsNeverDone(Plain):
    def report(self, trial, budget, score):
        return Verdict(False, score)


class GoesOnWithAnyone(OfThisOrder):
    def next(self, n_told):
        return Continue(99, 1.0) if self.due else super().next(n_told)


class GoesOnWithDropped(OfThisOrder):
    def report(self, trial, budget, score):
        verdict = super().report(trial, budget, score)
        return Verdict(True, score, dropped=() if verdict.dropped else (trial,))


class GoesOnWithoutMore(OfThisOrder):
    def next(self, n_told):
        return Continue(self.due[0], 0.5) if self.due else super().next(n_told)


class GoesOnTwice(OfThisOrder):
    def next(self, n_told):
        return Continue(self.due[0], 1.0, 1) if self.due else super().next(n_told)

    def report(self, trial, budget, score):
        if budget == 1.0:
            self.due.remove(trial)
        return super().report(trial, budget, score)


class Overbooks(OfThisOrder):
    def make_plan(self, setting):
        return [Rung(setting.n_candidates, 0.5), Rung(1, 1.0, level=1)]


class ForgetsNothing(Plain):
    def start(self, setting):
        n = getattr(self, "_n_started", 0)
        super().start(setting)
        self._n_started = n


class DrawsAtRandom(OfThisOrder):
    def report(self, trial, budget, score):
        if budget < 1 and (random.random() < 0.5 or trial == 0) and score == score:
            self.due.append(trial)
            return Verdict(True, score)
        return Verdict(True, score, dropped=(trial,))


class IsNeverPaid(Plain):
    def remaining_cost(self, reuses):
        return 3.0


class Earns(Plain):
    def remaining_cost(self, reuses):
        return -1.0


class IgnoresTheEnd(Halving):
    def stop_starting(self, n_started):
        pass


BROKEN = {
    WorksItOut: "must only store its parameters; what it works out from them, ['log']",
    Renames: "can't be cloned, as its constructor does more than store",
    ChangesAParameter: "start changed a parameter",
    HasNoPlan: "a tuple of Rung that is not empty",
    NeverGivesAll: "must have the full budget, 1.0, not 0.5",
    GivesTooMuch: "a budget in (0, 1]",
    Shrinks: "from rung to rung budgets must rise",
    Disorders: "must be in the order of brackets",
    BeginsAbove: "must be counted from 0 without a gap",
    StartsFewer: "20 candidates were asked for, but the plan starts 1",
    StartsUnasked: "next(None) returned work",
    ReturnsABudget: "next must return New, Continue or None, not 1.0",
    HandsOutTooMuch: "a budget must be in (0, 1]",
    NamesNoRung: "the plan has 1 rungs, but next returned",
    StopsShort: "the plan starts 20 trials, but 1 did",
    ReturnsABool: "report must return a Verdict, not True",
    KeepsAll: "at the end no verdict had dropped trials [0, 1, ",
    DropsTwice: "a verdict dropped trial 0, which was dropped before",
    DropsStrangers: "a verdict dropped trial 1000, which never started",
    Leaves: "were neither finished nor given more",
    ForgetsToEstimate: "it must be a number just if the score is one",
    EstimatesAnother: "with the full budget the estimate is the score",
    IsNeverDone: "says that the evaluation is not finished",
    GoesOnWithAnyone: "but only 1 trials have started",
    GoesOnWithDropped: "a verdict has dropped trial 0, so its models are gone",
    GoesOnWithoutMore: "has had a budget of 0.5 already; it must rise",
    GoesOnTwice: "is still under way",
    Overbooks: "rung 1 was planned for 1 trials, but got",
    ForgetsNothing: "start must forget all that came before",
    DrawsAtRandom: "nothing may be drawn at random",
    IsNeverPaid: "at the end remaining_cost(True) must be 0, not 3",
    Earns: "remaining_cost(True) must be a number from 0 on, not -1.0",
    IgnoresTheEnd: "at the end remaining_cost(True) must be 0",
    GivesTooLittle: "a trial was given 0.01 of the budget, but the least",
    Doubling: "depended on the order in which equal scores came",
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_what_is_wrong_with_a_scheduler_is_said(kind):
    random.seed(0)
    with pytest.raises(AssertionError, match=re.escape(BROKEN[kind])) as caught:
        check_scheduler(kind())
    assert kind.__name__ in str(caught.value)


def test_a_class_is_no_scheduler():
    with pytest.raises(AssertionError, match="no instance of a subclass of Scheduler"):
        check_scheduler(Halving)
