"""The same candidates give what RandomizedSearchCV gives, in every respect."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import BayesSearchCV

X, Y = make_classification(n_samples=90, n_features=6, flip_y=0.2, random_state=0)
GROUPS = np.arange(90) % 9
WEIGHTS = np.linspace(0.1, 2.0, 90)
GRID = {"max_depth": [1, 2, 3, None], "min_samples_leaf": [1, 5, 20]}
TREE = DecisionTreeClassifier(random_state=0)


def two_scores(estimator, X, y):
    predicted = estimator.predict(X)
    return {"acc": accuracy_score(y, predicted), "f1": f1_score(y, predicted)}


def nan_for_stumps(estimator, X, y):
    return np.nan if estimator.max_depth == 1 else estimator.score(X, y)


def most_accurate_late(results):
    return int(len(results["params"]) - 1 - results["mean_test_acc"][::-1].argmax())


class PickyClassifier(ClassifierMixin, BaseEstimator):
    """Fails for some of its parameters."""

    def __init__(self, depth=1):
        self.depth = depth

    def fit(self, X, y):
        if self.depth > 2:
            raise RuntimeError("too deep")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.depth % 2])


def last(results):
    return len(results["params"]) - 1


def fit_both(estimator, space, data=(X, Y), metadata=None, **settings):
    """Return RandomizedSearchCV and BayesSearchCV fitted on the same candidates."""
    settings = {"n_iter": 8, "cv": 3, "random_state": 7, **settings}
    theirs = RandomizedSearchCV(estimator, space, **settings)
    theirs.fit(*data, **(metadata or {}))
    ours = BayesSearchCV(
        estimator,
        space,
        optimizer="random",
        initial_candidates=theirs.cv_results_["params"],
        **settings,
    )
    ours.fit(*data, **(metadata or {}))
    return theirs, ours


def assert_same_results(theirs, ours):
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    for key, expected in theirs.cv_results_.items():
        if "_time" in key:
            assert ours.cv_results_[key].shape == expected.shape
        elif key == "params":
            assert ours.cv_results_[key] == expected
        else:
            assert_array_equal(ours.cv_results_[key], expected, err_msg=key)
            assert ours.cv_results_[key].dtype == expected.dtype, key
            assert type(ours.cv_results_[key]) is type(expected), key
    for name in ("best_index_", "best_score_", "best_params_", "multimetric_"):
        assert hasattr(ours, name) == hasattr(theirs, name)
        assert getattr(ours, name, None) == getattr(theirs, name, None), name
    assert ours.n_splits_ == theirs.n_splits_
    assert str(ours.scorer_) == str(theirs.scorer_)
    assert hasattr(ours, "best_estimator_") == hasattr(theirs, "best_estimator_")


CASES = {
    "plain": {},
    "train scores": {"return_train_score": True},
    "str scoring": {"scoring": "balanced_accuracy"},
    "no refit": {"refit": False},
    "several scores": {"scoring": ["accuracy", "f1"], "refit": "f1"},
    "several scores, no refit": {"scoring": ["accuracy", "f1"], "refit": False},
    "dict of scorers": {
        "scoring": {"acc": "accuracy", "f": make_scorer(f1_score)},
        "refit": "acc",
        "return_train_score": True,
    },
    "callable scoring": {"scoring": two_scores, "refit": "f1"},
    "callable refit": {"scoring": two_scores, "refit": most_accurate_late},
    "callable refit, one score": {"refit": last},
    "splitter": {"cv": KFold(4, shuffle=True, random_state=1)},
    "list of splits": {"cv": list(KFold(3).split(X))},
}


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_settings(settings):
    theirs, ours = fit_both(TREE, GRID, **settings)
    assert_same_results(theirs, ours)
    refit = settings.get("refit", True)
    if refit:
        assert_array_equal(ours.predict(X), theirs.predict(X))
    if refit and not callable(refit):  # score can't know its metric then
        assert ours.score(X, Y) == theirs.score(X, Y)


DATA = {
    "sparse": (LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, (csr_array(X), Y)),
    "frame": (
        make_pipeline(StandardScaler().set_output(transform="pandas"), Ridge()),
        {"ridge__alpha": [0.1, 1.0, 10.0]},
        (pd.DataFrame(X, columns=list("abcdef")), pd.Series(Y)),
    ),
    "no y": (KMeans(random_state=0, n_init=1), {"n_clusters": [2, 3, 4]}, (X,)),
    "precomputed": (SVC(kernel="precomputed"), {"C": [0.1, 1.0]}, (X @ X.T, Y)),
    "lists": (TREE, GRID, (X.tolist(), Y.tolist())),
    "estimators as choices": (
        make_pipeline(StandardScaler(), Ridge()),
        {"standardscaler": [StandardScaler(), "passthrough"], "ridge__alpha": [1, 9]},
        (X, Y),
    ),
}


@pytest.mark.parametrize(("estimator", "space", "data"), DATA.values(), ids=DATA)
def test_data(estimator, space, data):
    theirs, ours = fit_both(estimator, space, data, n_iter=2)
    assert_same_results(theirs, ours)
    assert_array_equal(ours.predict(data[0]), theirs.predict(data[0]))
    if hasattr(theirs, "feature_names_in_"):
        assert_array_equal(ours.feature_names_in_, theirs.feature_names_in_)


def test_branches_mask_what_they_lack():
    space = [{"kernel": ["linear"], "C": [1, 2, 3]}, {"gamma": [0.1, 1.0], "C": [1, 2]}]
    assert_same_results(*fit_both(SVC(), space, n_iter=6))


def test_groups_without_routing():
    metadata = {"groups": GROUPS}
    assert_same_results(*fit_both(TREE, GRID, cv=GroupKFold(3), metadata=metadata))


def test_sample_weight_without_routing():
    metadata = {"sample_weight": WEIGHTS}
    theirs, ours = fit_both(TREE, GRID, metadata=metadata)
    assert_same_results(theirs, ours)
    _, unweighted = fit_both(TREE, GRID)
    assert not np.array_equal(
        ours.cv_results_["mean_test_score"], unweighted.cv_results_["mean_test_score"]
    )


def test_metadata_with_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        tree = DecisionTreeClassifier(random_state=0).set_fit_request(
            sample_weight=True
        )
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        metadata = {"sample_weight": WEIGHTS, "groups": GROUPS}
        settings = {"cv": GroupKFold(3), "scoring": scorer, "metadata": metadata}
        theirs, ours = fit_both(tree, GRID, **settings)
        assert_same_results(theirs, ours)
        assert ours.score(X, Y, sample_weight=WEIGHTS) == theirs.score(
            X, Y, sample_weight=WEIGHTS
        )


@pytest.mark.parametrize("error_score", [np.nan, -1.0])
def test_failing_fits(error_score):
    space = {"depth": [1, 2, 3, 4]}
    with pytest.warns() as caught:
        theirs, ours = fit_both(
            PickyClassifier(), space, n_iter=4, error_score=error_score
        )
    assert_same_results(theirs, ours)
    messages = [str(w.message) for w in caught if w.category is FitFailedWarning]
    assert len(messages) == 2
    assert "6 fits failed out of a total of 12" in messages[0]
    assert "6 fits failed out of a total of 12" in messages[1]


def test_failing_fits_with_a_callable_that_returns_a_dict():
    with pytest.warns(FitFailedWarning):
        theirs, ours = fit_both(
            PickyClassifier(),
            {"depth": [3, 1, 2]},
            n_iter=3,
            scoring=two_scores,
            refit="acc",
            error_score=0.0,
        )
    assert_same_results(theirs, ours)


def test_nan_scores():
    with pytest.warns(UserWarning, match="non-finite"):
        theirs, ours = fit_both(TREE, GRID, scoring=nan_for_stumps, n_iter=12)
    assert_same_results(theirs, ours)


@pytest.mark.parametrize("search_type", [RandomizedSearchCV, BayesSearchCV])
def test_error_score_raise(search_type):
    search = search_type(
        PickyClassifier(), {"depth": [3, 1]}, n_iter=2, error_score="raise"
    )
    with pytest.raises(RuntimeError, match="too deep"):
        search.fit(X, Y)


@pytest.mark.parametrize(
    "grid",
    [
        GRID,
        [{"max_depth": [1, 2], "min_samples_leaf": [2, 3]}, {"max_depth": range(3, 5)}],
        {"max_depth": [2, 1, 2], "min_samples_leaf": [4, 4]},
    ],
    ids=["dict", "list of dicts", "repeats"],
)
def test_whole_grid_as_in_grid_search(grid):
    ours = BayesSearchCV(TREE, grid, n_iter=50, cv=3).fit(X, Y)
    theirs = GridSearchCV(TREE, grid, cv=3).fit(X, Y)
    assert_same_results(theirs, ours)
    n_distinct = len({str(sorted(p.items())) for p in theirs.cv_results_["params"]})
    assert len(ours.history_["candidate"]) == n_distinct
