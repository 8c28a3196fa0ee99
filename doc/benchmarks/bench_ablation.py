"""What each constant of the default optimizer is worth.

    python doc/benchmarks/bench_ablation.py

runs the optimizer of ``BayesSearchCV(optimizer="auto")``, and variants of it that each
differ in one constant, on the functions of ``_tasks.py``, and writes means and regrets
to ``doc/benchmarks/results/ablation.*``. It takes about 5 minutes on one core;
``--variants "as it is,no margin" --seeds 2`` is a quick look.

Regret is the distance of the best value so far to the optimum, divided by that of the
median of 1000 random candidates, at most 1.
"""

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import numpy as np
from _report import RESULTS, machine, save, table
from _tasks import more_synthetic_tasks, synthetic_tasks
from threadpoolctl import threadpool_limits

from sklearn_hpo._numerics import evidence
from sklearn_hpo._numerics import gp_fits as _processes
from sklearn_hpo.optimizers import (
    RBF,
    GaussianProcess,
    Portfolio,
    Told,
    _bayesian,
    _rbf,
)
from sklearn_hpo.space import SearchSpace

N_ITER, N_RANDOM, N_BOOT = 60, 1000, 2000
CHECKPOINTS = (20, 40, 60)
MEMBERS = (GaussianProcess, RBF)


@dataclass
class Variant:
    """A team, and what differs from the library.

    Parameters
    ----------
    patches : tuple of (object, str, object)
        Attributes and their other values.
    members : tuple of type
        Classes of the optimizers that take turns.
    n_design : int or "auto", default="auto"
        Size of the initial design.
    """

    patches: tuple = ()
    members: tuple = MEMBERS
    n_design: int | str = "auto"


def standardise(losses):
    """Return losses of zero mean and unit variance, untransformed."""
    return (losses - losses.mean()) / (losses.std() or 1.0)


def ranks(losses):
    """Return the standard ranks of losses."""
    return standardise(np.argsort(np.argsort(losses, kind="stable")).astype(float))


def _losses(transform):
    return Variant(tuple((m, "normalise", transform) for m in (_bayesian, _rbf)))


def _prior(longer=0.0, noise=(-6.0, 2.0)):
    """Return the variant with other log lengthscales, or mean and std of log noise."""
    original = evidence.prior

    def prior(d):
        mean, std = original(d)
        mean[:d] += longer
        mean[-1], std[-1] = noise
        return mean, std

    return Variant(tuple((m, "prior", prior) for m in (evidence, _processes)))


def _gp(name, value):
    return Variant(((_bayesian, name, value),))


def _interpolant(name, value):
    return Variant(((_rbf, name, value),))


VARIANTS = {
    "as it is": Variant(),
    "process alone": Variant(members=MEMBERS[:1]),
    "interpolant alone": Variant(members=MEMBERS[1:]),
    "losses only standardised": _losses(standardise),
    "ranks of losses": _losses(ranks),
    "lengthscales around 0.6 sqrt(d)": _prior(longer=0.5),
    "noise variance around exp(-4)": _prior(noise=(-4.0, 1.0)),
    "10 initial points": Variant(n_design=10),
    "no margin": _gp("MARGIN", 0.0),
    "margin 0.3": _gp("MARGIN", 0.3),
    "no doubt": _gp("DOUBT", 1e-9),
    "no rule for plateaus": Variant(((MEMBERS[0], "_on_plateau", lambda _: False),)),
    "fitted to every result": Variant(((_processes, "ALL_FITTED", N_ITER),)),
    "pool of 64": _gp("N_POOL", 64),
    "pool of 1024": _gp("N_POOL", 1024),
    "weights 0.5 and 0.95": _interpolant("WEIGHTS", (0.5, 0.95)),
    "weight 0.95": _interpolant("WEIGHTS", (0.95,)),
    "first step 0.4": _interpolant("SIGMA", 0.4),
}


@cache
def tasks():
    """Return the tasks, their spaces, and the median of random scores."""
    out = {}
    for task in synthetic_tasks() + more_synthetic_tasks():
        space = SearchSpace(task.space)
        drawn = space.sample(N_RANDOM, np.random.default_rng(0))
        scores = [score(task, space, row) for row in drawn]
        out[task.name] = task, space, float(np.median(scores))
    return out


def score(task, space, row):
    """Return the value of a row."""
    estimator = task.estimator.__class__(task.estimator.function)
    return estimator.set_params(**space.decode(row)).score(None, None)


def run(variant, name, seed):
    """Return the regrets at the checkpoints, and the milliseconds of a turn."""
    task, space, usual = tasks()[name]
    pending, seconds, scores = np.empty((0, space.n_columns)), 0.0, []
    members = [member(n_initial_points=variant.n_design) for member in variant.members]
    optimizer = Portfolio(members=members)
    with ExitStack() as stack:
        for owner, attribute, value in variant.patches:
            stack.enter_context(patch.object(owner, attribute, value))
        optimizer.start(space, N_ITER, seed)
        for _ in range(N_ITER):
            began = time.process_time()
            row = optimizer.ask(pending).row
            seconds += time.process_time() - began
            scores.append(score(task, space, row))
            optimizer.tell(Told.of(row[None], [-scores[-1]]))
    best = np.array([max(scores[:n]) for n in CHECKPOINTS])
    regret = np.minimum((task.optimum - best) / (task.optimum - usual), 1.0)
    return regret, 1e3 * seconds / N_ITER


def report(regrets, milliseconds):
    """Return the table: means, and errors of the differences from the first row."""
    rng, rows, first = np.random.default_rng(0), [], None
    for name, values in regrets.items():
        at = np.array(values)
        first = at if first is None else first
        change = (at - first).mean(axis=(1, 2))
        drawn = rng.integers(len(change), size=(N_BOOT, len(change)))
        low, high = np.quantile(change[drawn].mean(axis=1), (0.025, 0.975))
        means = at.mean(axis=(0, 1))
        # seeds are independent, tasks are given
        errors = np.sqrt((at.var(axis=1, ddof=1) / at.shape[1]).sum(axis=0)) / len(at)
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(means, errors, strict=True)]
        interval = "" if at is first else f"{low:+.3f} to {high:+.3f}"
        rows.append([name, *cells, interval, f"{milliseconds[name]:.1f}"])
    header = ["variant", *(f"at {n}" for n in CHECKPOINTS), "change", "ms"]
    return table(header, rows)


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", default=str(RESULTS / "ablation.json"))
    options = parser.parse_args()
    regrets, milliseconds = {}, {}
    with threadpool_limits(1):
        for name in options.variants.split(","):
            runs = [
                [run(VARIANTS[name], task, seed) for seed in range(options.seeds)]
                for task in tasks()
            ]
            regrets[name] = [[np.round(r, 5).tolist() for r, _ in row] for row in runs]
            milliseconds[name] = float(np.mean([ms for row in runs for _, ms in row]))
    counted = f"{len(tasks())} functions, {options.seeds} seeds:"
    text = "\n\n".join([machine(), counted, report(regrets, milliseconds)])
    print(text)
    save(options.out, text, {"regrets": regrets, "milliseconds": milliseconds})


if __name__ == "__main__":
    main()
