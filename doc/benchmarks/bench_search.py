"""What a search finds: BayesSearchCV beside its peers, at equal evaluations.

    python doc/benchmarks/bench_search.py

runs every task with every method and seed, prints what ``doc/benchmarks.rst`` includes,
and writes it, the scores behind it and a figure to ``doc/benchmarks/results/search.*``.
It takes about 20 minutes on one core. ``--tasks branin,svc-digits --seeds 2`` is a
quick look, ``--render`` makes text and figure anew from the file of scores.

Measured are the best cross-validated score so far after each evaluation (all methods
meet the same five folds) and the seconds of the whole search without refit. Optuna's
sampler is its default, the TPE, and its objective is ``cross_val_score``. It runs if it
is installed; ``--peers random,optuna,skopt`` adds scikit-optimize.

Differences of scores are ours minus theirs for the same task and seed, divided by the
spread of random search on the task: the standard deviation of the best of so many draws
from all the scores that random search saw. The interval is a bootstrap over tasks,
and over seeds within tasks.
"""

import argparse
import importlib.util
import json
import time
import warnings
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _report import RESULTS, machine, save, table
from _tasks import all_tasks
from joblib import Parallel, delayed
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RandomizedSearchCV, cross_val_score
from threadpoolctl import threadpool_limits

from sklearn_hpo import BayesSearchCV

N_BOOT = 5000


def run_ours(task, n, seed, surrogate):
    """Return the scores of BayesSearchCV, in the order of evaluation."""
    search = BayesSearchCV(
        task.estimator,
        task.space,
        n_iter=n,
        optimizer=surrogate,
        cv=task.cv,
        scoring=task.scoring,
        refit=False,
        random_state=seed,
    )
    return search.fit(task.X, task.y).cv_results_["mean_test_score"]


def run_random(task, n, seed):
    """Return the scores of RandomizedSearchCV."""
    search = RandomizedSearchCV(
        task.estimator,
        task.space,
        n_iter=n,
        cv=task.cv,
        scoring=task.scoring,
        refit=False,
        random_state=seed,
    )
    return search.fit(task.X, task.y).cv_results_["mean_test_score"]


def evaluate(task, params):
    """Return the mean score over the folds, as an objective of a peer."""
    estimator = clone(task.estimator).set_params(**params)
    return cross_val_score(
        estimator, task.X, task.y, cv=task.cv, scoring=task.scoring
    ).mean()


def branches_of(task):
    """Return the space as a list of dicts."""
    return [task.space] if isinstance(task.space, dict) else task.space


def kind_of(values):
    """Return "int" or "float", whether it is logarithmic, and the two ends."""
    kind = values.dist.name if hasattr(values, "dist") else type(values).__name__
    low, high = (
        end.item() if hasattr(end, "item") else end for end in values.support()
    )
    return "int" if "randint" in kind else "float", "log" in kind, low, high


