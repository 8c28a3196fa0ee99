"""What a share of the budget means for a fit: rows, folds or a parameter's value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.resources._prices import Prices
from sklearn_hpo._trial import FoldJob

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Resource:
    """Something that a candidate can have more or less of; here, whole folds.

    Attributes
    ----------
    name : str
        As the user calls it.
    minimum, maximum : float
        The least that is worth a try, and the amount at the full budget.
    whole : bool
        Whether amounts are integers.
    order : tuple of int
        In which folds are run; empty for the splitter's own order.
    prices : Prices or None
        What it costs, if that has been measured.
    why_alone : str
        Why there is nothing else than one fold to be had less of, if so.
    """

    name: str = "folds"
    minimum: float = 1
    maximum: float = 1
    whole: bool = True
    order: tuple[int, ...] = ()
    prices: Prices | None = None
    why_alone: str = ""
    # whether a share of the budget is a share of the folds, which are all whole
    by_fold = True
    # whether a fitted model can go on where it ended
    continues = False

    def n_resources(self, budget: float) -> int | float:
        """Return the amount that a share of the budget is.

        Parameters
        ----------
        budget : float
            The share of the full budget, in (0, 1].

        Returns
        -------
        n_resources : int or float
            Between `minimum` and `maximum`.
        """
        value = budget * self.maximum
        return round(value) if self.whole else float(value)

    def params(self, n_resources: float) -> dict[str, Any]:
        """Return the parameters of the estimator that stand for an amount.

        Parameters
        ----------
        n_resources : float
            As `n_resources` returns it.

        Returns
        -------
        params : dict
            Empty if the resource is none of its parameters.
        """
        return {}

    def planned(self, rungs: Sequence[tuple[int, float]]) -> "Resource":
        """Return the resource for a plan of halving, if that makes a difference.

        Parameters
        ----------
        rungs : sequence of (int, float)
            Number of candidates and share of the budget, rung by rung.

        Returns
        -------
        resource : Resource
            By default, itself.
        """
        return self

    def plain(self) -> "Resource":
        """Return the resource with the same amounts whose every fit begins anew."""
        return self

    def cost(self, budget: float, before: float) -> float:
        """Return what it costs a candidate to get from one share to another.

        Parameters
        ----------
        budget : float
            The share of the full budget, in (0, 1].
        before : float
            The share that it had; 0 at its start.

        Returns
        -------
        cost : float
            In evaluations with the full budget.
        """
        if self.prices is not None:
            return self.prices(budget, before)
        return budget - before if self.by_fold or self.continues else budget

    def rows(self, train: Indices, fold: int, budget: float) -> Indices:
        """Return the rows to train on.

        Parameters
        ----------
        train : ndarray of shape (n_train,)
            All training rows of the fold.
        fold : int
            Its place in the list of splits.
        budget : float
            The share of the full budget, in (0, 1].

        Returns
        -------
        rows : ndarray of shape (n_rows,)
            In the order of `train`.
        """
        return train

    def begin(self, estimator: Any, job: FoldJob) -> tuple[Any, dict[str, Any]]:
        """Return what is to be fitted, and the parameters to set before.

        Parameters
        ----------
        estimator : estimator object
            Unfitted; never changed.
        job : FoldJob
            What to evaluate.

        Returns
        -------
        estimator : estimator object
            A clone, or the model that goes on.
        params : dict
            For its ``set_params``.
        """
        n_resources = self.n_resources(job.budget)
        return copy_unfitted(estimator), {**job.params, **self.params(n_resources)}

    def end(self, estimator: Any, job: FoldJob) -> Any:
        """Return what a later job of the trial needs to go on from here.

        Parameters
        ----------
        estimator : estimator object
            What `begin` returned, fitted.
        job : FoldJob
            What was evaluated.

        Returns
        -------
        model : object or None
            None if there is nothing to go on with.
        """
        return None

    def n_iter_used(self, estimator: Any) -> float | None:
        """Return the amount after which training ended by itself, if it did.

        Parameters
        ----------
        estimator : estimator object
            Fitted.

        Returns
        -------
        n_resources : float or None
            None if it did not.
        """
        return None

    def fit(
        self, estimator: Any, budget: float, data: Sequence[Any], params: dict[str, Any]
    ) -> None:
        """Fit on all rows as a job with that budget would.

        Parameters
        ----------
        estimator : estimator object
            With the parameters of the candidate and the resource set.
        budget : float
            The share of the full budget, in (0, 1].
        data : sequence
            X, and y if there is one.
        params : dict
            For ``fit``.
        """
        estimator.fit(*data, **params)


@dataclass(frozen=True)
class Samples(Resource):
    """Rows to train on: each subset holds the smaller ones, for all candidates alike.

    Attributes
    ----------
    total : int
        Number of rows of the data.
    orders : tuple of ndarray
        For each fold, the places of its training rows in the order of their use.
    groups : ndarray or None
        The group of each row, if groups must not be cut.
    n_most : int or None
        Training rows of the largest fold, if all get the same number of rows as far
        as they have them; None if all get the same share.
    """

    total: int = 1
    orders: tuple[Indices, ...] = ()
    groups: Any = None
    n_most: int | None = None
    by_fold = False

    def cost(self, budget: float, before: float) -> float:
        """Return the share of the rows, all of which are fitted again."""
        if self.n_most is None:
            return budget
        n, n_all = (
            sum(self._n_rows(order, share) for order in self.orders)
            for share in (budget, 1.0)
        )
        return n / n_all

    def _n_rows(self, order: Indices, budget: float) -> int:
        n_of = len(order) if self.n_most is None else self.n_most
        n = round(self.n_resources(budget) / self.total * n_of)
        return min(len(order), max(1, n))

    def rows(self, train: Indices, fold: int, budget: float) -> Indices:
        """Return the first rows of the fold's order, up to the end of a group."""
        order = self.orders[fold]
        train = np.arange(self.total)[train]  # they may be a list or a mask
        n = self._n_rows(order, budget)
        if self.groups is not None and n < len(order):
            group = self.groups[train[order]]
            n += int(np.argmax(np.append(group[n:] != group[n - 1], True)))
        rows: Indices = train[np.sort(order[:n])]
        return rows


