"""What large spaces and long studies cost: counted, not timed."""

import tracemalloc

import numpy as np
import pytest

from sklearn_hpo.optimizers import RandomOptimizer
from sklearn_hpo.schedulers import ASHA, Continue, Halving, Stage
from sklearn_hpo.space import SearchSpace

MB = 10**6


def peak_memory(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [int, float, str])
def test_a_long_list_takes_little_more_memory_than_the_list(kind):
    values = [kind(i) for i in range(200_000)]
    assert peak_memory(lambda: SearchSpace({"a": values})) < 10 * MB
    space = SearchSpace({"a": values})
    assert space.size == len(values)
    row = space.encode({"a": values[-3]})
    assert space.decode(row) == {"a": values[-3]}
    assert row[0] == (len(values) - 2.5) / len(values)


def test_plain_values_of_equal_hash_differ():
    assert hash(-1) == hash(-2)
    assert SearchSpace({"a": [-1, -2, 2**61 - 3]}).size == 3
    assert SearchSpace({"a": [-1, -2, -2]}).size == 2


def test_many_branches_take_little_memory():
    dicts = [{"k": [i], "a": [1, 2, 3], "b": [i, i + 1]} for i in range(1000)]
    assert peak_memory(lambda: SearchSpace(dicts)) < 10 * MB
    space = SearchSpace(dicts)
    assert space.active.sum() == 3 * len(dicts)
    assert space.active.all(axis=0).tolist() == [True, True] + [False] * len(dicts)


def test_telling_one_row_does_not_copy_those_before():
    optimizer = RandomOptimizer()
    optimizer.start(SearchSpace({"a": range(10**6)}), 0)
    moved = 0
    for i in range(300):
        before = optimizer.rows.base
        optimizer.tell(np.array([[i / 300]]), np.array([float(i)]), np.ones(1))
        moved += optimizer.rows.base is not before
    assert moved < 12
    assert optimizer.rows[:, 0].tolist() == [i / 300 for i in range(300)]
    assert optimizer.losses.tolist() == list(range(300))


class Score(float):
    """A score that counts how often one is negated, as a ranking does."""

    n_ranked = 0

    def __neg__(self):
        Score.n_ranked += 1
        return -float(self)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_score_is_ranked_once(asynchronous):
    n = 90
    budgets = 1 / 3, 1.0
    plan = Stage(n, budgets[0]), Stage(n // 3, budgets[1], rung=1)
    scheduler = ASHA(n, budgets, 3) if asynchronous else Halving(plan)
    scores = np.random.default_rng(0).permutation(n)
    Score.n_ranked = n_reported = n_started = 0
    while (work := scheduler.next(n_reported)) is not None:
        goes_on = isinstance(work, Continue)
        trial = work.trial if goes_on else n_started
        n_started += not goes_on
        scheduler.report(trial, work.budget, Score(scores[trial]))
        n_reported += 1
    assert n_started == n
    assert n_reported >= n + n // 3
    assert Score.n_ranked == n_reported
