"""Bayesian optimisation of several losses at once."""

from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.ehvi import Improvement
from sklearn_hpo._numerics.gp import Posterior
from sklearn_hpo._numerics.gp_fits import Chain, informative
from sklearn_hpo._numerics.maximize import maximise
from sklearn_hpo._numerics.pareto import crowded_order, non_dominated_rank
from sklearn_hpo._numerics.transform import normalise
from sklearn_hpo.optimizers._base import Rows, extended
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

    Parameters
    ----------
    n_iter : int
        How many evaluations the study plans.
    n_initial_points : int or "auto"
        Size of the initial design, as for `GaussianProcess`.
    n_objectives : int
        Two or more.

    References
    ----------
    .. [1] Emmerich, Deutz & Klinkenberg (2011), Hypervolume-Based Expected Improvement:
       Monotonicity Properties and Exact Computation, IEEE CEC.
    .. [2] Daulton, Balandat & Bakshy (2020), Differentiable Expected Hypervolume
       Improvement for Parallel Multi-Objective Bayesian Optimization, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = HypervolumeGP(20, "auto", n_objectives=2)
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), seed=0)
    >>> for _ in range(20):
    ...     row = optimizer.ask(1, np.empty((0, 1)))
    ...     losses = np.hstack([(row - 0.4) ** 2, (row - 0.6) ** 2])
    ...     optimizer.tell(row, losses, np.ones(1))
    >>> inside = (optimizer.rows > 0.39) & (optimizer.rows < 0.61)
    >>> bool(inside.sum() > 10)
    True
    """

    name = "gp"

    def __init__(
        self, n_iter: int, n_initial_points: int | Literal["auto"], n_objectives: int
    ) -> None:
        super().__init__(n_iter, n_initial_points)
        self.n_objectives = n_objectives

    def start(self, space: SearchSpace, seed: int) -> None:
        """Begin a study on `space` and forget every earlier one.

        Parameters
        ----------
        space : SearchSpace
            What the rows mean.
        seed : int
            Non-negative.
        """
        super().start(space, seed)
        self._known = np.empty((0, self.n_objectives))
        self._chains = [Chain(self.layout) for _ in range(self.n_objectives)]

    def tell(
        self,
        rows: Rows,
        losses: Array,
        budgets: Array,
        seconds: Array | None = None,
        variances: Array | None = None,
    ) -> None:
        """Learn the losses of evaluated rows.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            What was evaluated.
        losses : ndarray of shape (m, n_objectives)
            To be minimised; NaN for a candidate that failed.
        budgets : ndarray of shape (m,)
            The share of the full budget that each loss was measured with, in (0, 1].
        seconds : ndarray of shape (m,) or None, default=None
            What each evaluation takes at the full budget; of no use here.
        variances : ndarray of shape (m,) or None, default=None
            How uncertain each loss is; of no use here.
        """
        super().tell(rows, losses[:, 0], budgets, seconds, variances)
        self._known = extended(self._known, losses)

    def choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        """Return the row that is expected to add the largest volume.

        Parameters
        ----------
        pending : ndarray of shape (n_pending, n_columns)
            Rows whose losses have not been told yet.
        taken : set of bytes
            The rows told and pending.
        rng : numpy.random.Generator
            Of this proposal.

        Returns
        -------
        row : ndarray of shape (n_columns,)
            A canonical row.
        """
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
            self.pool(taken, N_POOL, rng),
            value,
            gradient,
            self.domain,
            taken,
            rng,
            scale=np.exp(theta[: self.space.n_columns]),
        )

    def elite(self) -> Rows:
        """Return the rows of the front, near which candidates are drawn.

        Returns
        -------
        rows : ndarray of shape (n_elite, n_columns)
            24 at most, the least crowded ones; 3 at least, if there are.
        """
        known = np.where(np.isnan(self._known), np.inf, self._known)
        n_front = int(np.count_nonzero(non_dominated_rank(known) == 0))
        return self.rows[crowded_order(known)[: min(max(n_front, N_ELITE), N_FRONT)]]

    def _models(self, pending: Rows) -> tuple[list[Posterior], Array]:
        """Return a process of each loss, and the losses, believed ones last."""
        posteriors, known = [], []
        for j in range(self.n_objectives):
            theta = self._theta(j)
            rows, y = self._data(len(self.rows), j, MAX_ROWS)[:2]
            posterior = Posterior(rows, y, theta, self.layout)
            everything = normalise(self._known[:, j])
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
        rows, y = self.rows[:size], normalise(self._known[:size, objective])
        if size > limit:
            chosen = informative(y, limit)
            rows, y = rows[chosen], y[chosen]
        return rows, y, np.zeros(len(y))
