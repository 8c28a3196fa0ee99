"""Hyperparameter search that takes the place of scikit-learn's GridSearchCV."""

from sklearn_hpo._checkpoint.summary import read_checkpoint
from sklearn_hpo._study.ask_tell import AskTell
from sklearn_hpo.search import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    SearchCV,
    knee,
)

__version__ = "0.1.0"

__all__ = [
    "AskTell",
    "BayesSearchCV",
    "EvolutionarySearchCV",
    "HyperbandSearchCV",
    "SearchCV",
    "knee",
    "read_checkpoint",
]
