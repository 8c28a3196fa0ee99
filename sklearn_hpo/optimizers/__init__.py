"""Optimizers propose candidates (ask) and learn from their losses (tell)."""

from sklearn_hpo.optimizers._base import Optimizer
from sklearn_hpo.optimizers._bayesian import GaussianProcess
from sklearn_hpo.optimizers._breeders import (
    DifferentialBreeder,
    GeneticBreeder,
    RegularizedBreeder,
)
from sklearn_hpo.optimizers._cmaes import CMAES
from sklearn_hpo.optimizers._evolutionary import EvolutionaryOptimizer
from sklearn_hpo.optimizers._forest import Forest
from sklearn_hpo.optimizers._lshade import LSHADE
from sklearn_hpo.optimizers._multi_fidelity import MultiFidelity
from sklearn_hpo.optimizers._multi_objective import HypervolumeGP
from sklearn_hpo.optimizers._portfolio import Portfolio
from sklearn_hpo.optimizers._random import Random, Sobol
from sklearn_hpo.optimizers._rbf import RBF
from sklearn_hpo.optimizers._tpe import TPE

__all__ = [
    "CMAES",
    "LSHADE",
    "RBF",
    "TPE",
    "DifferentialBreeder",
    "EvolutionaryOptimizer",
    "Forest",
    "GaussianProcess",
    "GeneticBreeder",
    "HypervolumeGP",
    "MultiFidelity",
    "Optimizer",
    "Portfolio",
    "Random",
    "RegularizedBreeder",
    "Sobol",
]
