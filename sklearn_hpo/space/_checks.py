"""What users give as a space, checked, with errors that say how to mend it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def check_dicts(given: Any) -> list[Mapping[str, Any]]:
    """Return the dicts of a space as a list.

    Parameters
    ----------
    given : dict or iterable of dict
        Names with lists or distributions.

    Returns
    -------
    dicts : list of dict
        At least one.

    Raises
    ------
    TypeError
        If something is no dict or a name is no str.
    ValueError
        If there is no dict.
    """
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


def check_names(dicts: Iterable[Mapping[str, Any]], valid: set[str]) -> None:
    """Refuse parameters that an estimator lacks, as ``SearchSpace.check_names`` does.

    Parameters
    ----------
    dicts : iterable of dict
        With the parameters of the branches as keys.
    valid : set of str
        What the estimator has.

    Raises
    ------
    ValueError
        Naming the parameter and the valid names most like it.
    """
    folded = {name.casefold(): name for name in valid}
    for names in dicts:
        for name in sorted(names.keys() - valid):
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


def is_distribution(given: Any) -> bool:
    """Tell distributions from lists, as scikit-learn does."""
    return hasattr(given, "rvs")


def check_list(name: str, given: Any, where: str) -> Sequence[Any]:
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


def describe_distribution(dist: Any) -> str:
    """Return the call that makes a distribution of scipy, else the usual text."""
    if not hasattr(dist, "kwds"):
        return repr(dist)
    arguments = [*map(repr, dist.args), *(f"{k}={v!r}" for k, v in dist.kwds.items())]
    return f"{dist.dist.name}({', '.join(arguments)})"
