"""Where the candidates of a study come from, and what their source is told."""

import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from sklearn_hpo._checkpoint.journal import Journal
from sklearn_hpo._execution.signals import uncut
from sklearn_hpo._numerics.streams import stream
from sklearn_hpo._study.evaluation import Evaluation
from sklearn_hpo._trial import Trial
from sklearn_hpo.optimizers import Optimizer, Told
from sklearn_hpo.space import SearchSpace

# How often the optimizer is asked for another candidate.
_MAX_ASKS = 8
# How many draws may repeat earlier candidates before a space counts as exhausted.
_MAX_REDRAWS = 1000

Results = tuple[NDArray[np.float64], NDArray[np.float64]]
Found = tuple[dict[str, Any], NDArray[np.float64], str]


@dataclass(eq=False)
class Candidates:
    """The candidates of a study, one after the other, none of them twice.

    Attributes
    ----------
    space : SearchSpace
        Where they lie.
    optimizer : Optimizer
        Proposes them.
    n_iter : int
        How many are planned.
    n_objectives : int
        How many losses each has.
    seed : int
        Of the optimizer and of the draws that replace repeated candidates.
    n_splits : int
        Number of folds of each candidate.
    first : sequence of dict
        Those that come before the optimizer's own.
    source_of_first : str
        Where they come from: "initial", or "estimator" for its own values.
    given_scores : tuple of (rows, losses) or None
        Results that count as told, whose rows are left out.
    source_task : tuple of (rows, losses) or None
        Results of another study, for the optimizer to recall.
    objectives_of : callable or None
        From the list of a trial's results to an array of scores, all to be maximised,
        if the optimizer learns several.
    journal : Journal or None
        Where those of an earlier run stand.
    """

    space: SearchSpace
    optimizer: Optimizer
    n_iter: int
    n_objectives: int
    seed: int
    n_splits: int
    first: Sequence[dict[str, Any]]
    source_of_first: str
    given_scores: Results | None
    source_task: Results | None
    objectives_of: Callable[[list[dict[str, Any]]], NDArray[np.float64]] | None
    journal: Journal | None
    _seen: set[Hashable] = field(default_factory=set, init=False)
    _rows: set[bytes] = field(default_factory=set, init=False)
    # told, but not yet to the optimizer, which may like to hear several at once
    _buffered: list[Evaluation] = field(default_factory=list, init=False)
    # the rows of the trials that it has not heard of
    _pending: dict[int, NDArray[np.float64]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._first = iter(self.first)

    def begin(self) -> None:
        """Start the optimizer, with what is known before the first trial."""
        self.optimizer.start(self.space, self.n_iter, self.seed, self.n_objectives)
        if self.source_task is not None and len(self.source_task[1]):
            rows, losses = self.source_task
            self.optimizer.tell_source_task(rows, losses[:, None])
        if self.first:
            self.optimizer.expect(self.space.encode(self.first[0]))
        if self.given_scores is not None and len(self.given_scores[1]):
            rows, losses = self.given_scores
            self.optimizer.tell(Told.of(rows, losses))
            self._seen |= {self.space.key(self.space.decode(row)) for row in rows}

    def observe(self, evaluations: list[Evaluation]) -> None:
        """Take what later candidates shall depend on.

        Parameters
        ----------
        evaluations : list of Evaluation
            That have ended.
        """
        self._buffered.extend(evaluations)
        for evaluation in evaluations:
            self._pending.pop(evaluation.trial.number, None)

    @uncut
    def flush(self) -> None:
        """Tell the optimizer, all at once, what it shall know by now."""
        if not self._buffered:
            return
        evaluations, self._buffered = self._buffered, []
        scores = [
            self.objectives_of(e.results) if self.objectives_of else e.estimate
            for e in evaluations
        ]
        told = Told.of(
            np.array([e.trial.row for e in evaluations]),
            -np.array(scores),
            np.array([e.budget for e in evaluations]),
            self.n_splits * np.array([e.fit_seconds for e in evaluations]),
            np.array([e.variance for e in evaluations]),
        )
        self.optimizer.tell(told)

    def next(self, number: int) -> Trial | None:
        """Return a new trial, or None if there is no other candidate.

        Parameters
        ----------
        number : int
            Of the trial.

        Returns
        -------
        trial : Trial or None
            The one that an earlier run had in this place, if it had one.
        """
        trial = self._recorded(number) or self._proposed(number)
        if trial is not None:
            self._pending[number] = trial.row
            self._rows.add(trial.row.tobytes())
        return trial

    def _recorded(self, number: int) -> Trial | None:
        """Return the trial that an earlier run proposed in this place, if it did."""
        if self.journal is None or number not in self.journal.proposals:
            return None
        old = self.journal.proposals[number]
        # what is given is taken from where it is given, so that all of it is used
        listed = old.source in ("initial", "estimator")
        params = None if listed else self.space.decode(old.row)
        if params is None or not self._is_new(params):
            return None
        return Trial(number, params, old.row, old.source, old.seconds)

    def _proposed(self, number: int) -> Trial | None:
        started = time.perf_counter()
        with _one_thread():
            found = self._found(number)
        if found is None:
            return None
        return Trial(number, *found, time.perf_counter() - started)

    def _found(self, number: int) -> Found | None:
        """Return a candidate that is new and its source, or None if there is none."""
        for params in self._first:
            if self._is_new(params):
                return params, self.space.encode(params), self.source_of_first
        if len(self._seen) >= self.space.size:
            return None
        for row, source in self._proposals(number):
            params = self.space.decode(row)
            if self._is_new(params):
                # a view would keep the array that it was asked in
                return params, row.copy(), source
        if math.isinf(self.space.size):
            return None
        # where branches overlap, there are fewer than `size` candidates
        for params in filter(self._is_new, self.space):
            return params, self.space.encode(params), "random"
        return None

    def _proposals(self, number: int) -> Iterator[tuple[NDArray[np.float64], str]]:
        """Yield the optimizer's proposal, and draws in case that it is not new."""
        self.flush()
        pending = list(self._pending.values())
        rows = np.array(pending).reshape(len(pending), self.space.n_columns)
        for _ in range(_MAX_ASKS):
            proposal = self.optimizer.ask(rows)
            row = proposal.row
            yield row, proposal.source
            if row.tobytes() in self._rows:
                break
            # the same candidate, in another branch: that row is none to propose
            rows = np.vstack([rows, row])
        rng = stream(self.seed, number, "redraw")
        for _ in range(_MAX_REDRAWS):
            yield self.space.sample(1, rng)[0], "random"

    def _is_new(self, params: dict[str, Any]) -> bool:
        key = self.space.key(params)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _one_thread() -> AbstractContextManager[Any]:
    """Keep small matrices from threads that would only wait for one another."""
    blas = _blas()
    if all(library.num_threads == 1 for library in blas.lib_controllers):
        return nullcontext()  # to set it again takes as long as to draw a candidate
    limiter: AbstractContextManager[Any] = blas.limit(limits=1)
    return limiter


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
