"""Optimizers propose candidates (ask) and learn from their losses (tell)."""

from sklearn_hpo.optimizers._base import Optimizer
from sklearn_hpo.optimizers._bayesian import BayesianOptimizer
from sklearn_hpo.optimizers._random import RandomOptimizer

__all__ = ["BayesianOptimizer", "Optimizer", "RandomOptimizer"]
