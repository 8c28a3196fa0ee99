"""Searches on Dask and Ray: real clusters of two worker processes."""

import contextlib
import os
import signal
import tempfile
import threading
import time

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import SGDClassifier
from sklearn.svm import SVC
from sklearn.utils.fixes import parse_version

from sklearn_hpo import BayesSearchCV, HyperbandSearchCV
from sklearn_hpo._execution.executor import open_executor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]
X, Y = load_iris(return_X_y=True)
SVC_SPACE = {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}


@contextlib.contextmanager
def dask():
    """Run a scheduler here, and workers in processes of their own."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",  # tests may run side by side
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield


@contextlib.contextmanager
def ray():
    """Run all of Ray on this machine, with its files in a folder of its own."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    with tempfile.TemporaryDirectory() as folder:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=10**8,
            log_to_driver=False,
            _temp_dir=folder,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module", params=[dask, ray], ids=["dask", "ray"])
def started(request):
    with request.param():
        yield request.param.__name__


@pytest.fixture
def cluster(started):
    """Let joblib use a cluster."""
    with joblib.parallel_config(started, n_jobs=2):
        yield started


# Workers of Ray import this file, but can't see `probes` beside it.
class Probe(ClassifierMixin, BaseEstimator):
    """Good near 0.6; deadly above a limit; leaves the number of its process."""

    def __init__(self, x=0.5, seconds=0.0, die_above=2.0, folder=None):
        self.x = x
        self.seconds = seconds
        self.die_above = die_above
        self.folder = folder

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.folder is not None:
            (self.folder / str(os.getpid())).touch()
        if self.x > self.die_above:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        return -((self.x - 0.6) ** 2)


def search(estimator=None, space=None, **settings):
    settings = {
        "n_iter": 12,
        "cv": 3,
        "random_state": 0,
        "max_concurrent": 3,
        **settings,
    }
    return BayesSearchCV(
        Probe() if estimator is None else estimator,
        {"x": uniform(0, 1)} if space is None else space,
        **settings,
    )


def alone(search):
    """Fit a twin of `search` in this process."""
    with joblib.parallel_config("loky"):
        return sklearn.clone(search).set_params(n_jobs=1).fit(X, Y)


def assert_same(fitted, reference):
    assert fitted.cv_results_["params"] == reference.cv_results_["params"]
    for name in ("mean_test_score", "split0_test_score"):
        assert_array_equal(fitted.cv_results_[name], reference.cv_results_[name])
    assert fitted.best_params_ == reference.best_params_


def test_same_result_as_on_one_machine(tmp_path):
    fitted = search(SVC(), SVC_SPACE).fit(X, Y)
    assert_same(fitted, alone(fitted))
    search(Probe(seconds=0.05, folder=tmp_path), refit=False).fit(X, Y)
    pids = {int(path.name) for path in tmp_path.iterdir()}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_models_go_on():
    fitted = HyperbandSearchCV(
        SGDClassifier(random_state=0, tol=None),
        {"alpha": loguniform(1e-5, 1e-1)},
        max_resources=27,
        n_candidates=9,
        max_concurrent=3,
        cv=3,
        random_state=0,
    ).fit(X, Y)
    assert_same(fitted, alone(fitted))
    assert len(set(fitted.cv_results_["n_resources"])) > 1


def test_a_fit_that_kills_its_worker_costs_its_candidate():
    points = [{"x": x} for x in (0.3, 0.95, 0.7)]
    how = {"n_iter": 6, "error_score": -9.0, "initial_candidates": points}
    halves = [(np.arange(0, 150, 2), np.arange(1, 150, 2))]
    fitted = search(Probe(die_above=0.9), cv=halves, **how)
    with pytest.warns(FitFailedWarning, match="worker"):
        fitted.fit(X, Y)
    x = np.array([p["x"] for p in fitted.cv_results_["params"]])
    expected = np.where(x > 0.9, -9.0, -((x - 0.6) ** 2))
    assert_allclose(fitted.cv_results_["mean_test_score"], expected)


def test_a_worker_that_is_killed_costs_nothing(tmp_path):
    def strike():
        while not list(tmp_path.iterdir()):
            time.sleep(0.05)
        os.kill(int(next(tmp_path.iterdir()).name), signal.SIGKILL)

    fitted = search(Probe(seconds=0.2, folder=tmp_path), n_iter=5, cv=2)
    killer = threading.Thread(target=strike)
    killer.start()
    fitted.fit(X, Y)
    killer.join()
    assert len(list(tmp_path.iterdir())) > 2
    assert_same(fitted, alone(fitted.set_params(estimator__seconds=0.0)))