def nested_order(n: int, y: Any, groups: Any, rng: np.random.Generator) -> Indices:
    """Return an order of rows whose beginnings are small copies of the whole.

    Parameters
    ----------
    n : int
        Number of rows.
    y : ndarray of shape (n,) or None
        Classes, whose shares every beginning shall keep.
    groups : ndarray of shape (n,) or None
        Groups, whose rows shall follow one another; then `y` is ignored.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    order : ndarray of shape (n,)
        A permutation.

    Examples
    --------
    >>> y = np.repeat(["a", "b"], [80, 20])
    >>> order = nested_order(100, y, None, np.random.default_rng(0))
    >>> [int((y[order[:m]] == "b").sum()) for m in (5, 10, 50)]
    [1, 2, 10]
    """
    shuffled = rng.permutation(n)
    if groups is not None:
        _, code = np.unique(groups, return_inverse=True)
        rank = rng.permutation(code.max() + 1)[code]
        return np.lexsort((shuffled, rank))
    if y is None:
        return shuffled
    labels = y[shuffled]
    _, code, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(code, kind="stable")
    place = np.empty(n)
    place[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    # the first of each class come first, so that no class is missing
    order: Indices = shuffled[np.argsort(place / counts[code], kind="stable")]
    return order


@dataclass(frozen=True)
class Parameter(Resource):
    """A parameter of the estimator; each fit starts anew."""

    by_fold = False

    def params(self, n_resources: float) -> dict[str, Any]:
        """Return the parameter at that value."""
        return {self.name: n_resources}
