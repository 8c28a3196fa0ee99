"""Each scheduler fulfils the contract, and does what is special to it."""

from itertools import pairwise

import numpy as np
import pytest
from contracts import SchedulerContract
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_hpo.schedulers import (
    ASHA,
    Continue,
    FullBudget,
    Halving,
    New,
    Racing,
    Rung,
    halving_plan,
    hyperband_plan,
    rung_budgets,
)


class TestFullBudget(SchedulerContract):
    @pytest.fixture(params=[1, 7])
    def make(self, request):
        return lambda: FullBudget(request.param)


class TestRacing(SchedulerContract):
    n_steps = 5

    @pytest.fixture
    def make(self):
        return lambda: Racing(9, 5)


def race(folds, known=None):
    """Return the scheduler, and how many folds each row of `folds` was given."""
    folds = np.asarray(folds)
    scheduler = Racing(len(folds), folds.shape[1])

    def score_of(trial, step):
        return folds[trial, :step].mean()

    contract = TestRacing()
    contract.n_steps = folds.shape[1]
    _, steps = contract.run(scheduler, score_of, known or (lambda n: n))
    return scheduler, steps


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
    scheduler, steps = race([[0.9, 0.5, 0.4], [0.3, 0.9, 0.9]])
    assert steps == [3, 1]
    assert scheduler.estimate(1) == pytest.approx(0.6 - 0.6)
    scheduler, steps = race([[0.9, 0.5, 0.4], [0.8, 0.1, 0.1], [0.89, 0.49, 0.41]])
    assert steps[2] == 3
    assert scheduler.estimate(2) == pytest.approx(np.mean([0.89, 0.49, 0.41]))


@pytest.mark.parametrize("seed", range(5))
def test_variance_of_an_estimate(seed):
    rng = np.random.default_rng(seed)
    folds = 0.3 * rng.normal(size=(12, 5)) + rng.normal(size=(12, 1))
    scheduler, steps = race(folds)
    assert min(steps) < 5
    for trial, k in enumerate(steps):
        whole = [t for t in range(trial) if steps[t] == 5]
        if k == 5:
            assert scheduler.variance(trial) == 0
            continue
        best = max(whole, key=lambda t: folds[t].mean())
        others = [t for t in whole if t != best]
        spread = [np.var(folds[t] - folds[best], ddof=1) for t in others]
        expected = np.mean(spread or [np.var(folds[best], ddof=1)]) * (1 / k - 1 / 5)
        assert scheduler.variance(trial) == pytest.approx(expected)


def test_only_known_trials_are_rivals():
    folds = [[0.9, 0.9], [0.1, 0.1], [0.1, 0.1]]
    assert race(folds)[1] == [2, 1, 1]
    assert race(folds, known=lambda n: max(0, n - 1))[1] == [2, 2, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 12))
def test_a_clear_winner_is_never_stopped(seed, n_folds, n_trials):
    rng = np.random.default_rng(seed)
    folds = rng.normal(size=(n_trials, n_folds))
    winner = rng.integers(n_trials)
    folds[winner] = folds.max(axis=0) + 0.01
    assert race(folds)[1][winner] == n_folds


