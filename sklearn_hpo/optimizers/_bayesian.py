"""Bayesian optimisation with a Gaussian process."""

from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.acquisition import log_ei, lower_bound, normalise
from sklearn_hpo._numerics.evidence import fit, prior
from sklearn_hpo._numerics.gp import Layout, Mixture, Posterior
from sklearn_hpo._numerics.maximize import Domain, maximise, perturb, spread, untaken
from sklearn_hpo.optimizers._base import Optimizer, Rows
from sklearn_hpo.space import SearchSpace

# Candidates over the whole cube, and as many near the best rows; half of them where
# there are so many observations that each candidate is dear.
N_POOL, MANY_ROWS = 512, 200
N_ELITE = 3
N_FANTASIES = 16
MAX_GRID = 2048  # rows of a finite space that are all scored
MAX_FIT = 256  # observations that hyperparameters are fitted to
KAPPA_ON_PLATEAU = 4.0
# Improvements are counted from this many standard deviations of the losses below the
# best one, less and less until n_iter: without it, the search polishes the first basin.
MARGIN = 0.15
# The likeliest lengthscales are too long as often as not; with this probability they
# are taken to be shorter by this factor, so that no region is written off for good.
DOUBT, SHORTER = 0.1, 0.5
MAX_ROWS = 400  # observations that the posterior is conditioned on


