"""Limits of fits, and workers that die."""

import multiprocessing
import os
import re
import signal
import threading
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from probes import GrowingProbe
from scipy.stats import uniform
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_validate

from sklearn_hpo import BayesSearchCV, HyperbandSearchCV
from sklearn_hpo._execution.limits import (
    CAN_MEASURE_MEMORY,
    Limits,
    limit_exceeded,
    limited,
)
from sklearn_hpo._trial import FoldJob

X, Y = load_iris(return_X_y=True)


class Risky(GrowingProbe):
    """Below 0.1 it hangs, then it eats memory, is killed, raises; else it is good."""

    def __init__(self, x=0.5, n_estimators=9, warm_start=False, holds_gil=False):
        super().__init__(x, n_estimators, warm_start)
        self.holds_gil = holds_gil

    def fit(self, X, y):
        super().fit(X, y)
        if self.x < 0.1:
            # one call into C that never gives Python a turn
            sum(range(10**12)) if self.holds_gil else time.sleep(1000)
        elif self.x < 0.2:
            hoard = []
            while True:
                hoard.append(np.ones(10**6))
                time.sleep(0.002)
        elif self.x < 0.3:
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.x < 0.4:
            raise RuntimeError("no")
        return self

    def score(self, X, y):
        return -((self.x - 0.6) ** 2)