def test_full_budget_starts_whole_trials():
    assert FullBudget(2).plan == (Rung(2, 1.0),)


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
def test_ladder_climbs_from_the_minimum_to_all(a, b, factor):
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

    Return what was handed out as (trial, stage), and the scores by trial and stage.
    """
    handed, scores, running, retired, n_started = [], {}, [], [], 0
    while True:
        while len(running) < n_workers:
            work = scheduler.next(n_started if n_started < n_starts else None)
            if work is None:
                break
            if isinstance(work, New):
                trial, n_started = n_started, n_started + 1
            else:
                trial = work.trial
                assert trial not in retired
            handed.append((trial, work.rung))
            running.append((trial, work))
            if n_started == n_starts:
                scheduler.stop_starting(n_started)
                n_starts = 10**6
        if not running:
            return handed, scores, retired
        trial, work = running.pop(rng.integers(len(running)))
        scores[trial, work.rung] = score_of(trial, work.rung)
        assert scheduler.report(trial, work.budget, scores[trial, work.rung])
        retired += scheduler.retired()


PLANS = {
    "halving": halving_plan(20, rung_budgets(1, 27, 3), 3),
    "hyperband": hyperband_plan(rung_budgets(1, 16, 2), 2),
    "one rung": halving_plan(4, [1.0], 3),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_what_runs_is_the_plan(name, overlap, seed):
    plan, rng = PLANS[name], np.random.default_rng(seed)
    scheduler = Halving(plan, overlap)
    handed, _, retired = drive(scheduler, lambda *_: rng.normal(), rng)
    ran = np.bincount([rung for _, rung in handed], minlength=len(plan))
    assert ran.tolist() == [rung.n_trials for rung in plan]
    assert sorted(retired) == list(range(scheduler.n_planned))


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_each_rung_go_on(seed):
    plan, rng = PLANS["hyperband"], np.random.default_rng(seed)
    handed, scores, _ = drive(Halving(plan, True), lambda *_: rng.normal(), rng)
    for place, (rung, above) in enumerate(pairwise(plan)):
        if above.bracket != rung.bracket:
            continue
        here = {t: s for (t, p), s in scores.items() if p == place}
        went_on = {t for t, p in handed if p == place + 1}
        best = sorted(here, key=here.get, reverse=True)[: above.n_trials]
        assert went_on == set(best)


def test_without_overlap_brackets_follow_one_another():
    rng = np.random.default_rng(0)
    handed, _, _ = drive(Halving(PLANS["hyperband"]), lambda *_: rng.normal(), rng)
    rungs = [rung for _, rung in handed]
    assert rungs == sorted(rungs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Halving(PLANS["hyperband"], True),
        lambda: Halving(PLANS["halving"]),
        lambda: ASHA(30, rung_budgets(1, 9, 3), 3),
    ],
    ids=["overlapping", "halving", "asha"],
)
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_failed_trials_do_not_go_on(make, share):
    rng = np.random.default_rng(0)
    scheduler = make()
    handed, scores, retired = drive(
        scheduler, lambda *_: np.nan if rng.random() < share else rng.normal(), rng
    )
    failed = {trial for (trial, _), score in scores.items() if np.isnan(score)}
    last = dict(handed)
    assert all(np.isnan(scores[trial, last[trial]]) for trial in failed)
    assert sorted(retired) == list(range(scheduler.n_planned))


@pytest.mark.parametrize("n_starts", [1, 7, 13])
def test_closed_early_those_that_started_compete(n_starts):
    rng = np.random.default_rng(1)
    scheduler = Halving(PLANS["halving"])
    handed, _, retired = drive(
        scheduler, lambda *_: rng.normal(), rng, n_starts=n_starts
    )
    started = {trial for trial, _ in handed}
    top = [trial for trial, rung in handed if rung == len(PLANS["halving"]) - 1]
    assert started == set(range(n_starts)) == set(retired)
    assert 1 <= len(top) <= max(1, n_starts // 2)


@pytest.mark.parametrize("seed", range(5))
def test_asha_promotes_who_is_ahead_at_that_moment(seed):
    rng = np.random.default_rng(seed)
    budgets = rung_budgets(1, 27, 3)
    scheduler = ASHA(40, budgets, 3)
    rungs = [{} for _ in budgets]
    running, n_started, retired = [], 0, set()
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
            scheduler.report(trial, work.budget, rungs[work.rung][trial])
            retired |= set(scheduler.retired())
    assert n_started == 40
    assert retired == set(range(40))
    planned = [rung.n_trials for rung in scheduler.plan]
    assert all(len(r) >= n - 1 for r, n in zip(rungs, planned, strict=True))


@pytest.mark.parametrize("paid", [True, False])
def test_ahead_is_what_the_started_will_cost(paid):
    plan = PLANS["halving"]
    scheduler = Halving(plan)
    for _ in range(20):
        scheduler.next(0)
    budgets = [0.0] + [rung.budget for rung in plan]
    costs = [
        rung.n_trials * (rung.budget - (below if paid else 0.0))
        for rung, below in zip(plan, budgets, strict=False)
    ]
    assert scheduler.remaining_cost(paid) == pytest.approx(sum(costs))
    scheduler.report(0, plan[0].budget, 1.0)
    assert scheduler.remaining_cost(paid) == pytest.approx(sum(costs) - plan[0].budget)
    assert FullBudget(3).remaining_cost(paid) == 0.0


@pytest.mark.parametrize(
    ("scheduler", "folds"),
    [
        (FullBudget(9), 10),
        (Racing(9, 10), 1),
        (Halving(halving_plan(9, [0.1, 0.3, 1.0], 3)), 1),
        (ASHA(9, [0.2, 1.0], 3), 2),
    ],
    ids=["full", "racing", "halving", "asha"],
)
def test_the_first_budget_is_what_a_new_trial_gets(scheduler, folds):
    """From it follows how many trials keep all workers busy."""
    assert round(10 * scheduler.first_budget) == folds
    assert scheduler.next(0).budget == pytest.approx(scheduler.first_budget)
