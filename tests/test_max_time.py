"""The end that max_time puts to a search, whatever spends the time."""

import inspect
import sys
import threading
import time
from collections import Counter

import joblib
import numpy as np
import pytest
from probes import GrowingProbe
from scipy.stats import uniform

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV

X, Y = np.zeros((100, 1)), np.arange(100) % 2
FITS = []


@pytest.fixture(autouse=True)
def _no_fits():
    FITS.clear()


class Slow(GrowingProbe):
    """Takes three seconds, where it has all rows and iterations; best at 0.3."""

    def __init__(self, x=0.5, n_estimators=9, warm_start=False, seconds=3.0, bad=2.0):
        super().__init__(x, n_estimators, warm_start)
        self.seconds = seconds
        self.bad = bad

    def fit(self, X, y):
        if len(X) < len(Y):  # not the refit
            FITS.append((time.monotonic(), self.x))
        time.sleep(self.seconds * self.n_left / 9 * len(X) / 90)
        if self.x > self.bad:
            raise ValueError("too large")
        return super().fit(X, y)

    def score(self, X, y):
        return -abs(self.x - 0.3) - 1 / self.done_


SEARCHES = {
    "plain": (BayesSearchCV, {"n_iter": 30}),
    "racing": (BayesSearchCV, {"n_iter": 30, "scheduler": "racing"}),
    "evolution": (EvolutionarySearchCV, {"n_iter": 30}),
    "folds": (HyperbandSearchCV, {"resource": "folds"}),
    "rows": (HyperbandSearchCV, {"resource": "n_samples", "min_resources": 10}),
    "going on": (HyperbandSearchCV, {"resource": "n_estimators"}),
    "hyperband": (
        HyperbandSearchCV,
        {"resource": "n_estimators", "scheduler": "hyperband"},
    ),
    "asha": (
        HyperbandSearchCV,
        {"resource": "n_estimators", "scheduler": "asha"},
    ),
    "learning": (
        HyperbandSearchCV,
        {"resource": "n_estimators", "optimizer": "tpe", "n_candidates": 27},
    ),
}


def make(kind, **settings):
    cls, own = SEARCHES[kind]
    if own.get("resource") == "n_estimators":
        own = {"min_resources": 1, "max_resources": 9, **own}
    settings = {"cv": 10, "random_state": 0, **own, **settings}
    return cls(Slow(), {"x": uniform()}, **settings)


def n_whole(search):
    """Return how many candidates have had all there is."""
    whole = np.ones(len(search.cv_results_["params"]), dtype=bool)
    if "n_resources" in search.cv_results_:
        whole = search.cv_results_["n_resources"] == search.max_resources_
        top = search.n_possible_iterations_ - 1
        assert (search.cv_results_["iter"][whole] == top).all()
    folds = [search.cv_results_[f"split{i}_test_score"][whole] for i in range(10)]
    return int(np.isfinite(folds).all(axis=0).sum())


@pytest.mark.parametrize("max_time", [0.5, 2, 20, 40, 100])
@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("kind", SEARCHES)
def test_no_fit_begins_too_late_but_for_one_candidate(kind, refit, max_time, clock):
    deadline = clock.now + max_time
    search = make(kind, max_time=max_time, refit=refit).fit(X, Y)
    late = [x for began, x in FITS if began > deadline]
    assert len(set(late)) <= 1
    # that models may go on is tried by one job, of three short fits
    assert len(late) <= 10 + 2 * (search.get_params().get("resource") == "n_estimators")
    if kind in ("plain", "racing", "evolution", "folds"):  # no fold is fitted twice
        assert max(Counter(x for _, x in FITS).values()) <= 10
    assert n_whole(search) >= 1
    if late:
        assert n_whole(search) == 1
        assert search.best_params_["x"] == late[0]
    else:
        assert clock.now <= deadline + 3 + refit * 2.5


def test_a_slow_candidate_after_fast_ones_is_left(clock):
    points = [{"x": 0.5, "seconds": 0.1}, {"x": 0.3, "seconds": 30.0}]
    search = BayesSearchCV(
        Slow(),
        {"x": uniform(), "seconds": uniform(0, 100)},
        n_iter=2,
        initial_candidates=points,
        cv=10,
        max_time=10,
        refit=False,
        random_state=0,
    ).fit(X, Y)
    assert search.cv_results_["params"] == points[:1]
    assert len(FITS) == 11  # the second one had begun when nobody could know
    assert search.history_["status"] == ["complete", "incomplete"]
    assert search.history_["n_folds"] == [10, 1]


