"""Each scheduler fulfils the contract, and does what is special to it."""

import numpy as np
import pytest
from contracts import SchedulerContract
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_hpo.schedulers import FullBudget, New, Racing


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
    assert FullBudget(2).plan == (New(1.0), New(1.0))
