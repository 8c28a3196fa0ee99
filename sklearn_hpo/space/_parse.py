"""From the dicts that users write to domains, with errors that say how to mend them."""

import difflib
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import gt, lt, ne
from typing import Any

import numpy as np
from scipy.stats import rv_continuous, rv_discrete

from sklearn_hpo._identity.values import PLAIN, SameValues, is_real, unbox, value_key
from sklearn_hpo.space._distributions import (
    describe_distribution,
    is_distribution,
    permutation,
    sequence,
    subset,
)
from sklearn_hpo.space._domains import (
    GRID,
    MAX_LEVELS,
    TAIL,
    Array,
    Counts,
    Domain,
    Empirical,
    Levels,
    Quantiles,
)
from sklearn_hpo.space._structured import (
    PermutationBlock,
    SequenceBlock,
    SubsetBlock,
)

MAX_TABLE = 2**16  # cells of unequal width that are worth their memory
MIN_CELL = 1e-12  # narrower cells could not be told from their neighbours
MAX_EVEN = 2**52  # cells of equal width that a float can tell apart
MAX_MEDIAN = 10**6  # scipy sums the probabilities up to there for some distributions
N_DRAWS = 4096  # draws that stand for a distribution without quantile function


def check_dicts(given: Any) -> list[Mapping[str, Any]]:
    """Return the dicts of a space, one at least, as a list."""
    if not isinstance(given, Iterable):
        raise TypeError(
            "Parameter distributions should be a dict or a list, "
            f"got: {given!r} of type {type(given).__name__}."
        )
    dicts = [given] if isinstance(given, Mapping) else list(given)
    if not dicts:
        raise ValueError(
            "Parameter distributions should hold a dict, got an empty list."
        )
    for choices in dicts:
        if not isinstance(choices, Mapping):
            raise TypeError(f"Parameter distribution is not a dict ({choices!r}).")
        for name in choices:
            if not isinstance(name, str):
                raise TypeError(
                    f"Parameter names should be str, got {name!r} "
                    f"of type {type(name).__name__}."
                )
    return dicts


def refuse_unknown(dicts: Iterable[Mapping[str, Any]], valid: set[str]) -> None:
    """Refuse parameters that an estimator lacks, and name the most similar it has."""
    folded = {name.casefold(): name for name in valid}
    for names in dicts:
        for name in sorted(names.keys() - valid):
            # what takes the place of a step that is searched over may have it
            parts = name.split("__")
            parents = {"__".join(parts[:i]) for i in range(1, len(parts))}
            if not parents & names.keys():
                near = difflib.get_close_matches(name.casefold(), folded)
                hint = f"valid names are {sorted(valid)}."
                if near:
                    likely = " or ".join(repr(folded[n]) for n in near)
                    hint = f"did you mean {likely}?"
                raise ValueError(
                    f"Invalid parameter {name!r} in the search space; {hint}"
                )


def make_domain(name: str, given: Any, where: str) -> tuple[Hashable, Domain]:
    """Build the domain of a parameter, and what is equal for equal domains only.

    `where` it was found ends error messages.
    """
    if isinstance(given, sequence | subset | permutation):
        identity, block = _block_of_structure(name, given, where)
        return (type(given), identity), block
    if is_distribution(given):
        try:
            with np.errstate(all="ignore"):
                identity, domain = _domain_of_distribution(given)
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"Parameter distribution for parameter {name!r} cannot be used: "
                f"{describe_distribution(given)}: {error}{where}."
            ) from error
        return (type(given), type(getattr(given, "dist", None)), identity), domain
    values = _check_list(name, given, where)
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
        return same, _domain_of_counts(distinct, counts)
    keys = tuple(map(value_key, values))
    return keys, _domain_of_list(values, keys)


def branch_weights(dicts: list[Mapping[str, Any]]) -> Array:
    """Weigh dicts as ParameterSampler does: by size if all hold lists only."""
    if any(is_distribution(v) for choices in dicts for v in choices.values()):
        return np.ones(len(dicts))
    sizes = [sum(math.log(len(v)) for v in choices.values()) for choices in dicts]
    weights: Array = np.exp(np.array(sizes) - max(sizes))
    return weights


