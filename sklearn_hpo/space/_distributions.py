"""Distributions that scipy lacks, and how distributions are told from lists."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_hpo._identity.values import is_real, unbox, value_key
from sklearn_hpo.space._structured import draw_members, ranks


def is_distribution(given: Any) -> bool:
    """Tell distributions from lists, as scikit-learn does."""
    return hasattr(given, "rvs")


def describe_distribution(dist: Any) -> str:
    """Return the call that makes a distribution of scipy, else the usual text."""
    if not hasattr(dist, "kwds"):
        return repr(dist)
    arguments = [*map(repr, dist.args), *(f"{k}={v!r}" for k, v in dist.kwds.items())]
    return f"{dist.dist.name}({', '.join(arguments)})"


@dataclass(frozen=True)
class lograndint:
    """Integers that are uniform on a logarithmic scale.

    A real number, log-uniform between ``low - 0.5`` and ``high - 0.5``, is rounded
    to the nearest integer, so that ``k`` is drawn about as often as ``1 / k`` says.
    The bounds are those of :data:`scipy.stats.randint`, and the object serves
    wherever a frozen distribution of scipy does, such as in
    :class:`~sklearn.model_selection.RandomizedSearchCV`.

    .. versionadded:: 0.1

    Parameters
    ----------
    low : int
        Smallest value, at least 1.
    high : int
        One more than the largest value.

    Raises
    ------
    TypeError
        If a bound is not a number.
    ValueError
        If a bound is not whole, or unless ``1 <= low < high``.

    Examples
    --------
    >>> from sklearn_hpo.space import lograndint
    >>> n_estimators = lograndint(10, 1001)
    >>> n_estimators.support()
    (10, 1000)
    >>> int(n_estimators.ppf(0.5))
    97
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = getattr(self, name)
            if not is_real(bound):
                raise TypeError(f"lograndint needs numbers, got {name}={bound!r}.")
            if not float(bound).is_integer():
                raise ValueError(f"lograndint needs whole bounds, got {name}={bound}.")
            object.__setattr__(self, name, int(bound))
        if not 1 <= self.low < self.high:
            raise ValueError(
                f"lograndint needs 1 <= low < high, got low={self.low} and "
                f"high={self.high}; high is one more than the largest value."
            )

    def support(self) -> tuple[int, int]:
        """Return the smallest and the largest value.

        Returns
        -------
        tuple of int
            Both of them can be drawn.
        """
        return self.low, self.high - 1

    def cdf(self, k: ArrayLike) -> Any:
        """Probability of a value not above `k`.

        Parameters
        ----------
        k : array-like of float
            Where to evaluate it.

        Returns
        -------
        float or ndarray
            Of the shape of `k`.
        """
        whole = np.clip(np.floor(k), self.low - 1, self.high - 1)
        return np.log((whole + 0.5) / (self.low - 0.5)) / self._log_ratio()

    def pmf(self, k: ArrayLike) -> Any:
        """Probability of the value `k`.

        Parameters
        ----------
        k : array-like of float
            Where to evaluate it.

        Returns
        -------
        float or ndarray
            Of the shape of `k`; 0 outside the support.
        """
        k = np.asarray(k)
        mass = self.cdf(k) - self.cdf(k - 1)
        return np.where(k == np.floor(k), mass, 0.0)[()]

    def ppf(self, q: ArrayLike) -> Any:
        """Smallest value whose :meth:`cdf` reaches `q`.

        Parameters
        ----------
        q : array-like of float
            Probabilities.

        Returns
        -------
        float or ndarray
            Whole numbers of the shape of `q`; NaN where `q` is outside [0, 1].
        """
        q = np.asarray(q, dtype=float)
        inside = (q >= 0) & (q <= 1)
        p = np.where(inside, q, 0.5)
        k = np.ceil((self.low - 0.5) * np.exp(p * self._log_ratio()) - 0.5)
        k = np.clip(k, self.low, self.high - 1)
        # Rounding in exp and log can miss by one at the edge of a cell.
        k = np.where((k > self.low) & (self.cdf(k - 1) >= p), k - 1, k)
        k = np.where((k < self.high - 1) & (self.cdf(k) < p), k + 1, k)
        return np.where(inside, k, np.nan)[()]

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        """Draw values.

        Parameters
        ----------
        size : int or tuple of int, default=None
            Shape of the draws; one number if None.
        random_state : None, int, RandomState or Generator, default=None
            Source of randomness.

        Returns
        -------
        int or ndarray of int
            The draws.
        """
        if not hasattr(random_state, "uniform"):
            random_state = np.random.default_rng(random_state)
        k = self.ppf(random_state.uniform(size=size))
        return int(k) if size is None else k.astype(np.int64)

    def _log_ratio(self) -> float:
        return math.log((self.high - 0.5) / (self.low - 0.5))