def test_the_first_candidates_of_many_workers():
    n_workers = 4
    with joblib.parallel_config("threading", n_jobs=n_workers):
        search = make("plain", max_time=0.4, refit=False, max_concurrent=8)
        search.set_params(estimator__seconds=0.3)
        began = time.monotonic()
        search.fit(X, Y)
    assert n_whole(search) >= 1
    late = [x for start, x in FITS if start > began + 0.4]
    # each worker may have been given a fit right before
    assert len(late) <= 10 + n_workers


class Barred(Slow):
    """The fits of all candidates but the first wait for the deadline."""

    deadline = 0.0
    lock = threading.Lock()

    def fit(self, X, y):
        with self.lock:
            FITS.append((time.monotonic(), self.x))
        n = len(FITS)
        time.sleep(0.0 if n <= 10 else max(0.0, self.deadline - time.monotonic()) + 0.2)
        self.done_ = 9
        self.classes_ = np.unique(y)
        return self


@pytest.mark.parametrize("kind", ["plain", "racing", "folds"])
@pytest.mark.parametrize("n_workers", [2, 4])
def test_each_worker_has_one_late_fit_at_most(kind, n_workers, monkeypatch):
    how = {"n_candidates": 30} if kind == "folds" else {}
    search = make(kind, max_time=1.0, refit=False, **how)
    search.set_params(estimator=Barred())
    with joblib.parallel_config("threading", n_jobs=n_workers):
        began = time.monotonic()
        monkeypatch.setattr(Barred, "deadline", began + 1.0)
        search.fit(X, Y)
    late = [x for start, x in FITS if start > began + 1.0]
    completing = 10 if kind != "plain" else 0
    assert len(late) <= n_workers + completing
    assert n_whole(search) >= 1


def test_candidates_that_fail_are_not_completed(clock):
    """The first of all fails, and at the deadline none is complete."""
    search = make("going on", max_time=14.0, n_candidates=9, refit=False)
    search.set_params(estimator__bad=0.45, error_score=np.nan)
    with pytest.warns(Warning, match="fits failed|non-finite"):
        search.fit(X, Y)
    assert n_whole(search) == 1
    assert search.best_params_["x"] <= 0.45


class Tiring(Slow):
    """Takes longer than planned where it goes on."""

    def fit(self, X, y):
        self.seconds = 100.0 if hasattr(self, "done_") else 1.0
        return super().fit(X, y)


def test_a_large_rung_ends(clock):
    """Each of those that may not go on is declined, without a call inside a call."""
    search = make("going on", n_candidates=900, max_time=300, cv=2, refit=False)
    search.set_params(estimator=Tiring(), optimizer="random")
    began = clock.now
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)
    try:
        search.fit(X, Y)
    finally:
        sys.setrecursionlimit(limit)
    # one candidate is completed, which goes on for 100 s at most on each of two folds
    assert clock.now <= began + 300 + 2 * 100
    n_declined = search.n_candidates_[0] // 3 - search.n_candidates_[1]
    assert n_declined > 200
    assert (search.cv_results_["n_resources"] == 9).sum() == 1


@pytest.mark.parametrize("kind", ["plain", "racing", "folds", "rows", "going on"])
def test_what_is_done_is_in_the_checkpoint(kind, tmp_path, clock):
    """The one that goes on repeats no fit, and ends as one that was never cut."""
    settings = {"refit": False}
    if kind not in ("plain", "racing"):
        settings["n_candidates"] = 9
    else:
        settings["n_iter"] = 6
    whole = make(kind, **settings).fit(X, Y)
    n_fits = len(FITS)
    FITS.clear()
    settings["checkpoint"] = tmp_path / "search.jsonl"
    make(kind, max_time=25, **settings).fit(X, Y)
    n_first = len(FITS)
    assert 10 <= n_first < n_fits
    resumed = make(kind, **settings).fit(X, Y)
    for name, column in whole.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(resumed.cv_results_[name], column)
    # of rungs that were cut short others may have gone on, and models are trained again
    assert len(FITS) <= n_fits + (n_first if "resource" in SEARCHES[kind][1] else 0)
    if kind in ("plain", "racing"):
        FITS.clear()
        clock.tick = 1.0  # it may take long to read
        assert make(kind, max_time=1, **settings).fit(X, Y).n_candidates_evaluated_ == 6
        assert not FITS
