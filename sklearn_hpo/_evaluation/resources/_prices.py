"""What rungs cost, measured: part of a fit may be paid anew on each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Prices:
    """Seconds of fits of one candidate on one fold, with their scores.

    Attributes
    ----------
    budgets : tuple of float
        The rungs, as shares of the resource; ascending, the last one 1.
    steps : tuple of float
        What it took to get to each of them from the one below, as far as was tried.
    in_one_go : tuple of float
        What plain fits with the second and with the last of them took.
    goes_on : bool
        Whether training goes on from rung to rung.
    """

    budgets: tuple[float, ...]
    steps: tuple[float, ...]
    in_one_go: tuple[float, float]
    goes_on: bool = True

    @classmethod
    def of(cls, result: Mapping[str, Any], budgets: Sequence[float]) -> "Prices | None":
        """Return what `try_going_on` has measured on these rungs, if it could."""
        if "in_one_go" not in result:
            return None
        steps, (second, whole) = tuple(result["steps"]), result["in_one_go"]
        goes_on = result["difference"] is None
        return cls(tuple(budgets), steps, (second, whole), goes_on)

    @property
    def whole(self) -> float:
        """Seconds of a plain fit with all of the resource."""
        return self.in_one_go[1]

    @property
    def measuring(self) -> float:
        """What it cost to find out, in whole fits."""
        n_plain = len({self.budgets[1], 1.0})
        return (sum(self.steps) + sum(self.in_one_go[-n_plain:])) / self.whole

    def __call__(self, budget: float, before: float) -> float:
        """Return the price of getting from one share to another, in whole fits."""
        seconds = self._plain(budget)
        if before and self.goes_on:
            # what the step took, and what it would not have had to do from further up
            i = int(np.argmin(np.abs(np.array(self.budgets) - budget)))
            below = self.budgets[i - 1]
            seconds = self.steps[i] + self._plain(below) - self._plain(before)
        return seconds / self.whole

    def _plain(self, budget: float) -> float:
        """Return the seconds of a plain fit, between those that were tried."""
        tried = {self.budgets[0]: self.steps[0], self.budgets[1]: self.in_one_go[0]}
        tried[1.0] = self.whole
        return float(np.interp(budget, list(tried), list(tried.values())))