def run_optuna(task, n, seed, sampler=None):
    """Return the scores of a sampler of Optuna; None is its default."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def suggest(trial, name, values):
        if isinstance(values, list):
            if len(values) == 1:
                return values[0]
            return values[trial.suggest_categorical(name, range(len(values)))]
        kind, log, low, high = kind_of(values)
        return getattr(trial, f"suggest_{kind}")(name, low, high, log=log)

    def objective(trial):
        branches = branches_of(task)
        branch = branches[suggest(trial, "branch", list(range(len(branches))))]
        params = {name: suggest(trial, name, branch[name]) for name in branch}
        return evaluate(task, params)

    sampler = sampler or optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=n)
    return [np.nan if t.value is None else t.value for t in study.trials]


def run_skopt(task, n, seed):
    """Return the scores of scikit-optimize; branches are one more category."""
    from skopt import Optimizer, space

    branches = branches_of(task)
    free = {"branch": range(len(branches))}
    for branch in branches:
        free |= {
            name: values
            for name, values in branch.items()
            if not isinstance(values, list) or len(values) > 1
        }

    def dimension(name):
        if isinstance(free[name], list | range):
            return space.Categorical(list(range(len(free[name]))))
        kind, log, low, high = kind_of(free[name])
        make = space.Integer if kind == "int" else space.Real
        return make(low, high, prior="log-uniform" if log else "uniform")

    optimizer = Optimizer([dimension(name) for name in free], random_state=seed)
    scores = []
    for _ in range(n):
        point = optimizer.ask()
        drawn = dict(zip(free, point, strict=True))
        params = {
            name: values[drawn.get(name, 0)]
            if isinstance(values, list)
            else drawn[name]
            for name, values in branches[drawn["branch"]].items()
        }
        scores.append(evaluate(task, params))
        optimizer.tell(point, -scores[-1])
    return scores


LABELS = {
    "auto": "BayesSearchCV",
    "random": "RandomizedSearchCV",
    "optuna": "Optuna (TPE)",
    "skopt": "scikit-optimize",
}
PEERS = {"random": run_random, "optuna": run_optuna, "skopt": run_skopt}


def label_of(method):
    """Return the name of a method in tables and figures."""
    return LABELS.get(method, f"optimizer={method!r}")


def run(name, seed, method, n):
    """Run one search and return its record."""
    task = all_tasks()[name]
    began = time.perf_counter()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if method in PEERS:
            scores = PEERS[method](task, n, seed)
        else:
            scores = run_ours(task, n, seed, method)
    return {
        "task": name,
        "method": method,
        "seed": seed,
        "seconds": round(time.perf_counter() - began, 3),
        "scores": [float(f"{score:.6g}") for score in scores],
    }


class Results:
    """The records of all runs, and what follows from them.

    Parameters
    ----------
    records : list of dict
        What `run` returned.
    """

    def __init__(self, records):
        self.tasks = list(dict.fromkeys(r["task"] for r in records))
        self.methods = list(dict.fromkeys(r["method"] for r in records))
        self.seeds = sorted({r["seed"] for r in records})
        self.n = max(len(r["scores"]) for r in records)
        self.ours = [m for m in self.methods if m not in PEERS]
        self.peers = [m for m in self.methods if m in PEERS]
        self.seconds, self.scores, self.curves = {}, {}, {}
        for r in records:
            key = r["task"], r["method"], r["seed"]
            scores = np.array(r["scores"], float)
            scores[np.isnan(scores)] = -np.inf
            self.scores[key] = scores
            best = np.maximum.accumulate(scores)
            # a search of a finite space may need fewer evaluations
            self.curves[key] = np.pad(best, (0, self.n - len(best)), "edge")
            self.seconds[key] = r["seconds"]

    def of(self, values, task, method):
        """Return the values of one task and method, one row a seed."""
        return np.array([values[task, method, seed] for seed in self.seeds])

    def spread(self, task):
        """Return the deviation of the best of n draws from random search's scores."""
        pool = np.sort(np.concatenate(list(self.of(self.scores, task, "random"))))
        pool = pool[np.isfinite(pool)]
        below = (np.arange(len(pool) + 1) / len(pool)) ** self.n
        chance = np.diff(below)
        mean = chance @ pool
        return max(np.sqrt(chance @ (pool - mean) ** 2), 1e-12)

    def differences(self, task, ours, peer):
        """Return the standardised differences of the final scores, one a seed."""
        ends = [self.of(self.curves, task, m)[:, -1] for m in (ours, peer)]
        return (ends[0] - ends[1]) / self.spread(task)

    def needed(self, task, ours, peer):
        """Return our evaluations until the peer's final score; inf if never."""
        target = self.of(self.curves, task, peer)[:, -1:]
        reached = self.of(self.curves, task, ours) >= target
        return np.where(reached[:, -1], reached.argmax(axis=1) + 1, np.inf)


def interval(differences, rng):
    """Return the mean and the ends of its 95 % bootstrap interval.

    Parameters
    ----------
    differences : ndarray of shape (n_tasks, n_seeds)
        Standardised differences.
    rng : numpy.random.Generator
        Draws tasks, and seeds within tasks.

    Returns
    -------
    mean, low, high : float
        In units of random search's spread.
    """
    n_tasks, n_seeds = differences.shape
    tasks = rng.integers(n_tasks, size=(N_BOOT, n_tasks, 1))
    seeds = rng.integers(n_seeds, size=(N_BOOT, n_tasks, n_seeds))
    means = differences[tasks, seeds].mean(axis=(1, 2))
    return differences.mean(), *np.quantile(means, [0.025, 0.975])


def summary(results):
    """Return the table that compares our methods with the peers."""
    synthetic = [t for t in results.tasks if all_tasks()[t].is_synthetic]
    groups = {
        "functions": synthetic,
        "models": [t for t in results.tasks if t not in synthetic],
    }
    header = ["search", "beside", "tasks", "difference", "95 % interval"]
    header += ["won, tied, lost", "evaluations needed"]
    rows = []
    for ours, peer, group in product(results.ours, results.peers, groups):
        tasks = groups[group]
        if not tasks:
            continue
        d = np.array([results.differences(task, ours, peer) for task in tasks])
        mean, low, high = interval(d, np.random.default_rng(0))
        needed = np.median([results.needed(task, ours, peer) for task in tasks])
        counts = (d > 0).sum(), (d == 0).sum(), (d < 0).sum()
        rows.append(
            [
                label_of(ours),
                label_of(peer),
                f"{len(tasks)} {group}",
                f"{mean:+.2f}",
                f"{low:+.2f} to {high:+.2f}",
                ", ".join(map(str, counts)),
                f"{needed:.0f}" if np.isfinite(needed) else f"over {results.n}",
            ]
        )
    return table(header, rows)


