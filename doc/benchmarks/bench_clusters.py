"""What a candidate costs beside its fits on Dask and Ray, in milliseconds.

    python doc/benchmarks/bench_clusters.py

times ``BayesSearchCV`` (with random draws, so that proposals cost nothing, and as it
is) and ``RandomizedSearchCV`` on two worker processes of this machine that loky, Dask
and Ray manage, and writes ``doc/benchmarks/results/clusters.txt``. It needs the extras
``dask`` and ``ray`` and takes a few minutes.

The fits sleep, so that processor time is all overhead. The searches take turns, after
one that is not timed; the fastest of ``--repeats`` counts.
"""

import argparse
import contextlib
import logging
import os
import tempfile
import time

import joblib
import numpy as np
from _report import RESULTS, machine, save, table
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.model_selection import RandomizedSearchCV

from sklearn_hpo import BayesSearchCV

X, Y = load_iris(return_X_y=True)
N_WORKERS = 2
N_SPLITS = 5


class Sleeper(ClassifierMixin, BaseEstimator):
    """Sleeps while it is fitted.

    Parameters
    ----------
    x : float
        Its score.
    seconds : float
        Time of a fit.
    """

    def __init__(self, x=0.0, seconds=0.0):
        self.x = x
        self.seconds = seconds

    def fit(self, X, y):
        """Sleep."""
        self.classes_ = np.unique(y)
        time.sleep(self.seconds)
        return self

    def predict(self, X):
        """Return the first class."""
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        """Return x."""
        return self.x


@contextlib.contextmanager
def loky():
    """Use processes of this machine."""
    with joblib.parallel_config("loky", n_jobs=N_WORKERS):
        yield


@contextlib.contextmanager
def dask():
    """Use a local cluster of Dask."""
    import distributed

    logging.getLogger("distributed").setLevel("CRITICAL")
    with (
        distributed.LocalCluster(
            n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


@contextlib.contextmanager
def ray():
    """Use a local instance of Ray."""
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    with tempfile.TemporaryDirectory() as folder:
        ray.init(
            num_cpus=N_WORKERS,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=folder,
        )
        with joblib.parallel_config("ray", n_jobs=N_WORKERS):
            yield
        ray.shutdown()


def searches(n_iter, seconds):
    """Return the searches that are compared, by name."""
    given = Sleeper(seconds=seconds), {"x": uniform(0, 1)}
    how = {"n_iter": n_iter, "cv": N_SPLITS, "random_state": 0, "refit": False}
    return {
        "RandomizedSearchCV": RandomizedSearchCV(*given, **how),
        "random draws": BayesSearchCV(*given, optimizer="random", **how),
        "as it is": BayesSearchCV(*given, **how),
    }


def measure(backend, n_iter, seconds, repeats):
    """Return the fastest wall time of each search, in ms for each candidate."""
    times = {}
    with backend():
        for repeat in range(repeats + 1):
            for name, search in searches(n_iter, seconds).items():
                began = time.perf_counter()
                search.fit(X, Y)
                spent = 1e3 * (time.perf_counter() - began) / n_iter
                if repeat:
                    times[name] = min(spent, times.get(name, np.inf))
    return times


def main():
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-iter", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows, loads = [], []
    for seconds in (0.0, 0.02):
        ideal = 1e3 * seconds * N_SPLITS / N_WORKERS
        for backend in (loky, dask, ray):
            loads.append(os.getloadavg()[0])
            times = measure(backend, options.n_iter, seconds, options.repeats)
            cells = [f"{times[name]:.1f}" for name in times]
            rows.append(
                [backend.__name__, f"{1e3 * seconds:.0f}", f"{ideal:.0f}", *cells]
            )
            print(rows[-1], flush=True)
    names = searches(1, 0.0)
    header = ["workers of", "ms of a fit", "ms that must be", *names]
    line = machine("joblib", "distributed", "ray")
    line += f" The load of the machine was {min(loads):.0f} to {max(loads):.0f}."
    text = f"{line}\n\nMilliseconds for each candidate, {N_SPLITS} folds:\n\n"
    text += table(header, rows)
    print(text)
    save(RESULTS / "clusters.json", text)


if __name__ == "__main__":
    main()
