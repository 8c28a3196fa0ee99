"""What rungs cost is measured on the first candidate, and may change the plan."""

import time
import warnings
from contextlib import suppress

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from probes import GrowingProbe
from scipy.stats import uniform
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from sklearn_hpo import HyperbandSearchCV, read_checkpoint
from sklearn_hpo._evaluation.resources import Prices, _guard

X, Y = make_classification(60, 4, random_state=0)
CLOCK = [0.0]
FITS = []
STOP = {}


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    """Let fits take what they say, whatever else the machine does."""
    FITS.clear()
    STOP.clear()
    monkeypatch.setattr(_guard, "_now", lambda: np.array([CLOCK[0], 0.0]))


class Taking(GrowingProbe):
    """A fit takes `fixed` seconds, and `each` more for each iteration."""

    def __init__(
        self,
        n_estimators=27,
        warm_start=False,
        x=0.5,
        fixed=0.0,
        each=0.0,
        scoring=0.0,
        goes_on=True,
        most=27,
    ):
        super().__init__(x, n_estimators, warm_start)
        self.fixed = fixed
        self.each = each
        self.scoring = scoring
        self.goes_on = goes_on
        self.most = most

    def fit(self, X, y):
        FITS.append(self.n_estimators)
        if len(FITS) == STOP.get("at"):
            raise KeyboardInterrupt
        goes_on = self.n_left < self.n_estimators
        if (goes_on and not self.goes_on) or self.n_estimators > self.most:
            raise ValueError("no further")
        CLOCK[0] += self.fixed + self.each * self.n_left
        return super().fit(X, y)

    def score(self, X, y):
        CLOCK[0] += self.scoring
        return self.x + self.done_ / 1e6 + X[:, 0].mean() / 1e3


def search(estimator, **settings):
    return HyperbandSearchCV(
        estimator,
        {"x": uniform()},
        **{
            "min_resources": 3 if settings.get("resource") else "auto",
            "n_candidates": 9,
            "optimizer": "random",
            "random_state": 0,
            "refit": False,
            **settings,
        },
    )


def rungs(fitted):
    return fitted.n_candidates_, fitted.n_resources_


def test_prices_are_what_fits_took():
    prices = Prices((0.1, 0.3, 1.0), (2.0, 3.0, 6.0), (4.0, 8.0))
    steps = [(0.1, 0.0), (0.3, 0.1), (1.0, 0.3), (0.3, 0.0), (1.0, 0.0)]
    assert_allclose([8 * prices(*step) for step in steps], [2, 3, 6, 4, 8])
    # a rung that is left out: its part of the step, but only one beginning
    assert prices(1.0, 0.1) == pytest.approx(8 / 8)
    assert prices.measuring == pytest.approx((2 + 3 + 6 + 4 + 8) / 8)
    anew = Prices((0.1, 1.0), (2.0,), (8.0, 8.0), goes_on=False)
    assert [anew(0.1, 0.0), anew(1.0, 0.1)] == [0.25, 1.0]
    assert anew.measuring == 10 / 8


def test_times_of_other_programs_do_not_count():
    computing = np.array([[4.0, 1.0], [9.0, 2.0]])
    assert _guard._on_one_clock(computing) == [1.0, 2.0]
    waiting = np.array([[4.0, 0.1], [9.0, 0.1]])
    assert _guard._on_one_clock(waiting) == [4.0, 9.0]


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("optimizer", ["random", "gp"])
def test_a_resource_that_saves_too_little_gives_way_to_folds(
    optimizer, goes_on, n_jobs, capsys
):
    model = Taking(fixed=1.0, each=0.01, goes_on=goes_on)
    settings = {"optimizer": optimizer, "n_jobs": n_jobs, "max_concurrent": 2}
    with joblib.parallel_config("threading"):
        turned = search(model, **settings, verbose=1).fit(X, Y)
        folds = search(model, **settings, resource="folds", min_resources=1).fit(X, Y)
    assert turned.resource_ == "folds"
    assert rungs(turned) == rungs(folds)
    for name in ("params", "mean_test_score", "n_resources"):
        assert list(turned.cv_results_[name]) == list(folds.cv_results_[name])
    assert "n_estimators" not in turned.cv_results_["params"][0]
    assert turned.best_params_ == folds.best_params_
    assert (
        "Turning to folds, as n_estimators saves too little" in capsys.readouterr()[0]
    )
    # what has been tried before is part of it
    planned = np.sum(turned.history_["planned_cost"])
    assert planned == pytest.approx(np.sum(turned.plan_["cost"]))
    assert planned > np.sum(folds.plan_["cost"]) + 0.3


def test_a_turned_search_refits_with_the_estimators_own_value():
    turned = search(Taking(fixed=1.0), refit=True).fit(X, Y)
    assert turned.resource_ == "folds"
    assert turned.best_estimator_.done_ == 27


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (Taking(fixed=1.0), {"resource": "n_estimators"}),
        (Taking(fixed=1.0), {"min_resources": 3}),
        (Taking(fixed=1.0), {"max_resources": 27}),
        (Taking(fixed=1.0), {"cv": [(np.arange(40), np.arange(40, 60))]}),
        (Taking(fixed=0.15), {}),  # quick
        (Taking(each=1.0), {}),
        (Taking(fixed=1.0, each=0.4), {}),  # not that much cheaper
        (Taking(fixed=1.0), {"max_time": 1000.0}),  # may be too little for a whole fit
        (Taking(fixed=1.0, most=15), {}),  # a first candidate that tells nothing
    ],
)
def test_what_is_named_or_quick_or_pays_is_kept(model, settings):
    fitted = search(model, **settings)
    with pytest.warns() if model.most < 27 else joblib.parallel_config("threading"):
        fitted.fit(X, Y)
    assert fitted.resource_ == "n_estimators"
    assert rungs(fitted)[1][0] == 3


