"""Resources: what a share of the budget means for a fit."""

from sklearn_hpo._evaluation.resources._base import Resource
from sklearn_hpo._evaluation.resources._choose import Data, choose_resource
from sklearn_hpo._evaluation.resources._folds import folds_of
from sklearn_hpo._evaluation.resources._guard import try_going_on
from sklearn_hpo._evaluation.resources._learner import final_step
from sklearn_hpo._evaluation.resources._prices import Prices

__all__ = [
    "Data",
    "Prices",
    "Resource",
    "choose_resource",
    "final_step",
    "folds_of",
    "try_going_on",
]
