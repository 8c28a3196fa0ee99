"""Each scheduler does what all of them must, and what is special to it."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from sklearn_hpo import SearchCV
from sklearn_hpo.schedulers import (
    ASHA,
    Continue,
    FullBudget,
    Halving,
    Hyperband,
    New,
    Racing,
    Rung,
    Setting,
    Verdict,
    make_scheduler,
)
from sklearn_hpo.schedulers._plans import halving_plan, hyperband_plan, rung_budgets
from sklearn_hpo.schedulers._registry import SCHEDULERS
from sklearn_hpo.testing import check_scheduler


@pytest.mark.parametrize(
    "scheduler",
    [
        *(make() for make in SCHEDULERS.values()),
        Halving(factor=2, n_brackets=1),
        Halving(factor=1.5, n_brackets=4),
        Hyperband(factor=4, n_brackets=2),
        ASHA(factor=2),
    ],
    ids=str,
)
def test_does_what_all_schedulers_must(scheduler):
    check_scheduler(scheduler)


def begun(scheduler, n_candidates=None, **setting):
    """Return a clone of a scheduler that has been started."""
    scheduler = clone(scheduler)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All candidates get all")
        scheduler.start(Setting(n_candidates, **setting))
    return scheduler


def race(folds, known=lambda n: n):
    """Return the verdicts, and how many folds each row of `folds` was given."""
    folds = np.asarray(folds)
    n_trials, n_folds = folds.shape
    scheduler = begun(Racing(), n_trials, n_splits=n_folds, maximum=n_folds)
    verdicts, steps = {}, []
    while (work := scheduler.next(known(len(steps)))) is not None:
        if isinstance(work, New):
            steps.append(0)
        trial = work.trial if isinstance(work, Continue) else len(steps) - 1
        steps[trial] += 1
        assert work.budget == pytest.approx(steps[trial] / n_folds)
        score = folds[trial, : steps[trial]].mean()
        verdicts[trial] = scheduler.report(trial, work.budget, score)
    assert all(verdict.finished for verdict in verdicts.values())
    return verdicts, steps


def test_forgiving_rule():
    # worst fold of the incumbent: 0.7
    _, steps = race([[0.9, 0.7, 0.8], [0.7, 1.0, 1.0], [0.71, 0.68, 0.9]])
    assert steps == [3, 1, 2]


def test_paired_rule_sees_through_folds_of_different_difficulty():
    easy_to_hard = np.array([0.99, 0.9, 0.8, 0.7, 0.5])
    jitter = np.array([[0, 1, -1, 0, 0], [1, 0, 0, -1, 0], [0, 0, 1, 0, -1]]) * 1e-3
    rivals = easy_to_hard + jitter
    behind = easy_to_hard - 0.05
    _, steps = race([*rivals, behind])
    # its mean is above the incumbent's worst fold until the last one
    assert steps[:3] == [5, 5, 5]
    assert steps[3] == 1


def test_estimate_takes_out_easy_folds():
    verdicts, steps = race([[0.9, 0.5, 0.4], [0.3, 0.9, 0.9]])
    assert steps == [3, 1]
    assert verdicts[1].estimate == pytest.approx(0.6 - 0.6)
    verdicts, steps = race([[0.9, 0.5, 0.4], [0.8, 0.1, 0.1], [0.89, 0.49, 0.41]])
    assert steps[2] == 3
    assert verdicts[2].estimate == pytest.approx(np.mean([0.89, 0.49, 0.41]))


@pytest.mark.parametrize("seed", range(5))
def test_variance_of_an_estimate(seed):
    rng = np.random.default_rng(seed)
    folds = 0.3 * rng.normal(size=(12, 5)) + rng.normal(size=(12, 1))
    verdicts, steps = race(folds)
    assert min(steps) < 5
    for trial, k in enumerate(steps):
        whole = [t for t in range(trial) if steps[t] == 5]
        if k == 5:
            assert verdicts[trial].variance == 0
            continue
        best = max(whole, key=lambda t: folds[t].mean())
        others = [t for t in whole if t != best]
        spread = [np.var(folds[t] - folds[best], ddof=1) for t in others]
        expected = np.mean(spread or [np.var(folds[best], ddof=1)]) * (1 / k - 1 / 5)
        assert verdicts[trial].variance == pytest.approx(expected)


def test_only_known_trials_are_rivals():
    folds = [[0.9] * 3, [0.1] * 3, [0.1] * 3]
    assert race(folds)[1] == [3, 1, 1]
    assert race(folds, known=lambda n: max(0, n - 1))[1] == [3, 3, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 6), st.integers(1, 12))
def test_a_clear_winner_is_never_stopped(seed, n_folds, n_trials):
    rng = np.random.default_rng(seed)
    folds = rng.normal(size=(n_trials, n_folds))
    winner = rng.integers(n_trials)
    folds[winner] = folds.max(axis=0) + 0.01
    assert race(folds)[1][winner] == n_folds


def test_full_budget_starts_whole_trials():
    assert begun(FullBudget(), 2).plan == (Rung(2, 1.0),)


# table 1 of Li et al., JMLR 2018: candidates and resources for R=81, eta=3
HYPERBAND_81 = [
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    [(34, 3), (11, 9), (3, 27), (1, 81)],
    [(15, 9), (5, 27), (1, 81)],
    [(8, 27), (2, 81)],
    [(5, 81)],
]


def test_hyperband_of_the_paper():
    plan = hyperband_plan(rung_budgets(1, 81, 3), 3)
    brackets = [[] for _ in HYPERBAND_81]
    for rung in plan:
        assert rung.level == len(brackets[rung.bracket])
        brackets[rung.bracket].append((rung.n_trials, 81 * rung.budget))
    for ours, papers in zip(brackets, HYPERBAND_81, strict=True):
        assert_allclose(ours, papers)


@given(
    st.integers(1, 1000),
    st.integers(1, 1000),
    st.floats(1.3, 5),
)
def test_budgets_rise_from_the_minimum_to_all(a, b, factor):
    minimum, maximum = sorted((a, b))
    budgets = np.array(rung_budgets(minimum, maximum, factor))
    assert budgets[-1] == 1.0
    assert (budgets * maximum >= minimum * (1 - 1e-9)).all()
    steps = budgets[1:] / budgets[:-1]
    assert (steps <= factor * (1 + 1e-9)).all()
    assert (steps > 1).all()
    assert budgets[0] * maximum < minimum * factor


def test_hyperband_begins_anew():
    budgets = rung_budgets(1, 9, 3)
    once, twice = (hyperband_plan(budgets, 3, n) for n in (3, 6))
    assert twice[: len(once)] == once
    again = [(s.n_trials, s.budget, s.bracket - 3, s.level) for s in twice[len(once) :]]
    assert again == [(s.n_trials, s.budget, s.bracket, s.level) for s in once]


@given(st.integers(1, 100), st.integers(1, 9))
def test_brackets_of_halving_share_the_trials(n_trials, n_brackets):
    plan = halving_plan(n_trials, rung_budgets(1, 9, 3), 3, n_brackets)
    starts = [rung.n_trials for rung in plan if rung.level == 0]
    assert sum(starts) == n_trials
    assert len(starts) == min(n_brackets, n_trials)
    assert max(starts) - min(starts) <= 1


def drive(scheduler, score_of, rng, n_workers=3, n_starts=10**6):
    """Run a scheduler with workers that end in random order.

    Return what was handed out as (trial, rung), the scores by trial and rung, and who
    was dropped.
    """
    handed, scores, running, dropped, n_started = [], {}, [], [], 0
    while True:
        while len(running) < n_workers:
            work = scheduler.next(n_started if n_started < n_starts else None)
            if work is None:
                break
            if isinstance(work, New):
                trial, n_started = n_started, n_started + 1
            else:
                trial = work.trial
                assert trial not in dropped
            handed.append((trial, work.rung))
            running.append((trial, work))
            if n_started == n_starts:
                scheduler.stop_starting(n_started)
                n_starts = 10**6
        if not running:
            return handed, scores, dropped
        trial, work = running.pop(rng.integers(len(running)))
        scores[trial, work.rung] = score_of(trial, work.rung)
        verdict = scheduler.report(trial, work.budget, scores[trial, work.rung])
        assert verdict.finished
        dropped += verdict.dropped


PLANS = {
    "halving": halving_plan(20, rung_budgets(1, 27, 3), 3),
    "hyperband": hyperband_plan(rung_budgets(1, 16, 2), 2),
    "one rung": halving_plan(4, [1.0], 3),
}
MADE = {
    "halving": (Halving(n_brackets=1), {"n_candidates": 20, "maximum": 27}),
    "hyperband": (Hyperband(factor=2), {"maximum": 16}),
    "one rung": (Halving(n_brackets=1), {"n_candidates": 4}),
}


def planned(name, overlap=False):
    """Return a scheduler that runs one of the plans."""
    scheduler, setting = MADE[name]
    scheduler = begun(scheduler, **setting, learns=not overlap)
    assert scheduler.plan == PLANS[name]
    return scheduler


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_what_runs_is_the_plan(name, overlap, seed):
    plan, rng = PLANS[name], np.random.default_rng(seed)
    scheduler = planned(name, overlap)
    handed, _, dropped = drive(scheduler, lambda *_: rng.normal(), rng)
    ran = np.bincount([rung for _, rung in handed], minlength=len(plan))
    assert ran.tolist() == [rung.n_trials for rung in plan]
    assert sorted(dropped) == list(range(scheduler.n_candidates))


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_each_rung_go_on(seed):
    plan, rng = PLANS["hyperband"], np.random.default_rng(seed)
    handed, scores, _ = drive(planned("hyperband", True), lambda *_: rng.normal(), rng)
    for place, (rung, above) in enumerate(pairwise(plan)):
        if above.bracket != rung.bracket:
            continue
        here = {t: s for (t, p), s in scores.items() if p == place}
        went_on = {t for t, p in handed if p == place + 1}
        best = sorted(here, key=here.get, reverse=True)[: above.n_trials]
        assert went_on == set(best)


def test_without_overlap_brackets_follow_one_another():
    rng = np.random.default_rng(0)
    handed, _, _ = drive(planned("hyperband"), lambda *_: rng.normal(), rng)
    rungs = [rung for _, rung in handed]
    assert rungs == sorted(rungs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: planned("hyperband", True),
        lambda: planned("halving"),
        lambda: begun(ASHA(), 30, maximum=9),
    ],
    ids=["overlapping", "halving", "asha"],
)
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_failed_trials_do_not_go_on(make, share):
    rng = np.random.default_rng(0)
    scheduler = make()
    handed, scores, dropped = drive(
        scheduler, lambda *_: np.nan if rng.random() < share else rng.normal(), rng
    )
    failed = {trial for (trial, _), score in scores.items() if np.isnan(score)}
    last = dict(handed)
    assert all(np.isnan(scores[trial, last[trial]]) for trial in failed)
    assert sorted(dropped) == list(range(scheduler.n_candidates))


@pytest.mark.parametrize("n_starts", [1, 7, 13])
def test_closed_early_those_that_started_compete(n_starts):
    rng = np.random.default_rng(1)
    scheduler = planned("halving")
    handed, _, dropped = drive(
        scheduler, lambda *_: rng.normal(), rng, n_starts=n_starts
    )
    started = {trial for trial, _ in handed}
    top = [trial for trial, rung in handed if rung == len(PLANS["halving"]) - 1]
    assert started == set(range(n_starts)) == set(dropped)
    assert 1 <= len(top) <= max(1, n_starts // 2)


@pytest.mark.parametrize("seed", range(5))
def test_asha_promotes_who_is_ahead_at_that_moment(seed):
    rng = np.random.default_rng(seed)
    scheduler = begun(ASHA(), 40, maximum=27)
    budgets = [rung.budget for rung in scheduler.plan]
    rungs = [{} for _ in budgets]
    running, n_started, dropped = [], 0, set()
    while True:
        work = scheduler.next(0) if len(running) < 4 else None
        if isinstance(work, Continue):
            below = rungs[work.rung - 1]
            rank = sorted(below, key=below.get, reverse=True).index(work.trial)
            assert rank < len(below) // 3
            running.append((work.trial, work))
        elif isinstance(work, New):
            running.append((n_started, work))
            n_started += 1
        elif not running:
            break
        else:
            trial, work = running.pop(rng.integers(len(running)))
            rungs[work.rung][trial] = rng.normal()
            verdict = scheduler.report(trial, work.budget, rungs[work.rung][trial])
            dropped |= set(verdict.dropped)
    assert n_started == 40
    assert dropped == set(range(40))
    planned = [rung.n_trials for rung in scheduler.plan]
    assert all(len(r) >= n - 1 for r, n in zip(rungs, planned, strict=True))


@pytest.mark.parametrize("reuses", [True, False])
def test_remaining_cost_is_that_of_those_that_started(reuses):
    plan = PLANS["halving"]
    scheduler = planned("halving")
    for _ in range(20):
        scheduler.next(0)
    budgets = [0.0] + [rung.budget for rung in plan]
    costs = [
        rung.n_trials * (rung.budget - (below if reuses else 0.0))
        for rung, below in zip(plan, budgets, strict=False)
    ]
    assert scheduler.remaining_cost(reuses) == pytest.approx(sum(costs))
    scheduler.report(0, plan[0].budget, 1.0)
    assert scheduler.remaining_cost(reuses) == pytest.approx(
        sum(costs) - plan[0].budget
    )
    assert begun(FullBudget(), 3).remaining_cost(reuses) == 0.0


@pytest.mark.parametrize(
    ("scheduler", "folds"),
    [
        (FullBudget(), 10),
        (Racing(), 1),
        (Halving(n_brackets=1), 1),
        (ASHA(), 3),
    ],
    ids=["full", "racing", "halving", "asha"],
)
def test_the_first_budget_is_what_a_new_trial_gets(scheduler, folds):
    """From it follows how many trials keep all workers busy."""
    scheduler = begun(scheduler, 9, maximum=10, n_splits=10)
    assert round(10 * scheduler.first_budget) == folds
    assert scheduler.next(0).budget == pytest.approx(scheduler.first_budget)


def test_a_start_forgets_the_setting_before():
    scheduler = begun(Halving(n_brackets=1), 20, maximum=27)
    drive(scheduler, lambda *_: 1.0, np.random.default_rng(0))
    scheduler.start(Setting(9, maximum=9, cost=lambda budget, _: budget))
    fresh = begun(Halving(n_brackets=1), 9, maximum=9, cost=lambda budget, _: budget)
    assert scheduler.plan == fresh.plan
    runs = [
        drive(s, lambda t, _: float(t), np.random.default_rng(0))
        for s in (scheduler, fresh)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("seed", range(20))
def test_asha_drops_nobody_who_goes_on(seed):
    """Also if, with all started, promotions are due on several rungs at once."""
    rng = np.random.default_rng(seed)
    drive(begun(ASHA(), 30, maximum=27), lambda *_: rng.normal(), rng, n_workers=4)


def test_a_bracket_of_one_rung_that_is_over_costs_nothing_more():
    scheduler = planned("one rung")
    for trial in range(4):
        scheduler.next(trial)
    for trial in range(4):
        scheduler.report(trial, 1.0, 0.5)
        assert scheduler.remaining_cost(True) == 3 - trial


class OneThenAll(FullBudget):
    """Has two rungs and no factor."""

    uses_rungs = True

    def make_plan(self, setting):
        n = setting.n_candidates
        return Rung(n, 1 / setting.maximum), Rung(n, 1.0, level=1)

    def start(self, setting):
        super().start(setting)
        self.due = []

    def next(self, n_told):
        if self.due:
            return Continue(self.due.pop(), 1.0, rung=1)
        work = super().next(n_told)
        return None if work is None else New(self.first_budget)

    def report(self, trial, budget, score):
        if budget < 1.0:
            self.due.append(trial)
            return Verdict(True, score)
        return Verdict(True, score, dropped=(trial,))


def test_rungs_need_no_factor():
    search = SearchCV(
        DummyClassifier(strategy="constant"),
        {"constant": [0, 1]},
        scheduler=OneThenAll(),
        n_iter=2,
        cv=3,
    )
    search.fit(np.zeros((9, 1)), [0, 1, 1] * 3)
    assert search.plan_["n_candidates"] == [2, 2]
    assert search.plan_["n_resources"] == [1, 3]
    assert search.best_params_ == {"constant": 1}
    assert not hasattr(search, "n_required_iterations_")


def test_schedulers_by_name():
    assert all(type(make_scheduler(name)) is kind for name, kind in SCHEDULERS.items())
    given = Halving(factor=2)
    made = make_scheduler(given)
    assert made is not given
    assert made.factor == 2
    with pytest.raises(ValueError, match=r"neither a Scheduler nor one of .*'asha'"):
        make_scheduler("halve")
    with pytest.raises(TypeError, match=r"a class: give an instance, Halving\(\)"):
        make_scheduler(Halving)
    with pytest.raises(TypeError, match="neither a Scheduler"):
        make_scheduler(3)


@pytest.mark.parametrize(
    ("scheduler", "setting", "message"),
    [
        (Halving(factor=1), {"n_candidates": 9}, "'factor' parameter of Halving"),
        (Hyperband(n_brackets=0), {}, "'n_brackets' parameter of Hyperband"),
        (ASHA(factor="3"), {"n_candidates": 9}, "'factor' parameter of ASHA"),
        (Racing(), {"n_candidates": 9, "n_splits": 2}, "at least 3 folds"),
        (Hyperband(), {"n_candidates": 9}, "n_candidates=9 with Hyperband"),
        (FullBudget(), {}, "needs the number of candidates"),
    ],
)
def test_what_can_not_be_planned_is_refused(scheduler, setting, message):
    with pytest.raises(ValueError, match=message):
        scheduler.start(Setting(**setting))
