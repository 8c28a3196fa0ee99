"""Checks for parts of a search that were written elsewhere, in plain words."""

from sklearn_hpo.testing._optimizer import check_optimizer
from sklearn_hpo.testing._scheduler import check_scheduler

__all__ = ["check_optimizer", "check_scheduler"]
