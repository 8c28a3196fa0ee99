"""What searches find where sequences, subsets and orders are parameters.

    python doc/benchmarks/bench_structures.py

lets searches propose candidates for five kinds of tasks, each with another hidden
optimum for each seed, and writes regrets to ``doc/benchmarks/results/structures.*``. It
takes about 3 minutes on one core; ``--seeds 2`` is a quick look.

Regret is the distance of the best loss to the optimum, divided by that of the median
of 300 random candidates, at most 1.
"""

import argparse
import time
from itertools import permutations, product

import numpy as np
from _report import RESULTS, machine, save, table
from threadpoolctl import threadpool_limits

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV
from sklearn_hpo.optimizers import Evolution, GeneticAlgorithm, Told
from sklearn_hpo.space import SearchSpace, lograndint, permutation, sequence, subset

N_RANDOM = 300


def columns(rng):
    """Twelve correlated columns of a regression, chosen by their information."""
    X = rng.normal(size=(60, 12)) + 0.8 * rng.normal(size=(60, 1))
    y = X[:, :4] @ rng.normal(size=4) + X[:, 0] * X[:, 1] + rng.normal(size=60)
    X, y = X - X.mean(axis=0), y - y.mean()

    def loss(chosen):
        rest = y - X[:, chosen] @ np.linalg.lstsq(X[:, chosen], y)[0]
        return len(y) * np.log(rest @ rest) + len(chosen) * np.log(len(y))

    masks = np.array(list(product([False, True], repeat=12))[1:])
    return subset(range(12)), loss, min(loss(np.flatnonzero(m)) for m in masks)


def members(rng):
    """About a third of thirty items, each wrong one of which costs 1."""
    hidden = rng.random(30) < 0.3

    def loss(chosen):
        return float(np.sum(hidden != np.isin(np.arange(30), chosen)))

    return subset(range(30), min_size=0), loss, 0.0


def tour(rng):
    """The length of a tour of eight cities."""
    cities = rng.random((8, 2))

    def loss(order):
        stops = cities[list(order)]
        return float(np.linalg.norm(stops - np.roll(stops, 1, axis=0), axis=1).sum())

    best = min(loss((0, *rest)) for rest in permutations(range(1, 8)))
    return permutation(range(8)), loss, best


def layers(rng):
    """Sizes of one to five layers, by their ratios to those of hidden ones."""
    hidden = np.exp(rng.uniform(np.log(8), np.log(512), rng.integers(2, 6)))

    def loss(sizes):
        n = min(len(sizes), len(hidden))
        ratios = np.log(np.array(sizes[:n]) / hidden[:n])
        return float(np.abs(ratios).sum() + 1.5 * abs(len(sizes) - len(hidden)))

    return sequence(lograndint(8, 513), 1, 5), loss, 0.0


def steps(rng):
    """Up to ten steps of four kinds, by the edits that make the hidden ones of them."""
    hidden = rng.choice([*"abcd"], rng.integers(4, 11)).tolist()

    def loss(word):
        row = list(range(len(hidden) + 1))
        for i, letter in enumerate(word, start=1):
            above, row = row, [i]
            for j, other in enumerate(hidden):
                changed = above[j] + (letter != other)
                row.append(min(changed, above[j + 1] + 1, row[j] + 1))
        return float(row[-1])

    return sequence([*"abcd"], 1, 10), loss, 0.0


TASKS = {f.__name__: f for f in (columns, members, tour, layers, steps)}
METHODS = {
    "EvolutionarySearchCV": (EvolutionarySearchCV, {}),
    'optimizer="ga"': (EvolutionarySearchCV, {"optimizer": "ga"}),
    'optimizer="regularized"': (EvolutionarySearchCV, {"optimizer": "regularized"}),
    "screening=None": (EvolutionarySearchCV, {"optimizer": Evolution(screening=None)}),
    'screening=None, "ga"': (
        EvolutionarySearchCV,
        {"optimizer": GeneticAlgorithm(screening=None)},
    ),
    "BayesSearchCV": (BayesSearchCV, {}),
    'optimizer="tpe"': (BayesSearchCV, {"optimizer": "tpe"}),
    "random search": (BayesSearchCV, {"optimizer": "random"}),
}


def regret(method, task, n, seed, apart):
    """Return the regret of one search; `apart` breeds column by column only."""
    dist, loss, optimum = TASKS[task](np.random.default_rng([1, seed]))
    space = SearchSpace({"x": dist})
    drawn = space.sample(N_RANDOM, np.random.default_rng(seed))
    median = np.median([loss(space.decode(row)["x"]) for row in drawn])
    if apart:
        space.groups = ()
    cls, settings = METHODS[method]
    search = cls(None, {"x": dist}, n_iter=n, **settings)
    optimizer = search._own_optimizer()
    optimizer.start(space, n, seed)
    for _ in range(n):
        row = optimizer.ask(np.empty((0, space.n_columns))).row
        value = loss(space.decode(row)["x"])
        optimizer.tell(Told.of(row[None], np.array([value])))
    return float(min((optimizer.losses.min() - optimum) / (median - optimum), 1.0))


def measure(seeds, budgets):
    """Return regrets (task, seed) and milliseconds of all methods, by budget."""
    data = {}
    for method, (cls, _) in METHODS.items():
        for apart in (False, True)[: 1 + (cls is EvolutionarySearchCV)]:
            name = f"{method}, by columns" if apart else method
            data[name] = {}
            for n in budgets:
                began = time.process_time()
                regrets = [
                    [regret(method, task, n, s, apart) for s in range(seeds)]
                    for task in TASKS
                ]
                ms = 1e3 * (time.process_time() - began) / n / np.size(regrets)
                data[name][str(n)] = {"regret": regrets, "ms": ms}
    return data


def report(data, budget):
    """Return the table of one budget."""
    rows = []
    for method, by_budget in data.items():
        at = np.array(by_budget[str(budget)]["regret"])
        error = at.mean(axis=0).std() / np.sqrt(at.shape[1])
        cells = [f"{x:.2g}" for x in at.mean(axis=1)]
        ms = f"{by_budget[str(budget)]['ms']:.1f}"
        rows.append([method, f"{at.mean():.3f} ± {error:.3f}", *cells, ms])
    return table(["method", "mean", *TASKS, "ms"], rows)


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budgets", type=int, nargs="+", default=[60])
    parser.add_argument("--out", default=str(RESULTS / "structures.json"))
    options = parser.parse_args()
    with threadpool_limits(1):
        data = measure(options.seeds, options.budgets)
    parts = [machine(), f"{len(TASKS)} kinds of tasks, {options.seeds} seeds."]
    for n in options.budgets:
        parts += [f"After {n} evaluations:", report(data, n)]
    print(text := "\n\n".join(parts))
    save(options.out, text, data)


if __name__ == "__main__":
    main()
