"""What is given to fit, and what a space lists, belongs to one fit at a time."""

import threading
import time

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._evaluation.copies import copies, uncopied

X, Y = np.arange(60.0).reshape(-1, 1), np.arange(60) % 2
WAYS = [(None, 1), ("threading", 2), ("loky", 2), ("multiprocessing", 2)]
everywhere = pytest.mark.parametrize(("backend", "n_jobs"), WAYS)


class Rounds:
    """A callback that remembers all it has ever seen."""

    def __init__(self):
        self.seen = []

    def __call__(self, i):
        self.seen.append(i)
        return len(self.seen)


def closure():
    n_seen = 0

    def callback(i):
        nonlocal n_seen
        n_seen += 1
        return n_seen

    return callback


class Boost(ClassifierMixin, BaseEstimator):
    """Scores how many rounds its callback has seen: those of its own fit, if right."""

    def __init__(self, a=1, n_estimators=9, warm_start=False, callback=None):
        self.a = a
        self.n_estimators = n_estimators
        self.warm_start = warm_start
        self.callback = callback

    def fit(self, X, y, callbacks=(), more=None):
        calls = [self.callback, *callbacks, *(more or {}).values()]
        calls = [call for call in calls if call is not None]
        seen = []
        for i in range(20):
            time.sleep(0.001)  # so that threads meet
            seen = [call(i) for call in calls]
        assert len(set(seen)) == 1
        self.seen_ = seen[0]
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        return self.seen_


GIVEN = {
    "list": lambda: {"callbacks": [Rounds(), Rounds()]},
    "tuple": lambda: {"callbacks": (Rounds(),)},
    "dict": lambda: {"more": {"one": Rounds()}},
    "closure": lambda: {"callbacks": [closure(), closure()]},
    "method": lambda: {"callbacks": [Rounds().__call__]},
}
SEARCHES = {
    "plain": (BayesSearchCV, {"n_iter": 4}),
    "racing": (BayesSearchCV, {"n_iter": 4, "scheduler": "racing"}),
    "evolution": (EvolutionarySearchCV, {"n_iter": 4}),
    "rows": (HyperbandSearchCV, {"resource": "n_samples", "min_resources": 15}),
    "models": (
        HyperbandSearchCV,
        {"resource": "n_estimators", "min_resources": 1, "max_resources": 9},
    ),
}


def search(kind="plain", estimator=None, space=None, **settings):
    cls, own = SEARCHES[kind]
    settings = {"cv": 3, "random_state": 0, **own, **settings}
    estimator = Boost() if estimator is None else estimator
    return cls(estimator, space or {"a": [1, 2, 3, 4, 5, 6]}, **settings)


def scores(fitted):
    means = fitted.cv_results_["mean_test_score"]
    return set(means[np.isfinite(means)])


@everywhere
@pytest.mark.parametrize("given", GIVEN)
def test_each_fit_has_callbacks_of_its_own(given, backend, n_jobs):
    params = GIVEN[given]()
    with joblib.parallel_config(backend or "loky", n_jobs=n_jobs):
        fitted = search().fit(X, Y, **params)
    assert scores(fitted) == {20}
    assert fitted.best_estimator_.seen_ == 20
    # nor has the user's been touched
    assert Boost().fit(X, Y, **params).seen_ == 20


@pytest.mark.parametrize("kind", SEARCHES)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_search_gives_each_fit_its_own(kind, n_jobs):
    callback = Rounds()
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        fitted = search(kind).fit(X, Y, callbacks=[callback])
    assert scores(fitted) == {20}
    assert fitted.best_estimator_.seen_ == 20
    assert callback.seen == []


@everywhere
@pytest.mark.parametrize("kind", ["plain", "racing", "rows"])
def test_objects_of_a_space_serve_one_fit_at_a_time(kind, backend, n_jobs):
    listed = [Rounds(), Rounds()]
    with joblib.parallel_config(backend or "loky", n_jobs=n_jobs):
        fitted = search(kind, space={"callback": listed, "a": [1, 2, 3]}).fit(X, Y)
    assert scores(fitted) == {20}
    assert fitted.best_estimator_.seen_ == 20
    assert [rounds.seen for rounds in listed] == [[], []]
    assert {id(p["callback"]) for p in fitted.cv_results_["params"]} <= {
        id(rounds) for rounds in listed
    }


@everywhere
def test_estimators_of_a_space_serve_one_fit_at_a_time(backend, n_jobs):
    """With what they hold."""
    listed = [Boost(callback=Rounds()), Boost(a=2, callback=Rounds())]
    pipeline = Pipeline([("scale", Counting()), ("boost", Boost())])
    space = {"boost": listed, "boost__a": [1, 2, 3], "scale": [Counting(), Counting(2)]}
    with joblib.parallel_config(backend or "loky", n_jobs=n_jobs):
        fitted = search(estimator=pipeline, space=space, n_iter=8).fit(X, Y)
    assert scores(fitted) == {20}
    assert all(not hasattr(boost, "classes_") for boost in listed)
    assert all(boost.callback.seen == [] for boost in listed)


