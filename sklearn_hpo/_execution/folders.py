"""Temporary folders, which the end of the process removes if nothing else does."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

# Folders that are there, with the processes that made them: a fork must not remove
# what its parent works with.
_there: dict[Path, int] = {}
_left: set[Path] = set()  # those that could not be removed


def make_folder(prefix: str, root: str | Path | None = None) -> Path:
    """Make an empty folder, to be removed by `remove_folder`.

    Folders that could not be removed before, as files had run out, are tried again.

    Parameters
    ----------
    prefix : str
        Of its name.
    root : str, Path or None, default=None
        Where it lies; None for the system's folder of temporary files.

    Returns
    -------
    folder : Path
        Absolute.
    """
    _register()
    for folder in list(_left):
        remove_folder(folder)
    folder = Path(tempfile.mkdtemp("", prefix, root))
    _there[folder] = os.getpid()
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, later if not now; raise nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _left.add(folder)
    else:
        _left.discard(folder)
        _there.pop(folder, None)


@cache
def _register() -> None:
    # threads that are daemons do not come to their own end
    atexit.register(_remove_all)


def _remove_all() -> None:
    for folder, maker in list(_there.items()):
        if maker == os.getpid():
            remove_folder(folder)
