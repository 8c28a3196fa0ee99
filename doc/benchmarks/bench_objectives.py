"""How large a front several searches find, by hypervolume.

    python doc/benchmarks/bench_objectives.py

runs ``EvolutionarySearchCV`` and ``BayesSearchCV`` with `objectives`, random draws and,
where it is installed, Optuna's NSGA-II and TPE samplers on four test functions and
three models, and writes ``doc/benchmarks/results/objectives.*``; then algorithms of
evolution with three to five objectives, to ``many_objectives.*``. It takes about ten
minutes on one core; ``--seeds 2`` is a quick look.

The models are fitted for real, but no candidate twice, whichever method asks: their
spaces are grids, and their second objective is a size, which does not depend on the
clock. Volumes are shares of that of all points that any run has found.
"""

import argparse
import importlib.util
import time
import warnings
from functools import cache, partial
from pathlib import Path

import numpy as np
from _report import RESULTS, machine, save, table
from scipy.stats import uniform
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV
from sklearn_hpo._numerics.pareto import hypervolume

N_ITER = 150
OURS = {
    "EvolutionarySearchCV": EvolutionarySearchCV,
    "BayesSearchCV": BayesSearchCV,
}
PEERS = ["Optuna, NSGA-II", "Optuna, TPE"] if importlib.util.find_spec("optuna") else []


def zdt(x, number):
    """Return the losses of ZDT1, 2 or 3."""
    f = x[0]
    g = 1 + 9 * np.mean(x[1:])
    h = 1 - (f / g) ** (2 if number == 2 else 0.5)
    if number == 3:
        h -= f / g * np.sin(10 * np.pi * f)
    return f, g * h


def dtlz2(x, k):
    """Return the losses of DTLZ2 with k objectives."""
    angles = 0.5 * np.pi * np.array(x[: k - 1])
    radius = 1 + np.sum((np.array(x[k - 1 :]) - 0.5) ** 2)
    cosines = np.append(1.0, np.cumprod(np.cos(angles)))[::-1]
    sines = np.append(1.0, np.sin(angles)[::-1])
    return tuple((radius * cosines * sines).tolist())


def models(make, X, y):
    """Return the models of two folds, and the error and rows to judge them by."""
    folds = StratifiedKFold(2, shuffle=True, random_state=0).split(X, y)
    return [(make().fit(X[train], y[train]), X[test], y[test]) for train, test in folds]


@cache
def forest(n_trees, n_leaves, share, leaf):
    """Return one minus ROC AUC, and nodes, of a forest on breast cancer."""
    X, y = load_breast_cancer(return_X_y=True)
    make = partial(
        RandomForestClassifier,
        n_trees,
        max_leaf_nodes=n_leaves,
        max_features=share,
        min_samples_leaf=leaf,
        random_state=0,
    )
    found = [
        (
            1 - roc_auc_score(targets, model.predict_proba(rows)[:, 1]),
            sum(tree.tree_.node_count for tree in model.estimators_),
        )
        for model, rows, targets in models(make, X, y)
    ]
    return tuple(np.mean(found, axis=0).tolist())


@cache
def network(units, rate, alpha, activation):
    """Return the error, and the number of weights, of a network on digits."""
    X, y = load_digits(return_X_y=True)
    make = partial(
        MLPClassifier,
        (units,),
        activation=activation,
        alpha=alpha,
        learning_rate_init=rate,
        max_iter=20,
        random_state=0,
    )
    found = [
        (1 - model.score(rows, targets), sum(w.size for w in model.coefs_))
        for model, rows, targets in models(make, X[:500] / 16, y[:500])
    ]
    return tuple(np.mean(found, axis=0).tolist())


@cache
def tree(depth, leaf, share, pruning, criterion):
    """Return the error, and the number of leaves, of a tree on digits."""
    X, y = load_digits(return_X_y=True)
    make = partial(
        DecisionTreeClassifier,
        max_depth=depth,
        min_samples_leaf=leaf,
        max_features=share,
        ccp_alpha=pruning,
        criterion=criterion,
        random_state=0,
    )
    found = [
        (1 - model.score(rows, targets), model.get_n_leaves())
        for model, rows, targets in models(make, X, y)
    ]
    return tuple(np.mean(found, axis=0).tolist())


def rounded(low, high, n):
    """Return different integers at even ratios."""
    return sorted({round(x) for x in np.geomspace(low, high, n)})


def floats(low, high, n):
    """Return numbers at even ratios."""
    return [float(f"{x:.3g}") for x in np.geomspace(low, high, n)]


