"""Limits of a fit that hold even if it never returns to Python: its worker ends.

Inside a worker process, `limited` watches a job. If it takes too long or too much
memory, the process leaves a note in a file and exits; `limit_exceeded` reads the note.
"""

import faulthandler
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")
_POLL_SECONDS = 0.05
_MAX_SECONDS = 4e6  # timers of some platforms end a little later
CAN_MEASURE_MEMORY = _STATM.exists()


@dataclass(frozen=True)
class Limits:
    """What one fit on one fold may take.

    Attributes
    ----------
    seconds : float or None
        Of fitting and scoring.
    memory : int or None
        Bytes of resident memory more than the process had before.
    """

    seconds: float | None = None
    memory: int | None = None

    def __bool__(self) -> bool:
        return self.seconds is not None or self.memory is not None


@contextmanager
def limited(limits: Limits, limit_file: Path | None) -> Iterator[None]:
    """Exit the process if what runs inside exceeds its limits.

    Parameters
    ----------
    limits : Limits
        Of the job.
    limit_file : Path or None
        The file to leave a note in; None if there are no limits.
    """
    if limit_file is None:
        yield
        return
    over = threading.Event()
    with limit_file.open("w") as file:
        if limits.seconds is not None:
            # this watch needs no Python to run, so that no loop in C escapes it
            seconds = min(limits.seconds, _MAX_SECONDS)
            faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        if limits.memory is not None:
            watch = threading.Thread(
                target=_watch_memory, args=(limits.memory, file, over), daemon=True
            )
            watch.start()
        try:
            yield
        finally:
            over.set()
            faulthandler.cancel_dump_traceback_later()
    limit_file.unlink()


def limit_exceeded(job: Any) -> str | None:
    """Return why the worker of a job ended itself, or None if it did not.

    Parameters
    ----------
    job : FoldJob
        Whose `limit_file` is read, if it has one.

    Returns
    -------
    reason : str or None
        For the report.
    """
    limit_file = getattr(job, "limit_file", None)
    if limit_file is None or not limit_file.exists():
        return None
    text = limit_file.read_text()
    limit_file.unlink()
    if not text:
        return None
    if text.startswith("memory"):
        return "The fit took more memory than fit_memory_limit allows."
    return f"The fit took longer than fit_timeout allows.\n{text}"


def _watch_memory(limit: int, file: Any, over: threading.Event) -> None:
    before = _resident()
    while not over.wait(_POLL_SECONDS):
        if _resident() - before > limit:
            file.write("memory")
            file.flush()
            os._exit(1)


def _resident() -> int:
    pages = int(_STATM.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
