"""From the dicts that users write to warps, with errors that say how to mend them."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import gt, lt, ne
from typing import Any

import numpy as np
from scipy.stats import rv_continuous, rv_discrete

from sklearn_hpo.space._checks import check_list, describe_distribution, is_distribution
from sklearn_hpo.space._domains import (
    GRID,
    MAX_LEVELS,
    TAIL,
    Array,
    Counts,
    Empirical,
    Levels,
    Quantiles,
    Warp,
)
from sklearn_hpo.space._keys import PLAIN, SameValues, is_real, unbox, value_key
from sklearn_hpo.space._structured import permutation, sequence, subset
from sklearn_hpo.space._structured_domains import (
    PermutationBlock,
    SequenceBlock,
    SubsetBlock,
)

MAX_TABLE = 2**16  # cells of unequal width that are worth their memory
MIN_CELL = 1e-12  # narrower cells could not be told from their neighbours
MAX_EVEN = 2**52  # cells of equal width that a float can tell apart
MAX_MEDIAN = 10**6  # scipy sums the probabilities up to there for some distributions
N_DRAWS = 4096  # draws that stand for a distribution without quantile function


def make_warp(name: str, given: Any, where: str) -> tuple[Hashable, Warp]:
    """Build the warp of a parameter.

    Parameters
    ----------
    name : str
        The parameter.
    given : object
        A list or a distribution.
    where : str
        Where it was found, to end an error message.

    Returns
    -------
    identity : hashable
        Equal for equal lists and for equal distributions.
    warp : Warp
        Between coordinates and values.

    Raises
    ------
    TypeError
        If it is neither a list nor a distribution.
    ValueError
        If it is an empty list, an array of several dimensions or a distribution
        without finite quantiles.
    """
    if isinstance(given, sequence | subset | permutation):
        identity, block = _block_of_structure(name, given, where)
        return (type(given), identity), block
    if is_distribution(given):
        try:
            with np.errstate(all="ignore"):
                identity, warp = _warp_of_distribution(given)
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"Parameter distribution for parameter {name!r} cannot be used: "
                f"{describe_distribution(given)}: {error}{where}."
            ) from error
        return (type(given), type(getattr(given, "dist", None)), identity), warp
    values = check_list(name, given, where)
    if isinstance(values, range):
        return values, Levels(values)
    kinds = set(map(type, values))
    if kinds <= PLAIN and not any(map(ne, values, values)):  # no NaN
        same = SameValues(values)
        ordered = kinds <= {int, float} and _is_strict(values)
        if ordered or len(values) == 1 or _all_differ(values):
            return same, Levels(values, ordered=ordered)
        counts = Counter(_tokens(values))
        distinct = [token[1] for token in counts] if len(kinds) > 1 else list(counts)
        return same, _warp_of_counts(distinct, counts)
    keys = tuple(map(value_key, values))
    return keys, _warp_of_list(values, keys)


def branch_weights(dicts: list[Mapping[str, Any]]) -> Array:
    """Weigh dicts as ParameterSampler does: by size if all hold lists only.

    Parameters
    ----------
    dicts : list of dict
        Valid branches.

    Returns
    -------
    weights : ndarray of shape (n_dicts,)
        Proportional to the probabilities of the dicts.
    """
    if any(is_distribution(v) for choices in dicts for v in choices.values()):
        return np.ones(len(dicts))
    sizes = [sum(math.log(len(v)) for v in choices.values()) for choices in dicts]
    weights: Array = np.exp(np.array(sizes) - max(sizes))
    return weights


def _block_of_structure(
    name: str, given: sequence | subset | permutation, where: str
) -> tuple[Hashable, Warp]:
    if isinstance(given, sequence):
        identity, element = make_warp(name, given.element, where)
        bounds = given.min_length, given.max_length
        return (identity, *bounds), SequenceBlock(element, *bounds)
    keys = tuple(map(value_key, given.items))
    if isinstance(given, permutation):
        return keys, PermutationBlock(given.items)
    low, high = given.min_size, given.max_size or len(given.items)
    return (keys, low, high), SubsetBlock(given.items, low, high)


def _tokens(values: Sequence[Any]) -> Iterable[Any]:
    """Return what is equal for equal plain values of equal type only."""
    if len(set(map(type, values))) == 1:
        return values
    return zip(map(type, values), values, strict=True)


def _all_differ(values: Sequence[Any]) -> bool:
    """Whether no two of some plain values are equal, without a set of them all."""
    hashes = np.fromiter(map(hash, _tokens(values)), np.int64, len(values))
    hashes.sort()
    alike = set(np.unique(hashes[1:][hashes[1:] == hashes[:-1]]).tolist())
    seen = set()
    for token in _tokens(values) if alike else ():
        if hash(token) in alike:
            if token in seen:
                return False
            seen.add(token)
    return True


def _warp_of_list(values: Sequence[Any], keys: Iterable[Hashable]) -> Warp:
    """Merge equal entries; each of the given ones is as probable as any other."""
    first: dict[Hashable, Any] = {}
    counts: dict[Hashable, int] = {}
    for value, key in zip(values, keys, strict=True):
        first.setdefault(key, value)
        counts[key] = counts.get(key, 0) + 1
    return _warp_of_counts(list(first.values()), counts)


def _warp_of_counts(distinct: Sequence[Any], counts: Mapping[Any, int]) -> Warp:
    ends = np.cumsum(list(counts.values()))
    ordered = all(map(is_real, distinct)) and _is_strict(distinct)
    return Levels(distinct, ends / ends[-1], ordered)


def _is_strict(values: Sequence[Any]) -> bool:
    """Whether several numbers rise all along, or fall all along."""
    rests = [islice(values, 1, None) for _ in range(2)]
    return len(values) > 1 and (
        all(map(lt, values, rests[0])) or all(map(gt, values, rests[1]))
    )


def _warp_of_distribution(dist: Any) -> tuple[Hashable, Warp]:
    """Use the quantile function, or that of draws where there is none."""
    discrete = hasattr(dist, "pmf")
    needed = ("cdf", "ppf", "support") if discrete else ("cdf", "ppf")
    found = None
    if all(hasattr(dist, m) for m in needed) and not _draws_otherwise(dist):
        with suppress(RecursionError):  # scipy's cdf, if nothing but _rvs is defined
            if _is_scalar(dist) or np.ndim(dist.cdf(0.0)) == 0:
                found = _discrete_warp(dist) if discrete else _continuous_warp(dist)
    return found or _empirical_warp(dist)


def _is_scalar(dist: Any) -> bool:
    """Whether a frozen distribution of scipy surely has no array among its parameters.

    To look at them is quicker than to ask it for a probability.
    """
    return isinstance(getattr(dist, "dist", None), rv_continuous | rv_discrete) and all(
        isinstance(x, int | float) for x in (*dist.args, *dist.kwds.values())
    )


def _draws_otherwise(dist: Any) -> bool:
    """Whether a distribution of scipy has been given an `rvs` of its own."""
    general = getattr(dist, "dist", dist)
    rvs = [type(d).rvs for d in (dist, general) if hasattr(type(d), "rvs")]
    return isinstance(general, rv_continuous | rv_discrete) and not all(
        f.__module__.startswith(("scipy.", "sklearn_hpo.")) for f in rvs
    )


def _continuous_warp(dist: Any) -> tuple[Hashable, Warp]:
    quantiles = np.asarray(dist.ppf(GRID), dtype=float)
    _check_finite(quantiles[1:-1])
    identity = quantiles.tobytes(), dist.cdf(quantiles).tobytes()
    return identity, Quantiles(dist, quantiles)


def _discrete_warp(dist: Any) -> tuple[Hashable, Warp] | None:
    """Tabulate the probabilities; None if they reach too far for that."""
    low, high = map(float, dist.support())
    _check_finite(np.array([dist.cdf(max(low, -MAX_MEDIAN))]))
    inner = getattr(dist, "dist", dist)
    if hasattr(inner, "xk"):  # of rv_discrete(values=...), which may be far apart
        levels = np.asarray(inner.xk, dtype=float)
        whole = np.append(np.diff(levels) > 0, True)  # a value may stand there twice
        levels = levels + (low - levels[0])
        return _table(levels[whole], np.cumsum(inner.pk)[whole])
    n = high - low + 1
    if MAX_LEVELS < n < MAX_EVEN and low.is_integer():
        quantiles = np.asarray(dist.ppf(GRID[1:]), dtype=float)
        values = range(int(low), int(high) + 1)
        if np.array_equal(quantiles, low + np.ceil(GRID[1:] * n) - 1):
            return values, Levels(values)
        if n > MAX_TABLE:
            identity = values, quantiles.tobytes(), dist.cdf(quantiles).tobytes()
            return identity, Counts(dist, values[0], values[-1])
    elif n > MAX_LEVELS:
        return _truncated_warp(dist, low, high)
    levels = low + np.arange(n)
    ends = np.cumsum(dist.pmf(levels))  # quicker than cdf where scipy sums
    if ends[-1] < 1 - 1e-6:  # there are values off the integers
        levels = np.unique(dist.ppf(np.linspace(0, 1, MAX_LEVELS + 1)[1:]))
        ends = dist.cdf(levels)
    return _table(levels, ends)


def _truncated_warp(dist: Any, low: float, high: float) -> tuple[Hashable, Warp] | None:
    """Tabulate an infinite support around the median, if the rest is negligible."""
    draws = [unbox(x) for x in _draw(dist, 65)]
    median = float(sorted(draws)[32])
    if not abs(median) < MAX_MEDIAN:
        return None
    half = MAX_LEVELS // 2
    first = max(low, median - half)
    last = min(high, first + MAX_LEVELS - 1)
    if dist.cdf(first - 1) > TAIL or dist.cdf(last) < 1 - TAIL:
        return None
    levels = first + np.arange(last - first + 1)
    return _table(levels, np.cumsum(dist.pmf(levels)), listed=False)


def _table(levels: Array, ends: Array, listed: bool = True) -> tuple[Hashable, Warp]:
    wide = np.diff(ends, prepend=0) > MIN_CELL
    levels, ends = levels[wide], ends[wide] / ends[wide][-1]
    values: Sequence[Any] = [int(x) if x.is_integer() else x for x in levels.tolist()]
    if levels[0].is_integer() and levels[-1] - levels[0] == len(levels) - 1:
        values = range(values[0], values[-1] + 1)
    warp = Levels(values, ends, listed=listed)
    if isinstance(values, range) and warp.edges is None:
        return (values, listed), warp
    return (levels.tobytes(), ends.tobytes()), warp


def _empirical_warp(dist: Any) -> tuple[Hashable, Warp]:
    draws = [unbox(x) for x in _draw(dist, N_DRAWS)]
    identity = tuple(map(value_key, draws))
    if not all(map(is_real, draws)):
        return identity, _warp_of_list(draws, identity)
    ordered = np.sort(np.array(draws, dtype=float))
    _check_finite(ordered)
    if len(np.unique(ordered)) < N_DRAWS / 2:
        draws = sorted(draws)
        return identity, _warp_of_list(draws, map(value_key, draws))
    if all(isinstance(x, int) for x in draws):
        whole = Empirical(ordered, whole=True)
        return identity, Counts(whole, int(ordered[0]), int(ordered[-1]))
    return identity, Quantiles(Empirical(ordered), np.quantile(ordered, GRID))


def _draw(dist: Any, n: int) -> list[Any]:
    state = np.random.RandomState(0)
    return [dist.rvs(random_state=state) for _ in range(n)]


def _check_finite(x: Array) -> None:
    if not np.isfinite(x).all():
        raise ValueError(
            "NaN or infinite quantiles; bounds should be finite and in order, "
            "and scales positive"
        )
