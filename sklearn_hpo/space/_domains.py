"""Domains: how one coordinate in [0, 1] becomes a value, and back."""

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._identity.values import is_real, value_key

Array = NDArray[np.float64]

MAX_LEVELS = 4096  # numeric levels that columns list; more are as good as continuous
TAIL = 1e-10  # probability cut off where a support is unbounded: decode stays finite
GRID = np.linspace(0, 1, 33)  # probabilities at which distributions are compared


def cell_of(u: Array, n: int) -> NDArray[np.intp]:
    """Return which of `n` even cells of [0, 1] coordinates lie in."""
    return np.minimum(np.floor(u * n), n - 1).astype(np.intp)


def centre_of(cell: NDArray[np.intp], n: int) -> Array:
    """Return the centres of cells, of `n` even ones."""
    centres: Array = (cell + 0.5) / n
    return centres


class Part(NamedTuple):
    """A column of a parameter.

    `domain` tells its kind and values; `conditional` whether it is NaN in some rows of
    a branch that has the parameter.
    """

    name: str
    domain: "Domain"
    conditional: bool = False


class Domain(ABC):
    """One coordinate and the values it stands for.

    `values` are the distinct values and `centres` their coordinates, where they can
    be listed; coordinates are kept within `clip`.
    """

    kind: str
    n_values = math.inf
    values: Sequence[Any] = ()
    centres: Array | None = None
    clip = (0.0, 1.0)

    @property
    def width(self) -> int:
        """Number of columns: none for a constant."""
        return int(self.n_values > 1)

    def parts(self, name: str) -> list[Part]:
        """Return the columns of a parameter."""
        return [Part(name, self)] * self.width

    def listed(self) -> Iterable[Any]:
        """Return the distinct values, if they are finitely many."""
        return self.values

    def drawn(self, u: Array) -> Array:
        """Move uniform coordinates so that, when snapped, they follow the law."""
        return u

    def snap(self, u: Array) -> Array:
        """Move coordinates within `clip` to those of the values they decode to."""
        return u

    @abstractmethod
    def decode(self, u: Any) -> Any:
        """Return the value at a coordinate, or at a list of `width` of them."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """Return the coordinate of a value; ValueError tells which are valid."""


class Levels(Domain):
    """Values each with a cell of [0, 1] as wide as its probability.

    `ends` are the upper ends of the cells, or None if all are equally wide. `listed`
    is False if there are more values, too improbable to matter.
    """

    def __init__(
        self,
        values: Sequence[Any],
        ends: Array | None = None,
        ordered: bool = True,
        listed: bool = True,
    ) -> None:
        n = len(values)
        self.values = values
        self.kind = "ordered" if ordered else "categorical"
        self.edges: Array | None = None
        if ends is not None and np.ptp(np.diff(ends, prepend=0)) > 1e-9 / n:
            self.edges = ends[:-1]
            self.middles: Array = (np.append(0.0, ends[:-1]) + ends) / 2
        if listed:
            self.n_values = float(n)
            if n <= MAX_LEVELS or not ordered:
                self.centres = _middles(n) if self.edges is None else self.middles

    @property
    def is_even(self) -> bool:
        """Whether all cells are equally wide."""
        return self.edges is None

    # larger than the values themselves, and made only if one of them is looked up
    @cached_property
    def by_key(self) -> dict[Hashable, int]:
        """The number of each value."""
        return {value_key(v): i for i, v in enumerate(self.values)}

    @cached_property
    def by_number(self) -> dict[Any, int]:
        """The number of each value that equals numbers of other types."""
        return {v: i for i, v in enumerate(self.values) if is_real(v)}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be made again, as it has keys of any type."""
        made = "by_key", "by_number"
        return {k: v for k, v in vars(self).items() if k not in made}

    def index(self, u: Array) -> NDArray[np.intp]:
        """Return the numbers of the cells that coordinates lie in."""
        if self.edges is not None:
            return np.searchsorted(self.edges, u, side="right")
        return cell_of(u, len(self.values))

    def snap(self, u: Array) -> Array:
        index = self.index(u)
        if self.edges is None:
            return centre_of(index, len(self.values))
        middles: Array = self.middles[index]
        return middles

    def decode(self, u: float) -> Any:
        if self.edges is None:
            return self.values[min(int(u * len(self.values)), len(self.values) - 1)]
        return self.values[int(self.edges.searchsorted(u, side="right"))]

    def encode(self, value: Any) -> float:
        i = self.find(value)
        if i is None:
            raise ValueError(f"one of {reprlib.repr(self.values)}")
        if self.edges is None:
            return (i + 0.5) / len(self.values)
        return float(self.middles[i])

    def find(self, value: Any) -> int | None:
        """Return the number of a value, or of an equal number, or None."""
        if isinstance(self.values, range):
            whole = is_real(value) and float(value).is_integer()
            if not whole or int(value) not in self.values:
                return None
            return self.values.index(int(value))
        i = self.by_key.get(value_key(value))
        return self.by_number.get(value) if i is None and is_real(value) else i


