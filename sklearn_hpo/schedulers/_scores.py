"""The scores of a rung: who is ahead, and who can't be any more."""

import math
from bisect import bisect_left, bisect_right, insort

_Rank = tuple[float, int]  # the best first, then the older trial


class Scores:
    """The scores of a rung, kept in order: to take one costs no look at the others.

    `open` are the trials, best first, that may still go on.
    """

    def __init__(self) -> None:
        self._ranked: list[_Rank] = []
        self._waiting: list[_Rank] = []
        self._failed: list[int] = []
        self.open: list[_Rank] = []

    def __len__(self) -> int:
        return len(self._ranked)

    def add(self, trial: int, score: float) -> None:
        """Take the score of a trial that has none."""
        rank = math.inf if math.isnan(score) else -score, trial
        insort(self._ranked, rank)
        if math.isnan(score):
            self._failed.append(trial)
        else:
            insort(self._waiting, rank)
            insort(self.open, rank)

    def promote(self, n_kept: int) -> int | None:
        """Take the best trial that has not gone on, if among the `n_kept` best."""
        if not self._waiting or not self._is_among(self._waiting[0], n_kept):
            return None
        rank = self._waiting.pop(0)
        self.open.remove(rank)
        return rank[1]

    def n_promotable(self, n_kept: int) -> int:
        """Return how many of the `n_kept` best have not gone on."""
        if not n_kept or not self._waiting:
            return 0
        last = self._ranked[min(n_kept, len(self)) - 1]
        return bisect_right(self._waiting, last)

    def give_up(self, n_kept: int) -> list[int]:
        """Name, once, the failures and those whom `n_kept` others have beaten."""
        gone, self._failed = self._failed, []
        while self.open and not self._is_among(self.open[-1], n_kept):
            gone.append(self.open.pop()[1])
        return gone

    def _is_among(self, rank: _Rank, n_best: int) -> bool:
        return bisect_left(self._ranked, rank) < n_best
