"""What goes to workers in other processes, and whether it gets there."""

import mmap
import pickle
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sklearn_hpo._joblib_compat import cloudpickle


class SharedFile:
    """An object that local processes map from one file, however many jobs need it.

    The arrays lie outside the pickle (protocol 5) and are mapped copy-on-write: they
    take memory once on a machine and are writable as after any unpickling.

    Parameters
    ----------
    path : str
        The file.
    ends : tuple of int
        Where in the file the pickle and each of its buffers end, in bytes.
    """

    def __init__(self, path: str, ends: tuple[int, ...]) -> None:
        self.path = path
        self.ends = ends

    @classmethod
    def write(cls, shared: Any, folder: Path) -> "SharedFile":
        """Write `shared` into `folder`.

        Raises
        ------
        TypeError
            If a part of `shared` can't be pickled; the message names the part.
        """
        buffers: list[pickle.PickleBuffer] = []
        try:
            head = cloudpickle.dumps(shared, 5, buffer_callback=buffers.append)
        except Exception:
            check_parts(parts_of(shared))
            raise
        path = folder / "shared"
        ends = []
        with path.open("wb") as file:
            for part in (head, *(buffer.raw() for buffer in buffers)):
                file.write(part)
                ends.append(file.tell())
                # arrays are faster, and some kernels safer, on aligned addresses
                file.write(bytes(-file.tell() % 64))
        return cls(str(path), tuple(ends))

    def read(self) -> Any:
        """Return the object; a process reads the file of a search once."""
        return _read_shared(self.path, self.ends)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a name: the file is what workers share."""
        return SharedFile, (self.path, self.ends)


@lru_cache(maxsize=1)
def _read_shared(path: str, ends: tuple[int, ...]) -> Any:
    with Path(path).open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    starts = [0, *(end + -end % 64 for end in ends)]
    head, *buffers = (view[start:end] for start, end in zip(starts, ends, strict=False))
    return pickle.loads(head, buffers=buffers)


def pack(thing: Any) -> bytes:
    """Pickle, in the way that takes functions and classes without a module too.

    Parameters
    ----------
    thing : object
        To be unpickled in a worker.

    Returns
    -------
    data : bytes
        The pickle.
    """
    # arrays that Ray gives back read-only would stay so in a later protocol
    return cloudpickle.dumps(thing, 4)


def parts_of(shared: Any) -> Mapping[str, Any]:
    """Return the attributes of an object that has any, else the object itself."""
    return getattr(shared, "__dict__", None) or {"data": shared}


def check_parts(parts: Mapping[str, Any]) -> None:
    """Raise unless each part can be pickled and read again.

    Parameters
    ----------
    parts : mapping of str to object
        By the names that the user knows.

    Raises
    ------
    TypeError
        Which names the first part that can't.
    """
    for name, part in parts.items():
        buffers: list[pickle.PickleBuffer] = []
        verb = "sent to"
        try:
            data = cloudpickle.dumps(part, 5, buffer_callback=buffers.append)
            verb = "rebuilt in"
            pickle.loads(data, buffers=buffers)
        except Exception as error:
            raise TypeError(
                f"The {name} of the search can't be {verb} worker processes "
                f"({type(error).__name__}: {error}). Use n_jobs=1, or threads: "
                "joblib.parallel_config('threading')."
            ) from error
