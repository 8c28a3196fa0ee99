"""Folds as a resource: which of them come first, and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sklearn_hpo._evaluation.resources._base import Indices, Resource, nested_order

# The share of all tested rows that a candidate is judged on first: one of five folds.
FIRST_SHARE = 0.2


@dataclass(frozen=True)
class Folds(Resource):
    """Whole folds, the first ones of `order`.

    Attributes
    ----------
    costs : tuple of float
        The share of all training rows that the first 0, 1, 2, ... of them have.
    """

    costs: tuple[float, ...] = ()

    def cost(self, budget: float, before: float) -> float:
        """Return the share of the training rows that the added folds have."""
        return (
            self.costs[int(self.n_resources(budget))]
            - self.costs[int(self.n_resources(before))]
        )


def folds_of(
    splits: Sequence[tuple[Any, Any]],
    n_rows: int,
    y: Any = None,
    share: float = FIRST_SHARE,
) -> Folds:
    """Return the folds, and as the least amount those with a share of the tested rows.

    Parameters
    ----------
    splits : sequence of (train, test)
        Row numbers.
    n_rows : int
        Number of rows of the data.
    y : ndarray of shape (n_rows,) or None, default=None
        Classes, which small folds that come first shall all show.
    share : float, default=0.2
        Of the tested rows.

    Returns
    -------
    folds : Folds
        In the splitter's own order if the first ones have about that share; the most
        recent first if they go forward in time.
    """
    trains, tests = zip(*splits, strict=True)
    order = recent_first(trains, tests)
    if order is None:
        order = _representative_first(tests, n_rows, y, share)
    tested = np.cumsum(_n_new(tests, order, n_rows))
    minimum = 1 + int(np.argmin(np.abs(tested / tested[-1] - share)))
    costs = np.cumsum([0, *(len(trains[fold]) for fold in order)])
    return Folds(
        "folds",
        minimum,
        len(splits),
        order=tuple(int(fold) for fold in order),
        costs=tuple((costs / max(1, costs[-1])).tolist()),
    )


def recent_first(
    trains: Sequence[Indices], tests: Sequence[Indices]
) -> Sequence[int] | None:
    """Return the folds from the most recent one, or None if they know no time.

    They do if each trains on the past only and knows more of it than the one before:
    in the order of rows, or as its training rows hold those of the one before.
    """
    if len(trains) < 2 or not all(map(len, [*trains, *tests])):
        return None
    if is_forward(trains, tests):
        return sorted(range(len(trains)), key=lambda i: -int(trains[i].max()))
    order = sorted(range(len(trains)), key=lambda i: -len(trains[i]))
    lengths = [len(trains[i]) for i in order]
    grow = all(np.diff(lengths) < 0) and all(
        np.isin(trains[earlier], trains[later]).all()
        for later, earlier in pairwise(order)
    )
    return order if grow else None


def is_forward(trains: Sequence[Indices], tests: Sequence[Indices]) -> bool:
    """Whether rows stand in the order of time, and folds train on what comes before."""
    ends = {int(train.max()) for train in trains if len(train)}
    return 1 < len(ends) == len(trains) and all(
        len(test) > 0 and train.max() < test.min()
        for train, test in zip(trains, tests, strict=True)
    )


def _representative_first(
    tests: Sequence[Indices], n_rows: int, y: Any, share: float
) -> Sequence[int]:
    """Return an order of folds whose first ones stand for all of them."""
    own = range(len(tests))
    n_tested = max(1, int(_n_new(tests, own, n_rows).sum()))
    lengths = np.array([len(test) for test in tests])
    if 1.5 * lengths.mean() / n_tested < share:
        # several of them make the share, and neighbours are alike
        of_fold = None
        if y is not None:
            _, code = np.unique(y, return_inverse=True)
            n = code.max() + 1
            of_fold = np.array(
                [np.bincount(code[t], minlength=n).argmax() for t in tests]
            )
        order = nested_order(len(tests), of_fold, None, np.random.default_rng(0))
        return list(map(int, order))
    if lengths[0] / n_tested < share / 2:
        return list(map(int, np.argsort(-lengths, kind="stable")))
    return own


def _n_new(tests: Sequence[Indices], order: Sequence[int], n_rows: int) -> Indices:
    """Return how many rows each fold tests that none before it does."""
    seen = np.zeros(n_rows, bool)
    counts = []
    for fold in order:
        counts.append(int(np.count_nonzero(~seen[tests[fold]])))
        seen[tests[fold]] = True
    return np.array(counts)
