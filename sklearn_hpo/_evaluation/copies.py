"""Copies of what `fit` is given, so that no fit finds what another one has left."""

import copy
from collections.abc import Mapping
from types import CellType, FunctionType, ModuleType
from typing import Any

# By one of these a type is an array, a sparse matrix, a tensor, a frame or a table.
_MARKS = ("shape", "__array__", "__dataframe__", "__arrow_c_stream__")


def copies(params: Mapping[str, Any], n_samples: int) -> dict[str, Any]:
    """Return a deep copy of metadata that shares the data in it.

    Data are what has one entry a sample, and all arrays and frames, also those in
    lists, tuples and dicts. What can't be copied is shared too; see `uncopied`.

    Parameters
    ----------
    params : mapping of str to object
        Never changed.
    n_samples : int
        Number of rows of X.

    Returns
    -------
    copied : dict of str to object
        For one fit.
    """
    memo: dict[int, Any] = {}
    copied = {}
    for name, value in params.items():
        try:
            copied[name] = _copy_unless_rows(value, n_samples, memo)
        except Exception:  # a lock, a file, a generator; any object may refuse
            copied[name] = value
    return copied


def uncopied(params: Mapping[str, Any], n_samples: int) -> dict[str, str]:
    """Return which of the metadata all fits have to share.

    Parameters
    ----------
    params : mapping of str to object
        As for `copies`.
    n_samples : int
        Number of rows of X.

    Returns
    -------
    reasons : dict of str to str
        By name.
    """
    reasons = {}
    for name, value in params.items():
        try:
            _copy_unless_rows(value, n_samples, {})
        except Exception as error:
            reasons[name] = f"{type(error).__name__}: {error}"
    return reasons


def _copy_unless_rows(value: Any, n_samples: int, memo: dict[int, Any]) -> Any:
    # a sparse matrix or an array of no dimension has no length
    is_sized = hasattr(value, "__len__") and not _is_data(value)
    is_aligned = is_sized and len(value) == n_samples
    return value if is_aligned else _copy(value, memo)


def _is_data(value: Any) -> bool:
    return any(hasattr(type(value), mark) for mark in _MARKS)


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    """Copy like `copy.deepcopy`, but for data, modules and the state of closures."""
    if id(value) in memo:
        return memo[id(value)]
    kind = type(value)
    if kind is ModuleType or _is_data(value):
        memo[id(value)] = value
    elif kind is list:
        twin: list[Any] = []
        memo[id(value)] = twin
        twin.extend(_copy(part, memo) for part in value)
    elif kind is tuple:
        memo[id(value)] = tuple(_copy(part, memo) for part in value)
    elif kind is dict:
        memo[id(value)] = {name: _copy(part, memo) for name, part in value.items()}
    elif kind is FunctionType and value.__closure__ and "<" in value.__qualname__:
        _copy_closure(value, memo)
    else:
        return copy.deepcopy(value, memo)
    return memo[id(value)]


def _copy_closure(function: FunctionType, memo: dict[int, Any]) -> None:
    """Copy a function with what it has at hand; no name finds it in its module."""
    cells = function.__closure__ or ()
    new = [cell for cell in cells if id(cell) not in memo]
    for cell in new:  # two functions may share one
        memo[id(cell)] = CellType()
    twin = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        _copy(function.__defaults__, memo),
        tuple(memo[id(cell)] for cell in cells),
    )
    twin.__kwdefaults__ = _copy(function.__kwdefaults__, memo)
    memo[id(function)] = twin
    vars(twin).update(_copy(vars(function), memo))
    for cell in new:
        try:
            content = cell.cell_contents
        except ValueError:  # it is empty
            continue
        memo[id(cell)].cell_contents = _copy(content, memo)