def _middles(n: int) -> Array:
    """Return the centres of `n` even cells, in the room that they take."""
    centres: Array = np.arange(0.5, n)
    centres /= n
    return centres


class Quantiles(Domain):
    """A continuous distribution; uniform and log-uniform ones in closed form."""

    kind = "continuous"

    def __init__(self, dist: Any, quantiles: Array) -> None:
        self.dist = dist
        self.low, self.high = quantiles[[0, -1]].tolist()
        self.spread = float(quantiles[24] - quantiles[8])
        self.form = "ppf"
        if not math.isfinite(self.high - self.low):
            self.clip = _reach(dist)
        elif self._is_line(quantiles):
            self.form = "linear"
        elif self.low > 0 and self._is_line(np.log(quantiles)):
            self.form = "log"
        if self.form != "ppf":
            self.dist = None  # it would be most of what is pickled

    def _is_line(self, x: Array) -> bool:
        self.start, self.span = float(x[0]), float(x[-1] - x[0])
        line = self.start + self.span * GRID
        return bool((np.abs(x - line) <= 1e-10 * self.span).all())

    def decode(self, u: float) -> float:
        """Return the quantile at `u`, within the support."""
        if self.form == "linear":
            x = self.start + u * self.span
        elif self.form == "log":
            x = math.exp(self.start + u * self.span)
        else:
            x = float(self.dist.ppf(u))
        return float(min(max(x, self.low), self.high))

    def encode(self, value: Any) -> float:
        """Return the probability of a value below `value`."""
        if not is_real(value) or not self.low <= value <= self.high:
            raise ValueError(f"a number in [{self.low}, {self.high}]")
        if self.form == "ppf":
            u = float(self.dist.cdf(value))
        else:
            x = float(value) if self.form == "linear" else math.log(value)
            u = (x - self.start) / self.span
        low, high = self.clip
        u = min(max(u, low), high)
        if abs(self.decode(u) - value) > 1e-6 * abs(value) + 1e-9 * self.spread:
            raise ValueError(
                f"a number between {self.decode(low)} and {self.decode(high)}, "
                "as probabilities tell the values of the tails no longer apart"
            )
        return u


def _reach(dist: Any) -> tuple[float, float]:
    """Return the lowest and highest probability that have finite quantiles."""
    for tail in (TAIL, 1e-8, 1e-6, 1e-4):
        with suppress(ValueError, ArithmeticError, RuntimeError):
            if np.isfinite([dist.ppf(tail), dist.ppf(1 - tail)]).all():
                return tail, 1 - tail
    return float(GRID[1]), float(GRID[-2])


class Counts(Domain):
    """Whole numbers from `low` to `high`, too many for a table."""

    kind = "ordered"

    def __init__(self, dist: Any, low: int, high: int) -> None:
        self.dist = dist
        self.clip = (TAIL, 1 - TAIL)
        # the tails beyond are never decoded, so they must not be listed
        first, last = map(self.decode, self.clip)
        self.values = range(max(low, first), min(high, last) + 1)
        self.n_values = float(len(self.values))

    def snap(self, u: Array) -> Array:
        # Contiguous, as strided loops of numpy may round differently.
        k = self.dist.ppf(np.ascontiguousarray(np.clip(u, *self.clip)))
        centres: Array = (self.dist.cdf(k - 1) + self.dist.cdf(k)) / 2
        return centres

    def decode(self, u: float) -> int:
        low, high = self.clip
        return int(self.dist.ppf(min(max(u, low), high)))

    def encode(self, value: Any) -> float:
        if is_real(value) and self.values[0] <= value <= self.values[-1]:
            u = float(self.dist.cdf(value - 1) + self.dist.cdf(value)) / 2
            if self.decode(u) == value:
                return u
        low, high = map(self.decode, self.clip)
        raise ValueError(f"a whole number between {low} and {high}")


class Empirical:
    """Quantile function that joins sorted draws by straight lines.

    If `whole`, the quantiles are rounded to integers.
    """

    def __init__(self, draws: Array, whole: bool = False) -> None:
        self.draws, first, counts = np.unique(
            draws, return_index=True, return_counts=True
        )
        # Equal draws stand in the middle of the probabilities that they cover.
        self.probabilities = (first + (counts - 1) / 2) / (len(draws) - 1)
        self.whole = whole

    def ppf(self, q: Any) -> Any:
        """Return the quantiles at `q`."""
        x = np.interp(q, self.probabilities, self.draws)
        return np.ceil(x - 0.5) if self.whole else x

    def cdf(self, x: Any) -> Any:
        """Return the probability of values up to `x`."""
        shift = 0.5 if self.whole else 0.0
        return np.interp(np.add(x, shift), self.draws, self.probabilities)
