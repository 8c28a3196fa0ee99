"""What a fit does beside fitting: it may warn, and draw numbers without a seed."""

import ctypes
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import MT19937


def stream() -> bytes | None:
    """Return the state of NumPy's global generator; None if it is of another kind."""
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    if type(generator) is not MT19937:
        return None
    # 624 words and a position; a dict of them would take longer than a small fit
    return ctypes.string_at(generator.ctypes.state_address, 2500)


@contextmanager
def watched() -> Iterator[list[Any]]:
    """Yield a list of the warnings that are shown inside, to be given again.

    They are noted in the main thread only: threads would take each other's.
    """
    notes: list[Any] = []
    if threading.current_thread() is not threading.main_thread():
        yield notes
        return
    show = warnings.showwarning

    def take_note(message: Any, kind: Any, file: str, line: int, *more: Any) -> None:
        notes.append((message, kind, file, line, *_origin(file)))
        show(message, kind, file, line, *more)

    warnings.showwarning = take_note  # type: ignore[assignment]
    try:
        yield notes
    finally:
        warnings.showwarning = show


def _origin(file: str) -> tuple[str | None, dict[Any, Any]]:
    """Return the name of the module of a file, and its registry of warnings."""
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == file:
            return name, vars(module).setdefault("__warningregistry__", {})
    return None, {}
