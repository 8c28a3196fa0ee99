"""Jobs on any joblib backend, one at a time: a slot is refilled as soon as it is free.

`joblib.Parallel` draws its tasks ahead of the results. Here each job is handed to the
backend by itself, through the methods that joblib asks of every backend, so that the
choice of a candidate may depend on all results that are there.
"""

import multiprocessing
import os
import pickle
import queue
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from joblib.parallel import (
    BatchedCalls,
    LokyBackend,
    MultiprocessingBackend,
    Parallel,
)

from sklearn_hpo._execution.clusters import (
    RayBackend,
    WorkerKilled,
    WorkersDied,
    cluster_of,
)
from sklearn_hpo._execution.folders import make_folder, remove_folder
from sklearn_hpo._execution.limits import limit_exceeded
from sklearn_hpo._execution.pickling import SharedFile, check_parts, pack, parts_of
from sklearn_hpo._execution.pools import (
    ControlThread,
    Errand,
    PoolWatch,
    SinglePools,
    abandon,
)
from sklearn_hpo._sklearn_compat import configured

# Backends whose workers see the files of this machine.
_LOCAL_PROCESSES = (LokyBackend, MultiprocessingBackend)

# How often a job is given back whose worker died before the fit had begun.
_MAX_FALSE_STARTS = 10

# Seconds in which a backend has certainly taken over a job that it was given.
_HANDOVER = 0.1


class SequentialExecutor:
    """Run each job in the calling thread when its result is asked for.

    Parameters
    ----------
    function : callable
        Called as ``function(job, shared)``.
    shared : object
        What all jobs share.
    folder : Path or None, default=None
        Where things may wait that would fill the memory.
    """

    n_workers = n_slots = 1
    in_caller = True

    def __init__(
        self, function: Callable[..., Any], shared: Any, folder: Path | None = None
    ) -> None:
        self.folder = folder
        self._function = function
        self._shared = shared
        self._jobs: deque[Any] = deque()

    @property
    def n_running(self) -> int:
        """Number of jobs submitted whose results have not been taken."""
        return len(self._jobs)

    def submit(self, job: Any) -> None:
        """Take a job."""
        self._jobs.append(job)

    def next_result(self) -> Any:
        """Run the oldest job and return its result."""
        return self._function(self._jobs.popleft(), self._shared)

    def check(self, parts: Mapping[str, Any]) -> None:
        """Accept all: nothing is sent anywhere."""

    def notes_folder(self) -> None:
        """Return None: the process that would end is the caller."""

    def abort(self) -> None:
        """Drop the jobs that have not run."""
        self._jobs.clear()


