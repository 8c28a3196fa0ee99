"""Searches that begin with what is known."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import loguniform, spearmanr, uniform
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV, knee
from sklearn_hpo.search._start import earlier_results
from sklearn_hpo.space import SearchSpace

X, Y = load_iris(return_X_y=True)
SPACE = {f"x{i}": uniform(0, 1) for i in range(4)}
OPTIMUM = np.array([0.2, 0.7, 0.4, 0.9])


class Bowl(RegressorMixin, BaseEstimator):
    """Scores by the distance of its parameters from an optimum."""

    def __init__(self, x0=0.5, x1=0.5, x2=0.5, x3=0.5, scale=1.0, shift=0.0):
        self.x0, self.x1, self.x2, self.x3 = x0, x1, x2, x3
        self.scale = scale
        self.shift = shift

    def fit(self, X, y):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        x = np.array([self.x0, self.x1, self.x2, self.x3])
        return -self.scale * float(((x - OPTIMUM - self.shift) ** 2).sum())


def search(estimator=None, space=SPACE, n_iter=12, seed=0, **settings):
    return BayesSearchCV(
        Bowl() if estimator is None else estimator,
        space,
        n_iter=n_iter,
        cv=2,
        random_state=seed,
        **settings,
    )


def known(n, seed=0):
    """Return random candidates and their scores."""
    rng = np.random.default_rng(seed)
    points = [dict(zip(SPACE, rng.random(4), strict=True)) for _ in range(n)]
    return [(p, Bowl(**p).score(X, Y)) for p in points]


def test_known_points_are_learnt_from_and_not_fitted_again():
    points = known(30)
    fitted = search(warm_start_from=points, n_iter=8).fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 8
    params = fitted.cv_results_["params"]
    best = max(points, key=lambda pair: pair[1])
    assert params[0] == best[0]
    assert not [p for p, _ in points if p in params[1:]]
    cold = search(n_iter=8).fit(X, Y)
    assert fitted.best_score_ > max(cold.best_score_, best[1])


def test_known_points_mix_with_others():
    fresh = {"x0": 0.1, "x1": 0.2, "x2": 0.3, "x3": 0.4}
    how = {"warm_start_from": known(3), "initial_candidates": [fresh]}
    fitted = search(n_iter=3, **how).fit(X, Y)
    assert fitted.cv_results_["params"][1] == fresh


BAD_POINTS = {
    "no pair": ({"x0": 0.5}, "a pair of a"),
    "no score": (({"x0": 0.5},), "a pair of a"),
    "a text for a score": (({"x0": 0.5}, "good"), "finite number"),
    "nan": (({"x0": 0.5}, np.nan), "finite number"),
    "outside": (({**dict.fromkeys(SPACE, 0.5), "x0": 2.0}, 1.0), "x0"),
}


@pytest.mark.parametrize(("point", "match"), BAD_POINTS.values(), ids=BAD_POINTS)
def test_bad_known_points(point, match):
    with pytest.raises(ValueError, match=match):
        search(warm_start_from=[point]).fit(X, Y)


def sources():
    theirs = RandomizedSearchCV(Bowl(), SPACE, n_iter=40, cv=2, random_state=1)
    theirs.fit(X, Y)
    return {
        "search": theirs,
        "dict": theirs.cv_results_,
        "frame": pd.DataFrame(theirs.cv_results_),
    }


@pytest.mark.parametrize("kind", ["search", "dict", "frame"])
def test_earlier_search_on_the_same_data(kind):
    source = sources()[kind]
    fitted = search(warm_start_from=source, n_iter=10).fit(X, Y)
    table = getattr(source, "cv_results_", source)
    best = table["params"][int(np.argmax(table["mean_test_score"]))]
    assert_allclose(list(fitted.cv_results_["params"][0].values()), list(best.values()))
    cold = search(n_iter=10).fit(X, Y)
    assert fitted.best_score_ > cold.best_score_
    assert fitted.best_score_ > -0.01


def test_earlier_search_helps_on_a_related_task():
    gains = []
    for seed in range(5):
        earlier = search(n_iter=30, seed=seed).fit(X, Y)
        related = Bowl(scale=40.0, shift=0.05)
        warm = search(related, n_iter=8, seed=seed, warm_start_from=earlier).fit(X, Y)
        cold = search(related, n_iter=8, seed=seed).fit(X, Y)
        # what comes after the best of the earlier search, which is tried first
        later = [f.cv_results_["mean_test_score"][1:].max() for f in (warm, cold)]
        gains.append(later[0] - later[1])
    assert min(gains) > 0


def test_misleading_search_is_soon_ignored():
    losses = {"misled": [], "cold": []}
    for seed in range(5):
        misleading = search(Bowl(scale=-1.0), n_iter=30, seed=seed).fit(X, Y)
        for name, source in (("misled", misleading), ("cold", None)):
            fitted = search(n_iter=30, seed=seed, warm_start_from=source).fit(X, Y)
            losses[name].append(-fitted.best_score_)
    assert np.median(losses["misled"]) < 0.01
    # a quarter of a random candidate's loss is about 0.15


def test_candidates_outside_the_new_space_are_left_out():
    earlier = GridSearchCV(SVC(), {"C": [0.1, 1, 1000.0]}, cv=2).fit(X, Y)
    space = {"C": loguniform(0.01, 10)}
    fitted = search(SVC(), space, n_iter=8, warm_start_from=earlier).fit(X, Y)
    assert max(p["C"] for p in fitted.cv_results_["params"]) <= 10
    with pytest.raises(ValueError, match="'C'"):
        search(SVC(), {"C": uniform(5, 1)}, warm_start_from=earlier).fit(X, Y)


def test_metric_of_an_earlier_search():
    earlier = GridSearchCV(
        SVC(), {"C": [0.001, 1]}, cv=2, scoring=["accuracy", "f1_macro"], refit=False
    ).fit(X, Y)
    settings = {"scoring": ["f1_macro", "accuracy"], "refit": "accuracy"}
    space = {"C": loguniform(1e-4, 10)}
    fitted = search(SVC(), space, n_iter=2, warm_start_from=earlier, **settings)
    assert fitted.fit(X, Y).cv_results_["params"][0]["C"] == pytest.approx(1.0)
    alone = search(SVC(), space, n_iter=2, warm_start_from=earlier, scoring="accuracy")
    assert alone.fit(X, Y).cv_results_["params"][0]["C"] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="'mean_test_score'"):
        search(SVC(), space, warm_start_from=earlier).fit(X, Y)


def test_an_earlier_search_stays_fitted_in_clones():
    earlier = search(SVC(), {"C": loguniform(1e-2, 10)}, n_iter=4).fit(X, Y)
    later = search(SVC(), {"C": loguniform(1e-2, 10)}, n_iter=2, seed=1)
    later.set_params(warm_start_from=earlier)
    assert np.isfinite(cross_val_score(later, X, Y, cv=2)).all()
    fitted = clone(clone(make_pipeline(later))).fit(X, Y)[-1]
    best = fitted.cv_results_["params"][0]["C"]
    assert best == pytest.approx(earlier.best_params_["C"])
    assert not hasattr(clone(earlier), "best_params_")


FOREST = RandomForestClassifier(9, random_state=0)
FEATURES = {"max_features": uniform(0.1, 0.9)}


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize(
    "earlier",
    [
        HyperbandSearchCV(
            FOREST,
            FEATURES,
            n_candidates=9,
            resource="n_estimators",
            min_resources=1,
            cv=2,
            random_state=0,
        ),
        HalvingRandomSearchCV(
            FOREST,
            FEATURES,
            resource="n_estimators",
            max_resources=9,
            cv=2,
            random_state=0,
        ),
    ],
    ids=lambda search: type(search).__name__,
)
def test_halving_is_a_source_without_its_resource(earlier, frame):
    """Its candidates count once, with the score on their last rung."""
    table = clone(earlier).fit(X, Y).cv_results_
    source = pd.DataFrame(table) if frame else table
    space = SearchSpace(FEATURES)
    found = earlier_results(source, ["score"], space)
    features = [params["max_features"] for params, _ in found]
    assert len(set(features)) == len(features)
    assert all(set(params) == {"max_features"} for params, _ in found)
    last = np.flatnonzero(table["n_resources"] == table["n_resources"].max())
    best = last[np.argmax(table["mean_test_score"][last])]
    assert found[0][1] == table["mean_test_score"][best]
    fitted = search(FOREST, FEATURES, n_iter=1, warm_start_from=source).fit(X, Y)
    assert fitted.best_params_ == pytest.approx(
        {"max_features": table["params"][best]["max_features"]}
    )


@pytest.mark.parametrize("refit", ["knee", "accuracy", False, lambda _: 0])
@pytest.mark.parametrize("scoring", [None, ["accuracy", "f1_macro"]])
def test_whatever_chooses_the_best_may_start_again(refit, scoring):
    how = {"scoring": scoring, "refit": refit}
    if refit == "knee":
        how["objectives"] = ["score" if scoring is None else "accuracy", "neg_fit_time"]
        how["refit"] = knee(how["objectives"])
    if refit == "accuracy" and scoring is None:
        how["refit"] = True
    space = {"C": loguniform(1e-2, 10)}
    one = search(SVC(), space, n_iter=4, **how).fit(X, Y)
    two = search(SVC(), space, n_iter=4, seed=1, warm_start_from=one, **how).fit(X, Y)
    name = "mean_test_score" if scoring is None else "mean_test_accuracy"
    best = one.cv_results_["params"][np.argmax(one.cv_results_[name])]
    assert two.cv_results_["params"][0] == pytest.approx(best)


def test_known_points_may_be_named_twice():
    one, two = ({"x0": x, "x1": 0.5, "x2": 0.5, "x3": 0.5} for x in (0.2, 0.9))
    twice = [(one, 1.1), (one, 1.0), (two, 0.5)]
    how = {"warm_start_from": twice, "initial_candidates": [two]}
    fitted = search(n_iter=5, **how).fit(X, Y)
    assert fitted.cv_results_["params"][:2] == [one, two]
    assert len(fitted.cv_results_["params"]) == fitted.n_candidates_evaluated_ == 5
    choices = {"x0": [0.2, 0.9]}
    few = [({"x0": 0.2}, 1.1), ({"x0": 0.2}, 1.0), ({"x0": 0.9}, 0.5)]
    fitted = search(space=choices, warm_start_from=few, n_iter=5).fit(X, Y)
    assert fitted.cv_results_["params"] == [{"x0": 0.2}]


@pytest.mark.parametrize("source", [3, "file", {"params": []}, Bowl()])
def test_no_search_at_all(source):
    with pytest.raises(ValueError, match="warm_start_from should be a fitted search"):
        search(warm_start_from=source).fit(X, Y)


def test_other_scores_are_listed():
    other = {"params": [{"x0": 1}], "mean_test_auc": [1], "mean_test_mse": [2]}
    with pytest.raises(ValueError, match=r"'mean_test_auc', 'mean_test_mse'"):
        search(warm_start_from=other).fit(X, Y)


def test_predicted_scores():
    fitted = search(n_iter=40).fit(X, Y)
    points, scores = zip(*known(200, seed=5), strict=True)
    mean, std = fitted.predict_score(list(points))
    errors = mean - np.array(scores)
    assert spearmanr(mean, scores).statistic > 0.8
    assert 0.6 < np.mean(np.abs(errors) < 2 * std) <= 1
    single = fitted.predict_score(points[0])
    assert_allclose(single, (mean[0], std[0]))
    best_mean, best_std = fitted.predict_score(fitted.best_params_)
    assert best_mean == pytest.approx(fitted.best_score_, abs=0.02)
    assert best_std < 0.02 < std.mean()
    with pytest.raises(ValueError, match="x0"):
        fitted.predict_score({**points[0], "x0": 3.0})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "kind", [EvolutionarySearchCV, partial(BayesSearchCV, optimizer="rbf")]
)
def test_scores_predicted_by_what_screens(kind, seed):
    fitted = kind(Bowl(), SPACE, n_iter=40, cv=2, random_state=seed).fit(X, Y)
    mean, std = fitted.predict_score(fitted.cv_results_["params"])
    assert_allclose(mean, fitted.cv_results_["mean_test_score"], atol=1e-3)
    assert_allclose(std, 0.0, atol=1e-3)
    points, scores = zip(*known(200, seed=5), strict=True)
    mean, std = fitted.predict_score(list(points))
    assert np.corrcoef(mean, scores)[0, 1] > 0.9
    assert 0.6 < np.mean(np.abs(mean - np.array(scores)) < 2 * std) <= 1
    assert std.mean() < np.std(scores)


def test_no_prediction_without_a_model():
    assert not hasattr(search(), "predict_score")
    fitted = search(optimizer="random", n_iter=2).fit(X, Y)
    assert not hasattr(fitted, "predict_score")
    with pytest.raises(AttributeError, match="has no attribute 'predict_score'"):
        fitted.predict_score(fitted.best_params_)