class _Structure(ABC):
    """Draws of a structure; a subclass says what one is."""

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        """Draw values.

        Parameters
        ----------
        size : int or tuple of int, default=None
            Shape of the draws; a single one if None.
        random_state : None, int, RandomState or Generator, default=None
            Source of randomness.

        Returns
        -------
        tuple, list or ndarray of object
            The draws.
        """
        if not hasattr(random_state, "uniform"):
            random_state = np.random.default_rng(random_state)
        if size is None:
            return self._draw(random_state)
        draws = np.empty(size, dtype=object)
        for place in np.ndindex(draws.shape):
            draws[place] = self._draw(random_state)
        return draws

    @abstractmethod
    def _draw(self, rng: Any) -> Any:
        """Return one value."""


@dataclass(frozen=True, repr=False)
class sequence(_Structure):
    """Tuples of independent draws, whose length is drawn too.

    The length is uniform between the bounds. For parameters that take several values
    of a kind, such as the `hidden_layer_sizes` of
    :class:`~sklearn.neural_network.MLPClassifier`. The object serves wherever a
    frozen distribution of scipy does, such as in
    :class:`~sklearn.model_selection.RandomizedSearchCV`.

    .. versionadded:: 0.1

    Parameters
    ----------
    element : list or distribution
        What a single entry is drawn from, as in a space.
    min_length : int
        Least number of entries, at least 0.
    max_length : int
        Largest number of entries, at least 1.

    Raises
    ------
    TypeError
        If `element` is neither a list nor a distribution, or a bound is no number.
    ValueError
        If `element` is an empty list, or unless
        ``0 <= min_length <= max_length >= 1``.

    Examples
    --------
    >>> from sklearn_hpo.space import lograndint, sequence
    >>> layers = sequence(lograndint(8, 513), 1, 4)
    >>> layers
    sequence(lograndint(low=8, high=513), min_length=1, max_length=4)
    >>> layers.rvs(random_state=0)
    (23, 9, 8)
    """

    element: Any
    min_length: int
    max_length: int

    def __post_init__(self) -> None:
        if not is_distribution(self.element):
            _check_items("sequence", self.element)
        _check_bounds(self, "min_length", "max_length")

    def __repr__(self) -> str:
        return (
            f"sequence({describe_distribution(self.element)}, "
            f"min_length={self.min_length}, max_length={self.max_length})"
        )

    def _draw(self, rng: Any) -> tuple[Any, ...]:
        n = self.min_length + _index(self.max_length - self.min_length + 1, rng)
        if is_distribution(self.element):
            draws = [self.element.rvs(random_state=rng) for _ in range(n)]
        else:
            draws = [self.element[_index(len(self.element), rng)] for _ in range(n)]
        return tuple(map(unbox, draws))


