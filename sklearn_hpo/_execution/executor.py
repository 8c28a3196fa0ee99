"""Where jobs run: in the calling thread, or on the joblib backend that is active."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joblib import Parallel

from sklearn_hpo._execution.clusters import cluster_of
from sklearn_hpo._execution.folders import make_folder, remove_folder
from sklearn_hpo._execution.parallel import ParallelExecutor
from sklearn_hpo._joblib_compat import (
    backend_of,
    n_jobs_of,
    temp_folder_of,
    uses_local_processes,
)

__all__ = ["ParallelExecutor", "SequentialExecutor", "open_executor"]


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
    backend = backend_of(parallel)
    cluster = cluster_of(backend)
    in_process = in_process and _may_start_process(backend)
    # Ray starts processes in joblib's block that would lie idle; in a worker of Dask,
    # who waits for other jobs must make room for them
    block = backend.retrieval_context() if cluster else parallel
    with block:
        n_workers = n_jobs_of(parallel)
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
                backend_of(parallel).start_call()  # the block may have chosen another
            yield executor
        except BaseException:
            if executor.n_running:
                executor.abort()
            raise
        finally:
            executor.close(folder)
            if cluster is None and not alone:
                backend_of(parallel).stop_call()


@contextmanager
def _folder_below(root: str | Path | None) -> Iterator[Path | None]:
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
    return nested or uses_local_processes(backend)


def _temp_root(parallel: Parallel) -> str | Path | None:
    """Return where joblib would leave what workers share, None if it does not say."""
    root = temp_folder_of(parallel) or os.environ.get("JOBLIB_TEMP_FOLDER")
    if root is not None:
        Path(root).mkdir(parents=True, exist_ok=True)
    return root
