"""A fitted search goes through files: pickle, joblib, skops."""

import io
import pickle
from functools import cache

import joblib
import numpy as np
import pytest
from asktell import run
from numpy.testing import assert_array_equal
from scipy.stats import expon, loguniform, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo.optimizers._registry import OPTIMIZERS
from sklearn_hpo.space import SearchSpace, lograndint, permutation, sequence, subset

# scikit-learn 1.6 with the newest SciPy
pytestmark = pytest.mark.filterwarnings("ignore:.*`disp` and `iprint`")

X, Y = make_classification(60, 6, random_state=0)


class Structured(ClassifierMixin, BaseEstimator):
    """A linear model of some columns, with a parameter for each structure."""

    def __init__(self, columns=(0,), order=(), sizes=(), C=1.0):
        self.columns, self.order, self.sizes, self.C = columns, order, sizes, C

    def fit(self, X, y):
        self.model_ = LogisticRegression(C=self.C).fit(X[:, self.columns], y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X[:, self.columns])


PIPE = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())])
CASES = {
    "continuous": (SVC(), {"C": loguniform(1e-2, 1e2), "gamma": uniform(0.01, 1)}),
    "unbounded": (SVC(), {"C": expon(0, 1), "degree": lograndint(1, 90_000)}),
    "lists": (
        SVC(),
        {
            "C": [0.1, 1, 10.0],
            "gamma": ["scale", 0.1, 1],
            "shrinking": [True, False],
            "class_weight": [None, "balanced"],
            "degree": range(2, 5),
        },
    ),
    "dicts": (
        SVC(),
        [
            {"kernel": ["rbf"], "C": loguniform(1e-2, 1e2), "gamma": uniform(0.01, 1)},
            {"kernel": ["poly"], "C": loguniform(1e-2, 1e2), "degree": [2, 3]},
        ],
    ),
    "steps": (
        PIPE,
        {
            "scale": [StandardScaler(), PCA(2), "passthrough"],
            "model__C": loguniform(1e-3, 1e3),
        },
    ),
    "structures": (
        Structured(),
        {
            "columns": subset(range(6)),
            "order": permutation(["a", "b", "c"]),
            "sizes": sequence(lograndint(2, 9), 1, 3),
            "C": loguniform(0.1, 10),
        },
    ),
}
PREDICTING = ["auto", "gp", "rbf", "evolution", "de", "ga", "regularized", "lshade"]
SEARCHES = {
    "bayes": lambda *given: BayesSearchCV(*given, n_iter=10, cv=3, random_state=0),
    "hyperband": lambda *given: HyperbandSearchCV(*given, cv=3, random_state=0),
    "evolutionary": lambda *given: EvolutionarySearchCV(
        *given, n_iter=12, cv=3, random_state=0
    ),
}


def by_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


def by_joblib(thing):
    file = io.BytesIO()
    joblib.dump(thing, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(thing):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(thing)
    return skops.loads(data, trusted=skops.get_untrusted_types(data=data))


WAYS = [by_pickle, by_joblib, by_skops]


@cache
def fitted(kind, case):
    return SEARCHES[kind](*CASES[case]).fit(X, Y)


def table(results):
    """Return ``cv_results_`` as text, with the type of each column."""
    return {name: (type(column), str([*column])) for name, column in results.items()}


@pytest.mark.parametrize("through", [by_pickle, by_joblib, by_skops])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", SEARCHES)
def test_a_fitted_search_goes_through_a_file(kind, case, through):
    search = fitted(kind, case)
    twin = through(search)
    assert vars(twin).keys() == vars(search).keys()
    assert table(twin.cv_results_) == table(search.cv_results_)
    assert_array_equal(twin.predict(X), search.predict(X))
    assert hasattr(twin, "predict_score") == hasattr(search, "predict_score")
    if hasattr(search, "predict_score"):
        candidates = search.cv_results_["params"]
        expected = search.predict_score(candidates)
        assert_array_equal(twin.predict_score(candidates), expected)


@pytest.mark.parametrize("through", [clone, by_pickle, by_joblib, by_skops])
@pytest.mark.parametrize("kind", SEARCHES)
def test_what_comes_from_a_file_can_be_fitted(kind, through):
    search = fitted(kind, "dicts")
    again = clone(through(search)).fit(X, Y)
    scores = again.cv_results_["mean_test_score"]
    assert_array_equal(scores, search.cv_results_["mean_test_score"])
    assert again.cv_results_["params"] == search.cv_results_["params"]


@pytest.mark.parametrize("through", [by_pickle, by_skops])
@pytest.mark.parametrize("name", PREDICTING)
def test_what_predicts_goes_through_a_file(name, through):
    space = SearchSpace(CASES["dicts"][1])
    optimizer = OPTIMIZERS[name]()
    run(optimizer, space, lambda rows: np.nansum(rows, axis=1), 12)
    rows = space.sample(20, np.random.default_rng(0))
    expected = optimizer.predictor.predict(rows)
    assert_array_equal(through(optimizer.predictor).predict(rows), expected)


def test_evolution_keeps_no_populations():
    assert not hasattr(fitted("evolutionary", "dicts")._optimizer, "ask")


@pytest.mark.parametrize("through", [by_pickle, by_skops])
def test_a_space_goes_through_a_file(through):
    structures, lists = CASES["structures"][1], CASES["lists"][1]
    space = SearchSpace([structures, {**lists, "C": structures["C"]}])
    twin = through(space)
    rows = space.sample(20, np.random.default_rng(0))
    assert_array_equal(twin.from_unit(rows), rows)
    assert_array_equal(twin.active, space.active)
    assert twin.groups == space.groups
    assert [*map(twin.decode, rows)] == [*map(space.decode, rows)]
