"""What faults cost: a search in which a quarter of the fits go wrong.

    python doc/benchmarks/bench_faults.py

runs one search with two workers in which 5 % of the fits end in a segmentation fault,
5 % take more memory than ``fit_memory_limit`` allows, 5 % never return and 10 % raise,
prints what ``doc/benchmarks.rst`` includes, and writes it to
``doc/benchmarks/results/faults.*``. It takes about two minutes.

A candidate is one fit on one fold, and a good one sleeps for a while, so that its time
does not depend on the processor. The seconds of the search stand beside what the limits
allow: the good fits, ``fit_timeout`` for each one that hangs, the time that each hoard
takes to reach ``fit_memory_limit``, and the start of a new worker for each one that
ended. A fit that crashes has two tries, so it costs two workers. The sum is shared out
over the workers that run side by side. The start of one is measured apart, before the
search and after it.
"""

import argparse
import ctypes
import time
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
from _report import RESULTS, machine, save, table
from joblib.externals.loky import ProcessPoolExecutor
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import ShuffleSplit

from sklearn_hpo import BayesSearchCV

N_WORKERS = 2
MEMORY = 4 * 10**8
SHARES = {"segfault": 0.05, "hoard": 0.05, "hang": 0.05, "raise": 0.1, "good": 0.75}


class Faulty(ClassifierMixin, BaseEstimator):
    """Meets the fate that its parameter names; scores by the other one."""

    def __init__(self, fate="good", x=0.0, seconds=0.2):
        self.fate = fate
        self.x = x
        self.seconds = seconds

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.fate == "segfault":
            ctypes.string_at(0)
        if self.fate == "raise":
            raise RuntimeError("no")
        hoard = []
        while self.fate == "hoard":
            hoard.append(np.ones(10**6))
        time.sleep(10**6 if self.fate == "hang" else self.seconds)
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        return -self.x


def candidates(n, rng):
    """Return candidates in a random order, with exactly the shares of the fates."""
    fates = [fate for fate, share in SHARES.items() for _ in range(round(n * share))]
    rng.shuffle(fates)
    values = rng.uniform(size=n).tolist()
    return [{"fate": f, "x": x} for f, x in zip(fates, values, strict=True)]


def hoarding_seconds():
    """Return the time that a hoarding fit takes to reach its limit."""
    began = time.perf_counter()
    hoard = [np.ones(10**6) for _ in range(MEMORY // (8 * 10**6))]
    return (time.perf_counter() - began) * bool(hoard)


def start_seconds(n=8):
    """Return, `n` times, the seconds until a new worker is ready for its first fit."""
    seconds = []
    for _ in range(n):
        began = time.perf_counter()
        with ProcessPoolExecutor(1) as pool:
            pool.submit(import_module, "sklearn_hpo").result()
            seconds.append(time.perf_counter() - began)
    return seconds


def run(n, seconds, timeout):
    """Run the search and return its record."""
    X, y = np.zeros((20, 1)), np.arange(20) % 2
    points = candidates(n, np.random.default_rng(0))
    search = BayesSearchCV(
        Faulty(seconds=seconds),
        {"fate": list(SHARES), "x": uniform(0, 1)},
        n_iter=n,
        initial_candidates=points,
        optimizer="random",
        cv=ShuffleSplit(1, random_state=0),
        n_jobs=N_WORKERS,
        refit=False,
        error_score=-9.0,
        fit_timeout=timeout,
        fit_memory_limit=MEMORY,
        random_state=0,
    )
    starts = start_seconds()
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        search.fit(X, y)
    wall = time.perf_counter() - began
    start = float(np.median(starts + start_seconds()))
    for point, score in zip(
        search.cv_results_["params"],
        search.cv_results_["mean_test_score"],
        strict=True,
    ):
        if score != (-point["x"] if point["fate"] == "good" else -9.0):
            raise AssertionError(f"the score of {point} is {score}")
    count = {fate: round(n * share) for fate, share in SHARES.items()}
    ended = 2 * count["segfault"] + count["hoard"] + count["hang"]
    parts = {
        "good fits": count["good"] * seconds,
        "fits that hang": count["hang"] * timeout,
        "fits that hoard": count["hoard"] * hoarding_seconds(),
        f"starts of {N_WORKERS + ended} workers": (N_WORKERS + ended) * start,
    }
    allowed = sum(parts.values()) / N_WORKERS
    return {"n": n, "wall": wall, "start": start, "parts": parts, "allowed": allowed}


def report(record):
    """Return what the documentation shows."""
    rows = [[name, f"{s:.1f}"] for name, s in record["parts"].items()]
    rows += [
        [f"allowed: the sum over {N_WORKERS} workers", f"{record['allowed']:.1f}"],
        ["the search", f"{record['wall']:.1f}"],
    ]
    ratio = record["wall"] / record["allowed"]
    text = (
        f"All {record['n']} candidates have the score that is theirs. The search took "
        f"{ratio:.2f} of what the limits allow."
    )
    return "\n\n".join([table(["what", "seconds"], rows), text, machine("joblib")])


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100, help="candidates")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a good fit")
    parser.add_argument("--timeout", type=float, default=5.0, help="of each fit")
    parser.add_argument("--out", type=Path, default=RESULTS / "faults.json")
    settings = parser.parse_args()
    record = run(settings.n, settings.seconds, settings.timeout)
    text = report(record)
    print(text)
    save(settings.out, text, record)


if __name__ == "__main__":
    main()
