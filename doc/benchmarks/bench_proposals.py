"""What a proposal costs: milliseconds for each, by the number of known results.

    python doc/benchmarks/bench_proposals.py

times every optimizer of ``sklearn_hpo.optimizers`` beside Optuna's samplers (GPSampler
only where PyTorch is installed) on ten real parameters, prints what
``doc/benchmarks.rst`` includes, and writes it to ``doc/benchmarks/results``. It takes a
few minutes on one core.

An optimizer is told ``n`` random points; then it proposes and is told the result,
``n/8`` times but at least ten times. The first table has the mean milliseconds of one
such turn, so models that are fitted anew only now and then pay their share of that; the
second the longest turn. Memory is the peak of what Python and NumPy allocate
(tracemalloc) for one more turn after 5000 results, these included. A cell ends after
``--limit`` seconds, and larger ``n`` are then left out, as is the memory.
"""

import argparse
import importlib.util
import time
import tracemalloc
import warnings
from inspect import isabstract
from pathlib import Path

import numpy as np
from _report import RESULTS, machine, save, table
from scipy.stats import uniform
from threadpoolctl import threadpool_limits

from sklearn_hpo import optimizers
from sklearn_hpo.space import SearchSpace

D = 10
SIZES = (20, 50, 100, 200, 300, 1000)
N_MEMORY = 5000
SPACE = {f"x{i}": uniform(0, 1) for i in range(D)}


def loss_of(rows):
    """Return a valley with ripples, for each row of the unit cube."""
    z = rows - np.linspace(0.2, 0.8, D)
    return (z**2 @ np.arange(1, D + 1)) + 0.1 * np.cos(8 * z).sum(axis=1)


class Ours:
    """One of our optimizers, asked and told.

    Parameters
    ----------
    name : str
        Of a class in ``sklearn_hpo.optimizers``.
    n_iter : int
        How many evaluations it should plan for.
    """

    def __init__(self, name, n_iter):
        self.optimizer = getattr(optimizers, name)()
        space = SearchSpace(SPACE)
        try:
            self.optimizer.start(space, n_iter, 0)
        except ValueError:  # it is for several objectives only
            self.optimizer.start(space, n_iter, 0, n_objectives=2)

    def know(self, rows):
        """Take results from elsewhere."""
        losses = loss_of(rows)
        if self.optimizer.n_objectives == 2:
            losses = np.column_stack([losses, loss_of(1.0 - rows)])
        self.optimizer.tell(optimizers.Told.of(rows, losses))

    def turn(self):
        """Propose, and take the result."""
        self.know(self.optimizer.ask(np.empty((0, D))).row[None])


class Optuna:
    """One of Optuna's samplers, asked and told.

    Parameters
    ----------
    name : str
        Of a class in ``optuna.samplers``.
    n_iter : int
        Ignored: it makes no plans.
    """

    def __init__(self, name, n_iter):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna = optuna
        self.study = optuna.create_study(sampler=getattr(optuna.samplers, name)(seed=0))

    def know(self, rows):
        """Take results from elsewhere."""
        floats = dict.fromkeys(SPACE, self.optuna.distributions.FloatDistribution(0, 1))
        for row, loss in zip(rows, loss_of(rows), strict=True):
            params = dict(zip(SPACE, map(float, row), strict=True))
            self.study.add_trial(
                self.optuna.trial.create_trial(
                    params=params, distributions=floats, value=float(loss)
                )
            )

    def turn(self):
        """Propose, and take the result."""
        trial = self.study.ask()
        row = [[trial.suggest_float(name, 0, 1) for name in SPACE]]
        self.study.tell(trial, loss_of(np.array(row))[0])


def candidates():
    """Return what is there to be timed.

    Returns
    -------
    makers : dict
        From the name in the table to the class here and the name there.
    """
    classes = {name: getattr(optimizers, name) for name in optimizers.__all__}
    ours = [
        name
        for name, kind in classes.items()
        if isinstance(kind, type)
        and issubclass(kind, optimizers.Optimizer)
        and not isabstract(kind)
        and kind is not optimizers.MultiFidelity  # asks one of the others
    ]
    makers = {name: (Ours, name) for name in ours}
    if importlib.util.find_spec("optuna"):
        makers["Optuna TPESampler"] = Optuna, "TPESampler"
        if importlib.util.find_spec("torch"):
            makers["Optuna GPSampler"] = Optuna, "GPSampler"
    return makers


def random_rows(n):
    """Return n rows of the unit cube."""
    return np.random.default_rng(0).random((n, D))


def time_turns(maker, n, limit):
    """Return the milliseconds of each turn after n results."""
    kind, name = maker
    n_turns = max(10, n // 8)
    subject = kind(name, n + n_turns)
    subject.know(random_rows(n))
    for _ in range(2):  # each member of a team once: the first fits are not a turn's
        subject.turn()
    times = []
    while len(times) < n_turns and sum(times) < limit:
        began = time.perf_counter()
        subject.turn()
        times.append(time.perf_counter() - began)
    return [round(1e3 * t, 3) for t in times]


def memory_of(maker):
    """Return the peak megabytes of a turn after `N_MEMORY` results."""
    kind, name = maker
    tracemalloc.start()
    subject = kind(name, N_MEMORY + 1)
    subject.know(random_rows(N_MEMORY))
    tracemalloc.reset_peak()
    subject.turn()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def measure(maker, sizes, limit):
    """Return the times of one optimizer by n, and its memory or None."""
    times = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in sizes:
            times[n] = time_turns(maker, n, limit)
            if sum(times[n]) > 1e3 * limit:
                return {"ms": times, "MB": None}
        return {"ms": times, "MB": memory_of(maker)}


def report(data, sizes):
    """Return the two tables."""
    header = ["optimizer", *(f"n={n}" for n in sizes)]
    means, longest = [], []
    for name, found in data.items():
        times = [found["ms"].get(n) for n in sizes]
        memory = "skipped" if found["MB"] is None else f"{found['MB']:.0f}"
        cells = [f"{np.mean(t):.1f}" if t else "skipped" for t in times]
        means.append([name, *cells, memory])
        longest.append([name, *(f"{max(t):.0f}" if t else "skipped" for t in times)])
    return "\n\n".join(
        [
            "Mean milliseconds of a turn:",
            table([*header, f"MB at n={N_MEMORY}"], means),
            "The longest turn, milliseconds:",
            table(header, longest),
        ]
    )


def main():
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = lambda text: [int(n) for n in text.split(",")]
    makers = candidates()
    names = lambda text: text.split(",")
    parser.add_argument("--sizes", type=numbers, default=SIZES)
    parser.add_argument("--only", type=names, default=list(makers), help="names")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds a cell")
    parser.add_argument("--out", type=Path, default=RESULTS / "proposals.json")
    options = parser.parse_args()
    data = {
        name: measure(makers[name], options.sizes, options.limit)
        for name in options.only
    }
    line = machine("optuna", "torch")
    text = f"{line}\n\n{report(data, options.sizes)}"
    print(text)
    save(options.out, text, {"machine": line, "results": data})


if __name__ == "__main__":
    main()
