"""Texts and hashes by which a checkpoint knows the search that it is of."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from numbers import Number
from types import FunctionType
from typing import Any

import joblib
import numpy as np
from scipy import sparse
from scipy.stats import rv_continuous, rv_discrete
from sklearn.frozen import FrozenEstimator

from sklearn_hpo._identity.code import code_of, is_importable

ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MAX_TEXT = 1000
# Bytes of an array that are copied at once.
_BLOCK = 2**24
_SCALARS = (bool, int, float, str, bytes, type(None))
_Inner = Callable[[Any], str]
# What makes two distributions of scipy differ that have the same name.
_TABLES = ("xk", "pk", "_histogram")


def describe(thing: Any, code: dict[str, str] | None = None) -> str:
    """Return a text that is equal for equal settings, in every process.

    Parameters
    ----------
    thing : object
        A space, an estimator, a scorer, data.
    code : dict of str to str or None
        Takes the name and a hash of each function and class in it that can't be
        imported, as its name says nothing of what it does.

    Returns
    -------
    text : str
        Without addresses in memory. Functions and all that can be called are known by
        their names, as calls may change them, other objects by their attributes.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> describe({"b": [1, None], "a": uniform(0, 2)})
    "{'a': uniform(0, 2), 'b': [1, None]}"
    """
    seen = _Seen()
    text = _describe(thing, frozenset(), seen)
    code = {} if code is None else code
    for name, hashes in seen.code.items():
        # several may have one name, as lambdas do
        code[name] = " ".join(sorted({*code.get(name, "").split(), *hashes}))
    return text


@dataclass(frozen=True)
class _Seen:
    """What was described before: kept, so that no other thing gets its id."""

    objects: dict[int, Any] = field(default_factory=dict)
    kinds: dict[int, Any] = field(default_factory=dict)
    code: dict[str, set[str]] = field(default_factory=dict)


def _describe(thing: Any, around: frozenset[int], seen: _Seen) -> str:
    """Describe what stands inside other things, of which `around` has the ids."""
    if isinstance(thing, np.generic):
        thing = thing.item()
    if isinstance(thing, _SCALARS):
        long = isinstance(thing, str | bytes) and len(thing) > _MAX_TEXT
        return f"text {joblib.hash(thing)}" if long else repr(thing)
    if id(thing) in around:
        return "..."
    inner = partial(_describe, around=around | {id(thing)}, seen=seen)
    _note_code(thing, seen)
    texts = (kind(thing, inner) for kind in (_container, _distribution, _named))
    found = next((text for text in texts if text is not None), None)
    return _other(thing, inner, seen) if found is None else found


def _container(thing: Any, inner: _Inner) -> str | None:
    if isinstance(thing, Mapping):
        items = sorted((inner(k), inner(v)) for k, v in thing.items())
        return "{" + ", ".join(f"{k}: {v}" for k, v in items) + "}"
    if isinstance(thing, list | tuple):
        return "[" + ", ".join(map(inner, thing)) + "]"
    if isinstance(thing, set | frozenset):
        return "{" + ", ".join(sorted(map(inner, thing))) + "}"
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {f.name: getattr(thing, f.name) for f in fields(thing)}
        return f"{type(thing).__name__}({_settings(values, inner)})"
    return None


def _distribution(thing: Any, inner: _Inner) -> str | None:
    if hasattr(thing, "dist") and hasattr(thing, "kwds"):
        parts = [inner(a) for a in thing.args]
        parts += [_settings({k: v}, inner) for k, v in sorted(thing.kwds.items())]
        return f"{inner(thing.dist)}({', '.join(parts)})"
    if isinstance(thing, rv_continuous | rv_discrete):
        tables = {k: v for k, v in vars(thing).items() if k in _TABLES}
        return f"{thing.name}{[_settings(tables, inner)] if tables else ''}"
    return None


def _named(thing: Any, inner: _Inner) -> str | None:
    if isinstance(thing, FrozenEstimator):
        model = thing.estimator
        # times differ from fit to fit
        state = {k: v for k, v in vars(model).items() if "_time" not in k}
        return f"FrozenEstimator({_name(type(model))}, {inner(state)})"
    if hasattr(thing, "get_params") and not isinstance(thing, type):
        return f"{_name(type(thing))}({inner(thing.get_params(deep=False))})"
    if hasattr(thing, "__qualname__"):
        return _name(thing)
    if hasattr(thing, "shape"):
        return f"data {hash_of(thing)}"
    if isinstance(thing, np.random.RandomState | np.random.Generator):
        return _name(type(thing))
    if isinstance(thing, partial):
        return f"partial({inner([thing.func, thing.args, thing.keywords])})"
    return None


def _other(thing: Any, inner: _Inner, seen: _Seen) -> str:
    text = repr(thing)
    short = ADDRESS.sub("", text)
    if id(thing) in seen.objects:
        return short
    seen.objects[id(thing)] = thing
    state: Any = getattr(thing, "__dict__", None)
    if callable(thing) or text == short:
        inner(state)  # for the code in it
        return short
    if state is None or _packs_itself(thing):
        # what is behind a pointer is in the pickle
        with suppress(Exception):
            state = joblib.hash(thing)
    return f"{short} {inner(state)}"


def _packs_itself(thing: Any) -> bool:
    own = getattr(type(thing), "__getstate__", None)
    return own is not getattr(object, "__getstate__", None)


def _settings(values: Mapping[str, Any], inner: _Inner) -> str:
    return ", ".join(f"{name}={inner(value)}" for name, value in values.items())


def _name(thing: Any) -> str:
    # a method of a built-in type says only of which type it is
    owner = getattr(thing, "__objclass__", thing)
    name = thing.__qualname__
    if isinstance(thing, type) and not is_importable(thing):
        name = thing.__name__  # a class that is sent to workers forgets the rest
    return f"{getattr(owner, '__module__', '')}.{name}"


def _note_code(thing: Any, seen: _Seen) -> None:
    """Take down the code of a thing, of its type and of what it wraps, if need be."""
    parts = [getattr(thing, name, None) for name in ("__func__", "__wrapped__")]
    owner = getattr(thing, "__self__", None)
    for part in (thing, type(thing), *parts, type(owner)):
        if not isinstance(part, FunctionType | type) or id(part) in seen.kinds:
            continue
        seen.kinds[id(part)] = part
        if not is_importable(part):
            inner = partial(_describe, around=frozenset(), seen=seen)
            text = code_of(part, inner)
            seen.code.setdefault(_name(part), set()).add(joblib.hash(text))


def hash_of(data: Any) -> str:
    """Return a hash that is equal for equal values, however they lie in memory.

    Parameters
    ----------
    data : object
        An array, a sparse matrix, a table with columns or anything that joblib hashes.

    Returns
    -------
    text : str
        Hexadecimal.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.arange(6.0).reshape(2, 3)
    >>> hash_of(values) == hash_of(np.asfortranarray(values)) != hash_of(2 * values)
    True
    """
    return str(joblib.hash(_values(data)))


def _values(data: Any) -> Any:
    if sparse.issparse(data):
        return data.shape, [joblib.hash(_rows_of(b)) for b in _sparse_blocks(data)]
    if hasattr(data, "columns") and hasattr(data, "dtypes"):
        kinds = [str(kind) for kind in data.dtypes]
        # names may come twice in a table of pandas
        by_place = hasattr(data, "iloc")
        columns = [
            _values(data.iloc[:, place] if by_place else data[name])
            for place, name in enumerate(data.columns)
        ]
        return list(data.columns), kinds, _values(getattr(data, "index", None)), columns
    # texts in a list would be padded to the length of the longest
    numbers = isinstance(data, list) and all(isinstance(x, Number) for x in data)
    if hasattr(data, "shape") or numbers:
        with suppress(Exception):
            return _blocks(np.asarray(data))
    return data


def _blocks(values: Any) -> Any:
    """Return an array in the order of C; of a large one, hashes of some rows each."""
    if values.nbytes <= _BLOCK or values.dtype.hasobject:
        return np.ascontiguousarray(values)
    n_rows = max(1, _BLOCK * len(values) // values.nbytes)
    starts = range(0, len(values), n_rows)
    blocks = (np.ascontiguousarray(values[start : start + n_rows]) for start in starts)
    return values.dtype.str, values.shape, [joblib.hash(block) for block in blocks]


def _sparse_blocks(data: Any) -> Iterator[Any]:
    """Yield the rows of a sparse matrix, a sixteenth at a time."""
    if data.format not in ("csr", "csc") or data.ndim < 2:
        data = sparse.csr_matrix(data)  # others have no rows to be taken
    n_rows = max(1, -(-data.shape[0] // 16))
    for start in range(0, data.shape[0], n_rows):
        yield data[start : start + n_rows]


def _rows_of(block: Any) -> Any:
    # estimators may sort the indices in place
    rows = sparse.csr_matrix(block, copy=True)
    rows.sum_duplicates()
    return rows.data, rows.indices, rows.indptr