class ParallelExecutor:
    """Run jobs on a joblib backend that has been configured, or in one process.

    Parameters
    ----------
    function : callable
        Importable by its name; called in a worker as ``function(job, shared)``.
    shared : object
        What all jobs share; local processes read it from one file, once, and a cluster
        gets it once.
    parallel : joblib.Parallel or None
        Inside its ``with`` block, unless it stands for a cluster; None for one process
        of the executor's own, whatever backend is active.
    n_workers : int
        Number of jobs that run side by side.
    folder : Path
        An empty folder that local processes may read.
    lost : callable
        Called as ``lost(job, error, shared=shared)`` for the result of a job whose
        worker died.

    Notes
    -----
    A local worker that dies takes its pool with it. All jobs in flight are then run
    again, and from then on each worker has a pool of its own, so that one that dies
    costs nothing but itself. A job gets no third chance; if the system killed it, the
    second one is alone, as it may be for want of memory.
    """

    in_caller = False

    def __init__(
        self,
        function: Callable[..., Any],
        shared: Any,
        parallel: Parallel | None,
        n_workers: int,
        folder: Path,
        lost: Callable[..., Any],
    ) -> None:
        self.n_workers = self.n_slots = n_workers
        self.n_running = 0
        self._lost = partial(lost, shared=shared)
        self._tickets = count()
        self._in_flight: dict[int, _Task] = {}
        self._waiting: deque[_Task] = deque()
        self._suspects: deque[_Task] = deque()
        self._ready: deque[Any] = deque()
        self._backend = parallel._backend if parallel else LokyBackend(nesting_level=0)
        self._pools = None if parallel else self._new_pools()
        self._watch = PoolWatch(None)
        self._end: Errand | None = None
        self._ended = False
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call = configured(partial(_call_with_shared, function))
        self._curable: tuple[type[BrokenExecutor], ...] = ()
        self._packs = not getattr(self._backend, "supports_sharedmem", False)
        self.folder = None  # what workers may use; the next one is there in any case
        self._folder = folder
        cluster = cluster_of(self._backend)
        self._on_cluster = cluster is not None
        if self._packs:
            # all but the data, of which that would be a copy
            parts = parts_of(shared).items()
            check_parts({n: p for n, p in parts if not hasattr(p, "shape")})
        if cluster is not None:
            self._curable = (WorkersDied,)
            # the way is long: at each worker waits the job that is next
            self.n_slots *= 2
            try:
                self._backend = cluster(self._backend, self._call, shared)
            except TypeError:
                check_parts(parts_of(shared))
                raise
        elif isinstance(self._backend, _LOCAL_PROCESSES):
            self._curable = (BrokenExecutor,)
            self._watch = PoolWatch(self._backend)
            self.folder = folder
            shared = SharedFile.write(shared, folder)
        self._shared = shared
        self._pickle_cache: dict[Any, Any] = {}
        self._control = ControlThread()

    def submit(self, job: Any) -> None:
        """Hand one job to the backend, as soon as no other must run alone."""
        self.n_running += 1
        self._waiting.append(_Task(job))
        self._dispatch()

    def check(self, parts: Mapping[str, Any]) -> None:
        """Raise unless workers can get what jobs will hold.

        Parameters
        ----------
        parts : mapping of str to object
            By the names that the user knows.

        Raises
        ------
        TypeError
            If one of them can't be pickled, or can't be read again.
        """
        if self._packs:
            check_parts(parts)

    def notes_folder(self) -> Path | None:
        """Return where workers that end themselves can say why; None if none can."""
        if isinstance(self._backend, RayBackend) and self._backend.finds(self._folder):
            return self._folder
        return self.folder

    def _dispatch(self) -> None:
        if any(task.alone for task in self._in_flight.values()):
            return
        if self._suspects:
            if not self._in_flight:
                self._send(self._suspects.popleft())
            return
        while self._waiting:
            self._send(self._waiting.popleft())

    def _send(self, task: "_Task") -> None:
        task.ticket = ticket = next(self._tickets)
        call = self._packed(task)
        self._in_flight[ticket] = task
        try:
            (self._pools or self._backend).submit(
                call, lambda out: self._done.put((ticket, out))
            )
        except self._curable as error:  # another job has killed a worker meanwhile
            self._done.put((ticket, _broken(error)))

    def _packed(self, task: "_Task") -> Any:
        # packed here, an error is raised here; unpacked by the job, it is the job's
        job = pack(task.job) if self._packs else task.job
        if self._on_cluster:
            return job
        return BatchedCalls(
            [(self._call, (job, self._shared, self.folder and task.ticket), {})],
            self._backend.get_nested_backend(),
            pickle_cache=self._pickle_cache,
        )

    def next_result(self) -> Any:
        """Wait for any job and return its result, or raise its error."""
        while not self._ready:
            ticket, out = self._wait()
            task = self._in_flight.pop(ticket, None)
            if task is None:  # of a pool that is no more
                continue
            try:
                self._ready.append(self._result(out))
            except self._curable as error:
                self._recover(task, error)
            except BaseException:
                self.n_running -= 1
                raise
            self._dispatch()
        self.n_running -= 1
        return self._ready.popleft()

    def _wait(self) -> Any:
        while True:
            # Python is deaf to a signal that comes right before it begins to wait
            with suppress(queue.Empty):
                return self._done.get(timeout=self._watch.seconds)
            error = self._watch.death() if self._pools is None else None
            if error is not None and self._in_flight:
                return next(iter(self._in_flight)), _broken(error)

    def _result(self, out: Any) -> Any:
        if self._pools is not None:
            self._pools.free(out)
        if isinstance(out, Future) and not self._on_cluster:
            return out.result()[0]
        return self._backend.retrieve_result_callback(out)[0]

    def _recover(self, task: "_Task", error: BrokenExecutor) -> None:
        """Give the jobs of a pool that broke back, but not those that broke it."""
        tasks = [task]
        # a cluster replaces its workers, and tells of each job by itself
        if self._pools is None and not self._on_cluster:
            tasks += self._in_flight.values()
            self._in_flight.clear()
            self._control.submit(self._end_pool).wait()
            self._pools = self._new_pools()
        begun = _begun(self.folder)
        reasons = [limit_exceeded(task.job) for task in tasks]
        for task, reason in zip(tasks, reasons, strict=True):
            if reason is not None:
                self._ready.append(self._lost(task.job, TimeoutError(reason)))
            elif any(reasons) or self._is_false_start(task, begun):
                self._waiting.appendleft(task)
            elif task.tried:
                self._ready.append(self._lost(task.job, error))
            else:
                self._try_again(task, error)

    def _new_pools(self) -> SinglePools:
        environment = self._backend._prepare_worker_env(n_jobs=self.n_workers)
        return SinglePools(self.n_workers, environment)

    def _is_false_start(self, task: "_Task", begun: set[int]) -> bool:
        """Whether a worker died before the fit had begun, which is no try of it."""
        if self.folder is None or task.ticket in begun:
            return False
        task.n_false_starts += 1
        return task.n_false_starts <= _MAX_FALSE_STARTS

    def _try_again(self, task: "_Task", error: BrokenExecutor) -> None:
        task.tried = True
        shared = self._on_cluster and not isinstance(error, WorkerKilled)
        task.alone = shared or "SIGKILL" in str(error)
        (self._suspects if task.alone else self._waiting).appendleft(task)

    def abort(self) -> None:
        """End the running jobs, where the backend can, and forget them.

        An interrupt ends the waiting for it, but not the ending.
        """
        if self._end is None:
            self._end = self._control.submit(self._kill)
        self._end.wait()
        self.n_running = 0
        self._in_flight.clear()

    def _kill(self) -> None:
        # loky's manager thread dies with a traceback if it is told to end while it
        # takes a job over
        time.sleep(_HANDOVER)
        if self._pools is None:
            self._end_pool()
        else:
            self._pools.close()

    def _end_pool(self) -> None:
        if self._ended:  # a signal came before that was noted
            return
        self._ended = True
        if self._watch.death() is not None:
            abandon(self._backend)
        else:
            self._backend.abort_everything(ensure_ready=False)

    def close(self, folder: Path) -> None:
        """End what is the executor's own.

        Parameters
        ----------
        folder : Path
            Deleted.
        """
        last = self._control.submit(partial(self._clear, folder))
        self._control.close()
        last.wait()

    def _clear(self, folder: Path) -> None:
        if self._pools is not None:
            self._pools.close()
        remove_folder(folder)


