"""What large spaces and long studies cost: counted, not timed."""

import gc
import pickle
import tracemalloc
from functools import cache

import numpy as np
import pytest
from asktell import asked, tell
from numpy.testing import assert_array_equal
from scipy.stats import qmc, randint, uniform
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import RandomizedSearchCV

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._numerics.pareto import first_front, non_dominated_rank
from sklearn_hpo._study.evaluation import Median
from sklearn_hpo.optimizers import GeneticAlgorithm, Optimizer, Random, Sobol
from sklearn_hpo.optimizers._base import smallest
from sklearn_hpo.schedulers import ASHA, Continue, Halving, Setting
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
    assert SearchSpace({"a": [-1, -2, -1]}).size == 2


@pytest.mark.parametrize(
    "values",
    [
        np.arange(200_000),
        np.linspace(0.0, 1.0, 200_000),
        [i % 1000 for i in range(200_000)],
        [str(i % 1000) for i in range(200_000)],
    ],
    ids=["arange", "linspace", "repeated numbers", "repeated texts"],
)
def test_arrays_and_repeated_values_take_little_memory(values):
    assert peak_memory(lambda: SearchSpace({"a": values})) < 10 * MB
    space = SearchSpace({"a": values})
    assert space.size == len(set(np.asarray(values).tolist()))
    value = space.decode(space.sample(1, np.random.default_rng(0))[0])["a"]
    assert value in values
    assert type(value) in (int, float, str)


@pytest.mark.parametrize(
    "values",
    [
        [None, *range(200_000)],
        [*range(100_000), *np.linspace(0.5, 1.0, 100_000).tolist()],
        [*map(str, range(200_000)), True],
        np.random.default_rng(0).permutation(200_000),
        [True, None] * 100_000,
    ],
    ids=["None", "int and float", "text and bool", "shuffled", "repeated"],
)
def test_lists_of_several_types_take_little_memory(values):
    assert peak_memory(lambda: SearchSpace({"a": values})) < 11 * MB
    space = SearchSpace({"a": values})
    assert space.size == len(set(zip(map(type, values), values, strict=True)))
    for value in (values[0], values[-1]):
        assert space.decode(space.encode({"a": value})) == {"a": value}


def test_equal_values_of_other_types_differ_in_long_lists_too():
    assert SearchSpace({"a": [1, True, 1.0, "1", None]}).size == 5
    assert SearchSpace({"a": [1, True, 1.0, 1, True]}).size == 3
    assert SearchSpace({"a": [-1, -2.0, -2, None, -1.0]}).size == 5
    ones = SearchSpace([{"k": ["x"], "a": [1, 2]}, {"k": ["y"], "a": [True, 2]}])
    assert [c.name for c in ones.columns].count("a") == 2
    twos = SearchSpace([{"k": ["x"], "a": [True, 2]}, {"k": ["y"], "a": [True, 2]}])
    assert [c.name for c in twos.columns].count("a") == 1


@pytest.mark.parametrize("kind", [uniform, randint])
def test_many_distributions_are_pickled_small(kind):
    dicts = [{"k": [i], "a": kind(0, i + 1)} for i in range(1, 301)]
    space = SearchSpace(dicts)
    packed = pickle.dumps(space)
    assert len(packed) < (0.3 if kind is uniform else 0.8) * MB
    twin = pickle.loads(packed)
    assert_array_equal(twin.active, space.active)
    assert twin.active.dtype == bool
    rows = space.sample(50, np.random.default_rng(0))
    assert_array_equal(twin.from_unit(rows), rows)
    assert [*map(twin.decode, rows)] == [*map(space.decode, rows)]


def test_repeated_values_are_as_probable_as_they_are_frequent():
    space = SearchSpace({"a": ["x"] * 3 + ["y"], "b": [2, 1, 2, 2]})
    rows = space.sample(2000, np.random.default_rng(0))
    draws = [space.decode(row) for row in rows]
    for name, value in (("a", "x"), ("b", 2)):
        assert abs(np.mean([draw[name] == value for draw in draws]) - 0.75) < 0.05


