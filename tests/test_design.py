"""The first candidates: even designs, and the estimator's own values."""

from collections import Counter

import numpy as np
import pytest
from asktell import asked
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo.optimizers import GaussianProcess
from sklearn_hpo.space import SearchSpace, sequence

X, Y = load_iris(return_X_y=True)
SEARCHES = [BayesSearchCV, EvolutionarySearchCV]
MIXED = {
    "kernel": ["linear", "poly", "rbf"],
    "shrinking": [True, False],
    "degree": [1, 2, 3, 4, 6],
    "C": loguniform(1e-3, 1e3),
    "n": randint(1, 8),
}
BRANCHES = [
    {"kernel": ["linear", "poly", "rbf"], "C": loguniform(1e-3, 1e3)},
    {"weights": ["uniform", "distance"], "p": uniform(1, 2)},
    {"C": loguniform(1e-3, 1e3), "layers": sequence([8, 16, 32], 1, 3)},
]
OWN = {"kernel": "poly", "shrinking": True, "degree": 3, "C": 1.0, "n": 7}


def design(space, n, seed, first=None):
    optimizer = GaussianProcess(n_initial_points=n)
    optimizer.start(space, max(n, 50), seed)
    if first is None:
        rows = asked(optimizer, n, np.empty((0, space.n_columns)))
    else:
        row = space.encode(first)[None]
        optimizer.expect(row[0])
        rows = np.vstack([row, asked(optimizer, n - 1, row)])
    return [space.decode(row) for row in rows]


def gap(values, choices):
    counts = Counter(values)
    return max(counts[c] for c in choices) - min(counts[c] for c in choices)


@pytest.mark.parametrize("first", [None, OWN], ids=["drawn", "expected"])
@pytest.mark.parametrize("n", [4, 5, 10, 17, 70])
def test_each_choice_is_as_frequent_as_any_other(n, first):
    space = SearchSpace(MIXED)
    lists = {name: MIXED[name] for name in ("kernel", "shrinking", "degree")}
    for seed in range(30):
        found = design(space, n, seed, first)
        for name, choices in {**lists, "n": range(1, 8)}.items():
            assert gap([p[name] for p in found], choices) <= 1, (seed, name)


@pytest.mark.parametrize("first", [None, {"weights": "distance", "p": 2.0}])
@pytest.mark.parametrize("n", [4, 6, 12, 31])
def test_branches_are_even_and_so_is_what_each_has(n, first):
    space = SearchSpace(BRANCHES)
    for seed in range(30):
        found = design(space, n, seed, first)
        branches = ["weights" in p or 2 * ("layers" in p) for p in found]
        assert gap(branches, [0, 1, 2]) <= 1
        for name in ("kernel", "weights"):
            choices = next(b[name] for b in BRANCHES if name in b)
            assert gap([p[name] for p in found if name in p], choices) <= 1
        lengths = [len(p["layers"]) for p in found if "layers" in p]
        assert gap(lengths, [1, 2, 3]) <= 1


def test_branches_are_as_frequent_as_they_are_probable():
    space = SearchSpace([{"a": [1, 2, 3, 4, 5, 6]}, {"b": [1, 2]}])
    for seed in range(10):
        found = design(space, 4, seed)
        assert sum("a" in p for p in found) == 3


def test_numbers_are_spread():
    space = SearchSpace({"x": uniform(0, 1), "k": ["a", "b", "c"]})
    for seed in range(20):
        # one of them is in the centre
        cells = {int(10 * p["x"]) for p in design(space, 10, seed)}
        assert len(cells) >= 9


def test_no_candidate_of_a_design_repeats_another():
    space = SearchSpace({"k": ["a", "b", "c"], "l": ["x", "y", "z"]})
    for seed in range(30):
        found = design(space, 5, seed)
        assert len({str(p) for p in found}) == 5
        assert gap([p["k"] for p in found], "abc") <= 1


def test_the_first_point_varies_where_it_is_drawn():
    space = SearchSpace(MIXED)
    firsts = [design(space, 4, seed)[0] for seed in range(30)]
    for name in ("kernel", "shrinking", "degree"):
        assert {p[name] for p in firsts} == set(MIXED[name])


def search(cls, estimator, space, **settings):
    settings = {"n_iter": 6, "cv": 3, "random_state": 0, **settings}
    return cls(estimator, space, **settings).fit(X, Y)


def start(fitted):
    return fitted.history_["source"][0], fitted.history_["params"][0]


@pytest.mark.parametrize("cls", SEARCHES)
def test_the_estimator_itself_comes_first(cls):
    space = {"C": loguniform(0.1, 100), "kernel": ["linear", "poly", "rbf"]}
    fitted = search(cls, SVC(C=1 / 3, kernel="poly"), space)
    assert start(fitted) == ("estimator", {"C": 1 / 3, "kernel": "poly"})
    assert fitted.history_["source"].count("estimator") == 1
    assert fitted.cv_results_["params"][0] == {"C": 1 / 3, "kernel": "poly"}


