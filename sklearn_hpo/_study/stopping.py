"""When a study ends before its scheduler says so: deadline, refit, stagnation."""

import math
import time

from sklearn_hpo._study.evaluation import Evaluation, Median, covered
from sklearn_hpo._trial import FoldResult


class Stopping:
    """The rules that end a study, and what they measure.

    `deadline` is the moment on the monotonic clock, in seconds, by which the refit must
    be over, and `refit_factor` the seconds of the refit for a second of fitting one
    fold with all of the resource; 0 without a refit. The study also ends after
    `n_iter_no_change` trials in a row that do not raise the best score by more than
    `tol`.
    """

    def __init__(
        self,
        deadline: float = math.inf,
        refit_factor: float = 0.0,
        n_iter_no_change: int | None = None,
        tol: float = 0.0,
    ) -> None:
        self.deadline = deadline
        self.refit_factor = refit_factor
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self._seconds = Median()  # of the evaluations that have ended
        self._cost = 0.0  # of all that has ended, in full evaluations
        self._refit_seconds = 0.0
        self._of_earlier_runs: list[FoldResult] = []
        self._covered = 0, 0.0
        self._best_so_far: list[float] = []  # after each evaluation that has been told
        self.begin()

    @property
    def is_timed(self) -> bool:
        """Whether there is a deadline."""
        return math.isfinite(self.deadline)

    def begin(self) -> None:
        """Begin to measure how long candidates take."""
        self._began = time.monotonic()

    def replay(self, report: FoldResult) -> None:
        """Count a report that an earlier run has paid for."""
        self._of_earlier_runs.append(report)

    def settle(self, evaluation: Evaluation, full_fit_seconds: float | None) -> None:
        """Count an evaluation that has ended.

        Its seconds of a fit with all of the resource are given if the refit is to be
        measured by it.
        """
        self._cost += evaluation.cost
        if self.is_timed:
            self._seconds.add(evaluation.seconds)
        if full_fit_seconds is not None:
            self._refit_seconds = self.refit_factor * full_fit_seconds

    def tell(self, evaluation: Evaluation) -> None:
        """Count an evaluation that later candidates know, in their order."""
        best = self._best_so_far[-1] if self._best_so_far else -math.inf
        if evaluation.status == "complete":
            best = max(best, evaluation.score)
        self._best_so_far.append(best)

    def stagnates(self) -> bool:
        """Whether the last candidates told have not raised the best score."""
        patience = self.n_iter_no_change
        if patience is None or len(self._best_so_far) <= patience:
            return False
        before, now = self._best_so_far[-1 - patience], self._best_so_far[-1]
        return now <= before + self.tol and before > -math.inf

    def time_is_up(self) -> bool:
        """Whether no further fit may begin, as the rest is for the refit."""
        return self._is_late_by(0.0)

    def has_time(self, cost: float) -> bool:
        """Whether evaluations that cost so much in sum would end before the deadline.

        They will take as long as all those before them, measured by their costs.
        """
        if not self.is_timed:
            return True
        n = len(self._of_earlier_runs)
        if n > 1.1 * self._covered[0]:  # so that few more cost nothing
            self._covered = n, covered(self._of_earlier_runs)
        spent = time.monotonic() - self._began + self._covered[1]
        return not self._is_late_by(cost * spent / self._cost)

    def has_time_for_another(self, remaining_cost: float) -> bool:
        """Whether one more trial would end in time, and leave time for the others."""
        if remaining_cost > 0.0:
            return self.has_time(remaining_cost)
        return not self._is_late_by(self._seconds.value)

    def _is_late_by(self, seconds: float) -> bool:
        return (
            self.is_timed
            and time.monotonic() + seconds + self._refit_seconds > self.deadline
        )
