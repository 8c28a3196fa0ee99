"""The checkpoint of a search: a file of JSON lines, one for each fit that has ended.

Nothing in it is ever run: parameters are stored as coordinates of the space, and as
text for people. The first line says of which search the file is.
"""

import errno
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

from sklearn_hpo._checkpoint.lines import (
    CHECK,
    FORMAT,
    NAME,
    check_regular,
    damaged,
    from_json,
    read_lines,
    readable,
    to_json,
    to_line,
)
from sklearn_hpo._trial import FoldJob, FoldResult, Trial
from sklearn_hpo.space import SearchSpace

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be locked this way
    fcntl = None  # type: ignore[assignment]

# Of quicker fits, several share one wait for the disk.
SYNC_SECONDS = 0.1
_FOLDER = 'A folder, as checkpoint="runs/", keeps a file for each search.'

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
    space : SearchSpace
        That the rows of the file must be of.

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

    def __init__(
        self, path: Path, header: dict[str, Any], drawn_seed: int, space: SearchSpace
    ) -> None:
        self.path = path = path.absolute()  # a fit may change the working folder
        self.proposals: dict[int, Proposal] = {}
        self._reports: dict[tuple[Row, int, float], FoldResult] = {}
        self._broken = False
        self._synced = -math.inf
        check_regular(path)  # to open a pipe would wait for who writes to it
        # without a buffer, what the disk refuses is not tried again behind our back
        self._file: IO[bytes] = path.open("a+b", buffering=0)
        try:
            self._lock()
            self._read(header, drawn_seed, space)
        except BaseException:
            self._release()
            raise

    def find(self, trial: Trial, job: FoldJob) -> FoldResult | None:
        """Return the report of a job that an earlier run has finished, if it has.

        The trial may have had another number then; the report has the one it has now.
        """
        key = _key(_row(trial), job.fold, job.budget)
        report = self._reports.get(key)
        return None if report is None else replace(report, trial=trial.number)

    def append(self, trial: Trial, budget: float, report: FoldResult) -> None:
        """Write a report down, so that it outlives this process.

        If the disk refuses, the search goes on without a checkpoint, and a warning says
        so.
        """
        if self._broken:
            return
        values = {
            "trial": trial.number,
            "fold": report.fold,
            "budget": round(budget, 9),
            "row": _row(trial),
            "params": {name: readable(v) for name, v in trial.params.items()},
            "source": trial.source,
            "proposal_time": trial.proposal_time,
            "start": report.start,
            "end": report.end,
            "n_iter_used": to_json(report.n_iter_used),
            "saved": report.saved,
            "result": {name: to_json(v) for name, v in report.result.items()},
        }
        try:
            self._write(values)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Give the file free."""
        try:
            if not self._broken:
                self._sync()
        except OSError as error:
            self._give_up(error)
        finally:
            self._release()

    def _give_up(self, error: OSError) -> None:
        self._broken = True
        warnings.warn(
            f"The checkpoint {self.path} can't be written ({error}): the search goes "
            "on, but what it does from here on is not saved.",
            RuntimeWarning,
            stacklevel=3,
        )

    def _release(self) -> None:
        if fcntl is not None:
            # a process that a fit forked would hold the lock as long as it lives
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)
        self._file.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"The checkpoint {self.path} is in use by another search; wait for it, "
                f"or give each search a file of its own. {_FOLDER}"
            ) from error
        except OSError:
            pass  # some network file systems have no locks

    def _read(
        self, header: dict[str, Any], drawn_seed: int, space: SearchSpace
    ) -> None:
        """Take what the file holds, or begin it; what is refused stays as it is."""
        self._file.seek(0)
        content = self._file.read()
        lines, end = read_lines(self.path, content)
        if lines:
            self._check(lines[0], header)
            self._check_rows([line["row"] for line in lines[1:]], space)
            self.seed = lines[0]["seed"]
            for line in lines[1:]:
                self._take(line)
        if end < len(content):
            self._file.seek(self._file.truncate(end))  # the last line is torn
        if not lines:
            self.seed = drawn_seed if header["seed"] is None else header["seed"]
            try:
                self._write({NAME: FORMAT, **header, "seed": self.seed})
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self.path)) from error

    def _check_rows(self, rows: list[list[float | None]], space: SearchSpace) -> None:
        """Raise unless rows have the coordinates that their branches have."""
        lengths = [len(row) == space.n_columns for row in rows]
        if not all(lengths):
            raise damaged(
                self.path, 2 + lengths.index(False), "its 'row' is of another space"
            )
        found = np.array(rows, dtype=float).reshape(-1, space.n_columns)
        inactive = np.isnan(space.from_unit(np.where(np.isnan(found), 0.5, found)))
        fits = (inactive == np.isnan(found)).all(axis=1)
        if not fits.all():
            raise damaged(
                self.path, 2 + int(fits.argmin()), "its 'row' is of another space"
            )

    def _write(self, values: Mapping[str, Any]) -> None:
        rest = to_line(values)
        end = self._file.tell()
        try:
            while rest:  # a disk that is almost full takes a part
                rest = rest[self._file.write(rest) :]
            # a written line survives this process; only a machine that dies needs more
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                self._sync()
        except OSError:
            with suppress(OSError):
                self._file.truncate(end)
            raise

    def _sync(self) -> None:
        """Wait for the disk, and see whether the file is still there."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()
        if not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
            raise FileNotFoundError(errno.ENOENT, "it was replaced by another file")

    def _check(self, found: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        free = {"versions", "seed", "by_fold", "code"}
        if header.get("objectives") is not None:
            free.add("refit")  # no one score guides the search
        different = [
            name
            for name, value in header.items()
            if name not in free and found.get(name) != value
        ]
        edited = _edited(found["code"], header["code"])
        # each Python has a bytecode of its own
        if edited and _release(found) == _release(header):
            different.append(f"code of {edited}")
        if header["seed"] is not None and header["seed"] != found["seed"]:
            different.append("random_state")
        if different:
            raise ValueError(
                f"The checkpoint {self.path} is of another search: "
                f"{', '.join(different)} differ{'s' if len(different) == 1 else ''} "
                "from this one. Restore what has changed, or choose another file. "
                f"{_FOLDER}"
            )
        if found["versions"] != header["versions"]:
            warnings.warn(
                f"The checkpoint {self.path} was written with {found['versions']}; "
                f"with {header['versions']} the search may go on differently."
                + (f" Whether {edited} was edited can't be told." if edited else ""),
                RuntimeWarning,
                stacklevel=2,
            )

    def _take(self, line: Mapping[str, Any]) -> None:
        result = {name: from_json(value) for name, value in line["result"].items()}
        trial, row = line["trial"], tuple(line["row"])
        self._reports[_key(row, line["fold"], line["budget"])] = FoldResult(
            trial,
            line["fold"],
            result,
            line["start"],
            line["end"],
            n_iter_used=line["n_iter_used"],
            saved=line.get("saved", 0.0),
            warnings=None,
        )
        if line["fold"] == CHECK:  # the search may have begun with another candidate
            return
        # of two candidates that had the same number, the later one keeps it
        numbers = np.array([math.nan if x is None else x for x in row])
        self.proposals[trial] = Proposal(numbers, line["source"], line["proposal_time"])


def _edited(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    names = sorted({*before, *now})
    return " and ".join(name for name in names if before.get(name) != now.get(name))


def _release(header: Mapping[str, Any]) -> list[str]:
    return header["versions"].get("python", "").split(".")[:2]


def _key(row: Row, fold: int, budget: float) -> tuple[Row, int, float]:
    """Return what tells a report from others; a search checks one candidate only."""
    return () if fold == CHECK else row, fold, round(budget, 9)


def _row(trial: Trial) -> Row:
    return tuple(None if math.isnan(x) else float(x) for x in trial.row)
