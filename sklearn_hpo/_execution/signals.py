"""SIGTERM as a second Ctrl-C: what was evaluated is kept, and whole."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager, suppress
from functools import lru_cache
from types import FrameType
from typing import Any


class Terminated(SystemExit):
    """SIGTERM came; a process that lets it pass ends with the status 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)

    def __repr__(self) -> str:
        return "SIGTERM"

    def __reduce__(self) -> tuple[type["Terminated"], tuple[()]]:
        """Pickle without the status, so that a worker can raise it in its caller."""
        return Terminated, ()


# what this process was told: it has to end, and soon will be killed
_heard: list[int] = []
# who handles them if nobody else does
_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class _Uncut(ContextDecorator):
    """Blocks of the main thread, which alone hears signals, and what came in them."""

    def __init__(self) -> None:
        self.depth = 0
        self.waiting: list[int] = []

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            self.depth -= 1
            self.let_through()

    def let_through(self) -> None:
        """Raise what waits, unless a block is under way."""
        if self.depth or not self.waiting:
            return
        ends = signal.SIGTERM in self.waiting
        self.waiting.clear()
        if ends:
            raise Terminated
        raise KeyboardInterrupt

    def forget(self) -> None:
        """Be as before the first block."""
        self.depth = 0
        self.waiting.clear()


# Inside this block Ctrl-C and SIGTERM wait for its end, so that it is done as a whole.
# It should be short, and call nothing of the user's.
uncut = _Uncut()


def _raise(signum: int, frame: FrameType | None) -> None:
    if signum == signal.SIGTERM:
        _heard.append(signum)
    uncut.waiting.append(signum)
    uncut.let_through()


def _forget() -> None:
    for signum, default in _DEFAULTS.items():
        if signal.getsignal(signum) is _raise:
            signal.signal(signum, default)


def _hold() -> None:
    # Python forgets in a child what came before it was set up
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _release() -> None:
    # another thread may have begun to fork before this was registered
    before = vars(_masks).pop("before", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _release_child() -> None:
    # a pool ends its forked workers by SIGTERM, which must not wait for Python there
    _forget()
    uncut.forget()
    _release()


_masks = threading.local()


@lru_cache(maxsize=1)
def _guard_forks() -> None:
    # with the first search, so that an import changes nothing
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_hold, after_in_parent=_release, after_in_child=_release_child
        )


@contextmanager
def signals_raise() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` inside the block, and both signals heed `uncut`.

    Each is left alone if somebody else handles it, and both outside the main thread,
    which alone hears signals. Who has heard SIGTERM in an earlier block raises at once,
    unless somebody else has taken over since.
    """
    free = [s for s, default in _DEFAULTS.items() if signal.getsignal(s) is default]
    if signal.SIGTERM in free and _heard:
        raise Terminated
    if not free:
        yield
        return
    _guard_forks()
    try:
        with suppress(ValueError):  # not the main thread of the main interpreter
            for signum in free:
                signal.signal(signum, _raise)
        yield
    finally:
        try:
            _restore()
        except (KeyboardInterrupt, Terminated):  # the second one, at this very moment
            _restore()
            raise


def _restore() -> None:
    with suppress(ValueError):
        _forget()
