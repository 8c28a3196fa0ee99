"""Pools of one worker each, which die alone, and a thread that signals leave alone."""

import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from sklearn_hpo._joblib_compat import (
    end_process,
    new_process,
    pool_of,
    workers_of,
    workers_retire,
)

# A worker without work ends after so many seconds, as joblib's own.
_IDLE_SECONDS = 300

# Seconds between two looks at whether an errand is done, a worker dead, or the caller.
_PAUSE, _HEED, _LOOK = 0.01, 0.5, 1.0


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
        self._environment = environment
        self._all: set[Executor] = set()
        self._idle: list[Executor | None] = [None] * n_pools
        self._busy: dict[Future[Any], Executor] = {}

    def submit(self, call: Callable[[], Any], done: Callable[[Any], Any]) -> None:
        """Run a call in a pool that is idle; `done` gets its future, in a thread."""
        pool = self._idle.pop() or self._new()
        try:
            future = pool.submit(call)
        except BrokenExecutor:  # its process died without a job
            pool = self._new()
            future = pool.submit(call)
        self._busy[future] = pool
        future.add_done_callback(done)

    def _new(self) -> Executor:
        pool = new_process(_IDLE_SECONDS, self._environment)
        self._all.add(pool)
        return pool

    def free(self, future: "Future[Any]") -> None:
        """Let the pool of a call that has ended, or a new one, take another one."""
        pool = self._busy.pop(future, None)  # None if no process came up
        if pool is None or isinstance(future.exception(), BrokenExecutor):
            self._all.discard(pool)
            self._idle.append(None)
        else:
            self._idle.append(pool)

    def close(self) -> None:
        """End all processes, whatever they do."""
        for pool in self._all:
            end_process(pool)
        self._all.clear()


class PoolWatch:
    """Looks for workers of multiprocessing that have died, as their pool does not tell.

    Parameters
    ----------
    backend : MultiprocessingBackend or any other
        That runs. Nothing is seen of others, whose pools do tell.

    Attributes
    ----------
    seconds : float
        Between two looks.
    """

    def __init__(self, backend: Any) -> None:
        self._pool = pool_of(backend)
        self._retire = workers_retire(self._pool)
        self.seconds = _PAUSE if self._retire else _HEED
        self._workers: set[BaseProcess] = set()
        self._look()

    def death(self) -> BrokenExecutor | None:
        """Return an error that tells how a worker has died, if one has."""
        self._look()
        for worker in list(self._workers):
            code = worker.exitcode
            if code == 0 and self._retire:
                self._workers.remove(worker)
            elif code is not None:
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                return BrokenExecutor(f"A worker process has died ({how}).")
        return None

    def _look(self) -> None:
        """Note who works there now, as the pool itself forgets who has ended."""
        if self._pool is not None:
            self._workers.update(workers_of(self._pool))


@dataclass
class Errand:
    """A call that another thread makes."""

    call: Callable[[], Any]
    done: bool = False
    error: BaseException | None = None

    def wait(self) -> None:
        """Return when the call has, or raise its error."""
        while not self.done:
            time.sleep(_PAUSE)
        if self.error is not None:
            raise self.error


class ControlThread:
    """Makes calls one after the other in a thread that no signal interrupts.

    A signal may come while a call is handed over or waited for: no lock is left locked
    then, as those of `concurrent.futures` and `threading.Event` may be.
    """

    def __init__(self) -> None:
        self._errands: queue.SimpleQueue[Errand | None] = queue.SimpleQueue()
        self._owner = threading.current_thread()
        threading.Thread(target=self._run).start()

    def submit(self, call: Callable[[], Any]) -> Errand:
        """Have a call made, which takes nothing, and may be waited for."""
        errand = Errand(call)
        self._errands.put(errand)
        return errand

    def close(self) -> None:
        """End the thread after the calls that it was given."""
        self._errands.put(None)

    def _run(self) -> None:
        while self._owner.is_alive():
            try:
                errand = self._errands.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if errand is None:
                return
            try:
                errand.call()
            except BaseException as error:
                errand.error = error
            errand.done = True