def test_a_checkpoint_goes_on(tmp_path):
    path = tmp_path / "search.jsonl"
    fitted = search(SVC(), SVC_SPACE, checkpoint=path).fit(X, Y)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    assert_same(search(SVC(), SVC_SPACE, checkpoint=path).fit(X, Y), fitted)
    assert len(path.read_text().splitlines()) == len(lines)
    assert_same(fitted, alone(fitted.set_params(checkpoint=None)))


def test_interrupt_keeps_what_is_done():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    fitted = search(Probe(seconds=0.1), n_iter=1000, optimizer="random")
    pause = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    pause.start()
    try:
        with pytest.warns(RuntimeWarning, match="interrupted"):
            fitted.fit(X, Y)
    finally:
        pause.cancel()  # no other test is to be interrupted
        signal.signal(signal.SIGINT, before)
    assert 1 <= fitted.n_candidates_evaluated_ < 100
    assert search().fit(X, Y).n_candidates_evaluated_ == 12


class Greedy(Probe):
    """Below 0.1 it hangs, then it eats memory."""

    def fit(self, X, y):
        if self.x < 0.1:
            sum(range(10**12))  # one call into C that never gives Python a turn
        hoard = []
        while self.x < 0.2:
            hoard.append(np.ones(10**6))
            time.sleep(0.002)
        return super().fit(X, y)


def test_limits_hold(cluster):
    if cluster == "dask":
        pytest.skip("workers of Dask have other fits")
    points = [{"x": x} for x in (0.05, 0.5, 0.15, 0.7)]
    halves = [(np.arange(0, 150, 2), np.arange(1, 150, 2))]
    how = {"initial_candidates": points, "n_iter": 4, "error_score": -9.0}
    fitted = search(
        Greedy(), cv=halves, fit_timeout=3.0, fit_memory_limit=3 * 10**8, **how
    )
    with pytest.warns(FitFailedWarning) as caught:
        fitted.fit(X, Y)
    text = str(caught[0].message)
    assert "fit_timeout allows" in text
    assert "fit_memory_limit allows" in text
    scores = fitted.cv_results_["mean_test_score"]
    assert_allclose(scores, [-9.0, -0.01, -9.0, -0.01])


@pytest.mark.parametrize("limit", [{"fit_timeout": 5.0}, {"fit_memory_limit": 10**9}])
def test_limits_are_refused(cluster, limit):
    if cluster == "ray":
        pytest.skip("workers of Ray on this machine can be ended")
    with pytest.raises(ValueError, match="need worker processes of this machine"):
        search(**limit).fit(X, Y)


class StopAtFour:
    """A callback that asks to stop once the fifth candidate is fitted."""

    def setup(self, estimator, context):
        """Nothing to do."""

    def teardown(self, estimator, context):
        """Nothing to do."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do."""

    def on_fit_task_end(self, estimator, context):
        return context.task_name.startswith("candidate") and context.task_id >= 3 * 4


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="callbacks came with scikit-learn 1.9",
)
def test_callback_stops_the_search():
    fitted = search().set_callbacks(StopAtFour()).fit(X, Y)
    assert 5 <= fitted.n_candidates_evaluated_ <= 8
    assert set(fitted.history_["status"]) == {"complete"}


class Counted:
    """Counts how often this process pickles it."""

    n_pickled = 0

    def __reduce__(self):
        Counted.n_pickled += 1
        return Counted, ()


def fail_on_three(job, shared):
    if job == 3:
        raise KeyError("three")
    return job


def drain(jobs, shared):
    """Run jobs on the cluster."""
    with open_executor(fail_on_three, shared, None, fail_on_three) as executor:
        for job in jobs:
            executor.submit(job)
        return sorted(executor.next_result() for _ in jobs)


def test_what_is_shared_is_not_sent_with_each_job():
    counts = []
    for n in (4, 40):
        Counted.n_pickled = 0
        assert drain([*range(3), *range(4, n)], Counted()) == [0, 1, 2, *range(4, n)]
        counts.append(Counted.n_pickled)
    assert counts[0] == counts[1] <= 2


def test_a_large_job_is_sent():
    jobs = [bytes(11 * 10**6)]
    assert drain(jobs, None) == jobs


def test_an_error_of_a_job_is_raised_as_it_is():
    with pytest.raises(KeyError, match="three") as caught:
        drain([1, 3], None)
    assert type(caught.value) is KeyError


def test_what_cannot_be_pickled_is_named():
    with pytest.raises(TypeError, match="The scorer of the search can't"):
        search(scoring=lambda *_, lock=threading.Lock(): 0.0).fit(X, Y)  # noqa: B008


def test_nothing_is_left_in_the_backend(cluster):
    if cluster == "ray":
        pytest.skip("Ray's backend changes joblib's pools for the whole process")
    # what was shared must not stand for an object that has its address later
    for _ in range(3):
        search(n_iter=2).fit(X, Y)
        call = joblib.delayed(len)
        assert joblib.Parallel()(call([0] * n) for n in range(300)) == [*range(300)]