def test_many_branches_take_little_memory():
    dicts = [{"k": [i], "a": [1, 2, 3], "b": [i, i + 1]} for i in range(1000)]
    assert peak_memory(lambda: SearchSpace(dicts)) < 10 * MB
    space = SearchSpace(dicts)
    assert space.active.sum() == 3 * len(dicts)
    assert space.active.all(axis=0).tolist() == [True, True] + [False] * len(dicts)


def test_telling_one_row_does_not_copy_those_before():
    optimizer = Random()
    optimizer.start(SearchSpace({"a": range(10**6)}), 300, 0)
    moved = 0
    for i in range(300):
        before = optimizer.rows.base
        tell(optimizer, np.array([[i / 300]]), np.array([float(i)]))
        moved += optimizer.rows.base is not before
    assert moved < 12
    assert optimizer.rows[:, 0].tolist() == [i / 300 for i in range(300)]
    assert optimizer.losses[:, 0].tolist() == list(range(300))


def test_the_middle_of_durations_is_that_of_all_so_far():
    median, numbers = Median(), np.random.default_rng(0).integers(0, 50, 300).tolist()
    for n, x in enumerate(numbers, 1):
        median.add(x)
        assert median.value == sorted(numbers[:n])[n // 2]


class Score(float):
    """A score that counts how often one is negated, as a ranking does."""

    n_ranked = 0

    def __neg__(self):
        Score.n_ranked += 1
        return -float(self)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_score_is_ranked_once(asynchronous):
    n = 90
    scheduler = ASHA() if asynchronous else Halving(n_brackets=1)
    scheduler.start(Setting(n, minimum=1, maximum=3))
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


class Even(DummyClassifier):
    """Scores at once."""

    def __init__(self, a=0.0, b=0.0, strategy="prior"):
        super().__init__(strategy=strategy)
        self.a = a
        self.b = b

    def score(self, X, y):
        return self.a - self.b


def memory_of(kind, n, **params):
    """Return what a search holds, at most while it runs and pickled, in bytes."""
    n_name = "n_candidates" if kind is HyperbandSearchCV else "n_iter"
    params |= {n_name: n, "cv": 2, "random_state": 0}
    X, y = np.arange(80.0)[:, None], np.array([0, 1] * 40)
    search = kind(Even(), {"a": uniform(), "b": uniform()}, **params)
    gc.collect()
    tracemalloc.start()
    try:
        search.fit(X, y)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    pickled = len(pickle.dumps(search)), len(pickle.dumps(search.cv_results_))
    return np.array([held, peak, *pickled])


@cache
def memory_of_random_search(few, many):
    memory_of(RandomizedSearchCV, 4)
    n_bytes = memory_of(RandomizedSearchCV, many) - memory_of(RandomizedSearchCV, few)
    return n_bytes[:2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "params", "bounds"),
    [
        (BayesSearchCV, {"optimizer": "random"}, (2.0, 1.6, 1.8)),
        (
            EvolutionarySearchCV,
            {"optimizer": GeneticAlgorithm(screening=None)},
            (2.0, 1.9, 1.8),
        ),
        (
            HyperbandSearchCV,
            {"optimizer": "random", "resource": "n_samples", "min_resources": 20},
            (2.6, 1.9, 2.0),  # rows of two rungs for a candidate
        ),
    ],
    ids=["bayes", "evolutionary", "hyperband"],
)
def test_a_candidate_takes_little_more_memory_than_its_results(kind, params, bounds):
    few, many = 100, 400
    memory_of(kind, 4, **params)  # what the first search of a process makes
    held, peak, pickled, results = memory_of(kind, many, **params) - memory_of(
        kind, few, **params
    )
    own_held, own_peak = memory_of_random_search(few, many)
    found = held / own_held, peak / own_peak, pickled / results
    assert all(np.less(found, bounds)), found


