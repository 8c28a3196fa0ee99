"""The checkpoint of a search: a file of JSON lines, one for each fit that has ended.

Nothing in it is ever run: parameters are stored as coordinates of the space, and as
text for people. The first line says of which search the file is.
"""

import json
import math
import os
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from sklearn_hpo._description import ADDRESS
from sklearn_hpo._trial import Job, Report, Trial

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be locked this way
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
_BEGINNING = b'{"format":'
# Of quicker fits, several share one wait for the disk.
SYNC_SECONDS = 0.1
_JSON_SCALARS = (bool, int, str, type(None))
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


# Coordinates, None for those that are NaN.
Row = tuple[float | None, ...]


@dataclass(frozen=True)
class Proposal:
    """A candidate of an earlier run.

    Attributes
    ----------
    row : ndarray of shape (n_columns,)
        Its row of the space.
    source : str
        What proposed it.
    seconds : float
        That its proposal took.
    """

    row: Any
    source: str
    seconds: float


class Journal:
    """An append-only file of reports, and what an earlier run has left in it.

    Parameters
    ----------
    path : Path
        The file; it is made if it does not exist.
    header : dict of str to str or int
        What the search is. ``"seed"`` may be None: then it is what the file says.
    drawn_seed : int
        The seed of a new file, if the header has none.

    Attributes
    ----------
    seed : int
        Of the search in the file.
    proposals : dict of int to Proposal
        By trial.

    Raises
    ------
    ValueError
        If the file holds another search, or no search at all.
    OSError
        If it can't be opened for writing.
    RuntimeError
        If another process has it open.
    """

    def __init__(self, path: Path, header: dict[str, Any], drawn_seed: int) -> None:
        self.path = path
        self.proposals: dict[int, Proposal] = {}
        self._reports: dict[tuple[Row, int, float], Report] = {}
        self._broken = False
        self._synced = -math.inf
        self._file: IO[bytes] = path.open("a+b")
        try:
            self._lock()
            lines = self._whole_lines()
            if lines:
                self._check(lines[0], header)
                self.seed = int(lines[0]["seed"])
            else:
                self.seed = drawn_seed if header["seed"] is None else header["seed"]
                self._write({"format": FORMAT, **header, "seed": self.seed})
        except BaseException:
            self._file.close()
            raise
        for line in lines[1:]:
            self._recall(line)

    def find(self, trial: Trial, job: Job) -> Report | None:
        """Return the report of a job that an earlier run has finished, if it has.

        Parameters
        ----------
        trial : Trial
            What the job evaluates, under whatever number it was done before.
        job : Job
            A fold of it.

        Returns
        -------
        report : Report or None
            With the number that the trial has now.
        """
        key = _row(trial), job.fold, round(job.budget, 9)
        report = self._reports.get(key)
        return None if report is None else replace(report, trial=trial.number)

    def append(self, trial: Trial, budget: float, report: Report) -> None:
        """Write a report down, so that it outlives this process.

        If the disk refuses, the search goes on without a checkpoint, and a warning says
        so.

        Parameters
        ----------
        trial : Trial
            What was evaluated.
        budget : float
            With which share of the full budget.
        report : Report
            What came of it.
        """
        if self._broken:
            return
        line = {
            "trial": trial.number,
            "fold": report.fold,
            "budget": round(budget, 9),
            "row": _row(trial),
            "params": {name: _readable(v) for name, v in trial.params.items()},
            "source": trial.source,
            "proposal_time": trial.proposal_time,
            "start": report.start,
            "end": report.end,
            "reached": report.reached,
            "saved": report.saved,
            "result": {name: to_json(v) for name, v in report.result.items()},
        }
        end = self._file.tell()
        try:
            self._write(line)
        except OSError as error:
            self._broken = True
            with suppress(OSError):
                self._file.truncate(end)
            warnings.warn(
                f"The checkpoint {self.path} can't be written ({error}): the search "
                "goes on, but what it does from here on is not saved.",
                RuntimeWarning,
                stacklevel=2,
            )

    def close(self) -> None:
        """Give the file free."""
        # what could not be written has been warned of
        with suppress(OSError):
            os.fsync(self._file.fileno())
        with suppress(OSError):
            self._file.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RuntimeError(
                f"The checkpoint {self.path} is in use by another search; wait for it, "
                "or give each search a file of its own."
            ) from error

    def _whole_lines(self) -> list[dict[str, Any]]:
        """Return all lines, and cut off the last one if it is torn."""
        lines, end = read_lines(self.path)
        self._file.truncate(end)
        self._file.seek(0, os.SEEK_END)
        return lines

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, separators=(",", ":"), allow_nan=False)
        self._file.write(text.encode() + b"\n")
        self._file.flush()
        # a flushed line survives this process; only a machine that dies needs the disk
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _check(self, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        free = {"versions", "seed", "by_fold"}
        if header.get("objectives") is not None:
            free.add("refit")  # no one score guides the search
        different = [
            name
            for name, value in header.items()
            if name not in free and found.get(name) != value
        ]
        if header["seed"] is not None and header["seed"] != found["seed"]:
            different.append("random_state")
        if different:
            raise ValueError(
                f"The checkpoint {self.path} is of another search: "
                f"{', '.join(different)} differ{'s' if len(different) == 1 else ''} "
                "from this one. Restore what has changed, or choose another file."
            )
        if found["versions"] != header["versions"]:
            warnings.warn(
                f"The checkpoint {self.path} was written with {found['versions']}; "
                f"with {header['versions']} the search may go on differently.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _recall(self, line: Mapping[str, Any]) -> None:
        result = {name: from_json(value) for name, value in line["result"].items()}
        trial, row = line["trial"], tuple(line["row"])
        self._reports[row, line["fold"], line["budget"]] = Report(
            trial,
            line["fold"],
            result,
            line["start"],
            line["end"],
            reached=line["reached"],
            saved=line.get("saved", 0.0),
            warnings=None,
        )
        # of two candidates that had the same number, the later one keeps it
        numbers = np.array([math.nan if x is None else x for x in row])
        self.proposals[trial] = Proposal(numbers, line["source"], line["proposal_time"])


def _row(trial: Trial) -> Row:
    return tuple(None if math.isnan(x) else float(x) for x in trial.row)


def read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the lines of a checkpoint, and where the last whole one ends.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    lines : list of dict
        The header first.
    end : int
        Number of bytes.

    Raises
    ------
    ValueError
        If it is no checkpoint, or a line before the last one is damaged.
    """
    content = path.read_bytes()
    lines, end = [], 0
    pieces = content.split(b"\n")
    for number, piece in enumerate(pieces[:-1], start=1):
        try:
            line = json.loads(piece)
        except ValueError as error:
            if number == 1:
                raise _no_checkpoint(path) from error
            if number == len(pieces) - 1:
                break
            raise ValueError(
                f"Line {number} of the checkpoint {path} is damaged ({error}); restore "
                "the file, or choose another one."
            ) from error
        lines.append(line)
        end += len(piece) + 1
    if not lines:
        # what was torn in its first line is cut off: it must not be another's file
        n = len(_BEGINNING)
        if content[:n] != _BEGINNING[: len(content)]:
            raise _no_checkpoint(path)
    elif not isinstance(lines[0], dict) or "format" not in lines[0]:
        raise _no_checkpoint(path)
    elif lines[0]["format"] != FORMAT:
        raise ValueError(
            f"The checkpoint {path} has format {lines[0]['format']}, but this version "
            f"reads format {FORMAT}."
        )
    return lines, end


def _no_checkpoint(path: Path) -> ValueError:
    return ValueError(f"{path} is no checkpoint of a search; choose another file.")


def _readable(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return to_json(value)
    if isinstance(value, _JSON_SCALARS):
        return value
    return ADDRESS.sub("", repr(value))


def to_json(value: Any) -> Any:
    """Return a result in the way of JSON, which has no numbers that are not finite.

    Parameters
    ----------
    value : object
        A number, text, or a dict of them.

    Returns
    -------
    value : object
        With a dict in the place of each such number.
    """
    if isinstance(value, dict):
        return {name: to_json(v) for name, v in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def from_json(value: Any) -> Any:
    """Return what `to_json` was given.

    Parameters
    ----------
    value : object
        As `to_json` returns it.

    Returns
    -------
    value : object
        With NaN and infinities.
    """
    if isinstance(value, dict):
        if set(value) == {"number"} and isinstance(value["number"], str):
            return _NON_FINITE[value["number"]]
        return {name: from_json(v) for name, v in value.items()}
    return value
