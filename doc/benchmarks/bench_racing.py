"""What racing saves: BayesSearchCV with scheduler="racing" beside "full".

    python doc/benchmarks/bench_racing.py

runs both on five real tasks of ``_tasks.py`` with ten folds, prints what
``doc/benchmarks.rst`` includes, and writes it, and the figures of each run, to
``doc/benchmarks/results/racing.*``. It takes about 15 minutes on one core.

Counted are fits of a candidate on a fold, and the seconds of a search without refit.
The difference of the final scores is racing minus not racing, for the same
seed; beside it stands the standard deviation over seeds of the final score
without racing.
"""

import argparse
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from _report import RESULTS, machine, save, table
from _tasks import all_tasks
from joblib import Parallel, delayed
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from sklearn_hpo import BayesSearchCV

TASKS = ("svc-digits", "forest-digits", "histgb-cancer", "mlp-wine", "gb-diabetes")


def run(name, seed, racing, n, n_folds):
    """Run one search and return its record."""
    task = all_tasks()[name]
    folds = StratifiedKFold if is_classifier(task.estimator) else KFold
    search = BayesSearchCV(
        task.estimator,
        task.space,
        n_iter=n,
        scheduler="racing" if racing else "full",
        scoring=task.scoring,
        refit=False,
        cv=folds(n_folds, shuffle=True, random_state=0),
        random_state=seed,
    )
    began = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(task.X, task.y)
    return {
        "task": name,
        "racing": racing,
        "seed": seed,
        "seconds": round(time.perf_counter() - began, 3),
        "fits": int(np.sum(search.history_["n_folds"])),
        "score": float(f"{search.best_score_:.7g}"),
    }


def report(records, tasks):
    """Return the table, one row a task."""
    header = ["task", "fits", "with racing", "saved", "seconds", "with racing"]
    header += ["score", "difference", "sd over seeds"]
    rows = []
    for task in tasks:
        full, raced = (
            {
                key: np.array(
                    [
                        r[key]
                        for r in records
                        if r["task"] == task and r["racing"] is racing
                    ]
                )
                for key in ("fits", "seconds", "score")
            }
            for racing in (False, True)
        )
        rows.append(
            [
                task,
                f"{full['fits'].mean():.0f}",
                f"{raced['fits'].mean():.0f}",
                f"{1 - raced['fits'].sum() / full['fits'].sum():.0%}",
                f"{full['seconds'].mean():.1f}",
                f"{raced['seconds'].mean():.1f}",
                f"{full['score'].mean():.5g}",
                f"{(raced['score'] - full['score']).mean():+.2g}",
                f"{full['score'].std(ddof=1):.2g}",
            ]
        )
    return table(header, rows)


def main():
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = lambda text: text.split(",")
    parser.add_argument("--tasks", type=names, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5, help="how many, at least 2")
    parser.add_argument("--n", type=int, default=40, help="candidates of a search")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="searches side by side")
    parser.add_argument("--out", type=Path, default=RESULTS / "racing.json")
    options = parser.parse_args()
    work = product(options.tasks, range(options.seeds), (False, True))
    records = Parallel(n_jobs=options.jobs, verbose=1)(
        delayed(run)(*item, options.n, options.folds) for item in work
    )
    line = machine()
    text = "\n\n".join(
        [
            line,
            f"Means over {options.seeds} seeds of searches of {options.n} candidates "
            f"with {options.folds} folds:",
            report(records, options.tasks),
        ]
    )
    print(text)
    save(options.out, text, {"machine": line, "records": records})


if __name__ == "__main__":
    main()
