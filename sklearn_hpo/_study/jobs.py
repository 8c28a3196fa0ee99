"""The jobs of a study: made from evaluations, run or found in the checkpoint."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sklearn_hpo._checkpoint.journal import Journal
from sklearn_hpo._execution.executor import ParallelExecutor, SequentialExecutor
from sklearn_hpo._study.evaluation import Check, Evaluation
from sklearn_hpo._study.paused import PausedModels
from sklearn_hpo._trial import FoldJob, FoldResult, Trial


def limit_file(folder: Path | None, name: str) -> Path | None:
    """Return where a worker says why it ended itself, if fits have limits."""
    return None if folder is None else folder / f"note-{name}"


@dataclass(eq=False)
class FoldJobs:
    """Brings evaluations up to a budget, one fold at a time.

    Attributes
    ----------
    executor : SequentialExecutor or ParallelExecutor
        Runs the jobs.
    n_splits : int
        Number of folds of each candidate.
    by_fold : bool
        Whether a share of the budget is a share of the folds; if not, all folds get
        that share of some other resource.
    fold_order : sequence of int
        In which folds are run; empty for their own order.
    journal : Journal or None
        Where reports are written, and those of an earlier run stand.
    paused_models : PausedModels or None
        Keeps the fitted models of trials that may go on, if that saves fitting.
    limit_folder : Path or None
        Where workers say why they ended themselves, if fits have limits.
    fold_events : callable or None
        From trial, fold and rung to the events of that job.
    resource : Resource or None
        Stands in for that of the problem, if the search has turned away from it.
    check : Check
        What it took to find out whether models may go on.
    """

    executor: SequentialExecutor | ParallelExecutor
    n_splits: int
    by_fold: bool = True
    fold_order: Sequence[int] = ()
    journal: Journal | None = None
    paused_models: PausedModels | None = None
    limit_folder: Path | None = None
    fold_events: Callable[[int, int, int], Any] | None = None
    resource: Any = None
    check: Check = field(default_factory=Check)
    _queued: deque[tuple[Trial, FoldJob]] = field(default_factory=deque, init=False)
    # what no worker has to run, not yet taken
    _found: deque[FoldResult] = field(default_factory=deque, init=False)

    @property
    def reuses(self) -> bool:
        """Whether a trial that goes on need not pay for its earlier budget again."""
        return self.by_fold or self.paused_models is not None

    @property
    def any_queued(self) -> bool:
        """Whether a job waits to be started."""
        return bool(self._queued)

    @property
    def n_under_way(self) -> int:
        """Number of jobs started whose reports have not been taken."""
        return self.executor.n_running + len(self._found)

    def full_fit_seconds(self, evaluation: Evaluation) -> float:
        """Return what a fit takes with all of the resource, to judge by one that ended.

        A fold that is one of many is a whole fit.
        """
        seconds = evaluation.fit_seconds
        return seconds if self.by_fold else seconds / evaluation.cost

    def queue(self, evaluation: Evaluation, budget: float) -> None:
        """Queue the jobs that bring a trial up to `budget`."""
        due = round(budget * self.n_splits) if self.by_fold else self.n_splits
        order = self.fold_order or range(self.n_splits)
        for fold in order[evaluation.n_folds : due]:
            if fold not in evaluation.reports:
                job = self._job(evaluation, fold, budget)
                self._queued.append((evaluation.trial, job))
        evaluation.n_folds = due
        evaluation.cost += budget - (evaluation.budget if self.reuses else 0.0)
        evaluation.budget = budget

    def _job(self, evaluation: Evaluation, fold: int, budget: float) -> FoldJob:
        trial = evaluation.trial
        events = None
        if self.fold_events:
            events = self.fold_events(trial.number, fold, evaluation.rung)
        job = FoldJob(
            trial.number,
            fold,
            trial.params,
            budget,
            earlier_budgets=evaluation.earlier_budgets,
            limit_file=limit_file(self.limit_folder, f"{trial.number}-{fold}"),
            events=events,
            resource=self.resource,
        )
        return self.paused_models.check_out(job) if self.paused_models else job

    def start_next(self, may_run: Callable[[], bool]) -> None:
        """Start the oldest job, or drop it if it has to be run and none may."""
        trial, job = self._queued.popleft()
        report = None if self.journal is None else self.journal.find(trial, job)
        if report is not None:
            self._found.append(report)
        elif may_run():
            self.executor.submit(job)

    def next_result(self) -> tuple[FoldResult, bool]:
        """Return a report, and whether it is news: was not found or concluded."""
        if self._found:
            return self._found.popleft(), False
        return self.executor.next_result(), True

    def record(self, evaluation: Evaluation, report: FoldResult) -> None:
        """Write a report down."""
        if self.journal is not None:
            self.journal.append(evaluation.trial, evaluation.budget, report)

    def give_up(self, evaluation: Evaluation, report: FoldResult) -> None:
        """Let a candidate that kills workers fail on its other folds without a try."""
        others = [job for trial, job in self._queued if trial.number == report.trial]
        self._queued = deque(q for q in self._queued if q[0].number != report.trial)
        for job in others:
            twin = replace(report, fold=job.fold)
            self.record(evaluation, twin)
            self._found.append(twin)
