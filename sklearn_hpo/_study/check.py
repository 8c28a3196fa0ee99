"""The trial, on one fold, of whether models may go on and what rungs cost."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn_hpo._checkpoint.journal import Journal
from sklearn_hpo._checkpoint.lines import CHECK
from sklearn_hpo._execution.executor import ParallelExecutor, SequentialExecutor
from sklearn_hpo._study.jobs import limit_file
from sklearn_hpo._study.loop import ENDS, nothing_to_keep
from sklearn_hpo._trial import FoldJob, FoldResult, Trial


def check_going_on(
    trial: Trial,
    budgets: Sequence[float],
    decide: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    n_rungs: int | None,
    executor: SequentialExecutor | ParallelExecutor,
    journal: Journal | None,
    limit_folder: Path | None,
) -> FoldResult:
    """Climb the rungs with a candidate, as far as `n_rungs` says; None is all of them.

    `decide` adds to the result what follows from it, so that a study that goes on from
    the journal finds what it was begun with.
    """

    def job_of(tried: Sequence[float]) -> FoldJob:
        return FoldJob(
            trial.number,
            CHECK,  # the last fold; by this number a checkpoint tells it from others
            trial.params,
            tried[-1],
            earlier_budgets=tuple(tried[:-1]),
            limit_file=limit_file(limit_folder, "check"),
            check=True,
        )

    if journal is not None:
        for tried in (budgets, budgets[:2]):
            found = journal.find(trial, job_of(tried))
            if found is not None:
                return found
    job = job_of(budgets[:n_rungs])
    executor.submit(job)
    try:
        report = executor.next_result()
    except ENDS as error:
        executor.abort()
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(nothing_to_keep([])) from None
        raise
    report = replace(report, result=decide(report.result))
    if journal is not None and not report.lost:
        journal.append(trial, job.budget, report)
    return report