def search(**how):
    settings = {"n_iter": 16, "cv": 2, "n_jobs": 2, "random_state": 0}
    settings |= {"error_score": -9.0, "optimizer": "random", "refit": False} | how
    return BayesSearchCV(Risky(), {"x": uniform(0, 1)}, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("holds_gil", [False, True])
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_bad_fits_cost_themselves_only(backend, holds_gil, tmp_path, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    fitted = search(fit_timeout=1.5, fit_memory_limit=3 * 10**8)
    fitted.set_params(estimator__holds_gil=holds_gil)
    with joblib.parallel_config(backend), pytest.warns(FitFailedWarning) as caught:
        fitted.fit(X, Y)
    x = np.array([p["x"] for p in fitted.cv_results_["params"]])
    scores = fitted.cv_results_["mean_test_score"]
    assert (scores[x < 0.4] == -9.0).all()
    np.testing.assert_allclose(scores[x > 0.4], -((x[x > 0.4] - 0.6) ** 2))
    text = str(caught[0].message)
    for low, words in (
        (0.0, "fit_timeout allows"),
        (0.1, "fit_memory_limit allows"),
        (0.2, "TerminatedWorkerError"),
        (0.3, "RuntimeError: no"),
    ):
        assert (words in text) == ((x >= low) & (x < low + 0.1)).any()
    assert (x < 0.1).any()
    assert len(x) == 16
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("sklearn_hpo")]


def test_limits_do_not_touch_fits_within_them():
    points = [{"x": x} for x in (0.5, 0.55, 0.6, 0.65)]
    how = {"n_iter": 4, "initial_candidates": points}
    with_limits = search(fit_timeout=20.0, fit_memory_limit=10**9, **how).fit(X, Y)
    without = search(**how).fit(X, Y)
    np.testing.assert_array_equal(
        with_limits.cv_results_["mean_test_score"],
        without.cv_results_["mean_test_score"],
    )


@pytest.mark.parametrize("n_jobs", [None, 1])
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_one_job_with_limits_has_one_process(backend, n_jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("BUSY", str(tmp_path))
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path / "temp"))
    points = [{"x": 0.5}, {"x": 0.05}, {"x": 0.6}, {"x": 0.35}]
    how = {"n_iter": 4, "initial_candidates": points, "n_jobs": n_jobs}
    fitted = search(fit_timeout=5.0, **how).set_params(estimator=Named())
    with (
        joblib.parallel_config(backend),
        pytest.warns(FitFailedWarning, match="fit_timeout allows"),
    ):
        fitted.fit(X, Y)
    np.testing.assert_allclose(
        fitted.cv_results_["mean_test_score"], [-0.01, -9.0, 0.0, -9.0], atol=1e-12
    )
    pids = {int(path.name) for path in tmp_path.iterdir() if path.name != "temp"}
    assert os.getpid() not in pids
    assert len(pids) == 2  # the one that hung was replaced
    assert not list((tmp_path / "temp").iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_limits_hold_inside_cross_validation(backend):
    points = [{"x": 0.5}, {"x": 0.05}]
    inner = search(n_jobs=None, refit=True, n_iter=2, initial_candidates=points)
    with joblib.parallel_config(backend):
        found = cross_validate(
            inner.set_params(fit_timeout=5.0),
            X,
            Y,
            cv=2,
            n_jobs=2,
            error_score="raise",
            return_estimator=True,
        )
    for fitted in found["estimator"]:
        assert fitted.cv_results_["mean_test_score"][1] == -9.0
    np.testing.assert_allclose(found["test_score"], -0.01)


class Named(Risky):
    """Leaves the number of its process."""

    def fit(self, X, y):
        (Path(os.environ["BUSY"]) / str(os.getpid())).touch()
        return super().fit(X, y)


class Fragile(Risky):
    """Kills the first workers that read it."""

    def __init__(self, folder=None, x=0.5):
        super().__init__(x)
        self.folder = folder

    def __setstate__(self, state):
        super().__setstate__(state)
        folder = self.folder
        n_dead = len(list(folder.iterdir()))
        if multiprocessing.parent_process() is not None and n_dead < 6:
            (folder / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_death_before_the_fit_is_no_try_of_it(tmp_path):
    fitted = search(n_iter=3, initial_candidates=[{"x": x} for x in (0.5, 0.6, 0.7)])
    fitted.set_params(estimator=Fragile(tmp_path)).fit(X, Y)
    assert len(list(tmp_path.iterdir())) >= 6
    np.testing.assert_allclose(
        fitted.cv_results_["mean_test_score"], [-0.01, 0.0, -0.01], atol=1e-12
    )


class Busy(Risky):
    """Leaves the number of its process, and takes its time."""

    def fit(self, X, y):
        (Path(os.environ["BUSY"]) / str(os.getpid())).touch()
        time.sleep(0.8)
        return super().fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["busy", "idle"])
def test_a_process_of_a_plain_pool_may_die(victim, tmp_path, monkeypatch):
    monkeypatch.setenv("BUSY", str(tmp_path))

    def strike():
        while not list(tmp_path.iterdir()):
            time.sleep(0.02)
        busy = int(next(tmp_path.iterdir()).name)
        children = multiprocessing.active_children()
        pids = {child.pid for child in children if "PoolWorker" in child.name}
        idle = (pids - {busy}).pop()
        os.kill(busy if victim == "busy" else idle, signal.SIGKILL)

    whole = [(np.arange(100), np.arange(100, 150))]
    fitted = search(n_iter=4, cv=whole, max_concurrent=1)
    fitted.set_params(estimator=Busy(), param_distributions={"x": uniform(0.5, 0.4)})
    killer = threading.Thread(target=strike)
    killer.start()
    with joblib.parallel_config("multiprocessing"):
        fitted.fit(X, Y)
    killer.join()
    x = np.array([p["x"] for p in fitted.cv_results_["params"]])
    np.testing.assert_allclose(fitted.cv_results_["mean_test_score"], -((x - 0.6) ** 2))


@pytest.mark.slow
def test_deaths_in_a_halving_search():
    fitted = HyperbandSearchCV(
        Risky(),
        {"x": uniform(0.2, 0.8)},
        n_candidates=12,
        optimizer="random",
        cv=2,
        n_jobs=2,
        random_state=0,
        error_score=-9.0,
    )
    with pytest.warns(FitFailedWarning, match="TerminatedWorkerError"):
        fitted.fit(X, Y)
    assert fitted.n_resources_[-1] == 9
    assert abs(fitted.best_params_["x"] - 0.6) < 0.2


@pytest.mark.parametrize("limit", [{"fit_timeout": 5.0}, {"fit_memory_limit": 10**9}])
@pytest.mark.parametrize(
    ("backend", "n_jobs"), [("threading", 2), ("threading", None), ("sequential", 1)]
)
def test_where_no_fit_can_be_ended_limits_are_refused(limit, backend, n_jobs):
    with (
        joblib.parallel_config(backend),
        pytest.raises(ValueError, match="need worker processes"),
    ):
        search(n_jobs=n_jobs, **limit).fit(X, Y)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_error_score_raise_ends_the_search(backend):
    """Also where others have ended well by then."""
    points = [{"x": x} for x in (0.5, 0.6, 0.7, 0.25)]
    with (
        joblib.parallel_config(backend),
        pytest.raises(BrokenExecutor, match="SIGKILL"),
    ):
        search(error_score="raise", initial_candidates=points).fit(X, Y)


class Exits(Risky):
    """Ends its process as if all were well, or not, where x is small."""

    def fit(self, X, y):
        if self.x < 0.3:
            os._exit(int(self.holds_gil))
        return super().fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize(("code", "tasks"), [(0, None), (1, 2), (1, 1)])
def test_no_way_to_end_a_plain_worker_is_missed(code, tasks):
    """Neither exit code 0, nor the death of one that took the place of another."""
    points = [{"x": x} for x in (0.5, 0.6, 0.7, 0.25, 0.8, 0.9)]
    fitted = search(n_iter=6, initial_candidates=points)
    fitted.set_params(estimator=Exits(holds_gil=bool(code)))
    threads = threading.active_count()
    with (
        joblib.parallel_config("multiprocessing", maxtasksperchild=tasks),
        pytest.warns(FitFailedWarning, match="exit code"),
    ):
        fitted.fit(X, Y)
    scores = fitted.cv_results_["mean_test_score"]
    assert np.flatnonzero(scores == -9.0).tolist() == [3]
    deadline = time.monotonic() + 20
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads


def test_a_long_time_is_a_limit_too():
    points = [{"x": 0.5}, {"x": 0.6}]
    fitted = search(n_iter=2, initial_candidates=points, fit_timeout=1e15).fit(X, Y)
    assert (fitted.cv_results_["mean_test_score"] > -1).all()


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        ("memory", "more memory than fit_memory_limit"),
        ("Timeout (0:00:01)!\nThread 0x1", "(?s)longer than fit_timeout.*Thread 0x1"),
    ],
)
def test_a_file_tells_why_a_worker_ended_itself(left, reason, tmp_path):
    job = FoldJob(0, 0, {}, 1.0, limit_file=tmp_path / "limit")
    assert limit_exceeded(job) is None
    job.limit_file.write_text(left)
    assert re.search(reason, limit_exceeded(job))
    assert limit_exceeded(job) is None  # it is read once


def test_a_worker_that_something_else_has_killed_leaves_no_reason(tmp_path):
    job = FoldJob(0, 0, {}, 1.0, limit_file=tmp_path / "limit")
    job.limit_file.touch()
    assert limit_exceeded(job) is None
    assert limit_exceeded(FoldJob(0, 0, {}, 1.0)) is None


@pytest.mark.parametrize("memory", [None, 10**12])
def test_a_fit_within_its_limits_leaves_no_file(memory, tmp_path):
    if memory is not None and not CAN_MEASURE_MEMORY:
        pytest.skip("this system does not tell what memory a process has")
    limit_file = tmp_path / "limit"
    with limited(Limits(seconds=1000.0, memory=memory), limit_file):
        assert limit_file.read_text() == ""
    assert not limit_file.exists()
