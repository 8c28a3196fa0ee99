"""Schedulers decide which trial runs next and how far; they know numbers only."""

from sklearn_hpo.schedulers._base import FullBudget, New, Scheduler

__all__ = ["FullBudget", "New", "Scheduler"]
