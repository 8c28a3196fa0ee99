"""The study: where optimizer, scheduler, executor and evaluation meet."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._evaluation.callbacks import CallbackFailed
from sklearn_hpo._evaluation.fit_warnings import inside_fit
from sklearn_hpo._execution.clusters import ClusterGone
from sklearn_hpo._execution.signals import Terminated, uncut
from sklearn_hpo._study.evaluation import Evaluation
from sklearn_hpo._study.jobs import FoldJobs
from sklearn_hpo._study.order import TellOrder
from sklearn_hpo._study.stopping import Stopping
from sklearn_hpo._study.tuner import Tuner
from sklearn_hpo._trial import FoldResult
from sklearn_hpo.schedulers import Continue, New, Scheduler, Verdict

# What ends a study early, with what is done.
_SIGNALS = (KeyboardInterrupt, Terminated)
ENDS = (*_SIGNALS, CallbackFailed, ClusterGone)


class Objectives(Protocol):
    """What the results of a trial's folds are worth."""

    def score(self, results: list[dict[str, Any]]) -> float:
        """Return the score that is maximised; NaN where there is none."""

    def values(self, results: list[dict[str, Any]]) -> NDArray[np.float64] | None:
        """Return what the optimizer learns, to be maximised, if not that score.

        Scheduler, stopping and `best` go by the score all the same.
        """


