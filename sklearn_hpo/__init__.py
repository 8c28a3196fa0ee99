"""Hyperparameter search that takes the place of scikit-learn's GridSearchCV."""

from sklearn_hpo.search import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    knee,
    read_checkpoint,
)

__version__ = "0.1.0"

__all__ = [
    "BayesSearchCV",
    "EvolutionarySearchCV",
    "HyperbandSearchCV",
    "knee",
    "read_checkpoint",
]