@dataclass(frozen=True)
class subset(_Structure):
    """Lists of some of the given items, in the order in which they were given.

    The size is uniform between the bounds, and of a size all subsets are equally
    likely. For parameters that take a choice of columns, of steps or of models. The
    object serves wherever a frozen distribution of scipy does, such as in
    :class:`~sklearn.model_selection.RandomizedSearchCV`.

    .. versionadded:: 0.1

    Parameters
    ----------
    items : list
        Distinct objects of any kind.
    min_size : int, default=1
        Least number of items, at least 0.
    max_size : int or None, default=None
        Largest number of items, at least 1; None for all of them.

    Raises
    ------
    TypeError
        If `items` is no list, or a bound is no number.
    ValueError
        If `items` is empty or holds equal ones, or unless
        ``0 <= min_size <= max_size <= len(items)`` and ``max_size >= 1``.

    Examples
    --------
    >>> from sklearn_hpo.space import SearchSpace, subset
    >>> columns = subset(["age", "sex", "bmi"], max_size=2)
    >>> [column.name for column in SearchSpace({"keep": columns}).columns]
    ["'age' in keep", "'sex' in keep", "'bmi' in keep"]
    >>> columns.rvs(random_state=0)
    ['age', 'sex']
    """

    items: Any
    min_size: int = 1
    max_size: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", _distinct("subset", self.items))
        if self.max_size is None:
            object.__setattr__(self, "max_size", len(self.items))
        _check_bounds(self, "min_size", "max_size", len(self.items))

    def _draw(self, rng: Any) -> list[Any]:
        high = self.max_size or len(self.items)
        u = rng.uniform(size=(1, len(self.items)))
        members = draw_members(u, self.min_size, high)[0]
        return [item for item, is_in in zip(self.items, members, strict=True) if is_in]


@dataclass(frozen=True)
class permutation(_Structure):
    """Lists of all given items, in any order.

    All orders are equally likely. For parameters such as the `order` of
    :class:`~sklearn.multioutput.ClassifierChain`. The object serves wherever a frozen
    distribution of scipy does, such as in
    :class:`~sklearn.model_selection.RandomizedSearchCV`.

    .. versionadded:: 0.1

    Parameters
    ----------
    items : list
        Distinct objects of any kind.

    Raises
    ------
    TypeError
        If `items` is no list.
    ValueError
        If `items` is empty or holds equal ones.

    Examples
    --------
    >>> from sklearn_hpo.space import SearchSpace, permutation
    >>> space = SearchSpace({"order": permutation(range(3))})
    >>> int(space.size)
    6
    >>> next(iter(space))
    {'order': [0, 1, 2]}
    """

    items: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", _distinct("permutation", self.items))

    def _draw(self, rng: Any) -> list[Any]:
        keys = rng.uniform(size=(1, len(self.items)))
        return [self.items[i] for i in np.argsort(ranks(keys)[0])]


def _index(n: int, rng: Any) -> int:
    return min(int(rng.uniform() * n), n - 1)


def _check_items(kind: str, given: Any) -> list[Any]:
    """Return the entries of a list, a tuple, a range or a one-dimensional array."""
    if not isinstance(given, list | tuple | range) and np.ndim(given) != 1:
        also = " or a distribution" if kind == "sequence" else ""
        raise TypeError(
            f"{kind} needs a list{also} to draw from, got {given!r} of type "
            f"{type(given).__name__}."
        )
    if len(given) == 0:
        raise ValueError(f"{kind} needs something to draw from, got an empty list.")
    return [unbox(x) if isinstance(given, np.ndarray) else x for x in given]


def _distinct(kind: str, given: Any) -> tuple[Any, ...]:
    items = _check_items(kind, given)
    seen = set()
    for item in items:
        key = value_key(item)
        if key in seen:
            raise ValueError(f"{kind} needs distinct items, got {item!r} twice.")
        seen.add(key)
    return tuple(items)


def _check_bounds(structure: Any, least: str, most: str, n: int | None = None) -> None:
    """Make the bounds integers; say which one is wrong."""
    kind = type(structure).__name__
    for name in (least, most):
        bound = getattr(structure, name)
        if not is_real(bound):
            raise TypeError(f"{kind} needs numbers, got {name}={bound!r}.")
        if not float(bound).is_integer():
            raise ValueError(f"{kind} needs whole bounds, got {name}={bound}.")
        object.__setattr__(structure, name, int(bound))
    low, high = getattr(structure, least), getattr(structure, most)
    if not (0 <= low <= high and high >= 1 and (n is None or high <= n)):
        limit = "" if n is None else f" <= {n}, the number of items"
        raise ValueError(
            f"{kind} needs 0 <= {least} <= {most}{limit} and {most} >= 1, "
            f"got {least}={low} and {most}={high}."
        )
