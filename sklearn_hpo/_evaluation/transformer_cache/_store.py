"""What is kept, within a bound."""

import io
import pickle
import threading
from collections.abc import Hashable
from typing import Any

# What a worker process takes by itself, once it has imported scikit-learn.
LIMIT = 256 * 2**20
# Bytes that count for an entry beside its pickle, so that there are not too many.
_ENTRY = 4096


class TransformerCache:
    """What one process keeps of the transformers of one search.

    If there is no room, a newcomer is let in where it took more seconds a byte to fit
    than the oldest entry, whose claim halves each time it holds its place, and is
    restored when it is of use.

    Parameters
    ----------
    limit : int
        Bytes.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.size = 0
        self._entries: dict[Hashable, Entry] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as empty: each worker keeps its own."""
        return TransformerCache, (self.limit,)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Hashable) -> "Entry | None":
        """Return what is kept under a key, if anything is."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                entry.claim = entry.worth
            return entry

    def keep(self, key: Hashable, entry: "Entry") -> None:
        """Keep an entry, if it is worth the room."""
        with self._lock:
            if key in self._entries or entry.size > self.limit:
                return
            while self.size + entry.size > self.limit:
                oldest = next(iter(self._entries))
                rival = self._entries.pop(oldest)
                if rival.claim >= entry.worth:
                    rival.claim /= 2
                    self._entries[oldest] = rival
                    return
                self.size -= rival.size
            self._entries[key] = entry
            self.size += entry.size

    def clear(self) -> None:
        """Free the memory."""
        with self._lock:
            self._entries.clear()
            self.size = 0


class Entry:
    """A fitted transformer and its output, or the note that they are not worth it.

    Parameters
    ----------
    blob : bytes
        Pickles of the output and the transformer; empty if they are not kept.
    seconds : float
        That the fit took.
    notes : list of tuple
        Arguments for ``warnings.warn_explicit``, to say again what the fit said.
    """

    def __init__(self, blob: bytes, seconds: float, notes: list[Any]) -> None:
        self.blob = blob
        self.seconds = seconds
        self.notes = notes
        self.size = len(blob) + _ENTRY
        self.worth = self.claim = seconds / self.size if blob else 0.0

    def load(self) -> tuple[Any, Any]:
        """Return a copy of the output and of the transformer."""
        unpickler = pickle.Unpickler(io.BytesIO(self.blob))
        return unpickler.load(), unpickler.load()
