"""SIGTERM as a second Ctrl-C: what was evaluated is kept."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from types import FrameType


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


def _raise(signum: int, frame: FrameType | None) -> None:
    _heard.append(signum)
    raise Terminated


def _forget() -> None:
    # a pool ends its forked workers by SIGTERM, which must not wait for Python there
    if signal.getsignal(signal.SIGTERM) is _raise:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _hold() -> None:
    # Python forgets in a child what came before it was set up
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _release() -> None:
    # another thread may have begun to fork before this was registered
    before = vars(_masks).pop("before", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _release_child() -> None:
    _forget()
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
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` inside the block, where it would kill.

    It is left alone if somebody else handles it, and outside the main thread, which
    alone hears signals. Who has heard it in an earlier block raises at once, unless
    somebody else has taken over since.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    if _heard:
        raise Terminated
    _guard_forks()
    try:
        with suppress(ValueError):  # not the main thread of the main interpreter
            signal.signal(signal.SIGTERM, _raise)
        yield
    finally:
        try:
            _restore()
        except Terminated:  # the second one came at this very moment
            _restore()
            raise


def _restore() -> None:
    with suppress(ValueError):
        _forget()
