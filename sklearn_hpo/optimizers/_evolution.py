"""The evolutionary optimizer that suits a study."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo.optimizers._base import Losses, Optimizer, Proposal, Rows, Told
from sklearn_hpo.optimizers._breeders import Rate
from sklearn_hpo.optimizers._cmaes import CMAES
from sklearn_hpo.optimizers._evolutionary import (
    NSGA3,
    DifferentialEvolution,
    Screening,
    Size,
)
from sklearn_hpo.space import SearchSpace

# Candidates from which covariance matrix adaptation pays: on ill-conditioned functions
# of 5 and 10 variables it was behind after 500 evaluations and far ahead after 1500.
MANY = 1000
# Objectives from which niches and crossover pay more than crowding and differences: on
# DTLZ2 with 3, 4 and 5 objectives the volume was larger after 150 evaluations.
MANY_OBJECTIVES = 3


class Evolution(Optimizer):
    """Propose by the kind of evolution that suits the study.

    That is `CMAES` where 1000 candidates or more are planned and all parameters are
    continuous, `NSGA3` for three objectives or more, and `DifferentialEvolution`
    otherwise, also where `crossover` or `mutation` is given.

    .. versionadded:: 0.1

    Parameters
    ----------
    population_size : int or "auto", default="auto"
        How many members; see those classes.
    crossover : float or "auto", default="auto"
        See `DifferentialEvolution` and `NSGA3`.
    mutation : float or "auto", default="auto"
        See `DifferentialEvolution` and `NSGA3`.
    screening : {"rbf"} or None, default="rbf"
        The surrogate that chooses among many children; `CMAES` has no use for it.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import Evolution
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = Evolution()
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), n_iter=2000, seed=0)
    >>> optimizer.chosen
    CMAES()
    """

    name = "evolution"
    multi_objective = True
    _parameter_constraints: ClassVar = DifferentialEvolution._parameter_constraints

    def __init__(
        self,
        *,
        population_size: Size = "auto",
        crossover: Rate = "auto",
        mutation: Rate = "auto",
        screening: Screening = "rbf",
    ) -> None:
        self.population_size = population_size
        self.crossover = crossover
        self.mutation = mutation
        self.screening = screening

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        self.chosen = self._choose()
        self.chosen.start(space, n_iter, seed, n_objectives)
        self.n_design = self.chosen.n_design

    def tell_source_task(self, rows: Rows, losses: Losses) -> None:
        self.chosen.tell_source_task(rows, losses)

    def expect(self, row: Rows) -> None:
        self.chosen.expect(row)

    def ask(self, pending: Rows) -> Proposal:
        return self.chosen.ask(pending)

    def tell(self, told: Told) -> None:
        super().tell(told)
        self.chosen.tell(told)

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.chosen.predict(rows)

    @property
    def predicts(self) -> bool:  # type: ignore[override]
        """Whether the one that was chosen has a model that predicts losses."""
        return hasattr(self, "chosen") and self.chosen.predicts

    @property
    def predictor(self) -> Any:
        """That of the one that was chosen."""
        return self.chosen.predictor

    @property
    def diversity(self) -> list[float] | None:  # type: ignore[override]
        """That of the population, if the one that was chosen has any."""
        return self.chosen.diversity

    def _choose(self) -> Optimizer:
        rates_are_free = self.crossover == self.mutation == "auto"
        continuous = all(c.kind == "continuous" for c in self.space.columns)
        many = self.n_iter >= MANY and self.n_objectives == 1
        if many and continuous and rates_are_free:
            return CMAES(population_size=self.population_size)
        several = self.n_objectives >= MANY_OBJECTIVES
        kind = NSGA3 if several else DifferentialEvolution
        return kind(**self.get_params(deep=False))
