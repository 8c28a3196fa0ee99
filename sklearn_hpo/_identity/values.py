"""Equality of hyperparameter values, whatever they are."""

import math
import numbers
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# types whose values are equal only to what is the same, but for other types and NaN
PLAIN = {int, float, str, bool, type(None)}


class SameValues:
    """A list of plain values without NaN, equal to those of equal values and types.

    It holds the list itself, which nobody may change, and no copy of what is in it.
    """

    __slots__ = ("_hash", "_values")

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._hash = hash(tuple(values))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SameValues)
            and self._values == other._values
            and list(map(type, self._values)) == list(map(type, other._values))
        )

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, eq=False)
class _ById:
    """An object without a hash, equal to itself only."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def is_real(value: Any) -> bool:
    """Tell numbers from everything else; a bool is no number here."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def unbox(value: Any) -> Any:
    """Turn a number or text of numpy into one of Python."""
    plain = isinstance(value, np.number | np.bool_ | np.character)
    return value.item() if plain else value


def value_key(value: Any) -> Hashable:
    """Return what is equal for equal values of equal type only."""
    value = unbox(value)
    kind = type(value)
    if isinstance(value, float) and math.isnan(value):
        return kind, "nan"
    if kind in (int, float, str, bool):  # most of them, quickly and small
        return kind, value
    if isinstance(value, tuple | list):
        return kind, tuple(map(value_key, value))
    if isinstance(value, set | frozenset):
        return kind, frozenset(map(value_key, value))
    if isinstance(value, Mapping):
        return kind, frozenset((value_key(k), value_key(v)) for k, v in value.items())
    if isinstance(value, np.ndarray):
        flat = value_key(value.ravel().tolist()) if value.dtype.hasobject else None
        return kind, value.dtype.str, value.shape, flat or value.tobytes()
    if hasattr(value, "get_params") and hasattr(value, "__dict__"):
        # The attributes, not the parameters: fitted estimators differ.
        return (kind, value) if kind is type else (kind, value_key(vars(value)))
    try:
        hash(value)
    except TypeError:
        return _ById(value)
    # the name, as types such as those of functions can't be pickled
    return f"{kind.__module__}.{kind.__qualname__}", value
