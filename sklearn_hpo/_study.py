"""The study: where optimizer, scheduler, executor and evaluation meet."""

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from sklearn_hpo._executor import ParallelExecutor, SequentialExecutor
from sklearn_hpo._trial import Job, Report, Trial
from sklearn_hpo.optimizers import Optimizer
from sklearn_hpo.schedulers import Continue, Scheduler
from sklearn_hpo.space import SearchSpace

# How many draws may repeat earlier candidates before a space counts as exhausted.
_MAX_REDRAWS = 1000

Results = tuple[NDArray[np.float64], NDArray[np.float64]]
Status = Literal["complete", "stopped", "failed", "incomplete"]


@dataclass
class Record:
    """A trial and what has been reported of it.

    Attributes
    ----------
    trial : Trial
        The candidate.
    reports : dict of int to Report
        By fold.
    n_folds : int
        How many folds it has been given so far.
    score : float
        Mean score over the folds that are in, to be maximised; NaN before, or if it
        failed.
    ended : bool
        Whether all its folds are in and it gets no more.
    status : {"complete", "stopped", "failed", "incomplete"}
        Whether it ended with all folds, was stopped before, failed, or never ended.
    """

    trial: Trial
    reports: dict[int, Report] = field(default_factory=dict)
    n_folds: int = 0
    score: float = math.nan
    ended: bool = False
    status: Status = "incomplete"

    @property
    def results(self) -> list[dict[str, Any]]:
        """What its folds gave, in their order."""
        return [self.reports[fold].result for fold in sorted(self.reports)]

    @property
    def fit_seconds(self) -> float:
        """Mean seconds of a fit."""
        times = [report.result["fit_time"] for report in self.reports.values()]
        return sum(times) / len(times)

    @property
    def seconds(self) -> float:
        """Wall seconds from the start of the first fold to the end of the last."""
        reports = self.reports.values()
        return max(r.end for r in reports) - min(r.start for r in reports)


@dataclass(frozen=True)
class Rules:
    """How a study runs, and when it ends before its scheduler does.

    Attributes
    ----------
    max_concurrent : int
        How many trials may be under way.
    deterministic : bool
        Whether the outcome may not depend on timing.
    deadline : float
        Moment on the monotonic clock, in seconds, by which the refit must be over.
    refit_factor : float
        Seconds of the refit for a second of fitting one fold; 0 without a refit.
    n_iter_no_change : int or None
        End after so many trials in a row that do not improve the best score.
    tol : float
        The least rise of the best score that counts as an improvement.
    """

    max_concurrent: int = 1
    deterministic: bool = True
    deadline: float = math.inf
    refit_factor: float = 0.0
    n_iter_no_change: int | None = None
    tol: float = 0.0


