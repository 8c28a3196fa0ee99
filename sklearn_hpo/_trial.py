"""What crosses the layers: frozen, picklable, and free of the search."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate.

    Attributes
    ----------
    number : int
        Place in the order of proposals, from 0.
    params : dict
        Parameter names and values, as the estimator takes them.
    row : ndarray of shape (n_columns,)
        The candidate as a row of the space.
    source : str
        What proposed it: "initial", "estimator" for its own values, "design", the name
        of a surrogate, or "random" where the proposal was not new.
    proposal_time : float
        Seconds that its proposal took.
    """

    number: int
    params: dict[str, Any]
    row: NDArray[np.float64]
    source: str
    proposal_time: float


@dataclass(frozen=True, slots=True)
class FoldJob:
    """One candidate on one fold at one budget: the unit that a worker runs.

    Attributes
    ----------
    trial : int
        Number of the trial.
    fold : int
        Place in the list of splits.
    params : dict
        Parameters of the trial.
    budget : float
        The share of the full resource, in (0, 1].
    model : object or None
        The model of an earlier job, to go on with, or the file that holds it.
    earlier_budgets : tuple of float
        The budgets that the model had before, to train it anew in the same steps if it
        is gone.
    keep : Path or bool
        Whether the model of this job will be asked for again, or the file to leave it
        in.
    limit_file : Path or None
        Where a worker says why it ended itself, if the fit has limits.
    events : object or None
        Callback context of this fold, if anyone listens.
    resource : Resource or None
        Stands in for that of the problem, which other jobs have tried in vain.
    check : bool
        Whether to tell if models may go on at all, in place of a score.
    """

    trial: int
    fold: int
    params: dict[str, Any]
    budget: float = 1.0
    model: Any = field(default=None, compare=False)
    earlier_budgets: tuple[float, ...] = ()
    keep: Path | bool = False
    limit_file: Path | None = None
    events: Any = field(default=None, compare=False)
    resource: Any = field(default=None, compare=False)
    check: bool = False


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What came of a job.

    Attributes
    ----------
    trial : int
        Number of the trial.
    fold : int
        Place in the list of splits.
    result : dict
        Scores, times (in seconds) and error as scikit-learn's evaluation returns them.
    start, end : float
        Wall-clock times, in seconds since the epoch.
    stop : bool
        Whether a callback asked the search to stop.
    model : object or None
        The fitted model, or the file that holds it, if it was to be kept.
    n_iter_used : float or None
        The amount of the resource after which training ended by itself, if it did.
    lost : bool
        Whether the worker died of it.
    saved : float
        Seconds that the fit was spared, as others had fitted its transformers.
    warnings : tuple or None
        Category, text, file and line of what the fit warned of, each once; None if an
        earlier run did the job.
    callback_error : str or None
        The traceback of an error that a callback raised after the fit.
    """

    trial: int
    fold: int
    result: dict[str, Any]
    start: float
    end: float
    stop: bool = False
    model: Any = field(default=None, compare=False)
    n_iter_used: float | None = None
    lost: bool = False
    saved: float = 0.0
    warnings: tuple[tuple[type[Warning], str, str, int], ...] | None = ()
    callback_error: str | None = None


def guiding_score(score: float | dict[str, float], metric: str | None) -> float:
    """Return the score that a search goes by, of one fold.

    Of several that is `metric`, or the first if this is none of them.
    """
    if isinstance(score, dict):
        return score.get(metric or "", next(iter(score.values())))
    return score


def mean_score(results: list[dict[str, Any]], metric: str | None) -> float:
    """Return the mean over folds of the score that is maximised; NaN where undefined.

    `results` are those of a candidate's folds. A fold whose score is not finite leaves
    no mean.
    """
    mean = float(np.mean([guiding_score(r["test_scores"], metric) for r in results]))
    return mean if math.isfinite(mean) else math.nan


def best_so_far(scores: Iterable[float]) -> list[float]:
    """Return after each score the highest one until then; NaN before there is any."""
    highest: list[float] = []
    best = math.nan
    for score in scores:
        if not score <= best and not math.isnan(score):
            best = score
        highest.append(best)
    return highest
