"""EvolutionarySearchCV as its users meet it, and the optimizer behind it."""

import pickle
import time

import joblib
import numpy as np
import probes
import pytest
from asktell import run
from contracts import SPACES, toy_loss
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from sklearn_hpo import EvolutionarySearchCV
from sklearn_hpo.optimizers import (
    CMAES,
    DifferentialEvolution,
    Evolution,
    GeneticAlgorithm,
    RegularizedEvolution,
)
from sklearn_hpo.optimizers._evolutionary import (
    WEIGHTS,
    EvolutionaryOptimizer,
    _levelled,
)
from sklearn_hpo.optimizers._population import Population
from sklearn_hpo.optimizers._registry import OPTIMIZERS
from sklearn_hpo.schedulers import FullBudget
from sklearn_hpo.space import SearchSpace

X, Y = load_iris(return_X_y=True)
KINDS = [DifferentialEvolution, GeneticAlgorithm, RegularizedEvolution]
ALGORITHMS = ["de", "ga", "regularized"]
SPACE = {"x": uniform(0, 1), "k": randint(1, 9), "c": ["a", "b", "d"]}


class Probe(probes.Probe):
    """Best at x = 0.3, k = 6, c = "b"."""

    def __init__(self, x=0.5, k=1, c="a"):
        super().__init__(x)
        self.k = k
        self.c = c

    def score(self, X, y):
        wrong = ((self.k - 6) / 8) ** 2 + 0.1 * (self.c != "b")
        return super().score(X, y) - wrong


def search(estimator=None, space=SPACE, **settings):
    settings = {"n_iter": 30, "cv": 2, "random_state": 0, **settings}
    return EvolutionarySearchCV(
        Probe() if estimator is None else estimator, space, **settings
    )


class Late(Probe):
    slow_x = None

    def fit(self, X, y):
        time.sleep(0.3 * (self.x == self.slow_x))
        return super().fit(X, y)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_history_does_not_depend_on_which_fit_ends_first(algorithm, monkeypatch):
    how = {"optimizer": algorithm, "n_iter": 16, "max_concurrent": 4}
    alone = search(**how).fit(X, Y).history_
    monkeypatch.setattr(Late, "slow_x", alone["params"][13]["x"])
    with joblib.parallel_config("threading", n_jobs=4):
        late = search(Late(), **how).fit(X, Y).history_
    assert late["diversity"] == alone["diversity"]


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "lshade"])
@pytest.mark.parametrize("surrogate", ["rbf", None])
def test_finds_the_best_choice_and_comes_near_the_best_number(algorithm, surrogate):
    kind = OPTIMIZERS[algorithm]
    found = [
        search(optimizer=kind(screening=surrogate), n_iter=80, random_state=seed).fit(
            X, Y
        )
        for seed in range(5)
    ]
    scores = [-fitted.best_score_ for fitted in found]
    # of 7 searches by 80 independent draws the median is 7e-4
    assert np.median(scores) < (1e-6 if surrogate else 1e-3)
    late = [fitted.cv_results_["mean_test_score"][40:].mean() for fitted in found]
    draws = SearchSpace(SPACE).sample(1000, np.random.default_rng(0))
    drawn = [Probe(**found[0].space_.decode(row)).score(X, Y) for row in draws]
    assert np.median(late) > 0.6 * np.mean(drawn)
    sources = found[0].history_["source"]
    assert sources == ["estimator", *["design"] * 7, *[algorithm] * 72]


@pytest.mark.parametrize(
    ("backend", "algorithm"),
    [("loky", "de"), *(("threading", a) for a in [*ALGORITHMS, "cmaes", "lshade"])],
)
def test_same_result_for_any_number_of_workers(backend, algorithm):
    settings = {"optimizer": algorithm, "max_concurrent": 3, "n_iter": 20}
    reference = search(**settings).fit(X, Y)
    for n_jobs in (2, 4):
        with joblib.parallel_config(backend):
            fitted = search(n_jobs=n_jobs, **settings).fit(X, Y)
        assert fitted.cv_results_["params"] == reference.cv_results_["params"]
        assert fitted.best_params_ == reference.best_params_