@dataclass(eq=False)
class Study:
    """Run trials until the scheduler, a rule or the user says stop.

    Attributes
    ----------
    tuner : Tuner
        Where the candidates come from.
    scheduler : Scheduler
        Says how many, and how far each may run.
    jobs : FoldJobs
        Runs them.
    objectives : Objectives
        What the study goes by.
    order : TellOrder
        Which candidates know of which.
    stopping : Stopping
        When it ends before the scheduler says so.
    announce : callable or None
        Called with this study and each evaluation that ends.
    evaluations : list of Evaluation
        In the order in which they were begun.
    trials : list of Evaluation
        The last evaluation of each trial, in the order of proposals.
    settled : list of Evaluation
        Those that have ended, in the order of their ends.
    best : Evaluation or None
        The first trial with the highest score at the full budget so far.
    cut_short_by : BaseException or None
        The interrupt, the end of a cluster or the error of a callback that ended the
        study.
    """

    tuner: Tuner
    scheduler: Scheduler
    jobs: FoldJobs
    objectives: Objectives
    order: TellOrder = field(default_factory=TellOrder)
    stopping: Stopping = field(default_factory=Stopping)
    announce: Callable[["Study", Evaluation], None] | None = None
    evaluations: list[Evaluation] = field(default_factory=list, init=False)
    trials: list[Evaluation] = field(default_factory=list, init=False)
    settled: list[Evaluation] = field(default_factory=list, init=False)
    best: Evaluation | None = field(default=None, init=False)
    cut_short_by: BaseException | None = field(default=None, init=False)
    _stopped_starting: bool = field(default=False, init=False)
    # nothing goes on any more: a callback said so, or the time does not suffice
    _stopped: bool = field(default=False, init=False)
    _late: bool = field(default=False, init=False)
    _completes_one: bool = field(default=False, init=False)

    @property
    def listed(self) -> list[Evaluation]:
        """What has ended: by rung, then in the order of proposals.

        Repeats among the first candidates are repeated where there is one rung only.
        """
        if len(self.scheduler.plan) > 1:
            return sorted(self.settled, key=lambda e: (e.rung, e.trial.number))
        key_of = self.tuner.space.key
        by_key = {key_of(e.trial.params): e for e in self.trials}
        keys = [key_of(params) for params in self.tuner.initial_candidates]
        # what an earlier run proposed may stand between them
        given = set(keys)
        others = [e for key, e in by_key.items() if key not in given]
        everything = [by_key[key] for key in keys if key in by_key] + others
        return [evaluation for evaluation in everything if evaluation.settled]

    def run(self) -> None:
        """Run to the end; what cuts it short leaves it with what is done.

        Raises
        ------
        KeyboardInterrupt, Terminated, CallbackFailed, ClusterGone
            If it came before any trial was complete.
        """
        try:
            self._work_off()
            timed = self.stopping.is_timed and not self._stopped
            if timed and not any(e.is_whole for e in self.settled):
                self._complete_one()
                self._work_off()
        except ENDS as error:
            self.jobs.executor.abort()
            self._keep_what_is_done(error)
        self._tell(self.order.rest(self.evaluations, self.settled))
        self.tuner.flush()
        self.tuner.forget_candidates()

    def _keep_what_is_done(self, error: BaseException) -> None:
        """Note what ended the study; raise it if nothing is complete."""
        errors = [r.get("fit_error") for e in self.settled for r in e.results]
        if all(errors):
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(nothing_to_keep(errors)) from None
            raise error
        # who stops a search inside a fit of another one means both
        if inside_fit() and isinstance(error, _SIGNALS):
            raise error
        self.cut_short_by = error

    def _work_off(self) -> None:
        """Run jobs and take their reports until there is nothing left to do."""
        while self._fill():
            report, is_new = self.jobs.next_result()
            evaluation = self.trials[report.trial]
            if is_new:
                self.jobs.record(evaluation, report)
            self._receive(report)
            if is_new and report.lost:
                self.jobs.give_up(evaluation, report)
            if is_new and report.callback_error is not None:
                raise CallbackFailed(report.callback_error)

    def _fill(self) -> bool:
        """Keep the workers busy; return whether any job is under way."""
        executor = self.jobs.executor
        # a job that waits at a worker of a cluster would begin after the deadline
        n_slots = executor.n_workers if self.stopping.is_timed else executor.n_slots
        while self.jobs.n_under_way < n_slots:
            if not self.jobs.any_queued and not self._schedule():
                break
            self.jobs.start_next(
                lambda: self._completes_one or not self.stopping.time_is_up()
            )
        return self.jobs.n_under_way > 0

    def _schedule(self) -> bool:
        """Queue the next piece of work, if there is one now."""
        if self._completes_one:
            return False
        due = None
        if not self._stopped_starting:
            due = self.order.due(self.evaluations, self.settled)
        if due is not None:
            self._tell(due)
            if self._out_of_time() or self.stopping.stagnates():
                self._stop_starting()
        may_start = due is not None and not self._stopped_starting
        n_told = self.order.n_told if may_start else None
        work = self.scheduler.next(n_told)
        while isinstance(work, Continue):
            if self._go_on(work):
                return True
            work = self.scheduler.next(n_told)
        return work is not None and self._start(work)

    def _start(self, work: New) -> bool:
        """Queue the first folds of a new trial, if there is another candidate."""
        trial = self.tuner.ask()
        if trial is None:
            self._stop_starting()
            return self._schedule()
        evaluation = Evaluation(trial, work.rung)
        with uncut:
            self.trials.append(evaluation)
            self.evaluations.append(evaluation)
        self.jobs.queue(evaluation, work.budget)
        return True

    def _go_on(self, work: Continue) -> bool:
        """Queue what a trial needs to get up to a higher budget, if it may go on."""
        before = self.trials[work.trial]
        if not before.settled:
            self.jobs.queue(before, work.budget)
            return True
        has_time = self.stopping.has_time(work.budget - before.budget)
        self._late = self._late or not has_time
        if self._stopped or self._late:
            return False
        self.jobs.queue(self._next_evaluation(before, work.rung), work.budget)
        return True

    def _next_evaluation(self, before: Evaluation, rung: int) -> Evaluation:
        """Begin the evaluation of a trial that follows another one."""
        earlier_budgets = before.earlier_budgets
        if before.settled:
            earlier_budgets = (*earlier_budgets, before.budget)
        evaluation = Evaluation(
            before.trial, rung, before.budget, earlier_budgets=earlier_budgets
        )
        if self.jobs.by_fold:
            evaluation.reports = dict(before.reports)
            evaluation.inherited = frozenset(before.reports)
            evaluation.n_folds = before.n_folds
        with uncut:
            if before.settled:
                before.status = "promoted"
            self.trials[before.trial.number] = evaluation
            self.evaluations.append(evaluation)
        return evaluation

    def _complete_one(self) -> None:
        """Queue what the trial that is furthest lacks of the full budget.

        The time is up, and no other one goes on: the scheduler is not asked.
        """
        self._completes_one = True
        scored = [e for e in self.settled if math.isfinite(e.score)]
        begun = [e for e in self.trials if not e.settled]
        if scored:
            best = max(scored, key=lambda e: (e.budget, e.score, -e.trial.number))
            evaluation = self.trials[best.trial.number]
        elif begun:
            evaluation = max(begun, key=lambda e: (len(e.reports), -e.trial.number))
        else:  # all have failed
            return
        plan = self.scheduler.plan
        bracket = plan[evaluation.rung].bracket
        last = max(i for i, rung in enumerate(plan) if rung.bracket == bracket)
        if evaluation.settled or not (self.jobs.by_fold or evaluation.is_whole):
            evaluation = self._next_evaluation(evaluation, last)
        evaluation.rung = last
        evaluation.n_folds = 0  # those that have a report are left out
        self.jobs.queue(evaluation, 1.0)

    @uncut
    def _tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Let later candidates and the rules know of evaluations, in this order."""
        self.order.n_told += len(evaluations)
        for evaluation in evaluations:
            self.stopping.tell(evaluation)
            values = self.objectives.values(evaluation.results)
            self.tuner.tell(
                evaluation.trial,
                -evaluation.estimate if values is None else -values,
                budget=evaluation.budget,
                seconds=self.jobs.n_splits * evaluation.fit_seconds,
                variance=evaluation.variance,
            )

    def _stop_starting(self) -> None:
        """Start no new trial any more."""
        if not self._stopped_starting:
            self._stopped_starting = True
            self.scheduler.stop_starting(len(self.trials))

    def _out_of_time(self) -> bool:
        """Whether a new trial would come too late, or leave no time for the others."""
        if not self.trials or not self.stopping.is_timed:
            return False
        if not any(math.isfinite(e.score) for e in self.settled):
            return self.stopping.time_is_up()
        if self.tuner.has_recorded(len(self.trials)):
            return False  # what is done costs no time, and what is not will not begin
        remaining_cost = self.scheduler.remaining_cost(reuses=self.jobs.reuses)
        return not self.stopping.has_time_for_another(remaining_cost)

    def _receive(self, report: FoldResult) -> None:
        evaluation = self.trials[report.trial]
        n_settled = len(self.settled)
        self._take(report, evaluation)
        if self.announce and len(self.settled) > n_settled:
            self.announce(self, evaluation)

    @uncut
    def _take(self, report: FoldResult, evaluation: Evaluation) -> None:
        """Put a report to its evaluation, and settle that if it was the last one."""
        if report.warnings is None:
            self.stopping.replay(report)
        if self.jobs.paused_models is not None:
            report = self.jobs.paused_models.check_in(report)
        evaluation.reports[report.fold] = report
        if report.stop:
            self._stopped = True
            self._stop_starting()
        if len(evaluation.reports) < evaluation.n_folds:
            return
        evaluation.score = self.objectives.score(evaluation.results)
        verdict = Verdict(finished=True, estimate=evaluation.score)
        if not self._completes_one:
            verdict = self.scheduler.report(
                report.trial, evaluation.budget, evaluation.score
            )
        if verdict.finished:
            self._settle(evaluation, verdict)

    def _settle(self, evaluation: Evaluation, verdict: Verdict) -> None:
        """Count the score of an evaluation, and free what no trial needs any more."""
        evaluation.estimate = verdict.estimate
        evaluation.variance = verdict.variance
        evaluation.status = "complete" if evaluation.is_whole else "stopped"
        if not math.isfinite(evaluation.score):
            evaluation.status = "failed"
        self.settled.append(evaluation)
        if evaluation.status == "complete":
            self.best = max(self.best or evaluation, evaluation, key=_rank)
        # the refit is that of the best, or of any as long as there is none
        full_fit_seconds = None
        if self.best is None or self.best is evaluation:
            full_fit_seconds = self.jobs.full_fit_seconds(evaluation)
        self.stopping.settle(evaluation, full_fit_seconds)
        if self.jobs.paused_models is not None:
            self.jobs.paused_models.drop(verdict.dropped)


def _rank(evaluation: Evaluation) -> tuple[float, int]:
    return evaluation.score, -evaluation.trial.number


def nothing_to_keep(errors: list[str | None]) -> str:
    """Say why an interrupt leaves nothing that could be used."""
    text = "The search was interrupted before any candidate was complete"
    if not errors:
        return f"{text}: there is nothing to keep."
    last = str(errors[0]).strip().splitlines()[-1]
    return f"{text}; all fits so far have failed, the first with {last}"
