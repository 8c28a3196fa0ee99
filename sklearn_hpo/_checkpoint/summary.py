"""What a checkpoint tells of a search, read while it runs or after."""

import math
from operator import eq, le
from pathlib import Path
from typing import Any

from sklearn_hpo._checkpoint.lines import CHECK, check_regular, from_json, read_lines
from sklearn_hpo._trial import best_so_far, mean_score

Line = dict[str, Any]

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
    by_row: dict[tuple[Any, ...], dict[Any, Line]] = {}
    by_fold = header.get("by_fold")
    for line in lines[1:]:
        if line["fold"] == CHECK:  # the search may have turned to folds
            by_fold = by_fold or line["result"]["by_fold"]
    lines = [line for line in lines[1:] if line["fold"] != CHECK]
    for line in lines:
        place = line["fold"], line["budget"]
        by_row.setdefault(tuple(line["row"]), {})[place] = line
    # a share of the folds holds those of the smaller shares
    belongs = le if by_fold else eq
    groups: dict[tuple[Any, float], list[Line]] = {}
    for line in lines:
        row, budget = tuple(line["row"]), line["budget"]
        found = by_row[row].values()
        groups[row, budget] = [e for e in found if belongs(e["budget"], budget)]
    rows = [_summary(group, header["refit"]) for group in groups.values()]
    most = max(((row["budget"], row["n_folds"]) for row in rows), default=(0, 0))
    scores = [
        row["score"] if (row["budget"], row["n_folds"]) == most else math.nan
        for row in rows
    ]
    for entry, best in zip(rows, best_so_far(scores), strict=True):
        entry["best_score"] = best
    return {name: [row[name] for row in rows] for name in _COLUMNS}


def _summary(lines: list[Line], metric: str | None) -> dict[str, Any]:
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
