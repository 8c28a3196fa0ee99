"""Bayesian optimisation of several losses at once."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.ehvi import Improvement
from sklearn_hpo._numerics.gp import Posterior
from sklearn_hpo._numerics.gp_fits import Chain, informative
from sklearn_hpo._numerics.maximize import maximise
from sklearn_hpo._numerics.pareto import crowded_order, non_dominated_rank
from sklearn_hpo._numerics.transform import normalise
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._bayesian import MAX_FIT, MAX_ROWS, N_POOL
from sklearn_hpo.optimizers._surrogate import N_ELITE, SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

Array = NDArray[np.float64]
N_FRONT = 24  # rows of the front, the least crowded, near which candidates are drawn


class HypervolumeGP(SurrogateOptimizer):
    """Propose where Gaussian processes expect the front of several losses to grow.

    Each loss has a process of its own, fitted to values that a Yeo-Johnson
    transformation made Gaussian, and the proposal maximises the expected hypervolume
    improvement of what they say together [1]_ [2]_. Pending rows count as evaluated,
    with the losses that the processes expect.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_initial_points : int or "auto", default="auto"
        Size of the initial design; "auto" is two more than a third of the columns,
        those of each branch counted, at most a quarter of the candidates that the study
        plans, but at least 4.

    References
    ----------
    .. [1] Emmerich, Deutz & Klinkenberg (2011), Hypervolume-Based Expected Improvement:
       Monotonicity Properties and Exact Computation, IEEE CEC.
    .. [2] Daulton, Balandat & Bakshy (2020), Differentiable Expected Hypervolume
       Improvement for Parallel Multi-Objective Bayesian Optimization, NeurIPS.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import HypervolumeGP, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = HypervolumeGP()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=20, seed=0, n_objectives=2)
    >>> for _ in range(20):
    ...     x = optimizer.ask(optimizer.rows[:0]).row
    ...     losses = [*(x - 0.4) ** 2, *(x - 0.6) ** 2]
    ...     optimizer.tell(Told.of(x[None], losses=[losses]))
    >>> inside = (optimizer.rows > 0.39) & (optimizer.rows < 0.61)
    >>> bool(inside.sum() > 10)
    True
    """

    name = "gp"
    multi_objective = True
    _least_objectives = 2

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        self._chains = [Chain(self.layout) for _ in range(self.n_objectives)]

    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        posteriors, known = self._models(pending)
        improvement = Improvement(known, rng)

        def moments(rows: Rows) -> tuple[Array, Array]:
            seen = [posterior.predict(rows) for posterior in posteriors]
            mean = np.hstack([mean for mean, _ in seen])
            return mean, np.column_stack([std for _, std in seen])

        def value(rows: Rows) -> Array:
            return improvement.value(*moments(rows))

        def gradient(rows: Rows) -> tuple[Array, Rows]:
            worth, by_mean, by_std = improvement.gradient(*moments(rows))
            slope = np.zeros_like(rows)
            for j, posterior in enumerate(posteriors):
                parts = worth, by_mean[:, j : j + 1], by_std[:, j]
                slope += posterior.gradient(rows, lambda *_, parts=parts: parts)[1]
            return worth, slope

        theta = np.mean([self._theta(j) for j in range(self.n_objectives)], axis=0)
        return maximise(
            self._pool(taken, N_POOL, rng),
            value,
            gradient,
            self._feasible,
            taken,
            rng,
            scale=np.exp(theta[: self.space.n_columns]),
        )

    def _elite(self) -> Rows:
        """Return the rows of the front: the least crowded, 3 at least, 24 at most."""
        known = np.where(np.isnan(self.losses), np.inf, self.losses)
        n_front = int(np.count_nonzero(non_dominated_rank(known) == 0))
        return self.rows[crowded_order(known)[: min(max(n_front, N_ELITE), N_FRONT)]]

    def _models(self, pending: Rows) -> tuple[list[Posterior], Array]:
        """Return a process of each loss, and the losses, believed ones last."""
        posteriors, known = [], []
        for j in range(self.n_objectives):
            theta = self._theta(j)
            rows, y = self._data(len(self.rows), j, MAX_ROWS)[:2]
            posterior = Posterior(rows, y, theta, self.layout)
            everything = normalise(self.losses[:, j])
            if len(pending):
                believed = posterior.predict(pending)[0][:, 0]
                rows, y = np.vstack([rows, pending]), np.append(y, believed)
                posterior = Posterior(rows, y, theta, self.layout)
                everything = np.append(everything, believed)
            posteriors.append(posterior)
            known.append(everything)
        return posteriors, np.column_stack(known)

    def _theta(self, objective: int) -> Array:
        first = min(self.n_design, self.n_iter)
        data = partial(self._data, objective=objective, limit=MAX_FIT)
        return self._chains[objective].theta(len(self.rows), first, data)

    def _data(self, size: int, objective: int, limit: int) -> tuple[Rows, Array, Array]:
        """Return rows, targets and no extra variances of the first `size` losses."""
        rows, y = self.rows[:size], normalise(self.losses[:size, objective])
        if size > limit:
            chosen = informative(y, limit)
            rows, y = rows[chosen], y[chosen]
        return rows, y, np.zeros(len(y))
