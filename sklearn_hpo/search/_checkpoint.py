"""What a search writes at the head of its checkpoint, and how to read one."""

import math
import os
import platform
from contextlib import contextmanager
from operator import eq, le
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import scipy
import sklearn

from sklearn_hpo._checkpoint.journal import Journal
from sklearn_hpo._checkpoint.lines import CHECK, check_regular, from_json, read_lines
from sklearn_hpo._identity.description import describe, hash_of
from sklearn_hpo.search._history import mean_score

_COLUMNS = (
    "candidate",
    "params",
    "source",
    "budget",
    "n_folds",
    "score",
    "start",
    "end",
    "best_score",
)


# Parameters of a search that may change when it goes on, or that its header describes.
_NOT_OWN = {
    *("n_iter", "n_iter_no_change", "tol", "max_time", "checkpoint"),
    *("n_jobs", "pre_dispatch", "verbose", "fit_timeout", "fit_memory_limit"),
    *("cache_transformers", "warm_start_from", "refit"),
    *("estimator", "param_distributions", "param_grid"),
    *("scoring", "objectives", "cv"),
    *("random_state", "error_score", "return_train_score"),
}


@contextmanager
def open_checkpoint(search, problem, space, scheduler, seed):
    """Yield the journal of a search, or None if it keeps none.

    Parameters
    ----------
    search : SearchCV
        With `checkpoint`, `random_state` and the settings that the file is checked for.
    problem : Problem
        Data, folds and scorer.
    space : SearchSpace
        Of the candidates.
    scheduler : Scheduler
        Whose plan the file must share, if it has several stages.
    seed : int
        Drawn, or the user's.

    Yields
    ------
    journal : Journal or None
        Closed at the end.

    Raises
    ------
    ValueError, OSError, RuntimeError
        If the file is another search's, can't be written, or is in use.
    """
    if search.checkpoint is None:
        yield None
        return
    is_fixed = isinstance(search.random_state, int | np.integer)
    header = _header(search, problem, scheduler)
    header["seed"] = seed if is_fixed else None
    path = _path(search, header)
    journal = Journal(path, header, seed, space)
    try:
        yield journal
    finally:
        journal.close()


def _path(search, header):
    """Return the file of a search: what `checkpoint` names, or one in that folder."""
    text = str(search.checkpoint)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    folder = Path(search.checkpoint)
    if not (text.endswith(separators) or folder.is_dir()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    settings = search.get_params(deep=False)
    own = {name: settings[name] for name in settings.keys() - _NOT_OWN}
    known = {name: header[name] for name in header.keys() - {"versions", "refit"}}
    identity = joblib.hash(describe([type(search), own, known]))
    return folder / f"{type(search).__name__}-{identity}.jsonl"


def _header(search, problem, scheduler):
    plan = [(s.n_trials, s.budget) for s in scheduler.plan]
    scoring = (search.scoring, search.error_score, search.return_train_score)
    objectives = getattr(search, "objectives", None)
    code = {}
    return {
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "sklearn": sklearn.__version__,
        },
        "refit": search.refit if isinstance(search.refit, str) else None,
        "estimator": describe(problem.estimator, code),
        "space": describe(search._given_space, code),
        "scoring": describe(scoring, code),
        "objectives": None if objectives is None else describe(objectives, code),
        "splits": joblib.hash(problem.splits),
        "data": f"{hash_of(problem.X)} {hash_of(problem.y)}",
        "fit parameters": describe((problem.fit_params, problem.score_params), code),
        "rungs": describe(plan if len(plan) > 1 else []),
        # equal shares of something else are another plan
        "resource": (
            f"{problem.resource.name} {problem.resource.maximum:g}"
            if len(plan) > 1
            else None
        ),
        "by_fold": problem.resource.by_fold,
        "code": code,
    }


def read_checkpoint(path: str | Path) -> dict[str, list[Any]]:
    """Return what a search has evaluated so far, from its checkpoint.

    Nothing is fitted, and nothing of what the file holds is run. The search may still
    be running.

    .. versionadded:: 0.1

    Parameters
    ----------
    path : str or Path
        The `checkpoint` of a search.

    Returns
    -------
    dict of list
        One entry for each candidate and share of the budget: ``candidate``, ``params``
        (of objects that are no numbers, strings, booleans or None, the text),
        ``source``, ``budget`` in (0, 1], ``score``, the mean over the ``n_folds`` folds
        so far, ``start`` and ``end`` in seconds since the epoch, and ``best_score``,
        the highest score with as many folds and as much of the budget as any has.
        ``pandas.DataFrame`` takes it as it is.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a folder, no checkpoint, or damaged before its last line.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sklearn_hpo import BayesSearchCV, read_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "search.jsonl"
    ...     search = BayesSearchCV(
    ...         SVC(), {"C": loguniform(1e-2, 1e2)}, n_iter=8, checkpoint=path
    ...     ).fit(*load_iris(return_X_y=True))
    ...     history = read_checkpoint(path)
    >>> bool(history["best_score"][-1] == search.best_score_)
    True
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder, with one checkpoint for each search: give one of "
            f"{sorted(file.name for file in path.glob('*.jsonl'))}."
        )
    check_regular(path)
    lines, _ = read_lines(path, path.read_bytes())
    header = lines[0] if lines else {}
    by_row: dict[tuple[float, ...], dict[Any, Any]] = {}
    lines = [line for line in lines[1:] if line["fold"] != CHECK]
    for line in lines:
        place = line["fold"], line["budget"]
        by_row.setdefault(tuple(line["row"]), {})[place] = line
    # a share of the folds holds those of the smaller shares
    belongs = le if header.get("by_fold") else eq
    groups = {}
    for line in lines:
        row, budget = tuple(line["row"]), line["budget"]
        found = by_row[row].values()
        groups[row, budget] = [e for e in found if belongs(e["budget"], budget)]
    rows = [_summary(group, header["refit"]) for group in groups.values()]
    most = max(((row["budget"], row["n_folds"]) for row in rows), default=(0, 0))
    best = math.nan
    for row in rows:
        if (row["budget"], row["n_folds"]) == most and row["score"] == row["score"]:
            best = max(row["score"], best) if best == best else row["score"]
        row["best_score"] = best
    return {name: [row[name] for row in rows] for name in _COLUMNS}


def _summary(lines, metric):
    """Return one entry for the folds of a candidate."""
    # one of each fold: a search with racing writes other shares than one without
    by_fold = {line["fold"]: line for line in lines}
    lines = [by_fold[fold] for fold in sorted(by_fold)]
    results = [from_json(line["result"]) for line in lines]
    return {
        "candidate": lines[0]["trial"],
        "params": {name: from_json(v) for name, v in lines[0]["params"].items()},
        "source": lines[0]["source"],
        "budget": max(line["budget"] for line in lines),
        "n_folds": len(lines),
        "score": mean_score(results, metric),
        "start": min(line["start"] for line in lines),
        "end": max(line["end"] for line in lines),
    }
