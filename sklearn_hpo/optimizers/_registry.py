"""The optimizers by the names that a search takes."""

from collections.abc import Callable

from sklearn.base import clone

from sklearn_hpo.optimizers._base import Optimizer
from sklearn_hpo.optimizers._bayesian import GaussianProcess
from sklearn_hpo.optimizers._cmaes import CMAES
from sklearn_hpo.optimizers._evolution import Evolution
from sklearn_hpo.optimizers._evolutionary import (
    NSGA2,
    NSGA3,
    DifferentialEvolution,
    GeneticAlgorithm,
    RegularizedEvolution,
)
from sklearn_hpo.optimizers._forest import Forest
from sklearn_hpo.optimizers._lshade import LSHADE
from sklearn_hpo.optimizers._multi_objective import HypervolumeGP
from sklearn_hpo.optimizers._portfolio import Portfolio
from sklearn_hpo.optimizers._random import Random, Sobol
from sklearn_hpo.optimizers._rbf import RBF
from sklearn_hpo.optimizers._tpe import TPE

OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "auto": Portfolio,
    "gp": GaussianProcess,
    "rbf": RBF,
    "forest": Forest,
    "tpe": TPE,
    "random": Random,
    "sobol": Sobol,
    "evolution": Evolution,
    "de": DifferentialEvolution,
    "ga": GeneticAlgorithm,
    "nsga2": NSGA2,
    "nsga3": NSGA3,
    "regularized": RegularizedEvolution,
    "lshade": LSHADE,
    "cmaes": CMAES,
}
# Names that stand for another one with several objectives.
OF_SEVERAL: dict[str, Callable[[], Optimizer]] = {"gp": HypervolumeGP}


def make_optimizer(given: str | Optimizer, n_objectives: int = 1) -> Optimizer:
    """Return an optimizer of one's own: a new one by its name, or a clone.

    Parameters
    ----------
    given : str or Optimizer
        What the user gave.
    n_objectives : int, default=1
        For which it shall be.

    Returns
    -------
    optimizer : Optimizer
        Not started.

    Raises
    ------
    ValueError
        If no optimizer has that name.
    TypeError
        If it is neither a name nor an optimizer.
    """
    if isinstance(given, Optimizer):
        copy: Optimizer = clone(given)
        return copy
    if isinstance(given, type) and issubclass(given, Optimizer):
        raise TypeError(
            f"optimizer={given.__name__} is a class, but an object is needed: "
            f"{given.__name__}()."
        )
    if not isinstance(given, str):
        raise TypeError(
            f"optimizer={given!r} is neither a name nor an optimizer: give one of "
            f"{sorted(OPTIMIZERS)}, or an object whose class derives from "
            "sklearn_hpo.optimizers.Optimizer."
        )
    if given not in OPTIMIZERS:
        raise ValueError(f"optimizer={given!r} is none of {sorted(OPTIMIZERS)}.")
    if n_objectives > 1 and given in OF_SEVERAL:
        return OF_SEVERAL[given]()
    return OPTIMIZERS[given]()
