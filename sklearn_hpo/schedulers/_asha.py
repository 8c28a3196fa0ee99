"""Asynchronous successive halving: nobody waits for a rung to be complete."""

import math
import numbers

from sklearn_hpo._sklearn_compat import Interval
from sklearn_hpo.schedulers._base import (
    Continue,
    New,
    Rung,
    Scheduler,
    Setting,
    Verdict,
)
from sklearn_hpo.schedulers._plans import (
    N_FINALISTS,
    budgets_of,
    halving_plan,
    n_candidates_of,
)
from sklearn_hpo.schedulers._scores import Scores


class ASHA(Scheduler):
    """Halve without waiting: asynchronous successive halving [1]_.

    A candidate goes on as soon as it is among the best ``1 / factor`` of those that
    have reached its rung so far; if there is none, a new one starts. No worker waits
    for a rung to be complete, so who goes on depends on timing. Where an early score
    misleads, more candidates go on than synchronous halving would let.

    .. versionadded:: 0.1

    Parameters
    ----------
    factor : float, default=3
        From rung to rung, candidates get `factor` times as much, and about one in
        `factor` goes on.

    See Also
    --------
    Halving : The next rung begins when all have their scores.

    References
    ----------
    .. [1] L. Li et al., "A system for massively parallel hyperparameter tuning",
       MLSys 2020; algorithm 2.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import ASHA, Setting
    >>> scheduler = ASHA()
    >>> scheduler.start(Setting(n_candidates=27, minimum=1, maximum=9))
    >>> [(rung.n_trials, round(9 * rung.budget)) for rung in scheduler.plan]
    [(27, 1), (9, 3), (3, 9)]
    """

    _parameter_constraints: dict[str, list[object]] = {
        "factor": [Interval(numbers.Real, 1, None, closed="neither")],
    }
    keeps_to_plan = False
    deterministic = False
    uses_rungs = True

    def __init__(self, *, factor: float = 3) -> None:
        self.factor = factor

    def start(self, setting: Setting) -> None:
        super().start(setting)
        self._rungs = [Scores() for _ in self.plan]
        self._n_started = 0
        self._running: set[int] = set()
        self._stopped_starting = False
        self._dropped: list[int] = []

    def make_plan(self, setting: Setting) -> tuple[Rung, ...]:
        # what halving without a margin would do: the least that runs
        factor = float(self.factor)
        budgets = budgets_of(setting, factor)
        n = n_candidates_of(setting, factor, len(budgets))
        n_rungs = max(1, math.floor(math.log(n / N_FINALISTS, factor) + 1 + 1e-9))
        return halving_plan(n, budgets[-n_rungs:], factor, margin=0)

    def next(self, n_told: int | None) -> New | Continue | None:
        # the promotion nearest to the top, else a new trial
        for level in range(len(self._rungs) - 2, -1, -1):
            scores = self._rungs[level]
            trial = scores.promote(self._n_kept(len(scores)))
            if trial is not None:
                self._running.add(trial)
                return Continue(trial, self.plan[level + 1].budget, level + 1)
        if n_told is None or self._all_started:
            return None
        self._running.add(self._n_started)
        self._n_started += 1
        return New(self.plan[0].budget)

    def report(self, trial: int, budget: float, score: float) -> Verdict:
        level = [rung.budget for rung in self.plan].index(budget)
        self._rungs[level].add(trial, score)
        self._running.discard(trial)
        self._give_up()
        dropped, self._dropped = tuple(self._dropped), []
        return Verdict(True, score, dropped=dropped)

    def stop_starting(self, n_started: int) -> None:
        self._stopped_starting = True
        self._running -= set(range(n_started, self._n_started))
        self._give_up()

    def remaining_cost(self, reuses: bool) -> float:
        cost, before, size = 0.0, 0.0, self._n_started
        for rung, scores in zip(self.plan, self._rungs, strict=True):
            cost += max(0, size - len(scores)) * (rung.budget - before)
            before = rung.budget if reuses else 0.0
            size = math.floor(size / float(self.factor))
        return cost

    @property
    def _all_started(self) -> bool:
        return self._stopped_starting or self._n_started == self.n_candidates

    def _n_kept(self, size: int) -> int:
        """Return how many of `size` trials of a rung go on."""
        return math.floor(size / float(self.factor) + 1e-9)

    def _give_up(self) -> None:
        """Note the trials that will not go on, whatever the scores to come."""
        over = self._all_started and not self._running
        n_coming = 0  # may still come to the rung from the one below
        for scores in self._rungs[:-1]:
            size = len(scores) + n_coming if over else self.n_candidates
            n_kept = self._n_kept(size)
            self._dropped += scores.give_up(n_kept)
            n_coming = min(n_kept, n_coming + scores.n_promotable(n_kept))
        self._dropped += self._rungs[-1].give_up(0)
