"""What early stopping saves: HyperbandSearchCV beside its peers, in seconds of fits.

    python doc/benchmarks/bench_halving.py

writes ``doc/benchmarks/results/halving.*``, which ``doc/benchmarks.rst`` includes. It
takes about 45 minutes on one core. Each run is kept in the JSON file as it ends, so
that a second call goes on where the first one stopped.

``RandomizedSearchCV`` evaluates 100 candidates; its best score is the target and its
seconds of fits are the unit. The others get what costs a fifth of that where training
can go on, half of it otherwise: halving as many candidates as that pays for by its
plan, Hyperband as many repetitions, Optuna as many trials. If that does not reach the
target, a unit counts as the time to target. Folds and data are the same for all seeds
and methods, and estimators are deterministic. Seconds are those of the processor, so
other work on the machine does not count.
"""

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from _halving_tasks import all_tasks
from _report import RESULTS, machine, save, table
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    _validation,
    cross_validate,
)
from threadpoolctl import threadpool_limits

from sklearn_hpo import HyperbandSearchCV

N_RANDOM = 100
N_BOOT = 5000
RANDOM, DEFAULT = "RandomizedSearchCV", "halving, gp"


@dataclass
class Row:
    """One evaluation; `is_full` says whether it had all of the resource."""

    seconds: float
    score: float
    is_full: bool
    params: dict[str, Any]


@cache
def n_affordable(name, resource, optimizer="random"):
    """Return how many candidates of halving cost the share of a task."""
    task, n = all_tasks()[name], 0
    plan_cost = lambda n: sum(
        ours(task, resource=resource, optimizer=optimizer, n_candidates=n).plan(
            task.X, task.y
        )["cost"]
    )
    while plan_cost(n + 1) <= task.share * N_RANDOM:
        n += 1
    return n


def ours(task, **settings):
    """Return a search of ours."""
    return HyperbandSearchCV(
        task.estimator,
        task.space,
        cv=task.cv,
        refit=False,
        error_score="raise",
        **settings,
    )


def run_ours(name, seed, unit, *, scheduler, optimizer, resource="auto"):
    """Return the rows of one run of ours."""
    task = all_tasks()[name]
    n = "auto"
    if scheduler == "halving":
        n = n_affordable(name, resource, optimizer)
    search = ours(
        task,
        scheduler=scheduler,
        optimizer=optimizer,
        resource=resource,
        n_candidates=n,
        random_state=seed,
    ).fit(task.X, task.y)
    results, history = search.cv_results_, search.history_
    rows, paid = [], {}
    for i, trial in enumerate(history["candidate"]):
        seconds = results["mean_fit_time"][i] * history["n_folds"][i]
        is_full = results["n_resources"][i] == search.max_resources_
        score, params = results["mean_test_score"][i], results["params"][i]
        rows.append(Row(seconds - paid.get(trial, 0), score, is_full, params))
        if search.resource_ == "folds":  # the next row has these folds once more
            paid[trial] = seconds
    return rows


def run_sklearn(name, seed, unit, *, halving):
    """Return the rows of one run of a search of scikit-learn."""
    task = all_tasks()[name]
    settings = {"cv": task.cv, "refit": False, "random_state": seed}
    if halving:
        search = HalvingRandomSearchCV(
            task.estimator,
            task.space,
            n_candidates=n_affordable(name, "auto"),
            resource=task.iterations or "n_samples",
            min_resources=task.minimum,
            max_resources=task.maximum,
            **settings,
        )
    else:
        search = RandomizedSearchCV(
            task.estimator, task.space, n_iter=N_RANDOM, **settings
        )
    results = search.fit(task.X, task.y).cv_results_
    iters = results.get("iter", np.zeros(len(results["params"]), int))
    seconds = results["mean_fit_time"] * search.n_splits_
    columns = seconds, results["mean_test_score"], iters == iters.max()
    return [Row(*row) for row in zip(*columns, results["params"], strict=True)]


def steps(task, params):
    """Yield step, score and seconds: rungs from scratch, or fold after fold."""
    estimator = clone(task.estimator).set_params(**params)
    if task.iterations is None:
        scores = []
        for fold in task.cv:
            result = cross_validate(estimator, task.X, task.y, cv=[fold])
            scores.append(result["test_score"])
            yield len(scores), np.mean(scores), result["fit_time"].sum()
        return
    amount = task.minimum
    while amount <= task.maximum:
        estimator.set_params(**{task.iterations: amount})
        result = cross_validate(estimator, task.X, task.y, cv=task.cv)
        yield amount, result["test_score"].mean(), result["fit_time"].sum()
        amount *= 3