def _check_list(name: str, given: Any, where: str) -> Sequence[Any]:
    """Return the entries of a list; a range stays one, numbers of numpy do not."""
    shape = np.shape(given) if hasattr(given, "__array__") else (0,)
    if len(shape) != 1:
        raise ValueError(
            f"Parameter array for {name!r} should be one-dimensional, "
            f"got: {given!r} with shape {shape}{where}."
        )
    if isinstance(given, str | bytes) or not (
        isinstance(given, Sequence) or hasattr(given, "__array__")
    ):
        raise TypeError(
            f"Parameter grid for parameter {name!r} needs to be a list or a numpy "
            f"array, but got {given!r} (of type {type(given).__name__}) instead. "
            "Single values need to be wrapped in a list with one element. "
            f"A distribution needs a method rvs{where}."
        )
    if len(given) == 0:
        raise ValueError(
            f"Parameter grid for parameter {name!r} need to be a non-empty sequence, "
            f"got: {given!r}{where}."
        )
    if isinstance(given, range):
        return given
    plain = isinstance(given, np.ndarray) and given.dtype.kind in "biufcUS"
    values: list[Any] = given.tolist() if plain else list(given)
    return values


def _block_of_structure(
    name: str, given: sequence | subset | permutation, where: str
) -> tuple[Hashable, Domain]:
    if isinstance(given, sequence):
        identity, element = make_domain(name, given.element, where)
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


def _domain_of_list(values: Sequence[Any], keys: Iterable[Hashable]) -> Domain:
    """Merge equal entries; each of the given ones is as probable as any other."""
    first: dict[Hashable, Any] = {}
    counts: dict[Hashable, int] = {}
    for value, key in zip(values, keys, strict=True):
        first.setdefault(key, value)
        counts[key] = counts.get(key, 0) + 1
    return _domain_of_counts(list(first.values()), counts)


def _domain_of_counts(distinct: Sequence[Any], counts: Mapping[Any, int]) -> Domain:
    ends = np.cumsum(list(counts.values()))
    ordered = all(map(is_real, distinct)) and _is_strict(distinct)
    return Levels(distinct, ends / ends[-1], ordered)


def _is_strict(values: Sequence[Any]) -> bool:
    """Whether several numbers rise all along, or fall all along."""
    rests = [islice(values, 1, None) for _ in range(2)]
    return len(values) > 1 and (
        all(map(lt, values, rests[0])) or all(map(gt, values, rests[1]))
    )


def _domain_of_distribution(dist: Any) -> tuple[Hashable, Domain]:
    """Use the quantile function, or that of draws where there is none."""
    discrete = hasattr(dist, "pmf")
    needed = ("cdf", "ppf", "support") if discrete else ("cdf", "ppf")
    found = None
    if all(hasattr(dist, m) for m in needed) and not _draws_otherwise(dist):
        with suppress(RecursionError):  # scipy's cdf, if nothing but _rvs is defined
            if _is_scalar(dist) or np.ndim(dist.cdf(0.0)) == 0:
                found = _discrete_domain(dist) if discrete else _continuous_domain(dist)
    return found or _empirical_domain(dist)


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


def _continuous_domain(dist: Any) -> tuple[Hashable, Domain]:
    quantiles = np.asarray(dist.ppf(GRID), dtype=float)
    _check_finite(quantiles[1:-1])
    identity = quantiles.tobytes(), dist.cdf(quantiles).tobytes()
    return identity, Quantiles(dist, quantiles)


def _discrete_domain(dist: Any) -> tuple[Hashable, Domain] | None:
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
        return _truncated_domain(dist, low, high)
    levels = low + np.arange(n)
    ends = np.cumsum(dist.pmf(levels))  # quicker than cdf where scipy sums
    if ends[-1] < 1 - 1e-6:  # there are values off the integers
        levels = np.unique(dist.ppf(np.linspace(0, 1, MAX_LEVELS + 1)[1:]))
        ends = dist.cdf(levels)
    return _table(levels, ends)


def _truncated_domain(
    dist: Any, low: float, high: float
) -> tuple[Hashable, Domain] | None:
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


def _table(levels: Array, ends: Array, listed: bool = True) -> tuple[Hashable, Domain]:
    wide = np.diff(ends, prepend=0) > MIN_CELL
    levels, ends = levels[wide], ends[wide] / ends[wide][-1]
    values: Sequence[Any] = [int(x) if x.is_integer() else x for x in levels.tolist()]
    if levels[0].is_integer() and levels[-1] - levels[0] == len(levels) - 1:
        values = range(values[0], values[-1] + 1)
    domain = Levels(values, ends, listed=listed)
    if isinstance(values, range) and domain.edges is None:
        return (values, listed), domain
    return (levels.tobytes(), ends.tobytes()), domain


def _empirical_domain(dist: Any) -> tuple[Hashable, Domain]:
    draws = [unbox(x) for x in _draw(dist, N_DRAWS)]
    identity = tuple(map(value_key, draws))
    if not all(map(is_real, draws)):
        return identity, _domain_of_list(draws, identity)
    ordered = np.sort(np.array(draws, dtype=float))
    _check_finite(ordered)
    if len(np.unique(ordered)) < N_DRAWS / 2:
        draws = sorted(draws)
        return identity, _domain_of_list(draws, map(value_key, draws))
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