@pytest.mark.parametrize("goes_on", [True, False])
def test_the_plan_tells_what_was_measured(goes_on):
    model = Taking(fixed=1.0, each=0.4, scoring=2.0, goes_on=goes_on)
    fitted = search(model, resource="n_estimators")
    by_rule = fitted.plan(X, Y)
    if goes_on:
        fitted.fit(X, Y)
    else:
        with pytest.warns(RuntimeWarning, match="does not go on"):
            fitted.fit(X, Y)
    assert fitted.plan(X, Y) == by_rule
    (n, more, most), whole = fitted.n_candidates_, 3 + 27 * 0.4
    assert fitted.n_resources_ == [3, 9, 27]
    added = [3, 6, 18] if goes_on else [3, 9, 27]
    steps = 3 + 0.4 * np.array(added)
    in_one_go = 3 + 0.4 * np.array([9, 27])
    tried = (steps.sum() if goes_on else steps[0]) + in_one_go.sum()
    expected = np.array([n, more, most]) * steps / whole
    expected[0] += tried / whole / 5
    assert_allclose(fitted.plan_["cost"], expected)
    assert sum(fitted.history_["planned_cost"]) == pytest.approx(expected.sum())


@pytest.mark.parametrize("before", [1.0, 0.0])
@pytest.mark.parametrize(("at", "max_time"), [(7, None), (12, 1e4), (25, None)])
def test_a_resumed_search_keeps_its_plan_whatever_fits_take_now(
    before, at, max_time, tmp_path, monkeypatch
):
    whole = search(Taking(fixed=before, each=1 / 27)).fit(X, Y)
    path = tmp_path / "search.jsonl"
    FITS.clear()
    STOP["at"] = at
    begun = search(Taking(fixed=before, each=1 / 27), checkpoint=path)
    with warnings.catch_warnings(), suppress(KeyboardInterrupt):
        warnings.filterwarnings("ignore", "The search was interrupted")
        begun.fit(X, Y)
    STOP.clear()
    text = path.read_text()
    resumed = search(Taking(fixed=before, each=1 / 27), checkpoint=path)
    # the same estimator on a machine where fits take otherwise
    monkeypatch.setattr(_guard, "_now", lambda: np.array([len(FITS) ** 2.0, 0.0]))
    resumed.set_params(max_time=max_time).fit(X, Y)
    assert path.read_text().startswith(text)
    assert resumed.resource_ == ("folds" if before else "n_estimators")
    assert resumed.plan_ == whole.plan_
    assert list(resumed.cv_results_["mean_test_score"]) == list(
        whole.cv_results_["mean_test_score"]
    )
    read = read_checkpoint(path)
    assert max(read["score"]) == pytest.approx(whole.best_score_, abs=0.1)
    n_folds = [5] if not before else [1, 2, 5]
    assert sorted(set(read["n_folds"])) == n_folds


def test_a_scheduler_that_says_how_many_candidates_there_are_turns_to_no_other_number():
    settings = {"scheduler": "hyperband", "n_candidates": "auto", "cv": 10}
    model = Taking(fixed=1.0, each=0.001, n_estimators=81, most=100)
    asked = search(model, **settings)
    n_first = sum(
        n
        for n, rung in zip(
            *(asked.plan(X, Y)[column] for column in ("n_candidates", "rung")),
            strict=True,
        )
        if rung == 0
    )
    fitted = asked.fit(X, Y)
    assert fitted.resource_ == "n_estimators"
    assert fitted.n_candidates_evaluated_ == n_first


def test_what_was_tried_is_not_tried_again_for_another_first_candidate(tmp_path):
    path = tmp_path / "search.jsonl"
    search(Taking(fixed=1.0), checkpoint=path).fit(X, Y)
    # it was killed when it had tried the first candidate
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    FITS.clear()
    other = {"initial_candidates": [{"x": 0.123}], "checkpoint": path}
    again = search(Taking(fixed=1.0), **other).fit(X, Y)
    assert again.resource_ == "folds"
    assert again.history_["params"][0] == {"x": 0.123}
    assert set(FITS) == {27}


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_of_folds_that_are_not_chosen():
    settings = {"scheduler": "hyperband", "n_candidates": "auto", "cv": 2}
    assert search(Taking(fixed=1.0), **settings).fit(X, Y).resource_ != "folds"


class Slow(TransformerMixin, BaseEstimator):
    """Takes a while for any rows."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        time.sleep(0.15)
        return X


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_steps_before_the_model_count(n_jobs, monkeypatch):
    monkeypatch.undo()
    model = make_pipeline(Slow(), RandomForestClassifier(27, random_state=0))
    fitted = search(model, n_jobs=n_jobs)
    fitted.param_distributions = {
        "randomforestclassifier__max_features": uniform(0.1, 0.8)
    }
    with joblib.parallel_config("threading"):
        fitted.fit(X, Y)
    assert fitted.resource_ == "folds"
    planned, paid = (
        sum(fitted.history_[f"{kind}_cost"]) for kind in ("planned", "paid")
    )
    assert 0.6 < paid / planned < 1.6