def run_optuna(name, seed, unit):
    """Return the rows of TPE with Hyperband's pruner, for the share of the task."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task, rows = all_tasks()[name], []
    least, top = (task.minimum, task.maximum) if task.iterations else (1, len(task.cv))

    def suggest(trial, key, values):
        if isinstance(values, list):
            return values[trial.suggest_categorical(key, range(len(values)))]
        low, high = (np.asarray(end).item() for end in values.support())
        label = values.dist.name if hasattr(values, "dist") else type(values).__name__
        draw = trial.suggest_int if "randint" in label else trial.suggest_float
        return draw(key, low, high, log="log" in label)

    def objective(trial):
        params = {key: suggest(trial, key, v) for key, v in task.space.items()}
        for step, score, seconds in steps(task, params):
            rows.append(Row(seconds, score, step == top, params))
            trial.report(score, step)
            if step < top and trial.should_prune():
                raise optuna.TrialPruned
        return score

    def stop(study, trial):
        if sum(row.seconds for row in rows) >= task.share * unit:
            study.stop()

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(least, top, reduction_factor=3),
    )
    study.optimize(objective, callbacks=[stop])
    return rows


METHODS = {RANDOM: partial(run_sklearn, halving=False)}
METHODS |= {
    f"{s}, {o}": partial(run_ours, scheduler=s, optimizer=o)
    for s, o in product(("halving", "hyperband"), ("random", "tpe", "gp"))
}
METHODS |= {
    "halving of rows": partial(
        run_ours, scheduler="halving", optimizer="random", resource="n_samples"
    ),
    "HalvingRandomSearchCV": partial(run_sklearn, halving=True),
    "Optuna": run_optuna,
}


def n_repeats(name, method):
    """Return how many runs cost the share of a task."""
    if not method.startswith("hyperband"):
        return 1
    task = all_tasks()[name]
    plan = ours(task, scheduler="hyperband").plan(task.X, task.y)
    return max(1, round(task.share * N_RANDOM / sum(plan["cost"])))


def measure(name, seed, method, unit):
    """Return the record of one method, with the course of its best full score."""
    task = all_tasks()[name]
    spent, best, course = 0.0, None, []
    for run in range(n_repeats(name, method)):
        # scikit-learn's halving would draw the very candidates that set the target
        shift = 1000 * (run + (method != RANDOM))
        for row in METHODS[method](name, seed + shift, unit):
            spent += row.seconds
            if row.is_full and (best is None or row.score > best.score):
                best = row
                course.append([round(spent, 3), round(row.score, 5)])
    model = clone(task.estimator).set_params(**best.params)
    test = model.fit(task.X, task.y).score(task.X_test, task.y_test)
    return {
        "task": name,
        "seed": seed,
        "method": method,
        "seconds": round(spent, 3),
        "test": round(test, 5),
        "course": course,
    }


def interval(values, combine):
    """Return the mean over tasks and seeds, with its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    n_tasks, n_seeds = values.shape
    tasks = rng.integers(n_tasks, size=(N_BOOT, n_tasks, 1))
    seeds = rng.integers(n_seeds, size=(N_BOOT, n_tasks, n_seeds))
    low, high = np.quantile(values[tasks, seeds].mean(axis=(1, 2)), [0.025, 0.975])
    return [combine(value) for value in (values.mean(), low, high)]


class Results:
    """The records of all runs, and what follows from them."""

    def __init__(self, records):
        self.of = {(r["task"], r["seed"], r["method"]): r for r in records}
        self.tasks = list(dict.fromkeys(r["task"] for r in records))
        self.methods = list(dict.fromkeys(r["method"] for r in records))
        self.seeds = sorted({r["seed"] for r in records})

    def seeds_of(self, method, tasks):
        """Return the seeds that the method has run, and those it stands beside."""
        return [
            seed
            for seed in self.seeds
            if all(
                (t, seed, m) in self.of
                for t, m in product(tasks, {method, RANDOM, DEFAULT})
            )
        ]

    def values(self, method, tasks, key, seeds):
        """Return a figure of a method, one row a task, one column a seed."""
        return np.array([[self.of[t, s, method][key] for s in seeds] for t in tasks])

    def scores(self, method, tasks, seeds):
        """Return the best full scores."""
        return np.array(
            [[self.of[t, s, method]["course"][-1][1] for s in seeds] for t in tasks]
        )

    def share(self, method, tasks, seeds):
        """Return all seconds, in units of random search."""
        unit = self.values(RANDOM, tasks, "seconds", seeds)
        return self.values(method, tasks, "seconds", seeds) / unit

    def to_target(self, method, tasks, seeds, slack):
        """Return seconds to the target less `slack` deviations; 1 if not reached."""
        shares = np.ones((len(tasks), len(seeds)))
        for (i, task), (j, seed) in product(enumerate(tasks), enumerate(seeds)):
            random = self.of[task, seed, RANDOM]
            ends = self.scores(RANDOM, [task], self.seeds_of(RANDOM, [task]))
            target = random["course"][-1][1] - slack * ends.std()
            for seconds, score in reversed(self.of[task, seed, method]["course"]):
                if score >= target:
                    shares[i, j] = seconds / random["seconds"]
        return shares


