"""What sharing transformers saves: BayesSearchCV beside GridSearchCV with memory.

    python doc/benchmarks/bench_sharing.py

runs the same grid of pipelines with and without ``cache_transformers``, and with
``GridSearchCV`` without and with ``Pipeline(memory=...)`` in an empty folder, prints
what ``doc/benchmarks.rst`` includes, and writes it to
``doc/benchmarks/results/sharing.*``. It takes about five minutes on two cores.

Seconds are those of ``fit`` without refit on the clock; beside them, for one worker,
the processor time of the process. Scores are equal if all scores of all splits are, to
the last bit, those of ``GridSearchCV`` without memory.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from _report import RESULTS, machine, save, table
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF, KernelPCA
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from sklearn_hpo import BayesSearchCV

N_ROWS = 1000
C = np.logspace(-2, 2, 8).tolist()
TASKS = {
    "scaler + kernel PCA + ridge": (
        [
            ("scale", StandardScaler()),
            ("first", KernelPCA(20, kernel="rbf", eigen_solver="dense")),
            ("last", RidgeClassifier()),
        ],
        {"first__gamma": [1e-3, 3e-3, 1e-2], "last__alpha": C},
    ),
    "NMF + ridge": (
        [("first", NMF(random_state=0, max_iter=500)), ("last", RidgeClassifier())],
        {"first__n_components": [8, 12, 16], "last__alpha": C},
    ),
    "scaler + SVC": (
        [("scale", StandardScaler()), ("last", SVC())],
        {"last__gamma": [1e-3, 1e-2, 1e-1], "last__C": C},
    ),
}
METHODS = ("GridSearchCV", "GridSearchCV, memory", "not shared", "shared")


def run(task, method, n_jobs, n_splits):
    """Run one search and return its record and its scores."""
    X, y = (part[:N_ROWS] for part in load_digits(return_X_y=True))
    steps, grid = TASKS[task]
    common = {"cv": n_splits, "refit": False, "n_jobs": n_jobs}
    with tempfile.TemporaryDirectory() as folder:
        memory = folder if method.endswith("memory") else None
        pipeline = Pipeline(steps, memory=memory)
        if method.startswith("Grid"):
            search = GridSearchCV(pipeline, grid, **common)
        else:
            share = method == "shared"
            search = BayesSearchCV(
                pipeline, grid, n_iter=100, cache_transformers=share, **common
            )
        began, used = time.perf_counter(), time.process_time()
        with threadpool_limits(1):
            search.fit(X, y)
        seconds, used = time.perf_counter() - began, time.process_time() - used
    results = search.cv_results_
    order = np.argsort([str(sorted(p.items())) for p in results["params"]])
    scores = [results[f"split{i}_test_score"][order] for i in range(n_splits)]
    record = {
        "task": task,
        "method": method,
        "n_jobs": n_jobs,
        "seconds": round(seconds, 2),
        "processor": round(used, 2) if n_jobs == 1 else None,
    }
    return record, scores


def main():
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=lambda s: s.split(","), default=list(TASKS))
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "sharing.json")
    options = parser.parse_args()
    records, rows = [], []
    for task in options.tasks:
        first = None
        for method in METHODS:
            cells, equal = [], True
            for n_jobs in (1, 2):
                record, scores = run(task, method, n_jobs, options.folds)
                first = scores if first is None else first
                record["equal"] = bool(np.array_equal(first, scores))
                equal = equal and record["equal"]
                records.append(record)
                print(record, flush=True)
                cells.append(f"{record['seconds']:.1f}")
                if n_jobs == 1:
                    cells.append(f"{record['processor']:.1f}")
            rows.append([task, method, *cells, "yes" if equal else "no"])
    header = ["pipeline", "search", "seconds", "processor", "two workers", "equal"]
    line = machine()
    text = "\n\n".join(
        [
            line,
            f"All 24 candidates of a grid, {N_ROWS} digits, {options.folds} folds:",
            table(header, rows),
        ]
    )
    print(text)
    save(options.out, text, {"machine": line, "records": records})


if __name__ == "__main__":
    main()
