"""Racing over folds: a candidate that can't win is not evaluated on all of them."""

import math
from bisect import bisect_left, insort
from collections import deque

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo.schedulers._base import Continue, New, Rung, Scheduler

# Complete trials before the spread of paired differences counts as known.
_MIN_COMPLETE = 3


class Racing(Scheduler):
    """Give each trial one fold after the other, as long as it may become the best.

    With the scores of ``k`` of ``K`` folds a trial is compared with the best complete
    trial that it knows, the incumbent, and ends if either of two rules says so:

    - the forgiving rule [1]_: its mean is no better than the incumbent's worst fold;
    - the paired rule: on the same folds it lies behind the incumbent, on average, by
      more than ``s / sqrt(k)``, the standard error of that difference, where ``s``
      pools the standard deviations of the fold-wise differences between the incumbent
      and the other complete trials.

    The estimate for a trial that ended early is the incumbent's mean plus its mean
    difference to it, which takes out how easy the folds were that it met.

    Parameters
    ----------
    n_trials : int
        How many trials to start.
    n_folds : int
        Number of folds, at least 2.

    References
    ----------
    .. [1] E. Bergman, L. Purucker and F. Hutter, "Don't waste your time: early stopping
       cross-validation", AutoML Conference 2024.
    """

    def __init__(self, n_trials: int, n_folds: int) -> None:
        self.n_trials = n_trials
        self.n_folds = n_folds
        self._folds: list[list[float]] = []
        self._n_told: list[int] = []
        # the trials whose folds are all there and finite
        self._complete: list[int] = []
        self._due: deque[int] = deque()
        self._retired: list[int] = []

    @property
    def plan(self) -> tuple[Rung, ...]:
        """One stage with all folds; which trials get fewer, the scores will tell."""
        return (Rung(self.n_trials, 1.0),)

    @property
    def first_budget(self) -> float:
        """One fold."""
        return 1 / self.n_folds

    def next(self, n_told: int | None) -> New | Continue | None:
        """Return one more fold of a trial under way, else the first of a new one."""
        if self._due:
            trial = self._due.popleft()
            return Continue(trial, (len(self._folds[trial]) + 1) / self.n_folds)
        if n_told is None or len(self._folds) == self.n_trials:
            return None
        self._folds.append([])
        self._n_told.append(n_told)
        return New(1 / self.n_folds)

    def report(self, trial: int, budget: float, score: float) -> bool:
        """Take the mean over the folds so far; tell whether that was the last fold."""
        folds = self._folds[trial]
        k = len(folds) + 1
        folds.append(k * score - sum(folds))
        if k == self.n_folds and np.isfinite(folds).all():
            insort(self._complete, trial)
        if k == self.n_folds or math.isnan(score) or self._is_beaten(trial):
            self._retired.append(trial)
            return True
        self._due.append(trial)
        return False

    def retired(self) -> list[int]:
        """Return the trials that ended since the last call."""
        retired, self._retired = self._retired, []
        return retired

    def estimate(self, trial: int) -> float:
        """Return the mean score, freed of how easy the folds were if some lack."""
        folds = np.array(self._folds[trial])
        complete = self._complete_among(self._n_told[trial])
        if len(folds) == self.n_folds or not len(complete):
            return float(folds.mean())
        incumbent = _incumbent(complete)
        return float(incumbent.mean() + (folds - incumbent[: len(folds)]).mean())

    def variance(self, trial: int) -> float:
        """Return ``s^2 (1 / k - 1 / K)``, by what the mean over all folds may differ.

        Where only the incumbent is known, the variance of its folds stands for ``s^2``.
        """
        k = len(self._folds[trial])
        complete = self._complete_among(self._n_told[trial])
        if k == self.n_folds or not len(complete):
            return 0.0
        return _spread(complete) * (1.0 / k - 1.0 / self.n_folds)

    def _complete_among(self, n_told: int) -> NDArray[np.float64]:
        """Return the folds of the complete trials among the first `n_told`."""
        trials = self._complete[: bisect_left(self._complete, n_told)]
        return np.array([self._folds[i] for i in trials]).reshape(-1, self.n_folds)

    def _is_beaten(self, trial: int) -> bool:
        complete = self._complete_among(self._n_told[trial])
        if not len(complete):
            return False
        folds = np.array(self._folds[trial])
        incumbent = _incumbent(complete)
        if folds.mean() <= incumbent.min():
            return True
        if len(complete) < _MIN_COMPLETE:
            return False
        behind = (incumbent[: len(folds)] - folds).mean()
        return bool(behind > math.sqrt(_spread(complete) / len(folds)))


def _spread(complete: NDArray[np.float64]) -> float:
    """Return the pooled variance of the fold-wise differences to the incumbent."""
    incumbent = _incumbent(complete)
    with np.errstate(over="ignore"):  # squares of huge scores
        if len(complete) == 1:
            return float(incumbent.var(ddof=1))
        # the incumbent's own row of zeros tells nothing
        squares = (complete - incumbent).var(axis=1, ddof=1).sum()
    return float(squares / (len(complete) - 1))


def _incumbent(complete: NDArray[np.float64]) -> NDArray[np.float64]:
    return complete[complete.mean(axis=1).argmax()]