@dataclass
class _Task:
    """A job, whether a pool has died while it was in flight, and what to do then."""

    job: Any
    tried: bool = False
    alone: bool = False
    ticket: int = -1
    n_false_starts: int = 0


def _begun(folder: Path | None) -> set[int]:
    """Return the tickets of the jobs whose fits have begun."""
    path = folder and folder / "begun"
    if path is None or not path.exists():
        return set()
    return set(map(int, path.read_text().split()))


def _broken(error: BrokenExecutor) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


@contextmanager
def open_executor(
    function: Callable[..., Any],
    shared: Any,
    n_jobs: int | None,
    lost: Callable[..., Any],
    *,
    in_process: bool = False,
) -> Iterator[SequentialExecutor | ParallelExecutor]:
    """Open an executor on the joblib backend that is active.

    Parameters
    ----------
    function : callable
        Importable by its name; called as ``function(job, shared)``.
    shared : object
        What all jobs share.
    n_jobs : int or None
        As in scikit-learn: None is 1 unless `joblib.parallel_config` says otherwise.
    lost : callable
        Called as ``lost(job, error, shared=shared)`` for the result of a job that kills
        its worker.
    in_process : bool, default=False
        Whether one job at a time has a process of its own too, which can be ended,
        unless threads were asked for.

    Yields
    ------
    executor : SequentialExecutor or ParallelExecutor
        With ``submit``, ``next_result``, ``n_running``, ``n_workers``, ``abort`` and
        ``n_slots``, the number of jobs that it likes to have at once.
    """
    parallel = Parallel(n_jobs=n_jobs)
    cluster = cluster_of(parallel._backend)
    in_process = in_process and _may_start_process(parallel._backend)
    # Ray starts processes in joblib's block that would lie idle; in a worker of Dask,
    # who waits for other jobs must make room for them
    block = parallel._backend.retrieval_context() if cluster else parallel
    with block:
        n_workers = parallel._effective_n_jobs()
        alone = n_workers == 1 and not (cluster and cluster.ignores_n_jobs)
        if alone and not in_process:
            with _folder_below(_temp_root(parallel)) as given:
                yield SequentialExecutor(function, shared, given)
            return
        folder = make_folder("sklearn_hpo_", _temp_root(parallel))
        try:
            executor = ParallelExecutor(
                function, shared, None if alone else parallel, n_workers, folder, lost
            )
        except BaseException:
            remove_folder(folder)
            raise
        try:
            if cluster is None and not alone:
                parallel._backend.start_call()
            yield executor
        except BaseException:
            if executor.n_running:
                executor.abort()
            raise
        finally:
            executor.close(folder)
            if cluster is None and not alone:
                parallel._backend.stop_call()