def summary(results, tasks):
    """Return the table of all methods on some tasks."""
    header = ["search", "seeds", "cost", "reached", "time", "reached, -sd"]
    header += ["time, -sd", "beside default", "interval"]
    header += ["test score", "beside default", "interval"]
    rows = []
    ratio = lambda logarithm: f"{np.exp(logarithm):.2f}"
    points = lambda difference: f"{100 * difference:+.2f}"
    for method in results.methods:
        seeds = results.seeds_of(method, tasks)
        if method == RANDOM or not seeds:
            continue
        cells = [method, str(len(seeds))]
        cells.append(f"{results.share(method, tasks, seeds).mean():.2f}")
        for slack in (0, 1):
            times = results.to_target(method, tasks, seeds, slack)
            cells.append(f"{(times != 1).sum()} of {times.size}")
            cells.append(ratio(np.log(times).mean()))
        default = results.to_target(DEFAULT, tasks, seeds, slack)
        mean, low, high = interval(np.log(times / default), ratio)
        cells += [mean, f"{low} to {high}"]
        test, random, default = (
            results.values(m, tasks, "test", seeds) for m in (method, RANDOM, DEFAULT)
        )
        mean, low, high = interval(test - default, points)
        rows.append([*cells, points((test - random).mean()), mean, f"{low} to {high}"])
    return table(header, rows)


def per_task(results):
    """Return cost, time to target, best score and test score, for each task."""
    header = ["search", "task", "seeds", "cost", "time", "time, -sd"]
    header += ["score", "test score"]
    rows = []
    for task, method in product(results.tasks, results.methods):
        where = method, [task], results.seeds_of(method, [task])
        if not where[-1]:
            continue
        test = results.values(method, [task], "test", where[-1]).mean()
        if method == RANDOM:
            seconds = results.values(method, [task], "seconds", where[-1]).mean()
            cells = [f"{seconds:.1f} s", "", ""]
        else:
            cells = [f"{results.share(*where).mean():.2f}"]
            for slack in (0, 1):
                logs = np.log(results.to_target(*where, slack))
                cells.append(f"{np.exp(logs.mean()):.2f}")
        cells += [f"{results.scores(*where).mean():.4f}", f"{test:.4f}"]
        rows.append([method, task, str(len(where[-1])), *cells])
    return table(header, rows)


def text_of(results, line):
    """Return the report, in reStructuredText."""
    iterative = [t for t in results.tasks if all_tasks()[t].iterations]
    others = [t for t in results.tasks if t not in iterative]
    parts = [line]
    for tasks, what in ((iterative, "can go on"), (others, "cannot go on")):
        if tasks:
            title = f"Training {what} ({', '.join(tasks)}):"
            parts += [title, summary(results, tasks)]
    return "\n\n".join([*parts, "For each task:", per_task(results)])


def main():
    """Run what is missing, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = lambda text: text.split(",")
    parser.add_argument("--tasks", type=names, default=list(all_tasks()))
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--methods", type=lambda s: s.split(";"), default=list(METHODS))
    parser.add_argument("--out", type=Path, default=RESULTS / "halving.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    _validation.time = SimpleNamespace(time=time.process_time)
    line = machine("optuna")
    records = []
    if options.out.exists():
        records = json.loads(options.out.read_text(encoding="utf-8"))["records"]
    done = {(r["task"], r["seed"], r["method"]): r for r in records}
    for seed, task, method in product(
        range(options.seeds), options.tasks, options.methods
    ):
        rows_too = method == "halving of rows" and all_tasks()[task].iterations
        if (task, seed, method) in done or rows_too:
            continue
        unit = done[task, seed, RANDOM]["seconds"] if method != RANDOM else None
        with threadpool_limits(1):
            record = measure(task, seed, method, unit)
        done[task, seed, method] = record
        save(options.out, line, {"machine": line, "records": list(done.values())})
    text = text_of(Results(list(done.values())), line)
    print(text)
    save(options.out, text)


if __name__ == "__main__":
    main()
