"""What AskTell and an optimizer say to one another: the one place that knows how."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo.optimizers import (
    RBF,
    TPE,
    DifferentialBreeder,
    EvolutionaryOptimizer,
    Forest,
    GaussianProcess,
    HypervolumeGP,
    Optimizer,
    Portfolio,
    Random,
    Sobol,
)
from sklearn_hpo.space import SearchSpace

Array = NDArray[np.float64]

_MODELS = {"gp": GaussianProcess, "rbf": RBF, "forest": Forest, "tpe": TPE}
_UNTAUGHT = {"random": Random, "sobol": Sobol}


def started(
    given: str | Optimizer, space: SearchSpace, n_iter: int, seed: int, n_losses: int
) -> Optimizer:
    """Return the optimizer that is meant, at the beginning of a study."""
    optimizer = (
        given if isinstance(given, Optimizer) else _made(given, n_iter, n_losses)
    )
    optimizer.start(space, seed)
    return optimizer


def propose(optimizer: Optimizer, pending: Array) -> tuple[Array, str]:
    """Return the row that the optimizer proposes, and what in it does."""
    return optimizer.ask(1, pending)[0], optimizer.source(len(pending))


def tell(
    optimizer: Optimizer,
    rows: Array,
    losses: Array,
    budgets: Array,
    seconds: Array,
    variances: Array,
) -> None:
    """Tell what is known of rows; `losses` have a column for each objective."""
    if losses.shape[1] == 1 or not optimizer.learns:
        losses = losses[:, 0]
    optimizer.tell(rows, losses, budgets, seconds, variances)


def tell_source_task(optimizer: Optimizer, rows: Array, losses: Array) -> None:
    """Tell what another study has found, by its one loss."""
    optimizer.tell_source_task(rows, losses)


def _made(name: str, n_iter: int, n_losses: int) -> Optimizer:
    if name in _UNTAUGHT:
        return _UNTAUGHT[name]()
    if n_losses > 1 and name in ("auto", "gp"):
        gaussian = HypervolumeGP(n_iter, "auto", n_losses)
        bred = EvolutionaryOptimizer(
            n_iter, DifferentialBreeder(), n_objectives=n_losses
        )
        return gaussian if name == "gp" else Portfolio([gaussian, bred])
    if n_losses == 1 and name == "auto":
        return Portfolio([GaussianProcess(n_iter), RBF(n_iter)])
    made: dict[str, Any] = _MODELS if n_losses == 1 else {}
    if name not in made:
        known = ["auto", *(_MODELS if n_losses == 1 else ["gp"]), *_UNTAUGHT]
        raise ValueError(
            f"optimizer={name!r} with {n_losses} losses; it should be an Optimizer or "
            f"one of {known}."
        )
    optimizer: Optimizer = made[name](n_iter)
    return optimizer
