"""Schedulers decide which trial runs next and how far; they know numbers only."""

from sklearn_hpo.schedulers._base import Continue, FullBudget, New, Rung, Scheduler
from sklearn_hpo.schedulers._halving import (
    ASHA,
    Halving,
    halving_plan,
    hyperband_plan,
    rung_budgets,
    without_useless_rungs,
)
from sklearn_hpo.schedulers._racing import Racing

__all__ = [
    "ASHA",
    "Continue",
    "FullBudget",
    "Halving",
    "New",
    "Racing",
    "Rung",
    "Scheduler",
    "halving_plan",
    "hyperband_plan",
    "rung_budgets",
    "without_useless_rungs",
]
