"""Evaluation of one job: the only code of the project that runs in workers."""

import pickle
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sklearn.base import clone

from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.copies import copies
from sklearn_hpo._evaluation.fit_warnings import collected
from sklearn_hpo._evaluation.resources import Resource, final_step, try_going_on
from sklearn_hpo._evaluation.transformer_cache import (
    TransformerCache,
    cached_transformers,
)
from sklearn_hpo._execution.limits import Limits, limited
from sklearn_hpo._execution.pickling import pack
from sklearn_hpo._sklearn_compat import failed_result, fit_and_score, num_samples
from sklearn_hpo._trial import FoldJob, FoldResult


@dataclass(frozen=True)
class Problem:
    """What every job of a search shares; a worker gets it once.

    Attributes
    ----------
    estimator : estimator object
        Unfitted; never changed.
    X : array-like of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None
        Targets.
    splits : list of (train, test)
        Row numbers of each fold, drawn once.
    scorer : callable
        One scorer, or scikit-learn's holder of several.
    fit_params, score_params : dict
        Routed metadata, to be cut to the rows of the fold; each fit takes its `own`.
    n_candidates : int
        Upper bound of the number of candidates, for progress messages.
    return_train_score : bool
        Whether to score the training rows too.
    error_score : float or "raise"
        The score of a fit that fails.
    verbose : int
        As in scikit-learn.
    resource : Resource
        What a share of the budget means.
    limits : Limits
        Of each fit; worker processes hold them.
    transformer_cache : TransformerCache or None
        The fitted transformers that candidates share, if they do.
    """

    estimator: Any
    X: Any
    y: Any
    splits: list[tuple[Any, Any]]
    scorer: Any
    fit_params: dict[str, Any]
    score_params: dict[str, Any]
    n_candidates: int
    return_train_score: bool = False
    error_score: float | str = float("nan")
    verbose: int = 0
    resource: Resource = field(default_factory=Resource)
    limits: Limits = field(default_factory=Limits)
    transformer_cache: TransformerCache | None = None

    def own(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the copy of metadata that belongs to one fit."""
        return copies(params, num_samples(self.X)) if params else {}


def evaluate(job: FoldJob, problem: Problem) -> FoldResult:
    """Fit and score one candidate on one fold.

    Parameters
    ----------
    job : FoldJob
        The candidate and the fold.
    problem : Problem
        What all jobs share.

    Returns
    -------
    report : FoldResult
        Scores, times, error and warnings.
    """
    with collected() as raised:
        report = (_check if job.check else _evaluate)(job, problem)
    return replace(report, warnings=tuple(raised)) if raised else report


def _check(job: FoldJob, problem: Problem) -> FoldResult:
    """Return a report of whether models may go on, in the place of scores."""
    start = time.time()
    prefix, _ = final_step(problem.estimator)
    if not all(name.startswith(prefix) for name in job.params):
        # its fits have the same transformers, but those of other candidates have not
        problem = replace(problem, transformer_cache=None)
    result = try_going_on(job, problem, partial(_around, problem, job))
    return FoldResult(job.trial, job.fold, result, start, time.time())


def _evaluate(job: FoldJob, problem: Problem) -> FoldResult:
    start = time.time()
    train, test = problem.splits[job.fold]
    resource = job.resource or problem.resource
    if job.model is not None:
        job = replace(job, model=_load(job.model))
    outcome: tuple[Any, float | None, float] = (None, None, 0.0)
    try:
        train = resource.rows(train, job.fold, job.budget)
        if resource.continues and job.model is None:
            job = replace(job, model=_retrained(job, problem, train, test))
        result, outcome = _fit(job, problem, resource, (train, test))
    except Exception as error:
        if problem.error_score == "raise" or not _refused(job, problem):
            raise
        result = failed_result(problem, error, len(test))
    model, n_iter_used, saved = outcome
    report = FoldResult(
        job.trial,
        job.fold,
        result,
        start,
        time.time(),
        model=model,
        n_iter_used=n_iter_used,
        saved=saved,
    )
    if job.events is None:
        return report
    return replace(report, stop=job.events.stop, callback_error=job.events.error)


def _fit(
    job: FoldJob, problem: Problem, resource: Resource, rows: tuple[Any, Any]
) -> tuple[dict[str, Any], tuple[Any, float | None, float]]:
    """Return a fit's result, and its model, iterations used and seconds spared.

    A model that fails to go on is fitted anew.
    """
    try:
        result, outcome = _fit_once(job, problem, resource, rows)
        if job.model is None or result["fit_error"] is None:
            return result, outcome
    except Exception:
        if job.model is None:
            raise
    return _fit_once(replace(job, model=None), problem, resource, rows)


def _fit_once(
    job: FoldJob, problem: Problem, resource: Resource, rows: tuple[Any, Any]
) -> tuple[dict[str, Any], tuple[Any, float | None, float]]:
    train, test = rows
    estimator, params = resource.begin(problem.estimator, job)
    with _around(problem, job, estimator, train) as memory:
        result = fit_and_score(estimator, params, problem, train, test, job)
    if result["fit_error"] is not None:
        return result, (None, None, 0.0)
    n_iter_used = resource.n_iter_used(estimator)
    model = _store(resource.end(estimator, job), job.keep)
    return result, (model, n_iter_used, memory.saved)


@contextmanager
def _around(
    problem: Problem, job: FoldJob, estimator: Any, train: Any
) -> Iterator[Any]:
    """Hold the limits of a fit, and let it share transformers; yield that loan."""
    # nested subsets: so many rows of a fold are always the same ones
    place = (range(len(problem.splits))[job.fold], len(train))
    has_listeners = job.events is not None
    with (
        limited(problem.limits, job.limit_file),
        cached_transformers(
            problem.transformer_cache, estimator, place, has_listeners=has_listeners
        ) as memory,
    ):
        yield memory


def _retrained(job: FoldJob, problem: Problem, train: Any, test: Any) -> Any:
    """Train the model of the earlier rungs anew, if there were any.

    In the same steps: to many estimators two short trainings are not one long one.
    """
    model = None
    quiet = replace(problem, verbose=0)
    for budget in job.earlier_budgets:
        step = replace(job, budget=budget, model=model, keep=True, events=None)
        estimator, params = problem.resource.begin(problem.estimator, step)
        with limited(problem.limits, job.limit_file):
            result = fit_and_score(estimator, params, quiet, train, test, step)
        if result["fit_error"] is not None:
            return None
        model = problem.resource.end(estimator, step)
    return model


def lost(job: FoldJob, error: Exception, shared: Problem) -> FoldResult:
    """Return what stands for a job whose worker died.

    Parameters
    ----------
    job : FoldJob
        Which kills workers.
    error : Exception
        What is known of it.
    shared : Problem
        What all jobs share.

    Returns
    -------
    report : FoldResult
        A failed fit; a check that says nothing.

    Raises
    ------
    Exception
        The error, if errors shall end the search.
    """
    now = time.time()
    if job.check:
        return FoldResult(
            job.trial, job.fold, {"difference": None}, now, now, lost=True
        )
    if shared.error_score == "raise":
        raise error
    result = failed_result(shared, error, len(shared.splits[job.fold][1]))
    return FoldResult(job.trial, job.fold, result, now, now, lost=True)


def _load(model: Any) -> Any:
    """Take a model out of its file, if it was left in one.

    The file stays: if this worker dies, another one needs it.
    """
    return pickle.loads(model.read_bytes()) if isinstance(model, Path) else model


def _store(model: Any, keep: Path | bool) -> Any:
    """Leave a model in a file, if it shall be in one."""
    if model is None or not isinstance(keep, Path):
        return model
    half = keep.with_suffix(".half")
    try:
        half.write_bytes(pack(model))
    except Exception as error:  # the disk may be full, and models hold anything
        half.unlink(missing_ok=True)
        warnings.warn(
            f"A fitted model can't be kept ({type(error).__name__}: {error}): if its "
            "candidate goes on, it is trained anew. Use n_jobs=1, or threads: "
            "joblib.parallel_config('threading').",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    half.replace(keep)
    return keep


def _refused(job: FoldJob, problem: Problem) -> bool:
    """Whether the estimator does not take the job's parameters at all.

    scikit-learn lets this error end the search; here it costs one candidate.
    """
    try:
        copy_unfitted(problem.estimator).set_params(**clone(job.params, safe=False))
    except Exception:
        return True
    return False
