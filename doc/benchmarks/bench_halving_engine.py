"""What runs underneath early stopping: busy workers, and memory for waiting models.

    python doc/benchmarks/bench_halving_engine.py

writes ``doc/benchmarks/results/halving_engine.*`` in about two minutes. Busy is the sum
of the seconds of fits, divided by the workers and the seconds from the first start to
the last end. The fits sleep, so other work on the machine hardly counts. Memory is the
growth of the largest resident set of a process of its own, from before ``fit`` to after
it; a second process never drops a model.
"""

import multiprocessing
import resource
import tempfile
import time
from unittest.mock import patch

import numpy as np
from _report import RESULTS, machine, save, table
from joblib import parallel_config
from scipy.stats import randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from sklearn_hpo import HyperbandSearchCV
from sklearn_hpo._study.paused import PausedModels

N_CANDIDATES = 81


class Sleeper(ClassifierMixin, BaseEstimator):
    """Sleeps in proportion to the iterations that are added; some are ten times slower.

    Parameters
    ----------
    quality : float
        Its score.
    pace : float
        Seconds of an iteration.
    n_estimators : int
        Iterations.
    warm_start : bool
        Whether ``fit`` goes on.
    """

    def __init__(self, quality=0.5, pace=1e-3, n_estimators=27, warm_start=False):
        self.quality = quality
        self.pace = pace
        self.n_estimators = n_estimators
        self.warm_start = warm_start

    def fit(self, X, y):
        """Sleep."""
        done = getattr(self, "n_done_", 0) if self.warm_start else 0
        time.sleep(self.pace * (self.n_estimators - done))
        self.n_done_, self.classes_ = self.n_estimators, np.unique(y)
        return self

    def score(self, X, y):
        """Return the quality."""
        return self.quality


def busy(strategy, seed, n_jobs=2):
    """Return the share of the time in which workers fit, and the seconds."""
    rng = np.random.default_rng(seed)
    search = HyperbandSearchCV(
        Sleeper(),
        {"quality": uniform(), "pace": list(10 ** rng.uniform(-2.5, -1.5, size=20))},
        scheduler=strategy,
        n_candidates=N_CANDIDATES,
        cv=3,
        n_jobs=n_jobs,
        refit=False,
        random_state=seed,
    )
    with parallel_config("threading"):
        search.fit(np.zeros((30, 1)), np.arange(30) % 2)
    fits = search.cv_results_["mean_fit_time"].sum() * search.n_splits_
    wall = max(search.history_["end"]) - min(search.history_["start"])
    return fits / (n_jobs * wall), wall


def grown(keep_all, folder, queue):
    """Put the growth of memory in MB during a search."""
    X, y = load_digits(return_X_y=True)
    search = HyperbandSearchCV(
        RandomForestClassifier(n_estimators=81, random_state=0),
        {"max_features": uniform(0.02, 0.4), "max_depth": randint(5, 21)},
        n_candidates=N_CANDIDATES,
        cv=5,
        refit=False,
        random_state=0,
    )
    RandomForestClassifier(n_estimators=5).fit(X, y).score(X, y)
    keepers = []
    start = PausedModels.__init__

    def watch(self, folder=None):
        start(self, folder)
        keepers.append(self)

    drop = (lambda self, trials: None) if keep_all else PausedModels.drop
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        patch.object(PausedModels, "drop", drop),
        patch.object(PausedModels, "__init__", watch),
        parallel_config(temp_folder=folder),
    ):
        search.fit(X, y)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    queue.put(((after - before) / 1024, keepers[0].n_peak))


def main():
    """Run, print, write."""
    data = {"machine": machine(), "busy": [], "memory": []}
    rows = []
    for strategy in ("halving", "asha"):
        shares, walls = zip(*(busy(strategy, seed) for seed in range(3)), strict=True)
        data["busy"].append({"strategy": strategy, "share": shares, "seconds": walls})
        rows.append(
            [
                strategy,
                f"{np.mean(shares):.1%}",
                f"{min(shares):.1%}",
                f"{np.mean(walls):.1f}",
            ]
        )
    parts = [data["machine"], table(["strategy", "busy", "least", "seconds"], rows)]
    spawn = multiprocessing.get_context("spawn")
    rows = []
    for label, keep_all, spill in (
        ("as it is", False, False),
        ("temp_folder", False, True),
        ("all models kept", True, False),
    ):
        with tempfile.TemporaryDirectory() as folder:
            queue = spawn.Queue()
            target = spawn.Process(
                target=grown, args=(keep_all, folder if spill else None, queue)
            )
            target.start()
            size, n_models = queue.get()
            target.join()
        data["memory"].append({"models": label, "mb": size, "n_models": n_models})
        rows.append([label, str(n_models), f"{size:.0f} MB"])
    parts.append(table(["waiting models", "most at once", "memory"], rows))
    print("\n\n".join(parts))
    save(RESULTS / "halving_engine.json", "\n\n".join(parts), data)


if __name__ == "__main__":
    main()
