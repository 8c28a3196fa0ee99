"""scikit-learn's face of the project: the search classes."""

from sklearn_hpo.search._bayes import BayesSearchCV

__all__ = ["BayesSearchCV"]