class BayesianOptimizer(Optimizer):
    """Propose where a Gaussian process expects the largest improvement.

    A randomly shifted Sobol design is followed by proposals that maximise the
    logarithm of the expected improvement [1]_ under a Matérn-5/2 process with one
    lengthscale for each column, fitted to losses that a Yeo-Johnson transformation made
    Gaussian [2]_. The improvement counts from a margin below the best loss that
    shrinks to nothing at `n_iter`: explore first, exploit last. A second process with
    shorter lengthscales has a small share in the expectation, because the likeliest
    ones are easily too long [4]_. Where the last two losses repeat earlier ones, the
    search is on a plateau, and the lower confidence bound is minimised instead.

    Pending rows are conditioned on: the deviation as if they were known, the mean on
    several draws of their losses, over which the improvement is averaged [3]_.

    Parameters
    ----------
    n_iter : int
        How many evaluations the study plans.
    n_initial_points : int or "auto", default="auto"
        Size of the initial design; "auto" is two more than the columns, those of
        each branch counted, at least 4, but at most a quarter of `n_iter`.

    References
    ----------
    .. [1] Ament et al. (2023), Unexpected Improvements to Expected Improvement for
       Bayesian Optimization, NeurIPS.
    .. [2] Cowen-Rivers et al. (2022), HEBO: Pushing the Limits of Sample-Efficient
       Hyper-parameter Optimisation, JAIR 74.
    .. [3] Snoek, Larochelle & Adams (2012), Practical Bayesian Optimization of Machine
       Learning Algorithms, NeurIPS; section 3.2.
    .. [4] Berkenkamp, Schoellig & Krause (2019), No-Regret Bayesian Optimization with
       Unknown Hyperparameters, JMLR 20.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = BayesianOptimizer(n_iter=20)
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), seed=0)
    >>> for _ in range(20):
    ...     row = optimizer.ask(1, np.empty((0, 1)))
    ...     optimizer.tell(row, (row[:, 0] - 0.3) ** 2, np.ones(1))
    >>> bool(optimizer.losses.min() < 1e-4)
    True
    """

    def __init__(
        self, n_iter: int, n_initial_points: int | Literal["auto"] = "auto"
    ) -> None:
        self.n_iter = n_iter
        self.n_initial_points = n_initial_points

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
        d = space.n_columns
        categorical = np.array([c.kind == "categorical" for c in space.columns], bool)
        conditional = np.logical_not(np.all(space.active, axis=0))
        self._layout = Layout(categorical, conditional)
        levels = tuple(column.centres for column in space.columns)
        self._domain = Domain(space.from_unit, levels, categorical)
        self._grid = self._domain.grid(MAX_GRID) if d else None
        if self.n_initial_points == "auto":
            size = max(int(np.sum(space.active)) + 2, 4)
            self._n_design = max(1, min(size, self.n_iter // 4))
        else:
            self._n_design = max(1, self.n_initial_points)
        self._design = self._draw_design()
        # Hyperparameters after so many losses, each fitted from the one before: they
        # depend on what was told and on nothing else.
        self._fits = [(0, prior(d)[0])]

    def ask(self, n: int, pending: Rows) -> Rows:
        """Propose rows; nothing that a later call can observe changes.

        Parameters
        ----------
        n : int
            How many rows to propose.
        pending : ndarray of shape (n_pending, n_columns)
            Rows proposed earlier whose losses have not been told yet.

        Returns
        -------
        rows : ndarray of shape (n, n_columns)
            Canonical rows of the space, none of them told or pending as long as the
            space has others.
        """
        rows = pending
        for _ in range(n):
            rows = np.vstack([rows, self._propose(rows)])
        return rows[len(pending) :]

    def _draw_design(self) -> Rows:
        if self.space.n_columns == 0:
            return np.empty((self._n_design, 0))
        rng = np.random.default_rng([self.seed, 2**32 - 1])
        points = spread(self._n_design, self.space.n_columns, rng)
        return self.space.from_unit(points)

    def _propose(self, pending: Rows) -> Rows:
        rng = self.trial_rng(len(pending))
        taken = {row.tobytes() for row in np.vstack([self.rows, pending])}
        number = len(self.rows) + len(pending)
        planned = untaken(self._design[number : number + 1], taken)
        pool = np.vstack([planned, self._pool(taken, rng)])
        if number < self._n_design or not len(self.rows) or not self.space.n_columns:
            first: Rows = pool[0]
            return first
        mixture, best = self._model(pending, rng)
        margin = MARGIN * max(0.0, 1.0 - len(self.rows) / self.n_iter)
        score = partial(log_ei, best=best - margin)
        if self._on_plateau():
            score = partial(lower_bound, kappa=KAPPA_ON_PLATEAU)
        return maximise(
            pool,
            partial(mixture.value, score=score),
            partial(mixture.gradient, score=score),
            self._domain,
            taken,
            rng,
        )

    def _pool(self, taken: set[bytes], rng: np.random.Generator) -> Rows:
        """Return candidates, random ones first; taken ones only if all are."""
        d = self.space.n_columns
        if not d:
            return np.empty((1, 0))
        if self._grid is not None:
            everything = rng.permutation(self._grid)
        else:
            size = N_POOL if len(self.rows) <= MANY_ROWS else N_POOL // 2
            points = [spread(size, d, rng)]
            if len(self.rows):
                order = np.argsort(self.losses, kind="stable")
                elite = self.rows[order[:N_ELITE]]
                points.append(perturb(elite, size, self._domain, rng))
            everything = self.space.from_unit(np.vstack(points))
        pool = untaken(everything, taken)
        return pool if len(pool) else everything

    def _model(
        self, pending: Rows, rng: np.random.Generator
    ) -> tuple[Mixture, NDArray[np.float64]]:
        """Return the model of what was told, and of fantasies of what is pending.

        The second result is the best of the targets, (S,).
        """
        rows, targets = self.rows, normalise(self.losses)[:, None]
        if len(rows) > MAX_ROWS:
            chosen = _informative(targets[:, 0], MAX_ROWS)
            rows, targets = rows[chosen], targets[chosen]
        theta = self._theta()
        posterior = Posterior(rows, targets, theta, self._layout)
        if len(pending):
            half = rng.standard_normal((len(pending), N_FANTASIES // 2))
            fantasies = posterior.sample(pending, np.hstack([half, -half]))
            targets = np.vstack([np.tile(targets, N_FANTASIES), fantasies])
            rows = np.vstack([rows, pending])
            posterior = Posterior(rows, targets, theta, self._layout)
        short = theta.copy()
        short[:-2] += np.log(SHORTER)
        doubtful = Posterior(rows, targets, short, self._layout)
        mixture = Mixture([posterior, doubtful], [1.0 - DOUBT, DOUBT])
        return mixture, targets.min(axis=0)

    def _theta(self) -> NDArray[np.float64]:
        """Return the hyperparameters of the last scheduled fit."""
        while True:
            size, theta = self._fits[-1]
            step = 1 if size <= 30 else size // 8
            following = max(size + step, self._n_design, 2)
            if following > len(self.rows):
                return theta
            self._fits.append((following, self._fit(following, theta)))

    def _fit(self, size: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fit to the first `size` losses, from theta, at doublings also from afresh."""
        losses, rows = self.losses[:size], self.rows[:size]
        y = normalise(losses)
        if not y.any():
            return theta
        if size > MAX_FIT:
            chosen = _informative(y, MAX_FIT)
            rows, y = rows[chosen], y[chosen]
        found = fit(rows, y, self._layout, theta, max_iter=10)
        doubled = (size // self._n_design).bit_length() > (
            (self._fits[-1][0] // self._n_design).bit_length()
        )
        if doubled:
            start = prior(self.space.n_columns)[0]
            found = max(
                found, fit(rows, y, self._layout, start, 50), key=lambda pair: pair[1]
            )
        return found[0]

    def _on_plateau(self) -> bool:
        """Whether the last two losses both repeat earlier ones."""
        earlier = self.losses[:-2]
        return len(earlier) > 0 and bool(np.isin(self.losses[-2:], earlier).all())


def _informative(y: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Return n indices: a quarter the best, a quarter the last, the rest evenly."""
    best = np.argsort(y, kind="stable")[: n // 4]
    chosen = np.union1d(best, np.arange(len(y) - n // 4, len(y)))
    others = np.setdiff1d(np.arange(len(y)), chosen)
    spread_out = np.linspace(0, len(others) - 1, n - len(chosen)).astype(int)
    return np.union1d(chosen, others[spread_out])
