"""Checks for parts of a search that were written elsewhere, in plain words."""

from sklearn_hpo.testing._optimizer import check_optimizer

__all__ = ["check_optimizer"]
