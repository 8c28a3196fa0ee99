"""Estimators that scikit-learn can't clone."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._evaluation.cloning import copy_unfitted

SEARCHES = [BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV]
rng = np.random.default_rng(0)
X = np.column_stack([rng.choice(["u", "v", "w"], 60), rng.normal(size=60)])
X = X.astype(object)
X[:, 1] = X[:, 1].astype(float)
Y = (X[:, 0] == "u").astype(int)


class Copying(ClassifierMixin, BaseEstimator):
    """Copies a list that it is given, as its constructor should not."""

    def __init__(self, columns=(0,), shift=0):
        self.columns = list(columns)
        self.shift = shift

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.shift])


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("make", SEARCHES)
def test_lists_that_a_constructor_copies(make, in_pipeline):
    estimator, name = Copying([0, 1]), "shift"
    if in_pipeline:
        estimator, name = Pipeline([("last", estimator)]), "last__shift"
    with pytest.raises(RuntimeError, match="Cannot clone"):
        clone(estimator)
    search = make(estimator, {name: [0, 1]}, cv=2, error_score="raise").fit(X, Y)
    assert search.best_params_ == {name: 0}
    last = search.best_estimator_[-1] if in_pipeline else search.best_estimator_
    assert last.columns == [0, 1]
    assert not hasattr(estimator[-1] if in_pipeline else estimator, "classes_")


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("make", SEARCHES)
def test_catboost_with_categories_in_its_constructor(make, in_pipeline):
    library = pytest.importorskip("catboost")
    quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
    estimator = library.CatBoostClassifier(iterations=5, cat_features=[0], **quiet)
    name = "depth"
    if in_pipeline:
        steps = [("same", FunctionTransformer()), ("last", estimator)]
        estimator, name = Pipeline(steps), "last__depth"
    search = make(estimator, {name: [1, 2]}, cv=2, error_score="raise").fit(X, Y)
    last = search.best_estimator_[-1] if in_pipeline else search.best_estimator_
    assert last.get_cat_feature_indices() == [0]
    assert search.score(X, Y) == 1.0


def test_what_is_fitted_is_not_copied():
    estimator = Pipeline([("last", Copying([0, 1]))]).fit(X, Y)
    with pytest.raises(RuntimeError, match="pass an estimator that is not fitted"):
        BayesSearchCV(estimator, {"last__shift": [0, 1]}).fit(X, Y)


class Forgetful(Copying):
    """Its copies have other columns."""

    def __deepcopy__(self, memo):
        return type(self)([9])


def test_a_copy_with_other_parameters_is_refused():
    with pytest.raises(RuntimeError, match="can't be copied in another way"):
        BayesSearchCV(Forgetful([0, 1]), {"shift": [0, 1]}, cv=2).fit(X, Y)


class Slotted:
    """Has a fit, but no dict of attributes."""

    __slots__ = ()

    def fit(self, X):
        return self

    def __repr__(self):
        return "Slotted()"


def test_parameters_may_have_slots():
    assert copy_unfitted(Copying([0, 1], Slotted())).columns == [0, 1]


def test_what_can_be_cloned_is_cloned():
    estimator = LogisticRegression(C=3.0).fit(rng.normal(size=(60, 2)), Y)
    copied = copy_unfitted(estimator)
    assert copied.C == 3.0
    assert not hasattr(copied, "coef_")
