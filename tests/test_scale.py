"""What large spaces and long studies cost: counted, not timed."""

import gc
import pickle
import tracemalloc

import numpy as np
import pytest
from asktell import asked, tell
from scipy.stats import qmc, uniform
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import RandomizedSearchCV

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._numerics.pareto import first_front, non_dominated_rank
from sklearn_hpo.optimizers import GeneticAlgorithm, Random, Sobol
from sklearn_hpo.optimizers._base import smallest
from sklearn_hpo.schedulers import ASHA, Continue, Halving, Rung
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
    plan = Rung(n, budgets[0]), Rung(n // 3, budgets[1], rung=1)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "params", "bounds"),
    [
        (BayesSearchCV, {"surrogate": "random"}, (2.0, 1.6, 1.8)),
        (EvolutionarySearchCV, {"algorithm": "ga", "surrogate": None}, (2.0, 1.9, 1.8)),
        (
            HyperbandSearchCV,
            {"optimizer": "random", "resource": "n_samples", "min_resources": 20},
            (3.2, 1.9, 2.0),  # rows of two rungs for a candidate
        ),
    ],
    ids=["bayes", "evolutionary", "hyperband"],
)
def test_a_candidate_takes_little_more_memory_than_its_results(kind, params, bounds):
    few, many = 100, 400
    memory_of(kind, 4, **params)  # what the first search of a process makes
    memory_of(RandomizedSearchCV, 4)
    held, peak, pickled, results = memory_of(kind, many, **params) - memory_of(
        kind, few, **params
    )
    own_held, own_peak, *_ = memory_of(RandomizedSearchCV, many) - memory_of(
        RandomizedSearchCV, few
    )
    found = held / own_held, peak / own_peak, pickled / results
    assert all(np.less(found, bounds)), found


def test_a_search_keeps_an_optimizer_only_to_predict():
    X, y = np.arange(8.0)[:, None], np.array([0, 1] * 4)
    for surrogate, predicts in (("random", False), ("tpe", False), ("gp", True)):
        search = BayesSearchCV(
            Even(), {"a": uniform()}, surrogate=surrogate, n_iter=8, cv=2
        ).fit(X, y)
        twin = pickle.loads(pickle.dumps(search))
        assert hasattr(twin, "predict_score") is predicts
        assert (search._optimizer is not None) is predicts


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
