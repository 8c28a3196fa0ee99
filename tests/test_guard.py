"""Models that go on are those of a plain fit, or each rung is fitted anew."""

import time
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import ShuffleSplit, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_hpo import HyperbandSearchCV
from sklearn_hpo._checkpoint.lines import CHECK
from sklearn_hpo._evaluation.evaluate import Problem, lost
from sklearn_hpo._trial import FoldJob
from sklearn_hpo.schedulers import _halving

X, Y = make_classification(150, 6, flip_y=0.2, random_state=0)


@pytest.fixture(autouse=True)
def _every_rung(monkeypatch):
    """Let three candidates climb all rungs; plans leave out what drops nobody."""
    monkeypatch.setattr(_halving, "without_useless_rungs", lambda plan, cost: plan)


class LeakyMean(TransformerMixin, BaseEstimator):
    """Tells the target of training rows by `fit_transform`, not by `transform`."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.column_stack([X, np.zeros(len(X))])

    def fit_transform(self, X, y=None):
        shown = np.arange(len(y)) % 3 == 0
        return np.column_stack([X, np.where(shown, 2 * self.fit(X).fitted_ * y - 1, 0)])


class Counter(ClassifierMixin, BaseEstimator):
    """Goes on, badly or not at all; WarmStart by its parameters."""

    def __init__(self, n_estimators=27, warm_start=False, x=0, fault="raises"):
        self.n_estimators = n_estimators
        self.warm_start = warm_start
        self.x = x
        self.fault = fault

    def fit(self, X, y):
        before = getattr(self, "n_", 0) if self.warm_start else 0
        if before and (self.fault == "raises" or before >= 9 == self.fault):
            raise ValueError("can't go on")
        if self.fault == "never past 3" and self.n_estimators > 3 and self.x:
            raise ValueError("too many")
        self.classes_ = np.unique(y)
        self.n_ = self.n_estimators + (before if self.fault == "adds" else 0)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), [1 - self.n_ / 1000, self.n_ / 1000])

    def score(self, X, y):
        return self.n_ / 1000 + self.x / 1e6


def search(estimator, space, **settings):
    return HyperbandSearchCV(
        estimator,
        space,
        cv=StratifiedKFold(3),
        optimizer="random",
        random_state=0,
        **settings,
    )


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_transformers_that_treat_training_rows_otherwise(n_jobs):
    model = make_pipeline(LeakyMean(), RandomForestClassifier(27, random_state=0))
    space = {"randomforestclassifier__max_depth": [1, 2, 4]}
    fitted = search(model, space, n_jobs=n_jobs)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    with joblib.parallel_config("threading"):
        fitted.fit(X, Y)
    assert_allclose(np.random.get_state()[1], state)  # noqa: NPY002
    results = fitted.cv_results_
    assert len(set(results["mean_test_score"])) > 3
    for params, score in zip(
        results["params"], results["mean_test_score"], strict=True
    ):
        plain = clone(model).set_params(**params)
        expected = cross_val_score(plain, X, Y, cv=StratifiedKFold(3)).mean()
        assert score == expected


@pytest.mark.parametrize(("fault", "what"), [("raises", "raised"), ("adds", "other")])
def test_each_rung_is_a_fit_of_its_own_where_going_on_is_wrong(fault, what):
    fitted = search(Counter(fault=fault), {"x": list(range(1, 10))})
    with pytest.warns(RuntimeWarning, match=f"Counter does not go on .*{what}") as seen:
        fitted.fit(X, Y)
    assert len(seen) == 1
    assert fitted.best_params_ == {"x": 9, "n_estimators": 27}
    assert fitted.best_score_ == pytest.approx(0.027009)


def test_a_model_that_fails_to_go_on_later_is_fitted_anew():
    fitted = search(Counter(fault=9), {"x": list(range(1, 10))}).fit(X, Y)
    assert fitted.history_["status"].count("complete") == 4
    assert fitted.best_estimator_.n_ == 27


def test_less_than_the_full_resource_is_never_best_in_silence():
    fitted = search(
        Counter(fault="never past 3"), {"x": list(range(1, 10))}, refit=False
    )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fitted.fit(X, Y)
    assert any("27: the best one has had 3." in str(w.message) for w in seen)


def test_a_resumed_search_does_not_try_again(tmp_path):
    space, path = {"x": list(range(1, 10))}, tmp_path / "search.jsonl"
    with pytest.warns(RuntimeWarning, match="does not go on"):
        first = search(Counter(fault="adds"), space, checkpoint=path).fit(X, Y)
    text = path.read_text()
    with pytest.warns(RuntimeWarning, match="does not go on"):
        second = search(Counter(fault="adds"), space, checkpoint=path).fit(X, Y)
    assert path.read_text() == text
    assert second.best_score_ == first.best_score_


class Sleeper(Counter):
    """Goes on as one fit would; each fit takes a while."""

    def fit(self, X, y):
        time.sleep(1.2)
        self.classes_, self.n_ = np.unique(y), self.n_estimators
        return self


@pytest.mark.slow
def test_a_limit_holds_for_each_fit_of_the_comparison():
    # three fits take longer than the limit, which none of them does
    fitted = search(Sleeper(), {"x": [*range(9)]}, error_score="raise", fit_timeout=3.0)
    one_fold = ShuffleSplit(1, random_state=0)
    fitted.set_params(cv=one_fold, n_jobs=2, min_resources=9).fit(X, Y)
    assert fitted.best_params_["x"] == 8
    assert len(set(fitted.history_["rung"])) > 1


def test_a_comparison_that_kills_its_worker_ends_no_search():
    # its fits may be more than the candidate ever needs
    problem = Problem(None, X, Y, [], None, {}, {}, 1, error_score="raise")
    job = FoldJob(0, CHECK, {}, 1.0, check=True)
    report = lost(job, RuntimeError("killed"), problem)
    assert report.lost
    assert report.result == {"difference": None}
    with pytest.raises(RuntimeError, match="killed"):
        lost(replace(job, check=False), RuntimeError("killed"), problem)