def test_covariance_matrix_adaptation_is_precise_in_the_end():
    fitted = search(optimizer="cmaes", n_iter=400, random_state=1).fit(X, Y)
    assert fitted.best_params_["k"] == 6
    assert fitted.best_params_["c"] == "b"
    assert -fitted.best_score_ < 1e-6
    assert set(fitted.history_["source"]) == {"estimator", "cmaes"}


@pytest.mark.parametrize(
    ("settings", "space", "expected"),
    [
        ({"n_iter": 999}, {"x": uniform(0, 1)}, DifferentialEvolution),
        ({"n_iter": 1000}, {"x": uniform(0, 1)}, CMAES),
        ({"n_iter": 1000}, SPACE, DifferentialEvolution),
        (
            {"n_iter": 1000, "optimizer": Evolution(mutation=0.8)},
            {"x": uniform(0, 1)},
            DifferentialEvolution,
        ),
    ],
)
def test_algorithm_follows_budget_and_space(settings, space, expected):
    asked = search(space=space, **settings)
    optimizer = asked._make_optimizer(FullBudget())
    optimizer.start(SearchSpace(space), asked.n_iter, 0)
    assert isinstance(optimizer.chosen, expected)


def test_clone_and_pickle_and_the_global_random_state():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    fitted = search(
        optimizer=Evolution(population_size=5, crossover=0.7, mutation=0.6)
    ).fit(X, Y)
    again = clone(fitted).fit(X, Y)
    assert again.cv_results_["params"] == fitted.cv_results_["params"]
    restored = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(restored.predict(X), fitted.predict(X))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_tunes_an_estimator_inside_cross_validation():
    space = {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}
    scores = cross_val_score(search(SVC(), space, n_iter=12), X, Y, cv=3)
    assert scores.min() > 0.9


def test_founders_come_first_and_breed():
    founder = {"x": 0.3, "k": 6, "c": "b"}
    fitted = search(initial_candidates=[founder], n_iter=20).fit(X, Y)
    assert fitted.cv_results_["params"][0] == founder
    assert fitted.best_index_ == 0
    near = []
    for seed in range(5):
        how = {"initial_candidates": [founder], "n_iter": 20, "random_state": seed}
        params = search(**how).fit(X, Y).cv_results_["params"]
        near += [p["c"] == "b" for p in params[8:]]
    assert np.mean(near) > 0.6  # a third by chance


def test_small_space_is_covered():
    fitted = search(space={"k": [1, 6], "c": ["a", "b"]}).fit(X, Y)
    assert len(fitted.cv_results_["params"]) == 4
    assert fitted.best_params_ == {"k": 6, "c": "b"}


