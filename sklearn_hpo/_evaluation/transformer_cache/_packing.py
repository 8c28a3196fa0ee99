"""Copies of fitted transformers and their output, as pickles."""

import io
import pickle
from typing import Any

import numpy as np
from scipy.sparse import issparse

_OUTPUTS = ("numpy", "scipy", "pandas")


def packed(result: tuple[Any, Any], X: Any, limit: int) -> bytes:
    """Return the pickles of an output and its transformer; nothing if in doubt."""
    output = result[0]
    if type(output).__module__.partition(".")[0] not in _OUTPUTS:
        return b""
    file = io.BytesIO()
    pickler = _Pickler(file, limit)
    try:
        pickler.dump(output)
        exposed = pickler.owners
        if output is X or exposed & set(map(_owner, _arrays(X))):
            return b""  # the fit before would change with what is written into it
        pickler.owners = set()
        pickler.dump(result[1])
    except Exception:  # whatever can't be pickled is not shared
        return b""
    return b"" if exposed & pickler.owners else file.getvalue()


class _Pickler(pickle.Pickler):
    """Keeps the strides of arrays, on which the last bits of sums depend.

    Attributes
    ----------
    owners : set of int
        Of the memory of the arrays that were pickled.
    """

    def __init__(self, file: io.BytesIO, limit: int) -> None:
        super().__init__(file, 5)
        self.owners: set[int] = set()
        self._room = limit

    def reducer_override(self, value: Any) -> Any:
        """Reduce arrays whose elements are not side by side."""
        if not isinstance(value, np.ndarray):
            return NotImplemented
        self.owners.add(_owner(value))
        self._room -= value.nbytes
        if self._room < 0:
            raise pickle.PicklingError
        if value.flags.forc:
            return NotImplemented
        if type(value) is not np.ndarray or min(value.strides) < 0:
            raise pickle.PicklingError
        extent = np.dot(np.array(value.shape) - 1, value.strides) + value.itemsize
        span = np.zeros(extent, np.uint8)
        layout = value.shape, value.dtype, value.strides
        _strided(span, *layout)[...] = value
        return _strided, (span, *layout)


def _strided(span: Any, shape: Any, dtype: Any, strides: Any) -> Any:
    return np.ndarray(shape, dtype, span, strides=strides)


def _owner(array: Any) -> int:
    """Return the identity of what holds the memory of an array."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array if array.base is None else array.base)


def _arrays(X: Any) -> list[Any]:
    """Return the arrays that hold the numbers of X."""
    if isinstance(X, np.ndarray):
        return [X]
    if issparse(X):
        return [part for part in vars(X).values() if isinstance(part, np.ndarray)]
    if hasattr(X, "iloc"):
        return [column.to_numpy() for _, column in X.items()]
    return []