def test_what_the_space_has_not_is_left_to_it():
    space = {"C": loguniform(0.1, 100), "gamma": loguniform(1e-4, 1)}
    space["kernel"] = ["linear", "poly", "sigmoid"]
    space["degree"] = randint(4, 9)
    kernels, degrees = set(), set()
    for seed in range(12):
        fitted = search(BayesSearchCV, SVC(), space, random_state=seed, n_iter=1)
        source, params = start(fitted)
        assert (source, params["C"]) == ("estimator", 1.0)
        assert params["gamma"] == pytest.approx(1e-2)  # the middle of its scale
        kernels.add(params["kernel"])
        degrees.add(params["degree"])
    assert kernels == {"linear", "poly", "sigmoid"}
    assert len(degrees) > 2
    fitted = search(BayesSearchCV, SVC(), {"C": loguniform(2, 100)})
    assert "estimator" not in fitted.history_["source"]


def test_the_branch_that_has_all_values_is_taken():
    law = loguniform(1e-3, 1e3)
    branches = [
        {"kernel": ["rbf"], "C": law, "gamma": law, "shrinking": [True, False]},
        {"kernel": ["linear"], "C": law},
    ]
    fitted = search(BayesSearchCV, SVC(kernel="linear", gamma=0.1), branches)
    assert start(fitted)[1] == {"kernel": "linear", "C": 1.0}
    # none has all of them: the one with most
    fitted = search(BayesSearchCV, SVC(), branches)
    assert start(fitted)[1]["kernel"] == "rbf"
    assert start(fitted)[1]["shrinking"] is True


def test_steps_of_a_pipeline():
    pipe = Pipeline([("scale", StandardScaler()), ("model", SVC(C=3.0))])
    scalers = [MinMaxScaler(), StandardScaler(), "passthrough"]
    trees = RandomForestClassifier(5, random_state=0)
    space = [
        {"model": [trees], "model__max_depth": randint(1, 5)},
        {"scale": scalers, "model": [SVC()], "model__C": loguniform(0.1, 10)},
        {"scale": scalers, "model__C": loguniform(0.1, 10)},
    ]
    source, params = start(search(BayesSearchCV, pipe, space))
    assert source == "estimator"
    assert params == {"scale": scalers[1], "model__C": 3.0}


@pytest.mark.parametrize("cls", SEARCHES)
def test_points_of_the_user_come_instead(cls):
    space = {"C": loguniform(0.1, 100)}
    fitted = search(cls, SVC(), space, initial_candidates=[{"C": 5.0}])
    assert start(fitted) == ("initial", {"C": 5.0})
    assert "estimator" not in fitted.history_["source"]
    again = search(cls, SVC(), space, warm_start_from=fitted)
    assert start(again)[0] == "initial"
    assert "estimator" not in again.history_["source"]
    assert (
        "estimator"
        not in search(cls, SVC(), space, initial_candidates=[]).history_["source"]
    )


@pytest.mark.parametrize("surrogate", ["random", "sobol"])
def test_laws_stay_what_they_are(surrogate):
    space = {"C": loguniform(0.1, 100)}
    fitted = search(BayesSearchCV, SVC(), space, optimizer=surrogate)
    assert set(fitted.history_["source"]) == {surrogate}


def test_halving_begins_with_draws():
    fitted = HyperbandSearchCV(
        RandomForestClassifier(random_state=0),
        {"max_depth": randint(1, 9)},
        n_candidates=6,
        max_resources=4,
        cv=2,
        random_state=0,
    ).fit(X, Y)
    assert "estimator" not in fitted.history_["source"]


@pytest.mark.parametrize("cls", SEARCHES)
def test_a_grid_is_searched_in_its_order(cls):
    grid = {"C": [0.1, 1.0, 10.0], "kernel": ["linear", "rbf"]}
    theirs = GridSearchCV(SVC(), grid, cv=3).fit(X, Y)
    fitted = search(cls, SVC(), grid, n_iter=10)
    assert fitted.cv_results_["params"] == theirs.cv_results_["params"]


def test_own_values_to_the_last_bit_after_a_resume(tmp_path):
    path = tmp_path / "search"
    space = {"C": loguniform(0.1, 100), "gamma": loguniform(1e-4, 1)}
    how = {"checkpoint": path, "n_iter": 3}
    search(BayesSearchCV, SVC(C=1 / 3), space, **how)
    resumed = search(BayesSearchCV, SVC(C=1 / 3), space, **{**how, "n_iter": 4})
    assert start(resumed)[0] == "estimator"
    assert resumed.cv_results_["params"][0]["C"] == 1 / 3
    assert resumed.n_candidates_evaluated_ == 4
