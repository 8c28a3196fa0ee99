"""An optimizer for searches whose losses come from several budgets."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_hpo._numerics.streams import stream
from sklearn_hpo.optimizers._base import Optimizer, Proposal, Rows, Told
from sklearn_hpo.optimizers._bayesian import GaussianProcess
from sklearn_hpo.space import SearchSpace

# Share of proposals that are draws from the space, as in BOHB: budgets may mislead.
RANDOM_SHARE = 0.2


class MultiFidelity(Optimizer):
    """Let an optimizer learn from the highest budget that has enough losses.

    This is the rule of BOHB [1]_: losses of different budgets are not mixed; enough
    are two more than the columns of the space. Before any budget has so many, and for a
    fifth of all later proposals, candidates are drawn at random. They take the place of
    the optimizer's own design.

    .. versionadded:: 0.1

    Parameters
    ----------
    optimizer : Optimizer or None, default=None
        Any; None is `GaussianProcess`. It is cloned, never changed.

    References
    ----------
    .. [1] S. Falkner, A. Klein and F. Hutter, "BOHB: robust and efficient
       hyperparameter optimization at scale", ICML 2018; section 4.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import TPE, MultiFidelity, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = MultiFidelity(optimizer=TPE())
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), n_iter=30, seed=0)
    >>> for _ in range(30):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], (row - 0.3) ** 2, budgets=1 / 9))
    >>> bool(optimizer.losses.min() < 1e-3)
    True
    """

    name = "multi_fidelity"
    multi_fidelity = True
    begins_with_own = False
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "optimizer": [Optimizer, None]
    }

    def __init__(self, *, optimizer: Optimizer | None = None) -> None:
        self.optimizer = optimizer

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        self._member: Optimizer | None = None
        self._level = 0.0
        self._begin()  # what is wrong with it is said before the first fit

    def tell(self, told: Told) -> None:
        super().tell(told)
        levels, counts = np.unique(self.budgets, return_counts=True)
        enough = levels[counts >= self.space.n_columns + 2]
        if not len(enough):
            return
        if enough[-1] != self._level:
            self._level = float(enough[-1])
            self._member = self._begin()
            told = Told(
                self.rows, self.losses, self.budgets, self.seconds, self.variances
            )
        new = told[told.budgets == self._level]
        if self._member is not None and len(new.rows):
            # seconds and variances are of other budgets, too
            self._member.tell(Told.of(new.rows, new.losses))

    def ask(self, pending: Rows) -> Proposal:
        number = self.n_proposed + len(pending)
        # a stream of its own: what decides on a draw must not be what is drawn
        share = stream(self.seed, number, "random share").random()
        if self._member is None or share < RANDOM_SHARE:
            row = self.space.sample(1, self.trial_rng(len(pending)))[0]
            return Proposal(row, "random")
        return self._member.ask(pending)

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._member is None:
            return super().predict(rows)
        return self._member.predict(rows)

    @property
    def multi_objective(self) -> bool:  # type: ignore[override]
        """Whether the optimizer learns several objectives."""
        return self._wrapped().multi_objective

    @property
    def learns(self) -> bool:  # type: ignore[override]
        """Whether the optimizer learns from losses."""
        return self._wrapped().learns

    @property
    def predicts(self) -> bool:  # type: ignore[override]
        """Whether a budget has enough losses for an optimizer that predicts."""
        member = getattr(self, "_member", None)
        return member is not None and member.predicts

    def _wrapped(self) -> Optimizer:
        return GaussianProcess() if self.optimizer is None else self.optimizer

    def _begin(self) -> Optimizer:
        member: Optimizer = clone(self._wrapped())
        member.start(self.space, self.n_iter, self.seed, self.n_objectives)
        member.n_design = min(member.n_design, 1)
        return member
