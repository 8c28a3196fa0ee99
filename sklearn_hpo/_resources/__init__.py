"""Resources: what a share of the budget means for a fit."""

from sklearn_hpo._resources._base import Resource
from sklearn_hpo._resources._choose import Data, choose_resource
from sklearn_hpo._resources._folds import folds_of

__all__ = ["Data", "Resource", "choose_resource", "folds_of"]