def test_ends_when_nothing_changes():
    fitted = search(space={"x": uniform(0, 1)}, n_iter=60, n_iter_no_change=5, tol=1.0)
    assert len(fitted.fit(X, Y).cv_results_["params"]) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": GeneticAlgorithm(mutation=1.5)}, "float in the range"),
        ({"optimizer": "cuckoo"}, "'optimizer' parameter of EvolutionarySearchCV"),
        ({"optimizer": "gp"}, "'optimizer' parameter of EvolutionarySearchCV"),
        ({"optimizer": Evolution(population_size=3)}, "population_size"),
        ({"optimizer": Evolution(mutation=2.5)}, "mutation"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        search(**settings).fit(X, Y)


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_settings_reach_the_children(rate):
    space = SearchSpace(SPACES["wide"])
    changed = []
    for seed in range(5):
        optimizer = DifferentialEvolution(
            crossover=rate, population_size=8, screening=None
        )
        run(optimizer, space, toy_loss, 30, seed=seed)
        rows = optimizer.rows
        # in how many coordinates a child differs from the row nearest to it
        changed += [(rows[i] != rows[:i]).sum(axis=1).min() for i in range(8, 30)]
    # one in any case, and each of the others with this probability; the median, as
    # repeats are replaced by draws
    others = space.n_columns - 1
    assert np.median(changed) == pytest.approx(1 + rate * others, abs=0.1 * others)


@pytest.mark.parametrize("kind", KINDS, ids=ALGORITHMS)
def test_surrogate_saves_evaluations(kind):
    space = SearchSpace(SPACES["numeric"])
    best = {
        surrogate: [
            run(kind(screening=surrogate), space, toy_loss, 40, seed).losses.min()
            for seed in range(7)
        ]
        for surrogate in ("rbf", None)
    }
    assert np.median(best["rbf"]) < 0.5 * np.median(best[None])


@pytest.mark.parametrize("kind", KINDS, ids=ALGORITHMS)
@pytest.mark.parametrize("surrogate", ["rbf", None])
def test_pending_rows_do_not_stop_the_progress(kind, surrogate):
    space = SearchSpace(SPACES["numeric"])
    studies = [
        run(kind(screening=surrogate), space, toy_loss, 100, seed, n_pending=7)
        for seed in range(3)
    ]
    for study in studies:
        assert study.losses[-30:].mean() < 0.5 * study.losses[:10].mean()
        assert len(np.unique(study.rows, axis=0)) == 100


@pytest.mark.parametrize("kind", KINDS, ids=ALGORITHMS)
def test_branches_are_searched_in_the_good_one(kind):
    space = SearchSpace(SPACES["branches"])
    rbf = space.encode({"kernel": "rbf", "C": 1.0, "gamma": 0.5})[0]

    def losses_of(rows):
        wrong = rows[:, 0] != rbf
        return wrong + np.where(wrong, 0.0, np.nansum((rows - 0.3) ** 2, axis=1))

    for seed in range(3):
        study = run(kind(), space, losses_of, 60, seed)
        assert (study.rows[30:, 0] == rbf).mean() > 0.5
        assert study.losses.min() < 0.05 + (rbf - 0.3) ** 2


@pytest.mark.parametrize("kind", KINDS, ids=ALGORITHMS)
def test_plateaus_are_left(kind):
    space = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
    flat = run(kind(), space, lambda rows: np.zeros(len(rows)), 120)
    cells, _, _ = np.histogram2d(*flat.rows.T, bins=3)
    assert (cells > 0).all()


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e308])
def test_surrogate_sees_losses_of_any_size_in_their_order(unit):
    losses = np.random.default_rng(0).uniform(-1, 1, 50)
    y = _levelled(unit * np.append(losses, np.nan))
    assert np.abs(y).max() < 5
    assert_array_equal(np.argsort(y[:-1]), np.argsort(losses))
    assert y[-1] == y[:-1].max()
    assert_array_equal(_levelled(np.full(5, 3.0)), np.zeros(5))
    assert_array_equal(_levelled(np.full(5, np.nan)), np.zeros(5))


@pytest.mark.parametrize("surrogate", ["rbf", None])
@pytest.mark.parametrize("kind", KINDS, ids=ALGORITHMS)
@pytest.mark.parametrize("n_levels", [2, 3, 5])
def test_few_levels_leave_little_to_chance(kind, surrogate, n_levels, monkeypatch):
    """Where children repeat what is there, neighbours of the members come next."""
    space = SearchSpace({f"x{i}": list(range(n_levels)) for i in range(8)})
    chance = []
    pool = EvolutionaryOptimizer._pool
    monkeypatch.setattr(
        EvolutionaryOptimizer,
        "_pool",
        lambda self, *how: chance.append(0) or pool(self, *how),
    )
    optimum = np.random.default_rng(0).random(8)

    def losses_of(rows):
        return ((rows - optimum) ** 2 @ np.arange(1, 9)).ravel()

    run(kind(screening=surrogate), space, losses_of, 120)
    assert len(chance) < 0.25 * 120


@pytest.mark.parametrize("size", [8, 10, 24])
def test_each_place_meets_all_weights(size):
    optimizer = DifferentialEvolution(population_size=size)
    optimizer.start(SearchSpace(SPACE), 100, 0)
    met = {
        (n % size, (n + optimizer._shift(n)) % len(WEIGHTS)) for n in range(10 * size)
    }
    assert len(met) == size * len(WEIGHTS)


def test_an_interrupt_while_the_population_is_told_loses_nothing(monkeypatch):
    admit, calls = Population.admit, []

    def interrupted(self, number, losses):
        calls.append(number)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return admit(self, number, losses)

    monkeypatch.setattr(Population, "admit", interrupted)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        fitted = search().fit(X, Y)
    whole = search().fit(X, Y)
    n_kept = len(fitted.cv_results_["params"])
    assert 15 < n_kept < 30
    assert fitted.cv_results_["params"] == whole.cv_results_["params"][:n_kept]
    # the population never heard of the last one
    assert_array_equal(
        fitted.history_["diversity"],
        [*whole.history_["diversity"][: n_kept - 1], np.nan],
    )
