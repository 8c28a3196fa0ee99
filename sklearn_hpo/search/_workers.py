"""What a search asks of its workers, and what it sends them."""

import warnings
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning

from sklearn_hpo._evaluation.copies import uncopied
from sklearn_hpo._evaluation.evaluate import evaluate, lost
from sklearn_hpo._evaluation.fit_warnings import sink
from sklearn_hpo._execution.executor import open_executor
from sklearn_hpo._execution.limits import CAN_MEASURE_MEMORY
from sklearn_hpo._sklearn_compat import num_samples
from sklearn_hpo._study.jobs import FoldJobs
from sklearn_hpo._study.paused import PausedModels


@contextmanager
def open_workers(search, problem, events):
    """Yield the executor of a search, on the joblib backend that is active."""
    with (
        own_filters(problem.resource),
        open_executor(
            evaluate, problem, search.n_jobs, lost, in_process=bool(problem.limits)
        ) as executor,
    ):
        executor.check(parts_of_jobs(search, has_listeners=events.has_listeners))
        yield executor
    if problem.transformer_cache is not None:
        problem.transformer_cache.clear()


@contextmanager
def open_jobs(search, problem, scheduler, executor, events, **settings):
    """Yield what runs the jobs of a study; `settings` are those of `FoldJobs`."""
    exact = scheduler.keeps_to_plan
    rungs = [rung.n_trials if exact else None for rung in scheduler.plan]
    n_splits, resource = len(problem.splits), problem.resource
    with (
        events.searching(rungs, n_splits, detach=not executor.in_caller) as fold_events,
        _paused_models(search, resource, executor) as models,
    ):
        yield FoldJobs(
            executor,
            n_splits,
            by_fold=resource.by_fold,
            fold_order=resource.order,
            paused_models=models,
            fold_events=fold_events,
            **settings,
        )


@contextmanager
def _paused_models(search, resource, executor):
    """Yield the keeper of models that may go on, if the resource needs one."""
    yield PausedModels(executor.folder) if resource.continues else None


@contextmanager
def own_filters(resource):
    """Protect the filters of warnings, and set those that workers shall have.

    A resource that continues gives fits few iterations on purpose.
    """
    # worker threads enter and leave filters of their own in any order
    with warnings.catch_warnings(), sink():
        # Loky replaces a worker that has grown, and nothing is lost. As an error, by
        # the user's filters, this would end the thread that replaces it.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        if resource.continues:
            # few iterations on purpose, and the same rows in all of them
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "class_weight presets")
        yield


def limit_folder_of(limits, executor):
    """Return where workers say why they ended themselves, or None without limits.

    Raises a ValueError if the limits can't be held.
    """
    if not limits:
        return None
    if limits.memory is not None and not CAN_MEASURE_MEMORY:
        raise ValueError("fit_memory_limit can be measured on Linux only.")
    folder = executor.notes_folder()
    if folder is None:
        raise ValueError(
            "fit_timeout and fit_memory_limit need worker processes of this machine, "
            "which can be ended: use joblib's backend 'loky', with any n_jobs, and not "
            "inside a worker of 'multiprocessing', which can't start any."
        )
    return folder


def warn_of_shared(problem):
    """Warn if fits have to share what belongs to one fit."""
    given = {**problem.fit_params, **problem.score_params}
    for name, reason in uncopied(given, num_samples(problem.X)).items():
        warnings.warn(
            f"The fit parameter {name!r} can't be copied ({reason}): fits share it, so "
            "that one may find what another has left in it. Give it a __deepcopy__, or "
            "make it in the fit itself.",
            RuntimeWarning,
            stacklevel=4,
        )


def parts_of_jobs(search, has_listeners):
    """Return what jobs hold beside the problem, by the names that the user knows.

    It is to be checked before the first fit. Its space may list any
    objects; callbacks, if any listen, are told who calls: the search.
    """
    given = search._given_space
    branches = [given] if isinstance(given, dict) else given
    parts = {
        f"list of {name!r} in the search space": values
        for branch in branches
        for name, values in branch.items()
        if not hasattr(values, "rvs")
    }
    if has_listeners:
        parts |= search.get_params(deep=False)
        for callback in getattr(search, "_skl_callbacks", []):
            parts[f"callback {type(callback).__name__}"] = callback
    return parts
