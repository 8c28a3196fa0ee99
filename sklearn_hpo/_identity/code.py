"""What a function or class does, as a text: equal in every process, file and line.

It is compared for those that have no module to be known by, as the cells of a notebook
define them.
"""

import dis
import re
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cached_property, partial, partialmethod
from numbers import Number
from types import CodeType, FunctionType
from typing import Any

import numpy as np

_Describe = Callable[[Any], str]
# Code of these is known by the versions of Python and scikit-learn.
_LIBRARIES = sys.stdlib_module_names | {"joblib", "numpy", "scipy", "sklearn"}
# What Python, abc, copyreg, dataclasses and scikit-learn add to a class.
_ADDED = re.compile(
    r"__(module|qualname|name|doc|dict|weakref|annotations|annotations_cache|annotate|"
    r"annotate_func|firstlineno|static_attributes|abstractmethods|slotnames|parameters|"
    r"orig_bases|type_params|dataclass_fields)__|_abc_impl|_abc_\w+|set_\w+_request"
)
_HEAP_TYPE = 1 << 9
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")
# What nobody can change in place: lists, dicts and other objects may be a state.
_CONSTANTS = (
    *(Number, str, bytes, type(None), tuple, frozenset, range, slice),
    *(np.generic, Enum, partial),
)


def code_of(thing: Any, describe: Callable[[Any], str]) -> str:
    """Return a text that is equal for functions or classes that do the same.

    It is so within one version of Python. Other functions and classes in it count by
    their names only; `describe` turns defaults, what closures hold and attributes of
    classes into texts.
    """
    parts = _of_class if isinstance(thing, type) else _of_function
    return "\n".join(parts(thing, describe))


def is_importable(thing: Any) -> bool:
    """Whether the name of a function or class says what it does, or it is compiled."""
    home = str(thing.__module__)
    if home == "__main__":
        return False
    if home.partition(".")[0] in _LIBRARIES:
        return True
    if isinstance(thing, type) and not thing.__flags__ & _HEAP_TYPE:
        return True
    found: Any = sys.modules.get(home)
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
    # a decorator may stand in its place
    return found is thing or getattr(found, "__wrapped__", None) is thing


def _of_class(thing: type, describe: _Describe) -> Iterator[str]:
    yield describe([type(thing), *thing.__bases__])
    for name, value in sorted(vars(thing).items()):
        if not _ADDED.fullmatch(name):
            yield f"{name}: {type(value).__name__} {describe(_inside(value))}"


def _inside(value: Any) -> Any:
    """Return the functions of what stands for them in a class."""
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    if isinstance(value, cached_property):
        return value.func
    if isinstance(value, partialmethod):
        return [value.func, value.args, value.keywords]
    return value


def _of_function(thing: FunctionType, describe: _Describe) -> Iterator[str]:
    code = thing.__code__
    home = str(thing.__globals__.get("__name__"))
    if home.partition(".")[0] in _LIBRARIES:
        yield f"{home}.{code.co_qualname}"
    else:
        yield _of_code(code)
        yield from _globals(thing, describe)
    yield describe([thing.__defaults__, thing.__kwdefaults__, vars(thing)])
    written = _written(code)
    for name, cell in zip(code.co_freevars, thing.__closure__ or (), strict=True):
        # what the function itself changes is its state
        if name not in written:
            yield f"{name} = {describe(_content(cell))}"


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None  # not yet defined


def _globals(thing: FunctionType, describe: _Describe) -> Iterator[str]:
    """Yield the constants and all that can be called that a function takes by name."""
    names = {name for op, name, _ in _steps(thing.__code__) if op in _LOADS}
    for name in sorted(names - _written(thing.__code__)):
        value = thing.__globals__.get(name)
        if isinstance(value, _CONSTANTS) or callable(value):
            yield f"{name} = {describe(value)}"


def _written(code: CodeType) -> set[str]:
    """Return the variables outside of a function that it changes."""
    return {
        name
        for op, name, part in _steps(code)
        if op == "STORE_GLOBAL" or (op == "STORE_DEREF" and name in part.co_freevars)
    }


def _steps(code: CodeType) -> Iterator[tuple[str, Any, CodeType]]:
    """Yield the instructions of a function and of those that are defined in it."""
    for step in dis.get_instructions(code):
        yield step.opname, step.argval, code
        if isinstance(step.argval, CodeType):
            yield from _steps(step.argval)


def _of_code(code: CodeType) -> str:
    """Return the instructions, by what they mean: constants have no numbers."""
    steps = [(s.opname, s.argval) for s in dis.get_instructions(code)]
    # Python >= 3.13 tells a class where it stands
    lines = {i - 1 for i, s in enumerate(steps) if s[1] == "__firstlineno__"}
    texts = [f"{s[0]} {_of_value(s[1])}" for i, s in enumerate(steps) if i not in lines]
    n_arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
    names = code.co_varnames[: sum(n_arguments) - code.co_posonlyargcount]
    handlers = code.co_exceptiontable.hex()
    return f"{n_arguments} {names} {code.co_flags} {handlers} ({'; '.join(texts)})"


def _of_value(value: Any) -> str:
    if isinstance(value, CodeType):
        return _of_code(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_of_value, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_of_value, value)))}}}"
    return f"{type(value).__name__} {value!r}"
