"""The study: where optimizer, scheduler, executor and evaluation meet."""

import math
import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._checkpoint.journal import Journal
from sklearn_hpo._checkpoint.lines import CHECK
from sklearn_hpo._evaluation.callbacks import CallbackFailed
from sklearn_hpo._evaluation.fit_warnings import inside_fit
from sklearn_hpo._execution.clusters import ClusterGone
from sklearn_hpo._execution.executor import ParallelExecutor, SequentialExecutor
from sklearn_hpo._execution.signals import Terminated
from sklearn_hpo._study.ask_tell import Candidates, Results
from sklearn_hpo._study.evaluation import Evaluation, Rules, covered
from sklearn_hpo._study.paused import PausedModels
from sklearn_hpo._trial import FoldJob, FoldResult
from sklearn_hpo.optimizers import Optimizer
from sklearn_hpo.schedulers import Continue, New, Scheduler
from sklearn_hpo.space import SearchSpace

# What ends a study early, with what is done.
_SIGNALS = (KeyboardInterrupt, Terminated)
_ENDS = (*_SIGNALS, CallbackFailed, ClusterGone)


@dataclass(eq=False)
class Study:
    """Run trials until the scheduler, a rule or the user says stop.

    Evaluation ``e``, if it is of a new trial, is proposed knowing exactly the
    evaluations up to ``e - max_concurrent``, in that order, whether or not later ones
    have ended: the outcome does not depend on timing. If the rules are not
    deterministic, it knows every evaluation that has ended.

    Attributes
    ----------
    space : SearchSpace
        Where the candidates lie.
    optimizer : Optimizer
        Proposes them.
    scheduler : Scheduler
        Says how many, and how far each may run.
    seed : int
        Of the optimizer and of the draws that replace repeated candidates.
    n_splits : int
        Number of folds of each candidate.
    score_of : callable
        From the list of a trial's results to the score that is maximised.
    objectives_of : callable or None
        From that list to an array of scores, all to be maximised, if the optimizer
        learns several; scheduler, rules and `best` go by `score_of` all the same.
    rules : Rules
        Concurrency and limits.
    first : sequence of dict
        Candidates that come before the optimizer's own. One that repeats another is
        not evaluated again.
    source_of_first : str
        Where they come from: "initial", or "estimator" for its own values.
    given_scores : tuple of (rows, losses) or None
        Results that count as told, whose rows are not evaluated again.
    source_task : tuple of (rows, losses) or None
        Results of another study, for the optimizer to recall.
    by_fold : bool
        Whether a share of the budget is a share of the folds; if not, all folds get
        that share of some other resource.
    fold_order : sequence of int
        In which folds are run; empty for their own order.
    limit_folder : Path or None
        Where workers say why they ended themselves, if fits have limits.
    journal : Journal or None
        Where reports are written, and those of an earlier run stand.
    paused_models : PausedModels or None
        Keeps the fitted models of trials that may go on, if that saves fitting.
    fold_events : callable or None
        From trial, fold and stage to the events of that job.
    announce : callable or None
        Called with this study and each evaluation that ends.
    evaluations : list of Evaluation
        In the order in which they were begun.
    trials : list of Evaluation
        The last evaluation of each trial, in the order of proposals.
    settled : list of Evaluation
        Those that have ended, in the order of their ends.
    difference : str or None
        Why fits begin anew on each rung, although the resource could go on.
    check_seconds : float
        That it took to find out.
    cut_short_by : BaseException or None
        The interrupt, the end of a cluster or the error of a callback that ended the
        study.
    """

    space: SearchSpace
    optimizer: Optimizer
    scheduler: Scheduler
    seed: int
    n_splits: int
    score_of: Callable[[list[dict[str, Any]]], float]
    rules: Rules = field(default_factory=Rules)
    first: Sequence[dict[str, Any]] = ()
    source_of_first: str = "initial"
    given_scores: Results | None = None
    source_task: Results | None = None
    objectives_of: Callable[[list[dict[str, Any]]], NDArray[np.float64]] | None = None
    by_fold: bool = True
    fold_order: Sequence[int] = ()
    limit_folder: Path | None = None
    journal: Journal | None = None
    paused_models: PausedModels | None = None
    fold_events: Callable[[int, int, int], Any] | None = None
    announce: Callable[["Study", Evaluation], None] | None = None
    evaluations: list[Evaluation] = field(default_factory=list, init=False)
    trials: list[Evaluation] = field(default_factory=list, init=False)
    settled: list[Evaluation] = field(default_factory=list, init=False)
    difference: str | None = field(default=None, init=False)
    check_seconds: float = field(default=0.0, init=False)
    cut_short_by: BaseException | None = field(default=None, init=False)
    _n_told: int = field(default=0, init=False)
    _jobs: deque[FoldJob] = field(default_factory=deque, init=False)
    _replayed: deque[FoldResult] = field(default_factory=deque, init=False)
    _of_earlier_runs: list[FoldResult] = field(default_factory=list, init=False)
    _covered: tuple[int, float] = field(default=(0, 0.0), init=False)
    _durations: list[float] = field(default_factory=list, init=False)
    _best: Evaluation | None = field(default=None, init=False)
    # the cost of all that is settled
    _spent: float = field(default=0.0, init=False)
    # after each evaluation that has been told, the best score so far
    _records: list[float] = field(default_factory=list, init=False)
    _stopped_starting: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)
    _late: bool = field(default=False, init=False)
    _completes_one: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._candidates = Candidates(
            self.space,
            self.optimizer,
            self.seed,
            self.n_splits,
            self.first,
            self.source_of_first,
            self.given_scores,
            self.source_task,
            self.objectives_of,
            self.journal,
        )
        self._began = time.monotonic()

    @property
    def listed(self) -> list[Evaluation]:
        """What has ended: by stage, then in the order of proposals.

        Repeats among `first` are repeated where there is one stage only.
        """
        if len(self.scheduler.plan) > 1:
            return sorted(self.settled, key=lambda e: (e.rung, e.trial.number))
        by_key = {self.space.key(e.trial.params): e for e in self.trials}
        keys = [self.space.key(params) for params in self.first]
        # what an earlier run proposed may stand between them
        given = set(keys)
        others = [e for key, e in by_key.items() if key not in given]
        everything = [by_key[key] for key in keys if key in by_key] + others
        return [evaluation for evaluation in everything if evaluation.settled]

    @property
    def best(self) -> Evaluation | None:
        """The first trial with the highest score at the full budget so far."""
        return self._best

    def run(self, executor: SequentialExecutor | ParallelExecutor) -> None:
        """Run to the end; what cuts it short leaves it with what is done.

        Parameters
        ----------
        executor : SequentialExecutor or ParallelExecutor
            Runs the jobs.

        Raises
        ------
        KeyboardInterrupt, Terminated, CallbackFailed, ClusterGone
            If it came before any trial was complete.
        """
        self._candidates.begin()
        try:
            if self.paused_models is not None:
                self._check_going_on(executor)
            self._work_off(executor)
            timed = math.isfinite(self.rules.deadline) and not self._stopped
            if timed and not any(map(_is_whole, self.settled)):
                self._complete_one()
                self._work_off(executor)
        except _ENDS as error:
            executor.abort()
            errors = [r.get("fit_error") for e in self.settled for r in e.results]
            if all(errors):
                if isinstance(error, KeyboardInterrupt):
                    raise KeyboardInterrupt(_nothing_to_keep(errors)) from None
                raise
            # who stops a search inside a fit of another one means both
            if inside_fit() and isinstance(error, _SIGNALS):
                raise
            self.cut_short_by = error
        ended = self.evaluations if self.rules.deterministic else self.settled
        self._tell([e for e in ended[self._n_told :] if e.settled])
        self._candidates.flush()
        del self._candidates  # their keys are as large as the results

    def _work_off(self, executor: SequentialExecutor | ParallelExecutor) -> None:
        """Run jobs and take their reports until there is nothing left to do."""
        while self._fill(executor):
            if self._replayed:
                self._receive(self._replayed.popleft())
                continue
            report = executor.next_result()
            self._note(report)
            self._receive(report)
            if report.lost:
                self._give_up(report)
            if report.callback_error is not None:
                raise CallbackFailed(report.callback_error)

    def _check_going_on(self, executor: SequentialExecutor | ParallelExecutor) -> None:
        """Try on the first candidate whether models may go on; if not, none will."""
        budgets = sorted({rung.budget for rung in self.scheduler.plan})
        if len(budgets) == 1 or not self._schedule():
            return
        trial = self.trials[0].trial
        job = FoldJob(
            trial.number,
            CHECK,  # the last fold; by this number a checkpoint tells it from others
            trial.params,
            budgets[1],
            earlier_budgets=(budgets[0],),
            limit_file=self.limit_folder and self.limit_folder / "note-check",
            check=True,
        )
        report = self.journal.find(trial, job) if self.journal is not None else None
        if report is None:
            executor.submit(job)
            report = executor.next_result()
            if self.journal is not None and not report.lost:
                self.journal.append(trial, job.budget, report)
            # no measure of how long candidates take
            self._began = time.monotonic()
        self.check_seconds = report.end - report.start
        self.difference = report.result.get("difference")
        if self.difference is not None:
            self.paused_models = None
            jobs = [replace(job, plain=True, keep=False) for job in self._jobs]
            self._jobs = deque(jobs)

    def _note(self, report: FoldResult) -> None:
        if self.journal is not None:
            evaluation = self.trials[report.trial]
            self.journal.append(evaluation.trial, evaluation.budget, report)

    def _give_up(self, report: FoldResult) -> None:
        """Let a candidate that kills workers fail on its other folds without a try."""
        others = [job for job in self._jobs if job.trial == report.trial]
        self._jobs = deque(job for job in self._jobs if job.trial != report.trial)
        for job in others:
            twin = replace(report, fold=job.fold)
            self._note(twin)
            self._replayed.append(twin)

    def _fill(self, executor: SequentialExecutor | ParallelExecutor) -> bool:
        """Keep the workers busy; return whether any job is under way."""
        # a job that waits at a worker of a cluster would begin after the deadline
        timed = math.isfinite(self.rules.deadline)
        n_slots = executor.n_workers if timed else executor.n_slots
        while executor.n_running + len(self._replayed) < n_slots:
            if not self._jobs and not self._schedule():
                break
            job = self._jobs.popleft()
            report = None
            if self.journal is not None:
                report = self.journal.find(self.trials[job.trial].trial, job)
            if report is not None:
                self._replayed.append(report)
            elif self._completes_one or not self._time_is_up():
                executor.submit(job)
        return executor.n_running + len(self._replayed) > 0

    def _schedule(self) -> bool:
        """Queue the next piece of work, if there is one now."""
        if self._completes_one:
            return False
        given_scores = self._to_tell() if self._may_start() else None
        if given_scores is not None:
            self._tell(given_scores)
            if self._out_of_time() or self._stagnates():
                self._stop_starting()
        n_known = (
            None if given_scores is None or self._stopped_starting else self._n_told
        )
        work = self.scheduler.next(n_known)
        while isinstance(work, Continue):
            if self._go_on(work):
                return True
            work = self.scheduler.next(n_known)
        return work is not None and self._start(work)

    def _start(self, work: New) -> bool:
        """Queue the first folds of a new trial, if there is another candidate."""
        trial = self._candidates.next(len(self.trials))
        if trial is None:
            self._stop_starting()
            return self._schedule()
        evaluation = Evaluation(trial, work.rung)
        self.trials.append(evaluation)
        self.evaluations.append(evaluation)
        self._queue(evaluation, work.budget)
        return True

    def _go_on(self, work: Continue) -> bool:
        """Queue what a trial needs to get up to a higher budget, if it may go on."""
        before = self.trials[work.trial]
        if not before.settled:
            self._queue(before, work.budget)
            return True
        self._late = self._late or not self._has_time(work.budget - before.budget)
        if self._stopped or self._late:
            return False
        self._queue(self._next_evaluation(before, work.rung), work.budget)
        return True

    def _next_evaluation(self, before: Evaluation, rung: int) -> Evaluation:
        """Begin the evaluation of a trial that follows another one."""
        source_task = before.earlier_budgets
        if before.settled:
            before.status = "promoted"
            earlier_budgets = (*source_task, before.budget)
        evaluation = Evaluation(
            before.trial, rung, before.budget, earlier_budgets=earlier_budgets
        )
        if self.by_fold:
            evaluation.reports = dict(before.reports)
            evaluation.inherited = frozenset(before.reports)
            evaluation.n_folds = before.n_folds
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
        if evaluation.settled or not (self.by_fold or _is_whole(evaluation)):
            evaluation = self._next_evaluation(evaluation, last)
        evaluation.rung = last
        evaluation.n_folds = 0
        self._queue(evaluation, 1.0)
        self._jobs = deque(j for j in self._jobs if j.fold not in evaluation.reports)

    def _queue(self, evaluation: Evaluation, budget: float) -> None:
        """Queue the jobs that bring a trial up to `budget`."""
        number = evaluation.trial.number
        due = round(budget * self.n_splits) if self.by_fold else self.n_splits
        order = self.fold_order or range(self.n_splits)
        for fold in order[evaluation.n_folds : due]:
            events = None
            if self.fold_events:
                events = self.fold_events(number, fold, evaluation.rung)
            limit_file = (
                self.limit_folder and self.limit_folder / f"note-{number}-{fold}"
            )
            params = evaluation.trial.params
            job = FoldJob(
                number,
                fold,
                params,
                budget,
                earlier_budgets=evaluation.earlier_budgets,
                limit_file=limit_file,
                events=events,
                plain=self.difference is not None,
            )
            self._jobs.append(
                self.paused_models.check_out(job) if self.paused_models else job
            )
        evaluation.n_folds = due
        paid = evaluation.budget if self.by_fold or self.paused_models else 0.0
        evaluation.cost += budget - paid
        evaluation.budget = budget

    def _may_start(self) -> bool:
        """Whether a new trial may start, as far as the rules have a say."""
        if self._stopped_starting:
            return False
        if self.rules.deterministic:
            return all(evaluation.settled for evaluation in self._to_tell())
        under_way = len(self.evaluations) - len(self.settled)
        return under_way < self.rules.max_concurrent

    def _to_tell(self) -> list[Evaluation]:
        """Return the evaluations that the next proposal knows, not yet told."""
        if not self.rules.deterministic:
            return self.settled[self._n_told :]
        n_known = len(self.evaluations) - self.rules.max_concurrent + 1
        return self.evaluations[self._n_told : max(0, n_known)]

    def _tell(self, evaluations: list[Evaluation]) -> None:
        self._n_told += len(evaluations)
        record = self._records[-1] if self._records else -math.inf
        for evaluation in evaluations:
            if evaluation.status == "complete":
                record = max(record, evaluation.score)
            self._records.append(record)
        self._candidates.observe(evaluations)

    def _stop_starting(self) -> None:
        """Start no new trial any more."""
        if not self._stopped_starting:
            self._stopped_starting = True
            self.scheduler.stop_starting(len(self.trials))

    def _out_of_time(self) -> bool:
        """Whether a new trial would come too late, or leave no time for the others."""
        if not self.trials or math.isinf(self.rules.deadline):
            return False
        if not any(math.isfinite(e.score) for e in self.settled):
            return self._time_is_up()
        if self.journal is not None and len(self.trials) in self.journal.proposals:
            return False  # what is done costs no time, and what is not will not begin
        remaining_cost = self.scheduler.remaining_cost(
            paid=self.by_fold or self.paused_models is not None
        )
        if remaining_cost > 0.0:
            return not self._has_time(remaining_cost)
        median = self._durations[len(self._durations) // 2]
        return time.monotonic() + median + self._refit_seconds() > self.rules.deadline

    def _has_time(self, share: float) -> bool:
        """Whether evaluations that cost `share` in sum would end before the deadline.

        They will take as long as all those before them, measured by their costs.
        """
        if math.isinf(self.rules.deadline):
            return True
        now = time.monotonic()
        n = len(self._of_earlier_runs)
        if n > 1.1 * self._covered[0]:  # so that few more cost nothing
            self._covered = n, covered(self._of_earlier_runs)
        spent = now - self._began + self._covered[1]
        pace = spent / self._spent
        return now + share * pace + self._refit_seconds() <= self.rules.deadline

    def _time_is_up(self) -> bool:
        """Whether no further fit may begin, as the rest is for the refit."""
        if math.isinf(self.rules.deadline):
            return False
        return time.monotonic() + self._refit_seconds() > self.rules.deadline

    def _refit_seconds(self) -> float:
        if not self.rules.refit_factor or not self.settled:
            return 0.0
        model = self.best or self.settled[-1]
        whole = model.fit_seconds if self.by_fold else model.fit_seconds / model.cost
        return self.rules.refit_factor * whole

    def _stagnates(self) -> bool:
        patience = self.rules.n_iter_no_change
        if patience is None or self._n_told <= patience:
            return False
        before, now = self._records[-1 - patience], self._records[-1]
        return now <= before + self.rules.tol and before > -math.inf

    def _receive(self, report: FoldResult) -> None:
        evaluation = self.trials[report.trial]
        if report.warnings is None:
            self._of_earlier_runs.append(report)
        if self.paused_models is not None:
            report = self.paused_models.check_in(report)
        evaluation.reports[report.fold] = report
        if report.stop:
            self._stopped = True
            self._stop_starting()
        if len(evaluation.reports) < evaluation.n_folds:
            return
        evaluation.score = self.score_of(evaluation.results)
        if self._completes_one:
            evaluation.estimate = evaluation.score
            self._settle(evaluation)
        elif self.scheduler.report(report.trial, evaluation.budget, evaluation.score):
            evaluation.estimate = self.scheduler.estimate(report.trial)
            evaluation.variance = self.scheduler.variance(report.trial)
            self._settle(evaluation)

    def _settle(self, evaluation: Evaluation) -> None:
        """Count the score of an evaluation, and free what no trial needs any more."""
        evaluation.status = "complete" if _is_whole(evaluation) else "stopped"
        if not math.isfinite(evaluation.score):
            evaluation.status = "failed"
        self.settled.append(evaluation)
        self._spent += evaluation.cost
        if evaluation.status == "complete":
            self._best = max(self._best or evaluation, evaluation, key=_rank)
        insort(self._durations, evaluation.seconds)
        retired = self.scheduler.retired()
        if self.paused_models is not None:
            self.paused_models.drop(retired)
        if self.announce:
            self.announce(self, evaluation)


def _rank(evaluation: Evaluation) -> tuple[float, int]:
    return evaluation.score, -evaluation.trial.number


def _is_whole(evaluation: Evaluation) -> bool:
    """Whether an evaluation has, or will have, all of the budget."""
    return math.isclose(evaluation.budget, 1.0)


def _nothing_to_keep(errors: list[str | None]) -> str:
    """Say why an interrupt leaves nothing that could be used."""
    text = "The search was interrupted before any candidate was complete"
    if not errors:
        return f"{text}: there is nothing to keep."
    last = str(errors[0]).strip().splitlines()[-1]
    return f"{text}; all fits so far have failed, the first with {last}"
