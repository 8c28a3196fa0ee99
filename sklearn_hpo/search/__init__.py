"""scikit-learn's face of the project: the search classes."""

from sklearn_hpo.search._base import SearchCV
from sklearn_hpo.search._bayes import BayesSearchCV
from sklearn_hpo.search._evolutionary import EvolutionarySearchCV
from sklearn_hpo.search._hyperband import HyperbandSearchCV
from sklearn_hpo.search._knee import knee

__all__ = [
    "BayesSearchCV",
    "EvolutionarySearchCV",
    "HyperbandSearchCV",
    "SearchCV",
    "knee",
]