@dataclass(eq=False)
class Study:
    """Run trials until the scheduler, a rule or the user says stop.

    Trial ``t`` is proposed knowing exactly the trials up to ``t - max_concurrent``, in
    that order, whether or not later ones have ended: the outcome does not depend on
    timing. If the rules are not deterministic, it knows every trial that has ended.

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
    rules : Rules
        Concurrency and limits.
    first : sequence of dict
        Candidates that come before the optimizer's own. One that repeats another is
        not evaluated again.
    known : tuple of (rows, losses) or None
        Results that count as told, whose rows are not evaluated again.
    earlier : tuple of (rows, losses) or None
        Results of another study, for the optimizer to recall.
    fold_events : callable or None
        From trial and fold numbers to the events of that job.
    announce : callable or None
        Called with this study and the record of each trial that ends.
    records : list of Record
        The trials, in the order of proposals.
    ended : list of Record
        Those that get no more folds, in the order of their ends.
    cut_short_by : BaseException or None
        The interrupt or the death of a worker that ended the study.
    """

    space: SearchSpace
    optimizer: Optimizer
    scheduler: Scheduler
    seed: int
    n_splits: int
    score_of: Callable[[list[dict[str, Any]]], float]
    rules: Rules = Rules()
    first: Sequence[dict[str, Any]] = ()
    known: Results | None = None
    earlier: Results | None = None
    fold_events: Callable[[int, int], Any] | None = None
    announce: Callable[["Study", Record], None] | None = None
    records: list[Record] = field(default_factory=list, init=False)
    ended: list[Record] = field(default_factory=list, init=False)
    cut_short_by: BaseException | None = field(default=None, init=False)
    _told: list[Record] = field(default_factory=list, init=False)
    _seen: set[Hashable] = field(default_factory=set, init=False)
    _jobs: deque[Job] = field(default_factory=deque, init=False)
    _closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._first = iter(self.first)

    @property
    def listed(self) -> list[Record]:
        """The trials in the order of proposals, repeats among `first` repeated."""
        by_key = {self.space.key(r.trial.params): r for r in self.records}
        keys = [self.space.key(params) for params in self.first]
        first = [by_key[key] for key in keys if key in by_key]
        return first + self.records[len(set(keys)) :]

    @property
    def best(self) -> Record | None:
        """The first trial with the highest score so far."""
        return max(
            (record for record in self.ended if record.status == "complete"),
            key=lambda record: (record.score, -record.trial.number),
            default=None,
        )

    def run(self, executor: SequentialExecutor | ParallelExecutor) -> None:
        """Run to the end; an interrupt or a dead worker ends it with what is done.

        Parameters
        ----------
        executor : SequentialExecutor or ParallelExecutor
            Runs the jobs.

        Raises
        ------
        KeyboardInterrupt, concurrent.futures.BrokenExecutor
            If it came before any trial was complete.
        """
        self._begin()
        try:
            while self._fill(executor):
                self._receive(executor.next_result())
        except (KeyboardInterrupt, BrokenExecutor) as error:
            executor.abort()
            if not self.ended:
                raise
            self.cut_short_by = error
        told = {record.trial.number for record in self._told}
        self._tell([r for r in self.ended if r.trial.number not in told])

    def _begin(self) -> None:
        self.optimizer.start(self.space, self.seed)
        if self.earlier is not None and len(self.earlier[1]):
            self.optimizer.recall(*self.earlier)
        if self.known is not None and len(self.known[1]):
            rows, losses = self.known
            self.optimizer.tell(rows, losses, np.ones(len(losses)))
            self._seen |= {self.space.key(self.space.decode(row)) for row in rows}

    def _fill(self, executor: SequentialExecutor | ParallelExecutor) -> bool:
        """Keep the workers busy; return whether any job is under way."""
        while executor.n_running < executor.n_workers:
            if not self._jobs and not self._schedule():
                break
            executor.submit(self._jobs.popleft())
        return executor.n_running > 0

    def _schedule(self) -> bool:
        """Queue the next piece of work, if there is one now."""
        number = len(self.records)
        started = time.perf_counter()
        known = self._known_to(number) if self._may_start(number) else None
        if known is not None:
            self._tell(known)
            self._closed = self._closed or self._out_of_time() or self._stagnates()
        work = self.scheduler.next(
            None if known is None or self._closed else len(self._told)
        )
        if work is None:
            return False
        if isinstance(work, Continue):
            record = self.records[work.trial]
        else:
            # the matrices are small: more threads would only wait for one another
            with _blas().limit(limits=1):
                found = self._next_candidate()
            if found is None:
                self._closed = True
                return False
            seconds = time.perf_counter() - started
            record = Record(Trial(number, *found, seconds))
            self.records.append(record)
        self._queue(record, work.budget)
        return True

    def _queue(self, record: Record, budget: float) -> None:
        """Queue the folds of a trial up to `budget`."""
        number, due = record.trial.number, round(budget * self.n_splits)
        for fold in range(record.n_folds, due):
            events = self.fold_events(number, fold) if self.fold_events else None
            self._jobs.append(Job(number, fold, record.trial.params, events))
        record.n_folds = due

    def _may_start(self, number: int) -> bool:
        if self._closed:
            return False
        if self.rules.deterministic:
            return all(record.ended for record in self._known_to(number))
        return number - len(self.ended) < self.rules.max_concurrent

    def _known_to(self, number: int) -> list[Record]:
        """Return the trials that the proposal of trial `number` knows, not yet told."""
        if not self.rules.deterministic:
            return self.ended[len(self._told) :]
        return self.records[
            len(self._told) : max(0, number - self.rules.max_concurrent + 1)
        ]

    def _tell(self, records: list[Record]) -> None:
        if not records:
            return
        self._told.extend(records)
        self.optimizer.tell(
            np.array([record.trial.row for record in records]),
            -np.array([self.scheduler.estimate(r.trial.number) for r in records]),
            np.array([record.n_folds / self.n_splits for record in records]),
            self.n_splits * np.array([record.fit_seconds for record in records]),
            np.array([self.scheduler.variance(r.trial.number) for r in records]),
        )

    def _out_of_time(self) -> bool:
        if not self.ended or math.isinf(self.rules.deadline):
            return False
        trial = float(np.median([record.seconds for record in self.ended]))
        model = self.best or self.ended[-1]
        refit = self.rules.refit_factor * model.fit_seconds
        return time.monotonic() + trial + refit > self.rules.deadline

    def _stagnates(self) -> bool:
        patience = self.rules.n_iter_no_change
        if patience is None or len(self._told) <= patience:
            return False
        scores = np.array([record.score for record in self._told])
        scores[[record.status != "complete" for record in self._told]] = -np.inf
        before, after = scores[:-patience].max(), scores[-patience:].max()
        return bool(after <= before + self.rules.tol) and before > -np.inf

    def _next_candidate(
        self,
    ) -> tuple[dict[str, Any], NDArray[np.float64], str] | None:
        """Return a candidate that is new and its source, or None if there is none."""
        for params in self._first:
            if self._is_new(params):
                return params, self.space.encode(params), "given"
        if len(self._seen) >= self.space.size:
            return None
        for row, source in self._proposals():
            params = self.space.decode(row)
            if self._is_new(params):
                return params, row, source
        if math.isinf(self.space.size):
            return None
        params = next(filter(self._is_new, self.space))
        return params, self.space.encode(params), "random"

    def _proposals(self) -> Iterator[tuple[NDArray[np.float64], str]]:
        """Yield the optimizer's proposal, and draws in case that it is not new."""
        told = {record.trial.number for record in self._told}
        pending = [r.trial.row for r in self.records if r.trial.number not in told]
        rows = np.array(pending).reshape(len(pending), self.space.n_columns)
        yield self.optimizer.ask(1, rows)[0], self.optimizer.source(len(rows))
        # a stream of its own: proposals count from 0, redraws carry a third number
        rng = np.random.default_rng([self.seed, len(self.records), 1])
        for _ in range(_MAX_REDRAWS):
            yield self.space.sample(1, rng)[0], "random"

    def _is_new(self, params: dict[str, Any]) -> bool:
        key = self.space.key(params)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _receive(self, report: Report) -> None:
        record = self.records[report.trial]
        record.reports[report.fold] = report
        if report.stop:
            self._closed = True
        if len(record.reports) < record.n_folds:
            return
        record.score = self.score_of(record.results)
        share = record.n_folds / self.n_splits
        if not self.scheduler.report(report.trial, share, record.score):
            return
        record.ended = True
        whole = record.n_folds == self.n_splits
        record.status = "complete" if whole else "stopped"
        if not math.isfinite(record.score):
            record.status = "failed"
        self.ended.append(record)
        if self.announce:
            self.announce(self, record)


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
