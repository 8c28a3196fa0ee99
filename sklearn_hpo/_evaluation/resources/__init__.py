"""Resources: what a share of the budget means for a fit."""

from sklearn_hpo._evaluation.resources._base import Resource
from sklearn_hpo._evaluation.resources._choose import Data, choose_resource
from sklearn_hpo._evaluation.resources._folds import folds_of
from sklearn_hpo._evaluation.resources._guard import difference_of_ways

__all__ = ["Data", "Resource", "choose_resource", "difference_of_ways", "folds_of"]
