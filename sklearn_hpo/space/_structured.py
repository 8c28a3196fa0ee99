"""Domains of several coordinates: how columns make a sequence, a subset or an order.

References
----------
.. [1] Bean (1994), Genetic Algorithms and Random Keys for Sequencing and Optimization,
   ORSA Journal on Computing 6.
"""

import reprlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb, factorial

from sklearn_hpo.space._domains import Array, Domain, Levels, Part, centre_of

Mask = NDArray[np.bool_]
Index = NDArray[np.intp]


def ranks(u: Array) -> Index:
    """Return how many entries of its row are before each entry, in rising order.

    Of equal ones the left one comes first.
    """
    order = np.argsort(u, axis=1, kind="stable")
    out = np.empty_like(order)
    np.put_along_axis(out, order, np.arange(u.shape[1])[None], axis=1)
    return out


def member_edge(n: int, low: int, high: int) -> float:
    """Return from which coordinate on one of `n` items is in a subset.

    So many coordinates are above that single columns, when drawn, keep the size in the
    middle of its range.
    """
    return 1.0 - (low + high) / (2 * n)


def draw_members(u: Array, low: int, high: int) -> Mask:
    """Turn uniform draws (n, k) into subsets of uniform size, any of a size alike."""
    # the sum, modulo 1, is uniform and tells nothing of the ranks
    share = u.sum(axis=1) % 1.0
    size = low + np.minimum(np.floor(share * (high - low + 1)), high - low)
    return ranks(-u) < size[:, None]


@dataclass(frozen=True)
class Group:
    """The columns of one sequence, subset or permutation of a :class:`SearchSpace`.

    .. versionadded:: 0.1

    Parameters
    ----------
    kind : {"sequence", "subset", "permutation"}
        What they stand for. If `low` is less than `high`, the first column of a
        sequence is its length; as many columns for each of the `high` entries follow.
    columns : slice
        Where they are in a row.
    low, high : int
        Least and largest number of entries.

    Examples
    --------
    >>> from sklearn_hpo.space import SearchSpace, subset
    >>> SearchSpace({"keep": subset(["a", "b", "c"])}).groups
    (Group(kind='subset', columns=slice(0, 3, None), low=1, high=3),)
    """

    kind: str
    columns: slice
    low: int
    high: int


class Block(Domain):
    """A domain of `width` coordinates, of which some may be inactive (NaN).

    Its points are of shape (n, width).
    """

    structure: str
    low: int
    high: int
    _width: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self._width

    @abstractmethod
    def parts(self, name: str) -> list[Part]:
        """Return the columns."""

    @abstractmethod
    def snap(self, u: Array) -> Array:
        """Turn points of shape (n, width) into canonical rows."""


class SequenceBlock(Block):
    """Columns of a tuple: its length, unless that is fixed, and then each entry's."""

    structure = "sequence"

    def __init__(self, element: Domain, low: int, high: int) -> None:
        self.element, self.low, self.high = element, low, high
        self.lengths = Levels(range(low, high + 1))
        self._step = element.width
        self._single = not isinstance(element, Block)
        self._first = self.lengths.width
        self._width = self._first + high * self._step
        with np.errstate(over="ignore"):
            counts = np.cumprod([1.0, *[float(element.n_values)] * high])
            self.n_values = float(counts[low:].sum())

    def parts(self, name: str) -> list[Part]:
        """Return the columns; the entries beyond the least length may be inactive."""
        out = self.lengths.parts(f"len({name})")
        for k in range(self.high):
            for part in self.element.parts(f"{name}[{k}]"):
                conditional = part.conditional or k >= self.low
                out.append(part._replace(conditional=conditional))
        return out

    def listed(self) -> Iterable[Any]:
        """Return all tuples, short ones first."""
        entries = list(self.element.listed())
        lengths = range(self.low, self.high + 1)
        return chain.from_iterable(product(entries, repeat=n) for n in lengths)

    def drawn(self, u: Array) -> Array:
        return self._map(u, self.element.drawn)

    def snap(self, u: Array) -> Array:
        out = self._map(u, self.element.snap)
        if self._first:
            index = self.lengths.index(u[:, 0])
            out[:, 0] = centre_of(index, len(self.lengths.values))
            absent = np.arange(self.high) >= self.low + index[:, None]
            out[:, 1:][np.repeat(absent, self._step, axis=1)] = np.nan
        return out

    def _map(self, u: Array, change: Any) -> Array:
        """Apply the method of the element to all entries at once."""
        out = u.copy()
        if self._step:
            shape = (-1,) if self._single else (-1, self._step)
            entries = np.ascontiguousarray(u[:, self._first :]).reshape(shape)
            out[:, self._first :] = change(entries).reshape(len(u), -1)
        return out

    def decode(self, u: Any) -> tuple[Any, ...]:
        n = self.lengths.decode(u[0]) if self._first else self.low
        if not self._step:
            return (self.element.decode(0.5),) * n
        if self._single:
            return tuple(map(self.element.decode, u[self._first : self._first + n]))
        starts = range(self._first, self._first + n * self._step, self._step)
        return tuple(self.element.decode(u[j : j + self._step]) for j in starts)

    def encode(self, value: Any) -> Array:
        """Return the coordinates of a tuple, a list or an array."""
        wanted = f"a tuple of {self.low} to {self.high} values"
        entries = _entries(value)
        if entries is None or not self.low <= len(entries) <= self.high:
            raise ValueError(wanted)
        out = np.full(self.width, np.nan)
        out[: self._first] = self.lengths.encode(len(entries))
        for k, entry in enumerate(entries):
            j = self._first + k * self._step
            try:
                out[j : j + self._step] = self.element.encode(entry)
            except ValueError as error:
                raise ValueError(f"{wanted}, each {error}") from error
        return out


