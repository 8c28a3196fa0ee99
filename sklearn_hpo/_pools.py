"""Pools of one worker each: a worker that dies takes no other job with it."""

from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor

# A worker without work ends after so many seconds, as joblib's own.
_IDLE_SECONDS = 300


class SinglePools:
    """As many pools of one process each as jobs may run side by side.

    Parameters
    ----------
    n_pools : int
        How many.
    environment : mapping of str to str
        What the processes find set.
    """

    def __init__(self, n_pools: int, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._all: set[ProcessPoolExecutor] = set()
        self._idle: list[ProcessPoolExecutor | None] = [None] * n_pools
        self._busy: dict[Future[Any], ProcessPoolExecutor] = {}

    def submit(self, call: Callable[[], Any], done: Callable[[Any], Any]) -> None:
        """Run a call in a pool that is idle, then pass its future to `done`.

        Parameters
        ----------
        call : callable
            Picklable.
        done : callable
            Called in a thread of the pool.
        """
        pool = self._idle.pop() or self._new()
        try:
            future = pool.submit(call)
        except BrokenExecutor:  # its process died without a job
            pool = self._new()
            future = pool.submit(call)
        self._busy[future] = pool
        future.add_done_callback(done)

    def _new(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(1, timeout=_IDLE_SECONDS, env=self._environment)
        self._all.add(pool)
        return pool

    def free(self, future: "Future[Any]") -> None:
        """Let the pool of a call that has ended take another one.

        Parameters
        ----------
        future : Future
            Of the call. If its process died, a new one takes its place.
        """
        pool = self._busy.pop(future)
        if isinstance(future.exception(), BrokenExecutor):
            self._all.remove(pool)
            self._idle.append(None)
        else:
            self._idle.append(pool)

    def close(self) -> None:
        """End all processes, whatever they do."""
        for pool in self._all:
            pool.shutdown(wait=True, kill_workers=True)
        self._all.clear()
