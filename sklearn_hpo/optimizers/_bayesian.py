"""Bayesian optimisation with a Gaussian process."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.acquisition import log_ei, lower_bound
from sklearn_hpo._numerics.evidence import fit, prior
from sklearn_hpo._numerics.gp import Layout, Mixture, Posterior
from sklearn_hpo._numerics.maximize import maximise
from sklearn_hpo._numerics.transform import Gaussianised, normalise
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._surrogate import MIN_DESIGN, SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

# Candidates over the whole cube, and as many near the best rows; half of them where
# there are so many observations that each candidate is dear.
N_POOL, MANY_ROWS = 512, 200
N_FANTASIES = 16
MAX_FIT = 256  # observations that hyperparameters are fitted to
KAPPA_ON_PLATEAU = 4.0
# Improvements are counted from this many standard deviations of the losses below the
# best one, less and less until n_iter: without it, the search polishes the first basin.
MARGIN = 0.15
# The likeliest lengthscales are too long as often as not; with this probability they
# are taken to be shorter by this factor, so that no region is written off for good.
DOUBT, SHORTER = 0.1, 0.5
MAX_ROWS = 400  # observations that the posterior is conditioned on
MAX_EARLIER = 128  # observations of an earlier study


class BayesianOptimizer(SurrogateOptimizer):
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
        each branch counted, at most a quarter of `n_iter`, but at least 4.

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
    .. [5] Swersky, Snoek & Adams (2013), Multi-Task Bayesian Optimization, NeurIPS.

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

    name = "gp"

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
        self._restart(None)

    def recall(self, rows: Rows, losses: NDArray[np.float64]) -> None:
        """Learn what another study has found: a task that may be related.

        The tasks share a process that has one more column, which tells them apart [5]_;
        its lengthscale, fitted like the others, says how much they have in common.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.
        losses : ndarray of shape (m,)
            To be minimised, all finite.
        """
        super().recall(rows, losses)
        # half of the design is left to show how far the tasks agree
        self.n_design = max(MIN_DESIGN, self.n_design // 2)
        self._restart(_Earlier(rows, losses, self.layout))

    def predict(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of the losses of rows.

        Parameters
        ----------
        rows : ndarray of shape (m, n_columns)
            Canonical rows.

        Returns
        -------
        mean, std : ndarray of shape (m,)
            Of the loss without noise; the deviation is that of the model's belief.
        """
        n = len(self.losses)
        known, targets, offset = self._data(n, MAX_ROWS)
        posterior = Posterior(known, targets, self._theta(), self._task_layout)
        mean, std = posterior.predict(self._mark(rows))
        return Gaussianised(self.losses).moments(mean[:, 0] - offset, std)

    def choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        """Return the row of the largest logarithmic expected improvement.

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
        pool = self.pool(
            taken, N_POOL if len(self.rows) <= MANY_ROWS else N_POOL // 2, rng
        )
        mixture, best = self._model(pending, rng)
        margin = MARGIN * max(0.0, 1.0 - len(self.rows) / self.n_iter)
        score = partial(log_ei, best=best - margin)
        if self._on_plateau():
            score = partial(lower_bound, kappa=KAPPA_ON_PLATEAU)

        def gradient(rows: Rows) -> tuple[NDArray[np.float64], Rows]:
            value, slope = mixture.gradient(self._mark(rows), score)
            return value, slope[:, : rows.shape[1]]

        return maximise(
            pool,
            lambda rows: mixture.value(self._mark(rows), score),
            gradient,
            self.domain,
            taken,
            rng,
        )

    def _restart(self, earlier: "_Earlier | None") -> None:
        self._earlier = earlier
        layout = self.layout
        if earlier is not None:
            layout = Layout(
                np.append(layout.categorical, True),
                np.append(layout.conditional, False),
            )
        self._task_layout = layout
        # Hyperparameters after so many losses, each fitted from the one before: they
        # depend on what was told and on nothing else.
        self._fits = [(0, prior(len(layout.categorical))[0])]

    def _mark(self, rows: Rows, task: float = 1.0) -> Rows:
        """Add the column that tells tasks apart, if there are two."""
        if self._earlier is None:
            return rows
        return np.column_stack([rows, np.full(len(rows), task)])

    def _data(self, size: int, limit: int) -> tuple[Rows, NDArray[np.float64], float]:
        """Return rows and targets of the first `size` losses, at most `limit`.

        Those of an earlier study stand before them. The third result is what was added
        to the targets to bring them to the level of the earlier ones.
        """
        rows, y = self.rows[:size], normalise(self.losses[:size])
        if size > limit:
            chosen = _informative(y, limit)
            rows, y = rows[chosen], y[chosen]
        if self._earlier is None:
            return rows, y, 0.0
        offset = self._earlier.level(rows)
        known = [self._mark(self._earlier.rows, 0.0), self._mark(rows)]
        return np.vstack(known), np.append(self._earlier.y, y + offset), offset

    def _model(
        self, pending: Rows, rng: np.random.Generator
    ) -> tuple[Mixture, NDArray[np.float64]]:
        """Return the model of what was told, and of fantasies of what is pending.

        The second result is the best of the targets, (S,).
        """
        rows, y, _ = self._data(len(self.rows), MAX_ROWS)
        targets = y[:, None]
        theta, layout = self._theta(), self._task_layout
        posterior = Posterior(rows, targets, theta, layout)
        if len(pending):
            marked = self._mark(pending)
            half = rng.standard_normal((len(pending), N_FANTASIES // 2))
            fantasies = posterior.sample(marked, np.hstack([half, -half]))
            targets = np.vstack([np.tile(targets, N_FANTASIES), fantasies])
            rows = np.vstack([rows, marked])
            posterior = Posterior(rows, targets, theta, layout)
        short = theta.copy()
        short[:-2] += np.log(SHORTER)
        doubtful = Posterior(rows, targets, short, layout)
        mixture = Mixture([posterior, doubtful], [1.0 - DOUBT, DOUBT])
        n_earlier = 0 if self._earlier is None else len(self._earlier.y)
        return mixture, targets[n_earlier:].min(axis=0)

    def _theta(self) -> NDArray[np.float64]:
        """Return the hyperparameters of the last scheduled fit."""
        while True:
            size, theta = self._fits[-1]
            step = 1 if size <= 30 else size // 8
            following = max(size + step, min(self.n_design, self.n_iter), 2)
            if following > len(self.rows):
                return theta
            self._fits.append((following, self._fit(following, theta)))

    def _fit(self, size: int, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fit to the first `size` losses, from theta, at doublings also from afresh."""
        rows, y, _ = self._data(size, MAX_FIT)
        if not y.any():
            return theta
        layout = self._task_layout
        found = fit(rows, y, layout, theta, max_iter=10)
        doubled = (size // self.n_design).bit_length() > (
            (self._fits[-1][0] // self.n_design).bit_length()
        )
        if doubled:
            start = prior(len(layout.categorical))[0]
            found = max(
                found, fit(rows, y, layout, start, 50), key=lambda pair: pair[1]
            )
        return found[0]

    def _on_plateau(self) -> bool:
        """Whether the last two losses both repeat earlier ones."""
        earlier = self.losses[:-2]
        return len(earlier) > 0 and bool(np.isin(self.losses[-2:], earlier).all())


class _Earlier:
    """The results of another study, with a process of their own.

    Parameters
    ----------
    rows : ndarray of shape (m, d)
        Canonical rows.
    losses : ndarray of shape (m,)
        All finite.
    layout : Layout
        Kinds of the columns.
    """

    def __init__(self, rows: Rows, losses: NDArray[np.float64], layout: Layout) -> None:
        self.rows, self.y = rows, normalise(losses)
        if len(rows) > MAX_EARLIER:
            chosen = _informative(self.y, MAX_EARLIER)
            self.rows, self.y = self.rows[chosen], self.y[chosen]
        theta = prior(rows.shape[1])[0]
        if self.y.any():
            theta = fit(self.rows, self.y, layout, theta, 50)[0]
        self._posterior = Posterior(self.rows, self.y, theta, layout)

    def level(self, rows: Rows) -> float:
        """Return what the earlier targets would have been at `rows`, on average."""
        return float(self._posterior.predict(rows)[0].mean())


def _informative(y: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Return n indices: a quarter the best, a quarter the last, the rest evenly."""
    best = np.argsort(y, kind="stable")[: n // 4]
    chosen = np.union1d(best, np.arange(len(y) - n // 4, len(y)))
    others = np.setdiff1d(np.arange(len(y)), chosen)
    spread_out = np.linspace(0, len(others) - 1, n - len(chosen)).astype(int)
    return np.union1d(chosen, others[spread_out])