# The losses, the space, the reference point, and whether volumes are measured with the
# logarithm of the last loss, a size. A list is a grid, a tuple has no order.
TASKS = {
    "ZDT1": (lambda *x: zdt(x, 1), [None] * 6, (1.1, 11.0), False),
    "ZDT2": (lambda *x: zdt(x, 2), [None] * 6, (1.1, 11.0), False),
    "ZDT3": (lambda *x: zdt(x, 3), [None] * 6, (1.1, 11.0), False),
    "DTLZ2": (lambda *x: dtlz2(x, 3), [None] * 7, (2.5, 2.5, 2.5), False),
    "forest": (
        forest,
        [
            rounded(1, 32, 10),
            rounded(2, 32, 9),
            floats(0.1, 1, 4),
            rounded(1, 16, 5),
        ],
        (0.2, 4000.0),
        True,
    ),
    "network": (
        network,
        [
            rounded(1, 48, 14),
            floats(1e-3, 1e-1, 8),
            floats(1e-4, 1, 4),
            ("relu", "tanh", "logistic"),
        ],
        (0.9, 5000.0),
        True,
    ),
    "tree": (
        tree,
        [
            rounded(1, 20, 14),
            rounded(1, 100, 18),
            floats(0.1, 1, 10),
            floats(1e-5, 1e-1, 20),
            ("gini", "entropy"),
        ],
        (0.9, 200.0),
        True,
    ),
}


# For algorithms of evolution only: many objectives.
MANY = {
    "3 objectives": (lambda *x: dtlz2(x, 3), [None] * 7, (1.5,) * 3, False),
    "4 objectives": (lambda *x: dtlz2(x, 4), [None] * 8, (1.5,) * 4, False),
    "5 objectives": (lambda *x: dtlz2(x, 5), [None] * 9, (1.5,) * 5, False),
}
N_POINTS = 20_000


class Candidate(BaseEstimator):
    """A point of a task, whose losses are all that is fitted."""

    def __init__(  # noqa: PLR0913 - one for each parameter of a task
        self,
        task,
        x0=None,
        x1=None,
        x2=None,
        x3=None,
        x4=None,
        x5=None,
        x6=None,
        x7=None,
        x8=None,
    ):
        self.task = task
        self.x0, self.x1, self.x2, self.x3 = x0, x1, x2, x3
        self.x4, self.x5, self.x6, self.x7, self.x8 = x4, x5, x6, x7, x8

    def fit(self, X, y=None):
        """Look the losses up."""
        losses, space, *_ = (TASKS | MANY)[self.task]
        self.losses_ = losses(*(getattr(self, f"x{i}") for i in range(len(space))))
        return self

    def score(self, X, y=None):
        """Return minus the first loss."""
        return -self.losses_[0]


def second(estimator):
    """Return minus the second loss."""
    return -estimator.losses_[1]


def third(estimator):
    """Return minus the third loss."""
    return -estimator.losses_[2]


def fourth(estimator):
    """Return minus the fourth loss."""
    return -estimator.losses_[3]


def fifth(estimator):
    """Return minus the fifth loss."""
    return -estimator.losses_[4]


def run_ours(make, name, seed, **settings):
    """Return the losses of one of our searches, in the order of proposals."""
    _, space, reference, _ = (TASKS | MANY)[name]
    objectives = ["score", second, third, fourth, fifth][: len(reference)]
    values = [uniform(0, 1) if grid is None else list(grid) for grid in space]
    search = make(
        Candidate(name),
        {f"x{i}": grid for i, grid in enumerate(values)},
        n_iter=N_ITER,
        objectives=objectives,
        refit=False,
        cv=[([0], [0])],
        random_state=seed,
        **settings,
    ).fit(np.zeros((1, 1)))
    names = ["score", "second", "third", "fourth", "fifth"][: len(reference)]
    return -np.column_stack([search.cv_results_[f"mean_test_{n}"] for n in names])


def run_random(name, seed):
    """Return the losses of draws."""
    losses, space, *_ = (TASKS | MANY)[name]
    rng = np.random.default_rng(seed)
    return np.array(
        [
            losses(
                *(rng.random() if g is None else g[rng.integers(len(g))] for g in space)
            )
            for _ in range(N_ITER)
        ]
    )


