"""AskTell: candidates one after the other, from what has been told of the others."""

import math
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import ThreadpoolController

from sklearn_hpo._execution.signals import uncut
from sklearn_hpo._numerics.pareto import first_front
from sklearn_hpo._numerics.streams import stream
from sklearn_hpo._trial import Trial
from sklearn_hpo.optimizers import Optimizer, Told
from sklearn_hpo.optimizers._registry import make_optimizer
from sklearn_hpo.space import SearchSpace

# How often the optimizer is asked for another candidate.
_MAX_ASKS = 8
# How many draws may repeat earlier candidates before a space counts as exhausted.
_MAX_REDRAWS = 1000

Array = NDArray[np.float64]
Found = tuple[dict[str, Any], Array, str]


@dataclass(frozen=True, slots=True)
class _Loss:
    """What one call of `tell` said."""

    params: dict[str, Any]
    row: Array
    losses: Array
    budget: float
    seconds: float
    variance: float


class AskTell:
    """Candidates for any function: ask for one, tell its loss, ask for the next.

    It is what :class:`BayesSearchCV` and the other searches get their candidates from,
    without estimator, data and folds. An iteration over it asks until `n_iter`
    candidates have been proposed or the space has no other; none comes twice.

    Equal seeds and equal tells give equal candidates. It can be pickled at any point,
    and the copy goes on as the original would.

    .. versionadded:: 0.1

    Parameters
    ----------
    space : dict, list of dict or SearchSpace
        From parameter names to lists of choices or distributions, as the
        `param_distributions` of the searches.
    n_iter : int
        Number of candidates. Optimizers plan with it.
    optimizer : str or Optimizer, default="auto"
        What proposes the candidates, as in :class:`BayesSearchCV`.
    n_objectives : int, default=1
        Number of losses of each candidate.
    seed : int or None, default=None
        Of the candidates; None draws one.
    initial_candidates : sequence of dict, default=()
        Whole candidates that come before all others, counted in `n_iter`.

    Attributes
    ----------
    space : SearchSpace
        Where the candidates lie.
    optimizer : Optimizer
        What proposes them.
    seed : int
        The one in use.
    n_asked : int
        Number of candidates proposed so far.
    n_told : int
        Number of losses told so far.
    best_params : dict
        The parameters with the least loss, of those with the largest budget.
    best_loss : float
        Their loss.
    pareto_front : list of (dict, ndarray)
        Parameters and losses that no others dominate, of those with the largest budget.

    See Also
    --------
    BayesSearchCV : Tunes an estimator by cross-validation.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo import AskTell
    >>> tuner = AskTell({"x": uniform(-1, 2)}, n_iter=20, seed=0)
    >>> for trial in tuner:
    ...     tuner.tell(trial, loss=(trial.params["x"] - 0.3) ** 2)
    >>> bool(abs(tuner.best_params["x"] - 0.3) < 0.01)
    True

    Several candidates may be under way, and end in any order:

    >>> tuner = AskTell({"x": uniform(-1, 2)}, n_iter=20, seed=0)
    >>> first, second = tuner.ask(), tuner.ask()
    >>> tuner.tell(second, loss=0.7)
    >>> tuner.tell(first, loss=float("nan"))  # it failed
    """

    def __init__(
        self,
        space: dict[str, Any] | list[dict[str, Any]] | SearchSpace,
        n_iter: int,
        *,
        optimizer: str | Optimizer = "auto",
        n_objectives: int = 1,
        seed: int | None = None,
        initial_candidates: Sequence[dict[str, Any]] = (),
    ) -> None:
        if n_iter < 1 or n_objectives < 1:
            raise ValueError(
                f"n_iter={n_iter} and n_objectives={n_objectives} must be 1 or more."
            )
        self.space = space if isinstance(space, SearchSpace) else SearchSpace(space)
        self.n_iter = n_iter
        self.n_objectives = n_objectives
        self.seed = _drawn() if seed is None else int(seed)
        self.initial_candidates = list(initial_candidates)
        self.optimizer = make_optimizer(optimizer, n_objectives)
        self.optimizer.start(self.space, n_iter, self.seed, n_objectives)
        if self.initial_candidates:
            self.optimizer.expect(self.space.encode(self.initial_candidates[0]))
        self.n_asked = 0
        self._initial_source = "initial"
        self._n_initial_taken = 0
        self._seen: set[Hashable] = set()
        self._rows: set[bytes] = set()
        # the rows of the trials that nothing has been told of
        self._pending: dict[int, Array] = {}
        self._told: list[_Loss] = []
        # the optimizer may like to hear several at once
        self._n_flushed = 0

    def __iter__(self) -> Iterator[Trial]:
        return self

    def __next__(self) -> Trial:
        trial = self.ask()
        if trial is None:
            raise StopIteration
        return trial

    def ask(self) -> Trial | None:
        """Return a candidate that is new.

        Any number of candidates may be asked for before their losses are told; the
        optimizer knows which are under way.

        Returns
        -------
        Trial or None
            With ``params``, its ``number`` from 0, and its ``source``; None if there
            is no other candidate.
        """
        number = self.n_asked
        if number >= self.n_iter:
            return None
        trial = self._from_record(number) or self._proposed(number)
        if trial is not None:
            self._pending[number] = trial.row
            self._rows.add(trial.row.tobytes())
            self.n_asked += 1
        return trial

    def tell(
        self,
        trial: Trial | dict[str, Any],
        loss: ArrayLike,
        *,
        budget: float = 1.0,
        seconds: float = math.nan,
        variance: float = 0.0,
    ) -> None:
        """Tell what became of a candidate.

        Parameters
        ----------
        trial : Trial or dict
            What `ask` returned; or the parameters of a candidate of the space that was
            evaluated elsewhere, which then is not proposed any more, and not counted in
            `n_iter`.
        loss : float or array-like of shape (n_objectives,)
            To be minimised. If one is not finite, the candidate has failed.
        budget : float, default=1.0
            The share of the full budget that it was measured with, in (0, 1]. A
            candidate may be told again with a larger one.
        seconds : float, default=nan
            What an evaluation takes, if known.
        variance : float, default=0.0
            How uncertain the loss is, beside the noise that all have.
        """
        losses = np.array(loss, dtype=float).reshape(-1)
        if losses.shape != (self.n_objectives,):
            raise ValueError(
                f"loss={loss!r}, but there should be {self.n_objectives} of them."
            )
        if not 0.0 < budget <= 1.0:
            raise ValueError(f"budget={budget!r} should be in (0, 1].")
        if not np.isfinite(losses).all():
            losses[:] = math.nan
        if isinstance(trial, dict):
            row = self.space.encode(trial)
            # it may be one that was asked for, after all
            same = row.tobytes()
            for number, pending in list(self._pending.items()):
                if pending.tobytes() == same:
                    del self._pending[number]
            self._take_given(trial, row, losses, budget, seconds, variance)
            return
        if trial.row.tobytes() not in self._rows:
            raise ValueError(f"{trial} is no candidate that was asked for here.")
        self._pending.pop(trial.number, None)
        told = _Loss(trial.params, trial.row, losses, budget, seconds, variance)
        self._told.append(told)

    @uncut
    def flush(self) -> None:
        """Tell the optimizer, all at once, what it has not heard of.

        `ask` does so by itself; it is for who looks at the optimizer.
        """
        fresh = self._told[self._n_flushed :]
        self._n_flushed = len(self._told)
        if fresh:
            told = Told(
                np.array([one.row for one in fresh]),
                np.array([one.losses for one in fresh]),
                np.array([one.budget for one in fresh]),
                np.array([one.seconds for one in fresh]),
                np.array([one.variance for one in fresh]),
            )
            self.optimizer.tell(told)

    @property
    def n_told(self) -> int:
        """Number of losses told so far."""
        return len(self._told)

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters with the least loss, of those with the largest budget."""
        return self._best().params

    @property
    def best_loss(self) -> float:
        """The least loss, of those with the largest budget."""
        return float(self._best().losses[0])

    @property
    def pareto_front(self) -> list[tuple[dict[str, Any], Array]]:
        """Parameters and losses that no others dominate, of the largest budget."""
        scored = self._comparable()
        if not scored:
            return []
        front = first_front(np.array([told.losses for told in scored]))
        return [(scored[i].params, scored[i].losses) for i in front]

    def _best(self) -> _Loss:
        if self.n_objectives > 1:
            raise ValueError(
                "No one candidate is the best by several losses: see pareto_front."
            )
        scored = self._comparable()
        if not scored:
            raise ValueError("No finite loss has been told yet.")
        return min(scored, key=lambda told: float(told.losses[0]))

    def _comparable(self) -> list[_Loss]:
        scored = [told for told in self._told if np.isfinite(told.losses[0])]
        largest = max((told.budget for told in scored), default=1.0)
        return [told for told in scored if told.budget == largest]

    def _take_given(
        self,
        params: dict[str, Any],
        row: Array,
        losses: Array,
        budget: float,
        seconds: float = math.nan,
        variance: float = 0.0,
    ) -> None:
        self._seen.add(self.space.key(params))
        self._told.append(_Loss(params, row, losses, budget, seconds, variance))

    def _from_record(self, number: int) -> Trial | None:
        """Return the trial that an earlier run had in this place; here is none."""
        return None

    def _proposed(self, number: int) -> Trial | None:
        started = time.perf_counter()
        with _one_thread():
            found = self._found(number)
        if found is None:
            return None
        return Trial(number, *found, time.perf_counter() - started)

    def _found(self, number: int) -> Found | None:
        """Return a candidate that is new and its source, or None if there is none."""
        while self._n_initial_taken < len(self.initial_candidates):
            params = self.initial_candidates[self._n_initial_taken]
            self._n_initial_taken += 1
            if self._is_new(params):
                return params, self.space.encode(params), self._initial_source
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

    def _proposals(self, number: int) -> Iterator[tuple[Array, str]]:
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


def _drawn() -> int:
    return int(np.random.default_rng().integers(np.iinfo(np.int32).max))


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
