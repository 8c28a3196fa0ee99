"""What a search writes at the head of its checkpoint, and where the file lies."""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import scipy
import sklearn

from sklearn_hpo._checkpoint.journal import Journal
from sklearn_hpo._identity.description import describe, hash_of
from sklearn_hpo.space import SearchSpace

# Parameters of a search that may change when it goes on, or that its header describes.
_NOT_OWN = {
    *("n_iter", "n_iter_no_change", "tol", "max_time", "checkpoint"),
    *("n_jobs", "pre_dispatch", "verbose", "fit_timeout", "fit_memory_limit"),
    *("cache_transformers", "warm_start_from", "refit"),
    *("estimator", "param_distributions", "param_grid", "scoring", "objectives", "cv"),
    *("random_state", "error_score", "return_train_score"),
}


@contextmanager
def open_checkpoint(
    search: Any, problem: Any, space: SearchSpace, plan: Sequence[Any], seed: int
) -> Iterator[Journal | None]:
    """Yield the journal of a search, or None if it keeps none.

    `seed` is drawn, or the user's; that of an existing file takes its place.
    """
    if search.checkpoint is None:
        yield None
        return
    is_fixed = isinstance(search.random_state, int | np.integer)
    header = _header(search, problem, plan)
    header["seed"] = seed if is_fixed else None
    path = _path(search, header)
    journal = Journal(path, header, seed, space)
    try:
        yield journal
    finally:
        journal.close()


def _path(search: Any, header: dict[str, Any]) -> Path:
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


def _header(search: Any, problem: Any, plan: Sequence[Any]) -> dict[str, Any]:
    rungs = [(rung.n_trials, rung.budget) for rung in plan]
    scoring = (search.scoring, search.error_score, search.return_train_score)
    objectives = search.objectives
    code: dict[str, str] = {}
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
        "rungs": describe(rungs if len(rungs) > 1 else []),
        # equal shares of something else are another plan
        "resource": (
            f"{problem.resource.name} {problem.resource.maximum:g}"
            if len(rungs) > 1
            else None
        ),
        "by_fold": problem.resource.by_fold,
        "code": code,
    }
