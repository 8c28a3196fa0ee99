"""Schedulers decide which trial runs next and how far; they know numbers only."""

from sklearn_hpo.schedulers._base import Continue, FullBudget, New, Scheduler
from sklearn_hpo.schedulers._racing import Racing

__all__ = ["Continue", "FullBudget", "New", "Racing", "Scheduler"]
