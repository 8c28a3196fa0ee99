"""Jobs on any joblib backend, one at a time: a slot is refilled as soon as it is free.

`joblib.Parallel` draws its tasks ahead of the results. Here each job is handed to the
backend by itself, through the methods that joblib asks of every backend, so that the
choice of a candidate may depend on all results that are there.
"""

import mmap
import os
import pickle
import queue
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any

from joblib.parallel import (
    BatchedCalls,
    LokyBackend,
    MultiprocessingBackend,
    Parallel,
)

from sklearn_hpo._clusters import WorkerKilled, WorkersDied, cluster_of
from sklearn_hpo._limits import limit_exceeded
from sklearn_hpo._sklearn_compat import configured

try:
    from joblib.externals import cloudpickle
except ImportError:  # joblib >= 1.6 requires it instead of carrying it
    import cloudpickle

# Backends whose workers see the files of this machine.
_LOCAL_PROCESSES = (LokyBackend, MultiprocessingBackend)

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
    """

    n_workers = n_slots = 1
    in_caller = True
    can_end_jobs = False
    folder = None

    def __init__(self, function: Callable[..., Any], shared: Any) -> None:
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

    def abort(self) -> None:
        """Drop the jobs that have not run."""
        self._jobs.clear()


class ParallelExecutor:
    """Run jobs on a joblib backend that has been configured.

    Parameters
    ----------
    function : callable
        Importable by its name; called in a worker as ``function(job, shared)``.
    shared : object
        What all jobs share; local processes read it from one file, once, and a cluster
        gets it once.
    parallel : joblib.Parallel
        Inside its ``with`` block, unless it stands for a cluster.
    n_workers : int
        Number of jobs that run side by side.
    folder : Path
        An empty folder that local processes may read.
    lost : callable
        Called as ``lost(job, error, shared=shared)`` for the result of a job whose
        worker died.

    Notes
    -----
    A worker of loky that dies takes its pool with it. All jobs in flight are then run
    again on a new pool, one by one, so that the one that kills is found out; it gets no
    third chance.
    """

    in_caller = False

    def __init__(
        self,
        function: Callable[..., Any],
        shared: Any,
        parallel: Parallel,
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
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._parallel = parallel
        self._backend = parallel._backend
        self._call = configured(partial(_call_with_shared, function))
        self.can_end_jobs = isinstance(self._backend, LokyBackend)
        self._curable = (BrokenExecutor,) if self.can_end_jobs else ()
        self.folder = None
        cluster = cluster_of(self._backend)
        self._on_cluster = cluster is not None
        if cluster is not None:
            self._curable = (WorkersDied,)
            # the way is long: at each worker waits the job that is next
            self.n_slots *= 2
            try:
                self._backend = cluster(self._backend, self._call, shared)
            except TypeError as error:
                raise TypeError(_unpicklable_part(shared)) from error
        elif isinstance(self._backend, _LOCAL_PROCESSES):
            self.folder = folder
            shared = SharedFile.write(shared, folder)
        self._shared = shared
        self._pickle_cache: dict[Any, Any] = {}

    def submit(self, job: Any) -> None:
        """Hand one job to the backend, as soon as no other must run alone."""
        self.n_running += 1
        self._waiting.append(_Task(job))
        self._dispatch()

    def _dispatch(self) -> None:
        if any(task.n_deaths for task in self._in_flight.values()):
            return
        if self._suspects:
            if not self._in_flight:
                self._send(self._suspects.popleft())
            return
        while self._waiting:
            self._send(self._waiting.popleft())

    def _send(self, task: "_Task") -> None:
        ticket = next(self._tickets)
        self._in_flight[ticket] = task
        try:
            self._backend.submit(
                self._packed(task.job), lambda out: self._done.put((ticket, out))
            )
        except self._curable as error:  # another job has killed a worker meanwhile
            broken: Future[Any] = Future()
            broken.set_exception(error)
            self._done.put((ticket, broken))

    def _packed(self, job: Any) -> Any:
        if self._on_cluster:
            # arrays of a later protocol would come back as read-only from Ray
            return cloudpickle.dumps(job, 4)
        return BatchedCalls(
            [(self._call, (job, self._shared), {})],
            self._backend.get_nested_backend(),
            self._enter_folder,
            self._pickle_cache,
        )

    def _enter_folder(self) -> None:
        # loky keeps large arrays inside a job in the folder of the Parallel that is
        # named here, which is then deleted with it
        if isinstance(self._backend, LokyBackend):
            manager = self._backend._workers._temp_folder_manager
            manager.set_current_context(self._parallel._id)

    def next_result(self) -> Any:
        """Wait for any job and return its result, or raise its error."""
        while not self._ready:
            ticket, out = self._done.get()
            task = self._in_flight.pop(ticket, None)
            if task is None:  # of a pool that is no more
                continue
            try:
                self._ready.append(self._backend.retrieve_result_callback(out)[0])
            except self._curable as error:
                self._recover(task, error)
            except BaseException:
                self.n_running -= 1
                raise
            self._dispatch()
        self.n_running -= 1
        return self._ready.popleft()

    def _recover(self, task: "_Task", error: BrokenExecutor) -> None:
        """Start new workers, and find out which job in flight killed the old ones."""
        tasks = [task]
        if not self._on_cluster:  # which replaces them, and tells of each job by itself
            tasks += self._in_flight.values()
            self._in_flight.clear()
            self._backend.abort_everything(ensure_ready=True)
        reasons = [limit_exceeded(task.job) for task in tasks]
        found = any(reasons)
        for task, reason in zip(tasks, reasons, strict=True):
            if reason is not None:
                self._ready.append(self._lost(task.job, TimeoutError(reason)))
            elif found:
                self._waiting.appendleft(task)
            elif isinstance(error, WorkerKilled) or (task.n_deaths and len(tasks) == 1):
                self._ready.append(self._lost(task.job, error))
            else:
                task.n_deaths += 1
                self._suspects.append(task)

    def abort(self) -> None:
        """End the running jobs, where the backend can, and forget them."""
        # loky's manager thread dies with a traceback if it is told to end while it
        # takes a job over
        time.sleep(_HANDOVER)
        self._backend.abort_everything(ensure_ready=False)
        self.n_running = 0
        self._in_flight.clear()


@dataclass
class _Task:
    """A job, and how many pools have died while it was in flight."""

    job: Any
    n_deaths: int = 0


@contextmanager
def open_executor(
    function: Callable[..., Any],
    shared: Any,
    n_jobs: int | None,
    lost: Callable[..., Any],
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

    Yields
    ------
    executor : SequentialExecutor or ParallelExecutor
        With ``submit``, ``next_result``, ``n_running``, ``n_workers``, ``abort`` and
        ``n_slots``, the number of jobs that it likes to have at once.
    """
    parallel = Parallel(n_jobs=n_jobs)
    cluster = cluster_of(parallel._backend)
    # Ray starts processes in joblib's block that would lie idle; in a worker of Dask,
    # who waits for other jobs must make room for them
    block = parallel._backend.retrieval_context() if cluster else parallel
    with block:
        n_workers = parallel._effective_n_jobs()
        if n_workers == 1 and not (cluster and cluster.ignores_n_jobs):
            yield SequentialExecutor(function, shared)
            return
        folder = Path(tempfile.mkdtemp("", "sklearn_hpo_", _temp_root()))
        executor = None
        try:
            executor = ParallelExecutor(
                function, shared, parallel, n_workers, folder, lost
            )
            if cluster is None:
                parallel._backend.start_call()
            yield executor
        except BaseException:
            if executor is not None and executor.n_running:
                executor.abort()
            raise
        finally:
            if cluster is None:
                parallel._backend.stop_call()
            shutil.rmtree(folder, ignore_errors=True)


def _temp_root() -> str | None:
    return os.environ.get("JOBLIB_TEMP_FOLDER")


def _call_with_shared(function: Callable[..., Any], job: Any, shared: Any) -> Any:
    """Run a job in a worker."""
    return function(job, shared.read() if isinstance(shared, SharedFile) else shared)


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
        except Exception as error:
            raise TypeError(_unpicklable_part(shared)) from error
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


def _unpicklable_part(shared: Any) -> str:
    for name, part in vars(shared).items():
        try:
            cloudpickle.dumps(part)
        except Exception as error:
            return (
                f"The {name} of the search can't be sent to worker processes "
                f"({type(error).__name__}: {error}). Use n_jobs=1, or threads: "
                "joblib.parallel_config('threading')."
            )
    return "The search can't be sent to worker processes; use n_jobs=1."
