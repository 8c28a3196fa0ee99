"""The only importer of what joblib, loky and multiprocessing keep to themselves.

joblib asks more of a backend than it documents, and pools tell less of their workers
than is needed once one of them has died. What a new release may change stands here.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor
from joblib.parallel import (
    BatchedCalls,
    LokyBackend,
    MultiprocessingBackend,
    Parallel,
)

try:
    from joblib.externals import cloudpickle
except ImportError:  # joblib >= 1.6 requires it instead of carrying it
    import cloudpickle

__all__ = [
    "abandon_pool",
    "backend_of",
    "batch_of_one",
    "cloudpickle",
    "end_process",
    "loky_backend",
    "n_jobs_of",
    "new_process",
    "pool_of",
    "temp_folder_of",
    "uses_local_processes",
    "worker_environment",
    "workers_of",
    "workers_retire",
]


# What the user has configured


def backend_of(parallel: Parallel) -> Any:
    """Return the backend that is active."""
    return parallel._backend


def n_jobs_of(parallel: Parallel) -> int:
    """Return the number of jobs side by side, which may start the workers."""
    return parallel._effective_n_jobs()


def temp_folder_of(parallel: Parallel) -> str | Path | None:
    """Return the folder that the user has named for what workers share, if any."""
    return parallel._backend_kwargs.get("temp_folder")


# Backends


def uses_local_processes(backend: Any) -> bool:
    """Whether its workers are processes that see the files of this machine."""
    return isinstance(backend, LokyBackend | MultiprocessingBackend)


def loky_backend() -> Any:
    """Return a backend of processes, whatever backend is active."""
    return LokyBackend(nesting_level=0)


def worker_environment(backend: Any, n_workers: int) -> Mapping[str, str]:
    """Return the environment variables that keep workers from too many threads."""
    return backend._prepare_worker_env(n_jobs=n_workers)


def batch_of_one(
    backend: Any, call: Callable[..., Any], args: tuple[Any, ...], cache: dict[Any, Any]
) -> Any:
    """Return a call as a backend takes it; it returns a list of one result.

    What the call runs in parallel gets the backend that joblib would give it. `cache`
    is for all batches of a search, as joblib has one for each of its own calls.
    """
    nested = backend.get_nested_backend()
    return BatchedCalls([(call, args, {})], nested, pickle_cache=cache)


# Pools of loky


def new_process(idle_seconds: float, environment: Mapping[str, str]) -> Executor:
    """Return a pool of one process, which ends after so long without work."""
    return ProcessPoolExecutor(1, timeout=idle_seconds, env=dict(environment))


def end_process(pool: Executor) -> None:
    """End the process of such a pool, whatever it does."""
    pool.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]


# Pools of multiprocessing


def pool_of(backend: Any) -> Any:
    """Return the pool of a backend of multiprocessing that runs, None of others."""
    return backend._get_pool() if isinstance(backend, MultiprocessingBackend) else None


def workers_of(pool: Any) -> list[BaseProcess]:
    """Return who works in a pool now."""
    return list(pool._pool)


def workers_retire(pool: Any) -> bool:
    """Whether workers end after some tasks, and others take their place."""
    return getattr(pool, "_maxtasksperchild", None) is not None


def abandon_pool(backend: Any) -> None:
    """End the workers of a backend of multiprocessing one of which has died.

    Its own way to end waits for locks that the dead one may have held. The backend has
    no pool then.
    """
    pool, backend._pool = backend._get_pool(), None
    pool.close()
    pool._terminate.cancel()
    # so that no worker is replaced, and no result awaited
    pool._worker_handler._state = pool._result_handler._state = "TERMINATE"
    for worker in workers_of(pool):
        worker.kill()
        worker.join()
