"""Racing over folds: a candidate that can't win is not evaluated on all of them."""

import math
from bisect import bisect_left, insort
from collections import deque

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo.schedulers._base import (
    Continue,
    New,
    Rung,
    Scheduler,
    Setting,
    Verdict,
    one_rung,
)

# Complete trials before the spread of paired differences counts as known.
_MIN_COMPLETE = 3


class Racing(Scheduler):
    """Give each candidate one fold after the other, as long as it may become the best.

    With the scores of ``k`` of ``K`` folds a trial is compared with the best complete
    trial that it knows, the incumbent, and ends if either of two rules says so:

    - the forgiving rule [1]_: its mean is no better than the incumbent's worst fold;
    - the paired rule: on the same folds it lies behind the incumbent, on average, by
      more than ``s / sqrt(k)``, the standard error of that difference, where ``s``
      pools the standard deviations of the fold-wise differences between the incumbent
      and the other complete trials.

    The estimate for a trial that ended early is the incumbent's mean plus its mean
    difference to it, which takes out how easy the folds were that it met. It is off by
    a variance of ``s^2 (1 / k - 1 / K)``; where only the incumbent is known, the
    variance of its folds stands for ``s^2``. Many small folds, as of leave-one-out,
    are given several at a time, as one row would decide.

    .. versionadded:: 0.1

    See Also
    --------
    FullBudget : Every candidate gets all folds.

    References
    ----------
    .. [1] E. Bergman, L. Purucker and F. Hutter, "Don't waste your time: early stopping
       cross-validation", AutoML Conference 2024.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import Racing, Setting
    >>> scheduler = Racing()
    >>> scheduler.start(Setting(n_candidates=20, maximum=5, n_splits=5))
    >>> scheduler.next(0)
    New(budget=0.2, rung=0)
    """

    by_fold = True
    one_score = True

    def start(self, setting: Setting) -> None:
        super().start(setting)
        self._n_steps = max(3, round(setting.n_splits / setting.minimum))
        # by trial, the mean score of each of its steps
        self._steps: list[list[float]] = []
        self._n_told: list[int] = []
        # the trials whose steps are all there and finite
        self._complete: list[int] = []
        self._due: deque[int] = deque()

    def make_plan(self, setting: Setting) -> tuple[Rung, ...]:
        if setting.n_splits < 3:
            raise ValueError(
                f"Racing needs at least 3 folds to compare, but cv has "
                f"{setting.n_splits}."
            )
        return one_rung(self, setting)  # who gets fewer folds, the scores will tell

    @property
    def first_budget(self) -> float:
        """One step."""
        return 1 / self._n_steps

    def next(self, n_told: int | None) -> New | Continue | None:
        if self._due:
            trial = self._due.popleft()
            return Continue(trial, (len(self._steps[trial]) + 1) / self._n_steps)
        if n_told is None or len(self._steps) == self.n_candidates:
            return None
        self._steps.append([])
        self._n_told.append(n_told)
        return New(1 / self._n_steps)

    def report(self, trial: int, budget: float, score: float) -> Verdict:
        steps = self._steps[trial]
        k = len(steps) + 1
        steps.append(k * score - sum(steps))  # the score is the mean of all so far
        rivals = self._complete_among(self._n_told[trial])
        if k == self._n_steps and np.isfinite(steps).all():
            insort(self._complete, trial)
        ends = k == self._n_steps or math.isnan(score)
        if not ends and not _is_beaten(np.array(steps), rivals):
            self._due.append(trial)
            return Verdict(finished=False)
        return Verdict(True, *_estimate(np.array(steps), rivals), dropped=(trial,))

    def _complete_among(self, n_told: int) -> NDArray[np.float64]:
        """Return the steps of the complete trials among the first `n_told`."""
        trials = self._complete[: bisect_left(self._complete, n_told)]
        return np.array([self._steps[i] for i in trials]).reshape(-1, self._n_steps)


def _is_beaten(steps: NDArray[np.float64], complete: NDArray[np.float64]) -> bool:
    """Whether a trial with these steps lies behind the best of the complete ones."""
    if not len(complete):
        return False
    incumbent = _incumbent(complete)
    if steps.mean() <= incumbent.min():
        return True
    if len(complete) < _MIN_COMPLETE:
        return False
    behind = (incumbent[: len(steps)] - steps).mean()
    return bool(behind > math.sqrt(_spread(complete) / len(steps)))


def _estimate(
    steps: NDArray[np.float64], complete: NDArray[np.float64]
) -> tuple[float, float]:
    """Return what all steps would score on average, and the variance of that guess."""
    k = len(steps)
    if not len(complete) or k == complete.shape[1]:
        return float(steps.mean()), 0.0
    incumbent = _incumbent(complete)
    mean = float(incumbent.mean() + (steps - incumbent[:k]).mean())
    return mean, _spread(complete) * (1.0 / k - 1.0 / complete.shape[1])


def _spread(complete: NDArray[np.float64]) -> float:
    """Return the pooled variance of the step-wise differences to the incumbent."""
    incumbent = _incumbent(complete)
    with np.errstate(over="ignore"):  # squares of huge scores
        if len(complete) == 1:
            return float(incumbent.var(ddof=1))
        # the incumbent's own row of zeros tells nothing
        squares = (complete - incumbent).var(axis=1, ddof=1).sum()
    return float(squares / (len(complete) - 1))


def _incumbent(complete: NDArray[np.float64]) -> NDArray[np.float64]:
    return complete[complete.mean(axis=1).argmax()]
