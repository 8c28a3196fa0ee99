"""Schedulers decide which trial runs next and how far; they know numbers only."""

from sklearn_hpo.schedulers._asha import ASHA
from sklearn_hpo.schedulers._base import (
    Continue,
    FullBudget,
    New,
    Rung,
    Scheduler,
    Setting,
    Verdict,
)
from sklearn_hpo.schedulers._halving import Halving, Hyperband
from sklearn_hpo.schedulers._racing import Racing
from sklearn_hpo.schedulers._registry import make_scheduler

__all__ = [
    "ASHA",
    "Continue",
    "FullBudget",
    "Halving",
    "Hyperband",
    "New",
    "Racing",
    "Rung",
    "Scheduler",
    "Setting",
    "Verdict",
    "make_scheduler",
]
