"""Optimizers propose candidates (ask) and learn from their losses (tell)."""

from sklearn_hpo.optimizers._base import Optimizer
from sklearn_hpo.optimizers._bayesian import BayesianOptimizer
from sklearn_hpo.optimizers._breeders import (
    DifferentialBreeder,
    GeneticBreeder,
    RegularizedBreeder,
)
from sklearn_hpo.optimizers._cmaes import CMAESOptimizer
from sklearn_hpo.optimizers._evolutionary import EvolutionaryOptimizer
from sklearn_hpo.optimizers._forest import ForestOptimizer
from sklearn_hpo.optimizers._front import FrontOptimizer
from sklearn_hpo.optimizers._random import RandomOptimizer, SobolOptimizer
from sklearn_hpo.optimizers._rbf import RBFOptimizer
from sklearn_hpo.optimizers._rungs import RungOptimizer
from sklearn_hpo.optimizers._shade import LShadeOptimizer
from sklearn_hpo.optimizers._team import TeamOptimizer
from sklearn_hpo.optimizers._tpe import TPEOptimizer

__all__ = [
    "BayesianOptimizer",
    "CMAESOptimizer",
    "DifferentialBreeder",
    "EvolutionaryOptimizer",
    "ForestOptimizer",
    "FrontOptimizer",
    "GeneticBreeder",
    "LShadeOptimizer",
    "Optimizer",
    "RBFOptimizer",
    "RandomOptimizer",
    "RegularizedBreeder",
    "RungOptimizer",
    "SobolOptimizer",
    "TPEOptimizer",
    "TeamOptimizer",
]
