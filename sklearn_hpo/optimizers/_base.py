"""The interface of everything that proposes candidates: ask and tell."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED

from sklearn_hpo._numerics.streams import stream
from sklearn_hpo._sklearn_compat import validate_params
from sklearn_hpo.space import SearchSpace

Rows = NDArray[np.float64]
Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What an optimizer proposes to evaluate.

    .. versionadded:: 0.1

    Parameters
    ----------
    row : ndarray of shape (n_columns,)
        A canonical row of the space, as ``SearchSpace.from_unit`` returns them.
    source : str
        What made it, such as "design" or "gp"; ``history_`` shows it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_hpo.optimizers import Proposal
    >>> Proposal(np.array([0.5]), "middle").source
    'middle'
    """

    row: Rows
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What an optimizer is told of evaluations that have ended.

    .. versionadded:: 0.1

    Parameters
    ----------
    rows : ndarray of shape (m, n_columns)
        What was evaluated: rows of the optimizer's own choice, and others.
    losses : ndarray of shape (m, n_objectives)
        To be minimised; NaN for a candidate that failed.
    budgets : ndarray of shape (m,)
        The share of the full budget that each loss was measured with, in (0, 1].
    seconds : ndarray of shape (m,)
        What each evaluation takes at the full budget; NaN if unknown.
    variances : ndarray of shape (m,)
        How uncertain each loss is, beside the noise of all: 0 if measured whole.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_hpo.optimizers import Told
    >>> told = Told.of(np.array([[0.5], [0.7]]), losses=[3.0, np.nan])
    >>> told.losses.shape, told.budgets.tolist()
    ((2, 1), [1.0, 1.0])
    """

    rows: Rows
    losses: Losses
    budgets: NDArray[np.float64]
    seconds: NDArray[np.float64]
    variances: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        rows: Rows,
        losses: ArrayLike,
        budgets: ArrayLike = 1.0,
        seconds: ArrayLike = np.nan,
        variances: ArrayLike = 0.0,
    ) -> "Told":
        """Return what is told of rows, where one number may stand for all of them.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            What was evaluated.
        losses : array-like of shape (m,) or (m, n_objectives)
            To be minimised.
        budgets : array-like of shape (m,) or float, default=1.0
            Shares of the full budget.
        seconds : array-like of shape (m,) or float, default=nan
            At the full budget.
        variances : array-like of shape (m,) or float, default=0.0
            Of the losses.

        Returns
        -------
        Told
            With arrays of the right shapes.
        """
        m = len(rows)
        table = np.asarray(losses, dtype=float)
        if table.ndim == 1:
            table = table[:, None]
        parts = (
            np.array(np.broadcast_to(part, (m,)), dtype=float)
            for part in (budgets, seconds, variances)
        )
        return cls(rows, table, *parts)

    def __getitem__(self, chosen: Any) -> "Told":
        """Return what is told of some of the rows only."""
        return Told(
            self.rows[chosen],
            self.losses[chosen],
            self.budgets[chosen],
            self.seconds[chosen],
            self.variances[chosen],
        )


class Optimizer(BaseEstimator, ABC):
    """Proposes rows of a search space from the losses of earlier rows.

    An optimizer knows rows, losses, budgets and seconds; it never sees the search, the
    estimator or the data. Its constructor stores its parameters and nothing else, as
    scikit-learn has it, so that it can be cloned and tuned; all that it learns belongs
    to the study that `start` begins.

    A subclass implements `ask`, and `start` and `tell` if it keeps more than the table
    of what was told. ``sklearn_hpo.testing.check_optimizer`` says whether it keeps to
    what is required of it.

    .. versionadded:: 0.1

    Attributes
    ----------
    name : str
        The source of its proposals.
    multi_objective : bool
        Whether it learns several objectives, each with a column of losses.
    predicts : bool
        Whether it has a model that predicts losses.
    learns : bool
        Whether its proposals depend on losses.
    multi_fidelity : bool
        Whether it may be told losses of several budgets; otherwise a search by rungs
        wraps it in `MultiFidelity`.
    begins_with_own : bool
        Whether a search may put the estimator's own values before its proposals.
    n_design : int
        How many rows, the first ones, do not depend on losses.
    diversity : list of float or None
        After each row that was told, the mean distance of two members of the
        population, if there is one.
    space, n_iter, seed, n_objectives
        What `start` was given.
    rows, losses, budgets, seconds, variances : ndarray
        All that has been told, as in `Told`.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import Optimizer, Proposal, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> class Climber(Optimizer):
    ...     '''Moves the best row so far a little.'''
    ...
    ...     name = "climber"
    ...
    ...     def __init__(self, *, step=0.1):
    ...         self.step = step
    ...
    ...     def ask(self, pending):
    ...         rng = self.trial_rng(len(pending))
    ...         if not len(self.rows):
    ...             return Proposal(self.space.sample(1, rng)[0], "random")
    ...         best = self.rows[self.losses[:, 0].argmin()]
    ...         near = best + self.step * rng.standard_normal(best.shape)
    ...         return Proposal(self.space.from_unit(near[None])[0], self.name)
    >>> optimizer = Climber(step=0.05)
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), n_iter=50, seed=0)
    >>> for _ in range(50):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], losses=(row - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-3)
    True
    """

    name: str
    multi_objective = False
    predicts = False
    learns = True
    multi_fidelity = False
    begins_with_own = True
    n_design = 0
    diversity: list[float] | None = None
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}
    # `rows` is no metadata that scikit-learn could route
    __metadata_request__predict: ClassVar = {"rows": UNUSED}
    _least_objectives = 1

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        """Begin a study on a space, and forget every earlier one.

        Parameters
        ----------
        space : SearchSpace
            What the rows mean.
        n_iter : int
            How many candidates the study plans.
        seed : int
            Non-negative; the same one gives the same proposals.
        n_objectives : int, default=1
            How many losses each row has.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or does not suit the number of
            objectives.
        """
        validate_params(self)
        self._check_objectives(n_objectives)
        self.space = space
        self.n_iter = n_iter
        self.seed = seed
        self.n_objectives = n_objectives
        self.rows = np.empty((0, space.n_columns))
        self.losses = np.empty((0, n_objectives))
        self.budgets = np.empty(0)
        self.seconds = np.empty(0)
        self.variances = np.empty(0)
        self._distinct: set[bytes] = set()

    @abstractmethod
    def ask(self, pending: Rows) -> Proposal:
        """Propose a row; nothing that a later call can observe changes.

        Parameters
        ----------
        pending : ndarray of shape (n_pending, n_columns)
            Rows proposed earlier whose losses have not been told yet.

        Returns
        -------
        Proposal
            Of a row that is neither told nor pending, if possible: in the place of one
            that is, a search draws another one at random.
        """

    def tell(self, told: Told) -> None:
        """Learn the losses of evaluated rows.

        Parameters
        ----------
        told : Told
            One evaluation or more.
        """
        self.rows = extended(self.rows, told.rows)
        self._distinct.update(row.tobytes() for row in told.rows)
        self.losses = extended(self.losses, told.losses)
        self.budgets = extended(self.budgets, told.budgets)
        self.seconds = extended(self.seconds, told.seconds)
        self.variances = extended(self.variances, told.variances)

    def tell_source_task(self, rows: Rows, losses: Losses) -> None:
        """Learn, before the first proposal, what another study has found.

        Its losses may be of another size, or contradict what will be told: they are a
        hint that an optimizer is free to ignore.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.
        losses : ndarray of shape (m, n_objectives)
            To be minimised, all finite.
        """

    @property
    def predictor(self) -> Any:
        """What can `predict` after the study, and holds little else, or None."""
        return self if self.predicts else None

    def expect(self, row: Rows) -> None:
        """Learn, before the first proposal, which row will be told first.

        Parameters
        ----------
        row : ndarray of shape (n_columns,)
            A canonical row, not of the optimizer's choice.
        """

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the losses of rows are expected to be.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.

        Returns
        -------
        mean : ndarray of shape (m,)
            Of the loss.
        std : ndarray of shape (m,)
            Standard deviation of the model's belief about it.

        Raises
        ------
        NotImplementedError
            If the optimizer has no such model: `predicts` is False.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no model that predicts scores. Search for one "
            "score by a Gaussian process ('gp') or by radial basis functions ('rbf')."
        )

    @property
    def n_proposed(self) -> int:
        """Number of different rows that have been told, at whatever budgets."""
        return len(self._distinct)

    def trial_rng(self, n_pending: int) -> np.random.Generator:
        """Return the generator of the next proposal, the same one each time.

        Parameters
        ----------
        n_pending : int
            Number of rows proposed and not yet told.

        Returns
        -------
        numpy.random.Generator
            Seeded with the seed of the study and the number of the proposal.
        """
        return stream(self.seed, self.n_proposed + n_pending, "proposal")

    @property
    def _loss(self) -> NDArray[np.float64]:
        """The losses of the only objective, or of the first one: (m,)."""
        return self.losses[:, 0]

    def _check_objectives(self, n_objectives: int) -> None:
        name = type(self).__name__
        if n_objectives > 1 and not self.multi_objective:
            raise ValueError(
                f"{name} learns one objective, but there are {n_objectives}. Several "
                "are learnt by HypervolumeGP, DifferentialEvolution, NSGA2, NSGA3, and "
                "by a Portfolio of these."
            )
        if n_objectives < self._least_objectives:
            raise ValueError(
                f"{name} needs {self._least_objectives} objectives or more, but there "
                f"is {n_objectives}. One is learnt by GaussianProcess, "
                "GeneticAlgorithm and others."
            )


def extended(array: NDArray[np.float64], new: Rows) -> NDArray[np.float64]:
    """Append to an array that nobody else appends to, in the room behind it if any.

    So the cost of what is told does not grow with what has been told before.
    """
    n, total = len(array), len(array) + len(new)
    room = array.base
    if not isinstance(room, np.ndarray) or len(room) < total:
        room = np.empty((2 * total, *array.shape[1:]))
        room[:n] = array
    room[n:total] = new
    return room[:total]


def smallest(losses: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Return the first `n` numbers of a stable argsort, but sort these only."""
    if len(losses) <= n:
        return np.argsort(losses, kind="stable")
    edge = np.partition(losses, n - 1)[n - 1]
    few = np.flatnonzero(~(losses > edge))  # NaN is no less and comes last
    return few[np.argsort(losses[few], kind="stable")[:n]]