def per_task(results):
    """Return the table of median scores, the best of each task in bold."""
    steps = [step for step in (10, 20) if step < results.n] + [results.n]
    header = ["task", "method", *(f"at {step}" for step in steps), "seconds"]
    rows = []
    for task in results.tasks:
        medians = {
            m: np.median(results.of(results.curves, task, m), axis=0)
            for m in results.methods
        }
        best = f"{max(m[-1] for m in medians.values()):.5g}"
        for method in results.methods:
            cells = [f"{medians[method][step - 1]:.5g}" for step in steps]
            if cells[-1] == best:
                cells[-1] = f"**{best}**"
            seconds = np.median(results.of(results.seconds, task, method))
            rows.append([task, label_of(method), *cells, f"{seconds:.1f}"])
    return table(header, rows)


def text_of(results, line):
    """Return the report, in reStructuredText."""
    n_seeds = len(results.seeds)
    return "\n\n".join(
        [
            line,
            f"Final scores after {results.n} evaluations, {n_seeds} seeds:",
            summary(results),
            f"Best score so far, median over {n_seeds} seeds:",
            per_task(results),
        ]
    )


def draw(ax, results, task):
    """Draw the mean over seeds of the best score so far, one line a method."""
    optimum = all_tasks()[task].optimum
    curves = {
        m: results.of(results.curves, task, m).mean(axis=0) for m in results.methods
    }
    for method, curve in curves.items():
        if optimum is not None:
            curve = np.maximum(optimum - curve, 1e-4)
        steps = np.arange(1, results.n + 1)
        ax.step(steps, curve, where="post", label=label_of(method), lw=1.6)
    if optimum is not None:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        subs = (1,) if high > 50 * low else (1, 2, 5)
        ax.yaxis.set_major_locator(LogLocator(subs=subs))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_title(f"{task}: distance to optimum", fontsize=10)
    else:
        # the first scores are so low that they would hide all that follows
        floor = min(curve[results.n // 4] for curve in curves.values())
        top = max(curve[-1] for curve in curves.values())
        margin = 0.05 * (top - floor)
        ax.set_ylim(floor - margin, top + margin)
        ax.set_title(task, fontsize=10)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=True))
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)


def plot(results, path):
    """Draw one panel a task."""
    n_columns = min(4, len(results.tasks))
    n_rows = -(-len(results.tasks) // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3.1 * n_columns, 2.4 * n_rows),
        squeeze=False,
        layout="constrained",
    )
    for ax, task in zip(axes.flat, results.tasks, strict=False):
        draw(ax, results, task)
    for ax in axes.flat[len(results.tasks) :]:
        ax.remove()
    figure.supxlabel("evaluations", fontsize=10)
    figure.supylabel("best score so far", fontsize=10)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=6, frameon=False)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})
    plt.close(figure)


def parse(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = lambda text: text.split(",")
    installed = ["random"] + ["optuna"] * bool(importlib.util.find_spec("optuna"))
    parser.add_argument("--tasks", type=names, default=list(all_tasks()))
    parser.add_argument("--surrogates", type=names, default=["auto"])
    parser.add_argument("--peers", type=names, default=installed)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--n", type=int, default=40, help="evaluations of a search")
    parser.add_argument("--jobs", type=int, default=1, help="searches side by side")
    parser.add_argument("--out", type=Path, default=RESULTS / "search.json")
    parser.add_argument("--plot", type=Path, default=None, help="default: OUT as .png")
    parser.add_argument("--render", action="store_true", help="run nothing, read OUT")
    options = parser.parse_args(arguments)
    if "random" not in options.peers:
        parser.error("--peers needs random: its spread is the unit of differences")
    return options


def main():
    """Run, print, write."""
    options = parse()
    if options.render:
        data = json.loads(options.out.read_text(encoding="utf-8"))
    else:
        methods = options.surrogates + options.peers
        work = product(options.tasks, range(options.seeds), methods)
        records = Parallel(n_jobs=options.jobs, verbose=1)(
            delayed(run)(*item, options.n) for item in work
        )
        packages = {"optuna": "optuna", "skopt": "scikit-optimize"}
        line = machine(*(packages[p] for p in options.peers if p in packages))
        data = {"machine": line, "records": records}
    results = Results(data["records"])
    text = text_of(results, data["machine"])
    print(text)
    save(options.out, text, None if options.render else data)
    plot(results, options.plot or options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