class Counting(TransformerMixin, BaseEstimator):
    """Refuses to be fitted twice."""

    def __init__(self, by=1):
        self.by = by

    def fit(self, X, y=None):
        assert not hasattr(self, "by_")
        self.by_ = self.by
        return self

    def transform(self, X):
        return X * self.by_


@everywhere
def test_generators_of_a_space_are_as_in_grid_search(backend, n_jobs):
    generators = [np.random.RandomState(0), np.random.RandomState(1)]
    space = {"max_depth": [1, 2, 3], "random_state": generators}
    forest = RandomForestClassifier(n_estimators=3)
    noise = np.random.default_rng(0).normal(size=(60, 3))
    y = (noise[:, 0] + noise[:, 1] > 0).astype(int)
    grid = GridSearchCV(forest, space, cv=3).fit(noise, y)
    with joblib.parallel_config(backend or "loky", n_jobs=n_jobs):
        fitted = search(estimator=forest, space=space, n_iter=6).fit(noise, y)

    def key(params):
        return params["max_depth"], space["random_state"].index(params["random_state"])

    expected = zip(
        grid.cv_results_["params"], grid.cv_results_["mean_test_score"], strict=True
    )
    expected = {key(params): score for params, score in expected}
    found = zip(
        fitted.cv_results_["params"], fitted.cv_results_["mean_test_score"], strict=True
    )
    assert {key(params): score for params, score in found} == expected
    best = {**fitted.best_params_}
    plain = sklearn.clone(forest).set_params(**sklearn.clone(best, safe=False))
    assert_array_equal(
        fitted.best_estimator_.predict_proba(noise),
        plain.fit(noise, y).predict_proba(noise),
    )


class Taker(ClassifierMixin, BaseEstimator):
    """Shows what it was given."""

    given = None

    def __init__(self, a=1):
        self.a = a

    def fit(self, X, y, **params):
        Taker.given = params
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))


def test_data_are_not_copied():
    frame = pd.DataFrame({"a": np.arange(7)})
    whole = {
        "eval_set": [(np.ones((5, 1)), frame), (sparse.eye(4, format="csr"), [1, 2])],
        "names": {"one": np.arange(3)},
        "frame": frame,
    }
    search(estimator=Taker()).fit(X, Y, **whole)
    given = Taker.given
    assert given["eval_set"] is not whole["eval_set"]
    for i, j in ((0, 0), (0, 1), (1, 0)):
        assert given["eval_set"][i][j] is whole["eval_set"][i][j]
    assert given["names"]["one"] is whole["names"]["one"]
    assert given["frame"] is frame


def test_rows_are_cut_as_ever():
    rows = [object() for _ in X]
    search(estimator=Taker()).fit(X, Y, rows=rows, weights=np.arange(60))
    assert Taker.given["rows"] is rows  # of the refit
    fitted = search(estimator=Taker(), refit=False)
    fitted.fit(X, Y, rows=rows, weights=np.arange(60))
    kept = Taker.given["weights"]
    assert len(kept) == 40
    assert Taker.given["rows"] == [rows[i] for i in kept]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_cannot_be_copied_is_shared_and_named(n_jobs):
    lock = threading.Lock()
    with (
        joblib.parallel_config("threading", n_jobs=n_jobs),
        pytest.warns(
            RuntimeWarning, match=r"'lock' can't be copied \(TypeError"
        ) as seen,
    ):
        search(estimator=Taker()).fit(X, Y, lock=lock, other=[1])
    assert Taker.given["lock"] is lock
    assert len(seen) == 1
    assert seen[0].filename == __file__


def test_a_scorer_has_its_own_too():
    seen = Rounds()

    def score(y, predicted, calls):
        return calls(0)

    scorer = make_scorer(score, greater_is_better=True)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = scorer.set_score_request(calls=True)
        fitted = search(estimator=Taker(), scoring=scorer, refit=False)
        fitted.fit(X, Y, calls=seen)
    assert scores(fitted) == {1}
    assert seen.seen == []


def test_closures_that_share_a_variable_go_on_sharing_it():
    n = 0
    big = np.zeros(3)

    def count():
        nonlocal n
        n += 1
        return big

    def read(offset=0):
        return n + offset

    copied = copies({"count": count, "others": [read, len, time.sleep]}, 60)
    assert copied["count"]() is big
    assert copied["others"][0](1) == 2
    assert copied["others"][1:] == [len, time.sleep]
    assert read() == 0
    assert uncopied({"count": count, "others": [read]}, 60) == {}


@pytest.mark.parametrize("data", [sparse.eye(5).tocsr(), np.array(3.0)])
def test_data_without_a_length_are_shared(data):
    assert copies({"data": data}, 60)["data"] is data
    assert uncopied({"data": data}, 60) == {}


def test_functions_that_have_a_name_stay_what_they_are():
    """So that a model that keeps one can be pickled."""
    params = {"function": closure, "kind": Rounds, "module": time}
    copied = copies(params, 60)
    assert all(copied[name] is value for name, value in params.items())


def test_what_holds_itself_is_shared():
    loop = {}
    loop["itself"] = loop
    assert copies({"loop": loop}, 60)["loop"] is loop
    assert list(uncopied({"loop": loop}, 60)) == ["loop"]