def run_optuna(sampler, name, seed):
    """Return the losses of a sampler of Optuna."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    losses, space, reference, _ = TASKS[name]

    def suggest(trial, i, grid):
        if grid is None:
            return trial.suggest_float(f"x{i}", 0, 1)
        if isinstance(grid, tuple):
            return trial.suggest_categorical(f"x{i}", grid)
        return grid[trial.suggest_int(f"x{i}", 0, len(grid) - 1)]

    def objective(trial):
        return losses(*(suggest(trial, i, grid) for i, grid in enumerate(space)))

    study = optuna.create_study(
        directions=["minimize"] * len(reference),
        sampler=getattr(optuna.samplers, sampler)(seed=seed),
    )
    study.optimize(objective, n_trials=N_ITER)
    return np.array([trial.values for trial in study.trials])


METHODS = {name: partial(run_ours, make) for name, make in OURS.items()}
METHODS["random draws"] = run_random
if PEERS:
    METHODS[PEERS[0]] = partial(run_optuna, "NSGAIISampler")
    METHODS[PEERS[1]] = partial(run_optuna, "TPESampler")


def shares(found, name):
    """Return the volume of each run, as a share of that of all of them: by method."""
    *_, reference, of_sizes = TASKS[name]

    def measured(losses):
        losses, end = np.array(losses), np.array(reference)
        if of_sizes:
            losses[:, -1], end[-1] = np.log2(losses[:, -1]), np.log2(end[-1])
        return hypervolume(losses, end)

    whole = measured(np.concatenate([run for runs in found.values() for run in runs]))
    return {m: [measured(run) / whole for run in runs] for m, runs in found.items()}


def share_of_points(losses, name):
    """Return the share of random points below the reference that are dominated."""
    *_, reference, _ = MANY[name]
    points = np.random.default_rng(0).random((N_POINTS, len(reference))) * reference
    beaten = np.zeros(N_POINTS, dtype=bool)
    for row in losses:
        beaten |= np.all(row <= points, axis=1)
    return float(beaten.mean())


def many(n_seeds):
    """Return the share of volume by algorithm, task and seed."""
    runs = {
        f'optimizer="{name}"': partial(run_ours, EvolutionarySearchCV, optimizer=name)
        for name in ("de", "nsga2", "nsga3")
    }
    return {
        method: [
            [share_of_points(run(name, seed), name) for seed in range(n_seeds)]
            for name in MANY
        ]
        for method, run in (runs | {"random draws": run_random}).items()
    }


def interval(ours, theirs):
    """Return a paired bootstrap interval, 95 %, of the mean difference over seeds."""
    gain = np.array(ours) - np.array(theirs)
    drawn = np.random.default_rng(0).integers(len(gain), size=(10_000, len(gain)))
    return np.percentile(gain[drawn].mean(axis=1), [2.5, 97.5])


def report_many(found):
    """Return the table of many objectives, with standard errors."""
    rows = []
    for method, by_task in found.items():
        cells = [
            f"{np.mean(x):.3f} ± {np.std(x, ddof=1) / len(x) ** 0.5:.3f}"
            for x in by_task
        ]
        rows.append([method, *cells])
    return table(["method", *MANY], rows)


def report(volumes, seconds):
    """Return the tables."""
    rows = [
        [method, *(f"{np.mean(v[method]):.3f}" for v in volumes.values())]
        + [f"{seconds[method]:.1f}"]
        for method in METHODS
    ]
    parts = [table(["method", *volumes, "s"], rows)]
    if PEERS:
        rows = []
        for method in OURS:
            cells = []
            for by_method in volumes.values():
                best = max(PEERS, key=lambda peer: np.mean(by_method[peer]))
                low, high = interval(by_method[method], by_method[best])
                cells.append(f"{low:+.3f} {high:+.3f}")
            rows.append([method, *cells])
        parts += [
            "Difference to the better one of Optuna's samplers, 95 % interval:",
            table(["method", *volumes], rows),
        ]
    return parts


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--out", default=str(RESULTS / "objectives.json"))
    options = parser.parse_args()
    volumes, spent = {}, dict.fromkeys(METHODS, 0.0)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks that have not converged
        for name in options.tasks:
            found = {}
            for method, run in METHODS.items():
                began = time.process_time()
                found[method] = [run(name, seed) for seed in range(options.seeds)]
                # fits of models are paid by whoever asks first, so they don't count
                if TASKS[name][1][0] is None:
                    spent[method] += time.process_time() - began
            volumes[name] = shares(found, name)
        found = many(options.seeds)
    n_timed = options.seeds * sum(TASKS[name][1][0] is None for name in options.tasks)
    seconds = {method: total / max(n_timed, 1) for method, total in spent.items()}
    parts = [
        machine("optuna"),
        f"Share of the known volume after {N_ITER} evaluations, mean of "
        f"{options.seeds} seeds; *s* is the processor time of a search of a function:",
        *report(volumes, seconds),
    ]
    print(text := "\n\n".join(parts))
    save(options.out, text, {"volumes": volumes, "seconds": seconds})
    text = report_many(found)
    print(text)
    save(Path(options.out).with_name("many_objectives.json"), text, found)


if __name__ == "__main__":
    main()
