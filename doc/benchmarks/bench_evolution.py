"""What evolution finds, beside the evolution of others, on functions.

    python doc/benchmarks/bench_evolution.py

runs ``EvolutionarySearchCV``, random search, SciPy's ``differential_evolution`` and,
where they are installed, Optuna's TPE and CMA-ES samplers and Nevergrad's NGOpt (1.0.12
needs NumPy below 2.4) on the functions of ``_tasks.py``, and writes regrets to
``doc/benchmarks/results/evolution.*``. It takes about 8 minutes on one core;
``--seeds 1 --budgets 60`` is a quick look.

Regret is the distance of the best value to the optimum, divided by that of the median
of 1000 random candidates, at most 1. SciPy searches the unit cube of our space, with 5
members a parameter instead of 15, so that 60 evaluations are a few generations. The
rank of a method is the mean over functions of the rank of its mean regret among all
methods of the table; regrets below 1e-6 are ties.
"""

import argparse
import importlib.util
import time
import warnings
from functools import cache, partial

import numpy as np
from _report import RESULTS, machine, save, table
from _tasks import more_synthetic_tasks, synthetic_tasks
from bench_search import branches_of, evaluate, kind_of, run_optuna, run_random
from scipy.optimize import differential_evolution
from scipy.stats import rankdata
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sklearn_hpo import EvolutionarySearchCV
from sklearn_hpo.optimizers import LSHADE, Evolution
from sklearn_hpo.space import SearchSpace

N_RANDOM = 1000
SOLVED = 1e-6  # regrets below are ties


class Spent(Exception):
    """Ends a method that knows no number of evaluations."""


def run_ours(task, n, seed, **settings):
    """Return the scores of one of our searches."""
    settings |= {"n_iter": n, "cv": task.cv, "refit": False, "random_state": seed}
    search = EvolutionarySearchCV(task.estimator, task.space, **settings)
    return search.fit(task.X, task.y).history_["score"]


def run_scipy(task, n, seed):
    """Return the scores of SciPy's differential evolution."""
    space, scores = SearchSpace(task.space), []

    def loss(u):
        if len(scores) == n:
            raise Spent
        scores.append(value(task, space, space.from_unit(u[None])[0]))
        return -scores[-1]

    box = [(0.0, 1.0)] * space.n_columns
    try:
        while True:  # anew, if it has converged
            rng = np.random.default_rng([seed, len(scores)])
            differential_evolution(loss, box, popsize=5, polish=False, rng=rng)
    except Spent:
        return scores


def run_optuna_cmaes(task, n, seed):
    """Return the scores of Optuna's CMA-ES; it draws choices at random."""
    from optuna.samplers import CmaEsSampler

    sampler = CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return run_optuna(task, n, seed, sampler)


def run_nevergrad(task, n, seed):
    """Return the scores of Nevergrad's NGOpt; branches are one more choice."""
    import nevergrad as ng

    def parameter(values):
        if isinstance(values, list):
            return ng.p.Choice(range(len(values)))
        kind, log, low, high = kind_of(values)
        made = (ng.p.Log if log else ng.p.Scalar)(lower=low, upper=high)
        return made.set_integer_casting() if kind == "int" else made

    branches = branches_of(task)
    free = {
        name: parameter(values)
        for branch in branches
        for name, values in branch.items()
        if not isinstance(values, list) or len(values) > 1
    }
    if len(branches) > 1:
        free["branch"] = ng.p.Choice(range(len(branches)))
    space = ng.p.Dict(**free)
    space.random_state.seed(seed)
    optimizer = ng.optimizers.NGOpt(parametrization=space, budget=n)
    scores = []
    for _ in range(n):
        point = optimizer.ask()
        drawn = point.value
        params = {
            name: values[drawn.get(name, 0)]
            if isinstance(values, list)
            else drawn[name]
            for name, values in branches[drawn.get("branch", 0)].items()
        }
        scores.append(evaluate(task, params))
        optimizer.tell(point, -scores[-1])
    return scores


def value(task, space, row):
    """Return the score of a row."""
    return clone(task.estimator).set_params(**space.decode(row)).score(None, None)


METHODS = {
    "default": run_ours,
    "screening=None": partial(run_ours, optimizer=Evolution(screening=None)),
    'optimizer="lshade"': partial(run_ours, optimizer="lshade"),
    "the same, screening=None": partial(run_ours, optimizer=LSHADE(screening=None)),
    'optimizer="ga"': partial(run_ours, optimizer="ga"),
    'optimizer="cmaes"': partial(run_ours, optimizer="cmaes"),
    "random search": run_random,
    "SciPy, differential evolution": run_scipy,
}
if importlib.util.find_spec("optuna"):
    METHODS["Optuna, TPE"] = run_optuna
    if importlib.util.find_spec("cmaes"):
        METHODS["Optuna, CMA-ES"] = run_optuna_cmaes
if importlib.util.find_spec("nevergrad"):
    METHODS["Nevergrad, NGOpt"] = run_nevergrad


@cache
def usual(task_name):
    """Return a task, and the median score of random candidates."""
    tasks = synthetic_tasks() + more_synthetic_tasks()
    task = next(task for task in tasks if task.name == task_name)
    space = SearchSpace(task.space)
    drawn = space.sample(N_RANDOM, np.random.default_rng(0))
    return task, float(np.median([value(task, space, row) for row in drawn]))


def regret(method, name, n, seed):
    """Return the regret of one search."""
    task, median = usual(name)
    best = max(METHODS[method](task, n, seed))
    return float(min((task.optimum - best) / (task.optimum - median), 1.0))


def report(data, names, budget):
    """Return the table of one budget."""
    found = [by_budget[str(budget)] for by_budget in data.values()]
    regrets = np.array([np.mean(f["regret"], axis=1) for f in found])
    ranks = rankdata(np.maximum(regrets, SOLVED), axis=0).mean(axis=1)
    rows = [
        [method, f"{rank:.1f}", f"{at.mean():.2g}", *(f"{x:.2g}" for x in at)]
        + [f"{f['ms']:.1f}"]
        for method, rank, at, f in zip(data, ranks, regrets, found, strict=True)
    ]
    return table(["method", "rank", "mean", *names, "ms"], rows)


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", type=int, nargs="+", default=[60, 500])
    parser.add_argument("--out", default=str(RESULTS / "evolution.json"))
    options = parser.parse_args()
    names = [task.name for task in synthetic_tasks() + more_synthetic_tasks()]
    data = {method: {} for method in METHODS}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's about experimental parts
        for method in METHODS:
            for n in options.budgets:
                began = time.process_time()
                regrets = [
                    [regret(method, name, n, s) for s in range(options.seeds)]
                    for name in names
                ]
                ms = 1e3 * (time.process_time() - began) / n / np.size(regrets)
                data[method][str(n)] = {"regret": regrets, "ms": ms}
    parts = [
        machine("optuna", "cmaes", "nevergrad"),
        f"{len(names)} functions, {options.seeds} seeds.",
    ]
    for n in options.budgets:
        parts += [f"After {n} evaluations:", report(data, names, n)]
    print(text := "\n\n".join(parts))
    save(options.out, text, data)


if __name__ == "__main__":
    main()
