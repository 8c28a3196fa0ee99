"""Keys of transformers, equal only where they fit in the same way."""

import sys
from collections.abc import Hashable
from types import FunctionType, NoneType
from typing import Any

import joblib
import numpy as np

_PLAIN = (NoneType, bool, int, str, bytes)
_FUNCTIONS = (FunctionType, type(np.mean))


class NotCacheable(Exception):
    """Raised where sharing can't be known to change nothing."""


def key_of(value: Any) -> Hashable:
    """Return what is equal only for transformers that fit in the same way.

    It vouches for estimators of scikit-learn whose parameters are plain values, arrays,
    functions of scikit-learn and NumPy, or such estimators, and which leave their input
    alone. All attributes are read, as output formats are none of the parameters.

    Parameters
    ----------
    value : object
        A transformer, or any part of it.

    Returns
    -------
    key : hashable
        Of values and types.

    Raises
    ------
    NotCacheable
        If what it does can't be known from its parameters.
    """
    kind = type(value)
    if kind in _PLAIN or _is_known(value):
        return kind, value
    if kind is float:
        return kind, value.hex()  # zeros differ by their sign, NaNs do not
    if kind in (tuple, list, dict):
        items = value.items() if kind is dict else value
        return kind, tuple(map(key_of, items))
    if kind in (set, frozenset):
        return kind, frozenset(map(key_of, value))
    if kind is slice:
        return kind, key_of([value.start, value.stop, value.step])
    if isinstance(value, np.ndarray | np.generic):
        return _array_key(value)
    return _object_key(value)


def _array_key(value: Any) -> Hashable:
    kind = type(value)
    if kind.__module__ != "numpy":
        raise NotCacheable
    if value.dtype.hasobject:
        return kind, value.shape, key_of(value.ravel().tolist())
    return kind, value.dtype.str, value.shape, value.strides, value.tobytes()


def _object_key(value: Any) -> Hashable:
    kind = type(value)
    if not kind.__module__.startswith("sklearn.") or not hasattr(value, "__dict__"):
        raise NotCacheable
    if any(_is_doubtful(name, attribute) for name, attribute in vars(value).items()):
        raise NotCacheable
    return kind, tuple((name, key_of(part)) for name, part in vars(value).items())


def _is_doubtful(name: str, value: Any) -> bool:
    """Whether a parameter means effects that are not seen in what is fitted."""
    if name.startswith("copy"):
        return not value  # writes into its input
    if name == "n_jobs":
        # numbers drawn in other processes would go unseen
        return value not in (None, 1) or joblib.effective_n_jobs(value) != 1
    return name == "verbose" and bool(value)


def _is_known(value: Any) -> bool:
    """Whether a value is a part of NumPy or scikit-learn itself."""
    if isinstance(value, np.ufunc | np.dtype):
        return True
    if isinstance(value, type):
        return value.__module__ in ("builtins", "numpy")
    if not isinstance(value, _FUNCTIONS):
        return False
    home = value.__module__ or ""
    # a wrapper may bear the name of what it wraps
    itself = getattr(sys.modules.get(home), value.__name__, None) is value
    return itself and (home == "numpy" or home.startswith("sklearn."))
