"""The lines of a checkpoint: JSON with a checksum, and what must stand in it."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from sklearn_hpo._identity.description import ADDRESS

FORMAT = 2
# The first key of the first line. No other program begins a file like that, so what
# begins like that may be cut off where it is torn.
NAME = "sklearn_hpo checkpoint"
# The fold in the line that says whether models may go on, and nothing of scores.
CHECK = -1
_BEGINNING = f'{{"{NAME}":'.encode()
_N_TAIL = len(',"crc32":"01234567"}')
# JSON may hold whole numbers that are no floats.
_MAX_COUNT = 2**53
_MAX_NUMBER = sys.float_info.max
_JSON_SCALARS = (bool, int, str, type(None))
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_line(values: Mapping[str, Any]) -> bytes:
    """Return a line of a checkpoint, with its checksum and its end."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    body = text[:-1].encode()
    return body + _tail(body) + b"\n"


def check_regular(path: Path) -> None:
    """Raise a ValueError if a path is no file that can be read to its end."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no regular file, so no checkpoint; choose one.")


def read_lines(path: Path, content: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the lines of a checkpoint, and the byte where the last whole one ends.

    The header is the first. Raises a ValueError, which names `path`, if it is no
    checkpoint, or a line before the last one is damaged.
    """
    if content and not content.startswith(_BEGINNING):
        raise ValueError(f"{path} is no checkpoint of a search; choose another file.")
    lines: list[dict[str, Any]] = []
    shape = None
    end = 0
    pieces = content.split(b"\n")[:-1]
    for number, piece in enumerate(pieces, start=1):
        if piece[-_N_TAIL:] != _tail(piece[:-_N_TAIL]):
            if 1 < number == len(pieces):
                break  # torn, with the end of a line that came to the disk before it
            raise damaged(path, number, "its checksum is wrong")
        try:
            line = json.loads(piece)
        except (ValueError, RecursionError) as error:
            raise damaged(path, number, str(error)) from error
        if number == 1 and isinstance(line, dict) and line.get(NAME) != FORMAT:
            raise ValueError(
                f"The checkpoint {path} has format {line.get(NAME)}, but this version "
                f"reads format {FORMAT}."
            )
        fault = _fault(line, _HEADER if number == 1 else _FIT)
        if fault is None and number > 1:
            shape, fault = _fits_in(line, shape)
        if fault is not None:
            raise damaged(path, number, f"its {fault!r} is missing or impossible")
        lines.append(line)
        end += len(piece) + 1
    return lines, end


def damaged(path: Path, number: int, why: str) -> ValueError:
    """Return the error that names a damaged line, from 1, and what is wrong with it."""
    return ValueError(
        f"Line {number} of the checkpoint {path} is damaged: {why}. Restore the file, "
        "or choose another one."
    )


def readable(value: Any) -> Any:
    """Return what JSON holds of a parameter: a number, a text, a boolean or None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return to_json(value)
    if isinstance(value, _JSON_SCALARS):
        return value
    return ADDRESS.sub("", repr(value))


def to_json(value: Any) -> Any:
    """Return a result in the way of JSON, which has no numbers that are not finite.

    A dict stands in the place of each such number, and of others in a dict.
    """
    if isinstance(value, dict):
        return {name: to_json(v) for name, v in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def from_json(value: Any) -> Any:
    """Return what `to_json` was given."""
    if isinstance(value, dict):
        if set(value) == {"number"} and isinstance(value["number"], str):
            return _NON_FINITE[value["number"]]
        return {name: from_json(v) for name, v in value.items()}
    return value


def _tail(body: bytes) -> bytes:
    return b',"crc32":"%08x"}' % crc32(body)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_MAX_NUMBER <= value <= _MAX_NUMBER


def _is_stored(value: Any) -> bool:
    """Whether `to_json` may have made this of a number."""
    if type(value) is dict:
        number = value.get("number")
        return len(value) == 1 and isinstance(number, str) and number in _NON_FINITE
    return _is_number(value)


def _is_score(value: Any) -> bool:
    if _is_stored(value):
        return True
    return type(value) is dict and bool(value) and all(map(_is_stored, value.values()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_result(value: Any) -> bool:
    if isinstance(value, dict) and "difference" in value:
        return _is_verdict(value)
    return (
        isinstance(value, dict)
        and all(isinstance(v, str | None) or _is_score(v) for v in value.values())
        and isinstance(value.get("fit_error", 0), str | None)
        and all(_is_score(v) for name, v in value.items() if name.endswith("scores"))
        and "test_scores" in value
        and all(map(_is_number, map(value.get, ("fit_time", "score_time"))))
        and _is_count(value.get("n_test_samples"))
    )


def _is_verdict(value: dict[str, Any]) -> bool:
    """Whether it says if models may go on, what rungs cost, and what was chosen."""
    timed = "in_one_go" in value
    return (
        isinstance(value["difference"], str | None)
        and isinstance(value.get("by_fold"), bool)
        and (not timed or all(map(_are_times, map(value.get, ("steps", "in_one_go")))))
        and (not timed or len(value["in_one_go"]) == 2)
    )


def _are_times(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(_is_number(seconds) and seconds > 0.0 for seconds in value)
    )


def _is_row(value: Any) -> bool:
    return isinstance(value, list) and all(
        x is None or (type(x) in (int, float) and 0.0 <= x <= 1.0) for x in value
    )


def _is_params(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(v, _JSON_SCALARS) or _is_stored(v) for v in value.values()
    )


_Checks = Mapping[str, Callable[[Any], bool]]

_HEADER: _Checks = {
    "versions": _is_texts,
    "code": _is_texts,
    "seed": lambda value: _is_count(value) and value < 2**32,
    "refit": lambda value: value is None or _is_text(value),
    "by_fold": lambda value: isinstance(value, bool),
}
_FIT: _Checks = {
    "trial": _is_count,
    "fold": lambda value: _is_count(value) or (type(value) is int and value == CHECK),
    "budget": lambda value: _is_number(value) and 0.0 < value <= 1.0,
    "row": _is_row,
    "params": _is_params,
    "source": _is_text,
    "proposal_time": _is_number,
    "start": _is_number,
    "end": _is_number,
    "n_iter_used": lambda value: value is None or _is_number(value),
    "saved": _is_number,
    "result": _is_result,
}


def _fault(line: Any, checks: _Checks) -> str | None:
    """Return the name of a value that is missing or can't be, if there is one."""
    if not isinstance(line, dict):
        return "line"
    return next(
        (name for name, ok in checks.items() if name not in line or not ok(line[name])),
        None,
    )


def _fits_in(line: Mapping[str, Any], expected: Any) -> tuple[Any, str | None]:
    """Return the shape of all fits, if one is known now, and what differs from it."""
    is_check = line["fold"] == CHECK
    if is_check != ("difference" in line["result"]):
        return expected, "fold"
    shape = expected if is_check else _shape(line)
    return shape, None if expected in (None, shape) else "result"


def _shape(line: Mapping[str, Any]) -> Any:
    """Return what the results of all fits of a search have in common."""
    result = line["result"]
    scores, train_scores = result["test_scores"], result.get("train_scores")
    names = None if _is_stored(scores) else sorted(scores)
    return names, train_scores is None, len(line["row"])