@contextmanager
def _folder_below(root: str | None) -> Iterator[Path | None]:
    """Yield a folder where joblib was told to leave things, None if it was not."""
    if root is None:
        yield None
        return
    folder = make_folder("sklearn_hpo_", root)
    try:
        yield folder
    finally:
        remove_folder(folder)


def _may_start_process(backend: Any) -> bool:
    """Whether a process is no surprise, as the backend is one of processes.

    Inside a job of another one, joblib's own choice of a backend does not count.
    """
    if multiprocessing.current_process().daemon:
        return False  # workers of multiprocessing must not have children
    nested = bool(getattr(backend, "nesting_level", 0))
    return nested or isinstance(backend, _LOCAL_PROCESSES)


def _temp_root(parallel: Parallel) -> str | None:
    """Return where joblib would leave what workers share, None if it does not say."""
    given = parallel._backend_kwargs.get("temp_folder")
    root: str | None = given or os.environ.get("JOBLIB_TEMP_FOLDER")
    if root is not None:
        Path(root).mkdir(parents=True, exist_ok=True)
    return root


def _call_with_shared(
    function: Callable[..., Any], job: Any, shared: Any, ticket: int | None = None
) -> Any:
    """Run a job in a worker."""
    begun = None
    try:
        if isinstance(shared, SharedFile):
            begun = Path(shared.path).with_name("begun")
            # a terminal sends Ctrl-C to all processes; the caller ends this one
            with suppress(ValueError):
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            shared = shared.read()
        if isinstance(job, bytes):
            job = pickle.loads(job)
    except Exception as error:
        raise RuntimeError(
            f"A worker can't read what it was sent ({type(error).__name__}: {error}). "
            "Something that the search holds, such as the estimator or the scorer, can "
            "be pickled but not be read again there; use n_jobs=1, or threads: "
            "joblib.parallel_config('threading')."
        ) from error
    if begun is not None:
        with suppress(OSError), begun.open("a") as file:  # the disk may be full
            file.write(f"{ticket}\n")
    return function(job, shared)
