"""Workers on other machines: jobs go to Dask or Ray themselves, past joblib.

joblib's backend for Dask never calls back for a job that died with its worker, and
Ray's deals jobs out in turn, to busy workers too, and can't replace a dead one. What
stands here has those methods of a joblib backend that `ParallelExecutor` calls.
"""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from joblib import parallel_config

Done = Callable[[Any], Any]


class ClusterGone(BrokenExecutor):
    """No job can be run any more."""


class WorkersDied(BrokenExecutor):
    """A job was lost with its worker; others may have been to blame."""


class WorkerKilled(WorkersDied):
    """A job was lost with its worker, which had no other."""


def cluster_of(backend: Any) -> "type[DaskBackend | RayBackend] | None":
    """Return what runs jobs on the cluster of a joblib backend, if it has one.

    Parameters
    ----------
    backend : joblib.parallel.ParallelBackendBase
        As the user has chosen it. Ray is started if it is not running.

    Returns
    -------
    kind : type or None
        To be called with the backend, the function and what all jobs share.
    """
    if hasattr(backend, "submit_kwargs"):
        return DaskBackend
    if hasattr(backend, "ray_remote_args"):
        import ray

        if not ray.is_initialized():
            ray.init()
        return RayBackend
    return None


class DaskBackend:
    """Jobs as tasks of Dask, whose scheduler runs those of a dead worker again.

    Parameters
    ----------
    backend : joblib.parallel.DaskDistributedBackend
        Whose client and settings are used.
    call : callable
        Runs in a worker as ``call(job, shared)``.
    shared : object
        What all jobs share; each worker gets it once.
    """

    ignores_n_jobs = True  # all workers are used, even if one is left

    def __init__(self, backend: Any, call: Callable[..., Any], shared: Any) -> None:
        self._client = backend.client
        self._settings = {"pure": False, **backend.submit_kwargs}
        self._common = call, ("dask", -1), shared
        self._futures: set[Any] = set()
        self._share()

    def _share(self) -> None:
        [self._held] = self._client.scatter([self._common], broadcast=True, hash=False)

    def submit(self, job: bytes, callback: Done) -> None:
        """Hand over a pickled job; `callback` gets its future when it has ended."""
        try:
            if self._held.cancelled():  # with all the workers that had it
                self._share()
            with warnings.catch_warnings():
                # a model that goes on may be large, and has no other way
                warnings.filterwarnings("ignore", "Sending large graph")
                future = self._client.submit(_run, job, self._held, **self._settings)
        except OSError as error:
            raise ClusterGone(f"The Dask cluster is gone: {error}") from error
        self._futures.add(future)
        self._client.loop.add_callback(self._fetch, future, callback)

    async def _fetch(self, future: Any, callback: Done) -> None:
        """Wait for a result, and have it brought here while others are waited for."""
        out: Future[Any] = Future()
        try:
            out.set_result(await self._client.gather(future, asynchronous=True))
        except BaseException as error:
            out.set_exception(error)
        self._futures.discard(future)
        callback(out)

    def retrieve_result_callback(self, out: "Future[Any]") -> list[Any]:
        """Return the result of a job, in a list as joblib's backends do."""
        from distributed import KilledWorker

        try:
            return [out.result()]
        except (KilledWorker, CancelledError) as error:
            raise WorkersDied(
                "Dask has lost its workers, or the data on them, during this fit."
            ) from error

    def abort_everything(self, ensure_ready: bool) -> None:
        """Take back what has not begun; a thread of a worker can't be stopped."""
        with suppress(OSError):
            self._client.cancel(list(self._futures), force=True)
        self._futures.clear()


class RayBackend:
    """Jobs as tasks of Ray, each alone in its process.

    Parameters
    ----------
    backend : ray.util.joblib.ray_backend.RayBackend
        Whose settings are used.
    call : callable
        Runs in a worker as ``call(job, shared)``.
    shared : object
        What all jobs share; it lies once in the memory of each machine.
    """

    ignores_n_jobs = False

    def __init__(self, backend: Any, call: Callable[..., Any], shared: Any) -> None:
        import ray

        self._ray = ray
        # Ray itself would try for ever if memory is short
        settings = {"max_retries": 0, **(backend.ray_remote_args or {})}
        self._task = self._ray.remote(_run).options(**settings)
        self._held = self._ray.put((call, backend.get_nested_backend(), shared))
        self._references: set[Any] = set()

    def finds(self, folder: Path) -> bool:
        """Whether all workers are on this machine, or another one with its files."""
        machines = [node for node in self._ray.nodes() if node["Alive"]]
        look = self._ray.remote(os.path.isdir).remote(folder)
        return len(machines) == 1 and bool(self._ray.get(look))

    def submit(self, job: bytes, callback: Done) -> None:
        """Hand over a pickled job; `callback` gets its future when it has ended."""
        reference = self._task.remote(job, self._held)
        self._references.add(reference)

        def done(future: Any) -> None:
            self._references.discard(reference)
            callback(future)

        reference.future().add_done_callback(done)

    def retrieve_result_callback(self, future: Any) -> list[Any]:
        """Return the result of a job, in a list as joblib's backends do."""
        try:
            return [future.result()]
        except self._ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from error
        except self._ray.exceptions.OutOfMemoryError as error:
            raise WorkersDied("Ray has killed the fit for want of memory.") from error
        except self._ray.exceptions.RayError as error:
            raise WorkerKilled("The worker has died of the fit.") from error

    def abort_everything(self, ensure_ready: bool) -> None:
        """End the running jobs with their processes."""
        for reference in list(self._references):
            self._ray.cancel(reference, force=True)


def _run(job: bytes, common: tuple[Callable[..., Any], tuple[Any, int], Any]) -> Any:
    """Run a job in a worker, with joblib's backend for what it runs in parallel."""
    call, (backend, n_jobs), shared = common
    with parallel_config(backend, n_jobs=n_jobs):
        return call(job, shared)
