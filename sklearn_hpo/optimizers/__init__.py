"""Optimizers propose candidates (ask) and learn from their losses (tell)."""

from sklearn_hpo.optimizers._base import Optimizer, Proposal, Told
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
from sklearn_hpo.optimizers._multi_fidelity import MultiFidelity
from sklearn_hpo.optimizers._multi_objective import HypervolumeGP
from sklearn_hpo.optimizers._portfolio import Portfolio
from sklearn_hpo.optimizers._random import Random, Sobol
from sklearn_hpo.optimizers._rbf import RBF
from sklearn_hpo.optimizers._tpe import TPE

__all__ = [
    "CMAES",
    "LSHADE",
    "NSGA2",
    "NSGA3",
    "RBF",
    "TPE",
    "DifferentialEvolution",
    "Evolution",
    "Forest",
    "GaussianProcess",
    "GeneticAlgorithm",
    "HypervolumeGP",
    "MultiFidelity",
    "Optimizer",
    "Portfolio",
    "Proposal",
    "Random",
    "RegularizedEvolution",
    "Sobol",
    "Told",
]