class SubsetBlock(Block):
    """Columns of a list of some items: for each whether it is in."""

    structure = "subset"

    def __init__(self, items: Sequence[Any], low: int, high: int) -> None:
        self.items = Levels(items)
        self.low, self.high = low, high
        n = len(items)
        sizes = np.rint(comb(n, np.arange(low, high + 1)))
        self.n_values = float(sizes.sum())
        self._width = n if low < n else 0
        self.edge = member_edge(n, low, high)
        self.flag = Levels([False, True], np.array([self.edge, 1.0]), ordered=False)

    def parts(self, name: str) -> list[Part]:
        names = [f"{reprlib.repr(item)} in {name}" for item in self.items.values]
        return [Part(part, self.flag) for part in names[: self._width]]

    def listed(self) -> Iterable[list[Any]]:
        """Return all lists, short ones first."""
        sizes = range(self.low, self.high + 1)
        return chain.from_iterable(
            map(list, combinations(self.items.values, n)) for n in sizes
        )

    def drawn(self, u: Array) -> Array:
        return self._rows(draw_members(u, self.low, self.high))

    def snap(self, u: Array) -> Array:
        """Turn points into rows; where too many or too few are in, the largest are."""
        size = np.clip((u >= self.edge).sum(axis=1), self.low, self.high)
        return self._rows(ranks(-u) < size[:, None])

    def _rows(self, members: Mask) -> Array:
        assert self.flag.centres is not None
        out, inside = self.flag.centres
        return np.where(members, inside, out)

    def decode(self, u: Any) -> list[Any]:
        if not self._width:
            return list(self.items.values)
        pairs = zip(self.items.values, u, strict=True)
        return [item for item, x in pairs if x >= self.edge]

    def encode(self, value: Any) -> Array:
        """Return the coordinates of a list, in whatever order."""
        wanted = f"a list of {self.low} to {self.high} items of "
        chosen = _places(value, self.items, wanted)
        if not self.low <= len(chosen) <= self.high:
            raise ValueError(wanted + reprlib.repr(self.items.values))
        members = np.isin(np.arange(len(self.items.values)), chosen)
        return self._rows(members)[: self._width]


class PermutationBlock(Block):
    """Columns of a list of all items: a key for each, by which they are sorted [1]_."""

    structure = "permutation"

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = Levels(items)
        self.low = self.high = n = len(items)
        self.n_values = float(factorial(n))
        self._width = n if n > 1 else 0

    def parts(self, name: str) -> list[Part]:
        places = Levels(range(self.high))
        names = [f"{name}.index({reprlib.repr(item)})" for item in self.items.values]
        return [Part(part, places) for part in names[: self._width]]

    def listed(self) -> Iterable[list[Any]]:
        """Return all lists, in the order of ``itertools.permutations``."""
        return map(list, permutations(self.items.values))

    def snap(self, u: Array) -> Array:
        """Turn points into rows: an item's place makes its coordinate."""
        return centre_of(ranks(u), self.high)

    def decode(self, u: Any) -> list[Any]:
        """Return the items by rising keys."""
        order = sorted(range(len(u)), key=u.__getitem__) if self._width else [0]
        return [self.items.values[i] for i in order]

    def encode(self, value: Any) -> Array:
        wanted = "a list of all items of "
        order = _places(value, self.items, wanted)
        if len(order) < self.high:
            raise ValueError(wanted + reprlib.repr(self.items.values))
        return centre_of(np.argsort(order), self.high)[: self._width]


def _entries(value: Any) -> list[Any] | None:
    """Return the entries of a tuple, a list or an array, else None."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return list(value)
    return list(value) if isinstance(value, tuple | list) else None


def _places(value: Any, items: Levels, wanted: str) -> list[int]:
    """Return the places of distinct items; ValueError if they are anything else."""
    entries = _entries(value)
    places = [] if entries is None else [items.find(entry) for entry in entries]
    if entries is None or None in places or len(set(places)) < len(places):
        raise ValueError(wanted + reprlib.repr(items.values))
    return [place for place in places if place is not None]