def test_a_search_keeps_an_optimizer_only_to_predict():
    X, y = np.arange(8.0)[:, None], np.array([0, 1] * 4)
    for surrogate, predicts in (("random", False), ("tpe", False), ("gp", True)):
        search = BayesSearchCV(
            Even(), {"a": uniform()}, optimizer=surrogate, n_iter=8, cv=2
        ).fit(X, y)
        twin = pickle.loads(pickle.dumps(search))
        assert hasattr(twin, "predict_score") is predicts
        assert (search._optimizer is not None) is predicts


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        (BayesSearchCV, {"n_iter": 20}),
        (EvolutionarySearchCV, {"n_iter": 60, "optimizer": "lshade"}),
    ],
)
def test_what_a_search_keeps_to_predict_is_small(kind, how, monkeypatch):
    optimizers, start = [], Optimizer.start

    def remembered(self, *how):
        optimizers.append(self)
        start(self, *how)

    monkeypatch.setattr(Optimizer, "start", remembered)
    X, y = np.arange(8.0)[:, None], np.array([0, 1] * 4)
    space = {"a": uniform(), "b": uniform()}
    search = kind(Even(), space, cv=2, random_state=0, **how).fit(X, y)
    kept = pickle.dumps(search._optimizer)
    assert len(kept) < 0.7 * len(pickle.dumps(optimizers[0]))
    rows = np.random.default_rng(0).random((5, 2))
    expected = optimizers[0].predict(rows)
    assert_array_equal(pickle.loads(kept).predict(rows), expected)


def test_the_front_of_many_rows_takes_little_memory():
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 60, (4000, 2)).astype(float)
    assert peak_memory(lambda: first_front(losses)) < MB
    for k in (1, 2, 3):
        some = np.where(
            rng.random((300, k)) < 0.1, np.inf, rng.integers(0, 9, (300, k))
        )
        expected = np.flatnonzero(non_dominated_rank(some) == 0)
        assert first_front(some).tolist() == expected.tolist()


def test_a_point_of_a_long_sequence_takes_no_memory_for_those_before():
    space = SearchSpace({"a": uniform(), "b": uniform()})
    optimizer = Sobol()
    optimizer.start(space, 2**16, 5)
    n = 2**15
    tell(optimizer, np.random.default_rng(0).random((n, 2)), np.zeros(n))
    none = np.empty((0, 2))
    asked(optimizer, 1, none)
    assert peak_memory(lambda: asked(optimizer, 1, none)) < 0.1 * MB
    # `seed` is what SciPy before 1.15 calls it
    sequence = qmc.Sobol(2, scramble=True, seed=np.random.default_rng(5))
    expected = space.from_unit(sequence.random(2 * n)[n : n + 3])
    assert asked(optimizer, 3, none).tobytes() == expected.tobytes()


def test_members_are_kept_once_while_they_stay():
    optimizer = GeneticAlgorithm(population_size=24)
    optimizer.start(SearchSpace({"a": uniform()}), 5000, 0)
    rows = np.random.default_rng(0).random((24, 1))
    tell(optimizer, rows, np.arange(24.0)[::-1])
    n = 40
    for i in range(n):
        tell(optimizer, np.array([[i / n]]), np.array([99.0]))
    assert len(set(map(id, optimizer._past))) <= 24
    assert len(optimizer.diversity) == 24 + n


@pytest.mark.parametrize("n", [1, 3, 50])
def test_the_smallest_are_those_of_a_stable_sort(n):
    rng = np.random.default_rng(n)
    for _ in range(50):
        losses = rng.integers(0, 9, 40).astype(float)
        losses[rng.random(40) < rng.random()] = rng.choice([np.nan, np.inf])
        expected = np.argsort(losses, kind="stable")[:n]
        assert smallest(losses, n).tolist() == expected.tolist()
