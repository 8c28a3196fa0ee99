"""Several optimizers on the same observations."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_hpo.optimizers._base import Losses, Optimizer, Proposal, Rows, Told
from sklearn_hpo.optimizers._bayesian import GaussianProcess
from sklearn_hpo.optimizers._evolutionary import DifferentialEvolution
from sklearn_hpo.optimizers._multi_objective import HypervolumeGP
from sklearn_hpo.optimizers._rbf import RBF
from sklearn_hpo.space import SearchSpace


class Portfolio(Optimizer):
    """Let optimizers propose in turn, and learn from one another's proposals.

    They fail in different places: what one believes for too long, the other one
    disproves.

    .. versionadded:: 0.1

    Parameters
    ----------
    members : list of Optimizer or None, default=None
        The first one decides on the size of the design, and predicts. None is
        `GaussianProcess` and `RBF`; with several objectives `HypervolumeGP` and
        `DifferentialEvolution`. They are cloned, never changed.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import TPE, GaussianProcess, Portfolio, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = Portfolio(members=[GaussianProcess(), TPE()])
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), n_iter=10, seed=0)
    >>> sources = []
    >>> for _ in range(8):
    ...     proposal = optimizer.ask(optimizer.rows[:0])
    ...     sources.append(proposal.source)
    ...     loss = (proposal.row - 0.3) ** 2
    ...     optimizer.tell(Told.of(proposal.row[None], losses=loss))
    >>> sources[4:]
    ['gp', 'tpe', 'gp', 'tpe']
    """

    name = "portfolio"

    def __init__(self, *, members: Sequence[Optimizer] | None = None) -> None:
        self.members = members

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        self._check_members()
        super().start(space, n_iter, seed, n_objectives)
        self._members = [clone(member) for member in self._team(n_objectives)]
        for member in self._members:
            member.start(space, n_iter, seed, n_objectives)
        self._share_design()

    def tell_source_task(self, rows: Rows, losses: Losses) -> None:
        for member in self._members:
            member.tell_source_task(rows, losses)
        self._share_design()

    def expect(self, row: Rows) -> None:
        for member in self._members:
            member.expect(row)

    def ask(self, pending: Rows) -> Proposal:
        turn = len(self.rows) + len(pending) - self.n_design
        return self._members[turn % len(self._members)].ask(pending)

    def tell(self, told: Told) -> None:
        super().tell(told)
        for member in self._members:
            member.tell(told)

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._members[0].predict(rows)

    @property
    def multi_objective(self) -> bool:  # type: ignore[override]
        """Whether all members learn several objectives."""
        return all(member.multi_objective for member in self._team(2))

    @property
    def predicts(self) -> bool:  # type: ignore[override]
        """Whether the first member has a model that predicts losses."""
        return self._team(getattr(self, "n_objectives", 1))[0].predicts

    @property
    def learns(self) -> bool:  # type: ignore[override]
        """Whether any member learns from losses."""
        return any(member.learns for member in self._team(1))

    def _team(self, n_objectives: int) -> Sequence[Optimizer]:
        if self.members is not None:
            return self.members
        if n_objectives == 1:
            return [GaussianProcess(), RBF()]
        return [HypervolumeGP(), DifferentialEvolution()]

    def _check_members(self) -> None:
        given = self.members
        if given is None:
            return
        if not len(given) or not all(isinstance(m, Optimizer) for m in given):
            raise ValueError(
                f"members={given!r} must be a list of optimizers, at least one, as in "
                "[GaussianProcess(), RBF()]."
            )

    def _share_design(self) -> None:
        """Let all members turn to their models after the design of the first one."""
        self.n_design = self._members[0].n_design
        for member in self._members:
            member.n_design = self.n_design
