"""Bayesian optimisation with a Gaussian process."""

from copy import copy
from functools import partial
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.acquisition import log_ei, log_pi, lower_bound
from sklearn_hpo._numerics.evidence import NOISE_BOUNDS, fit
from sklearn_hpo._numerics.gp import NUGGET, Layout, Mixture, Posterior, Score
from sklearn_hpo._numerics.gp_fits import Chain, Earlier, Speed, halved, informative
from sklearn_hpo._numerics.maximize import maximise, untaken
from sklearn_hpo._numerics.transform import Gaussianised, normalise_noisy
from sklearn_hpo._numerics.trust_region import TrustRegion, View
from sklearn_hpo._sklearn_compat import StrOptions
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._surrogate import MIN_DESIGN, SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

N_POOL = 256  # candidates over the whole cube, and as many near the best rows
N_FANTASIES = 16
N_DRAWN = 512  # candidates at which a function is drawn jointly
MAX_FIT = 256  # observations that hyperparameters are fitted to
KAPPA_ON_PLATEAU = 4.0
KAPPA = 1.8  # as Google Vizier has it [8]_
# Improvements are counted from this many standard deviations of the losses below the
# best one, less and less until n_iter: without it, the search polishes the first basin.
# Around the best of MANY observations, polishing is what is wanted.
MARGIN = 0.15
# The likeliest lengthscales are too long as often as not; with this probability they
# are taken to be half as long, so that no region is written off for good.
DOUBT = 0.1
MAX_ROWS = 300  # observations that the posterior is conditioned on
# Of more observations than MANY, most proposals see those near the best one, and one
# in GLOBAL_EVERY the same selection of all as before. The former have a process of
# their own, fitted anew after REFIT_EVERY results.
MANY, GLOBAL_EVERY, REFIT_EVERY = 1000, 5, 25

Acquisition = Literal[
    "auto", "log_ei", "log_noisy_ei", "log_pi", "ucb", "thompson", "log_ei_per_second"
]
Array = NDArray[np.float64]


class GaussianProcess(SurrogateOptimizer):
    """Propose where a Gaussian process expects the largest improvement.

    An even design is followed by proposals that maximise the
    logarithm of the expected improvement [1]_ under a Matérn-5/2 process with one
    lengthscale for each column, fitted to losses that a Yeo-Johnson transformation made
    Gaussian [2]_. The improvement counts from a margin below the best loss that
    shrinks to nothing at the end: explore first, exploit last. A second process with
    shorter lengthscales has a small share in the expectation, because the likeliest
    ones are easily too long [4]_. Where the last two losses repeat earlier ones, the
    search is on a plateau, and the lower confidence bound is minimised instead.

    Beyond 1000 losses, four of five proposals come from a process of the 256 rows
    nearest to the best one, and from a box around it that grows and shrinks with
    successes and failures [9]_: that process grows no further.

    Pending rows are conditioned on: the deviation as if they were known, the mean on
    several draws of their losses, over which the improvement is averaged [3]_.

    .. versionadded:: 0.1

    Parameters
    ----------
    acquisition : str, default="auto"
        What a proposal maximises:

        - ``"auto"``: what is said above;
        - ``"log_ei"``: the logarithmic expected improvement alone, on the lowest
          posterior mean of the evaluated rows, which noise can't lower;
        - ``"log_noisy_ei"``: the same, on the lowest of the evaluated rows' values
          without noise, averaged over draws of them [6]_;
        - ``"log_pi"``: the probability of an improvement by the shrinking margin;
        - ``"ucb"``: the confidence bound, 1.8 deviations from the mean [8]_;
        - ``"thompson"``: nothing but a function drawn from the posterior, at 512
          candidates [7]_;
        - ``"log_ei_per_second"``: ``"log_ei"`` less the expected logarithm of the
          seconds, which have a process of their own [3]_. As soon as times are told,
          proposals depend on them.
    n_initial_points : int or "auto", default="auto"
        Size of the initial design; "auto" is two more than a third of the columns,
        those of each branch counted, at most a quarter of the candidates that the study
        plans, but at least 4.

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
    .. [6] Letham, Karrer, Ottoni & Bakshy (2019), Constrained Bayesian Optimization
       with Noisy Experiments, Bayesian Analysis 14.
    .. [7] Kandasamy, Krishnamurthy, Schneider & Póczos (2018), Parallelised Bayesian
       Optimisation via Thompson Sampling, AISTATS.
    .. [8] Song et al. (2024), The Vizier Gaussian Process Bandit Algorithm,
       arXiv:2408.11527.
    .. [9] Eriksson, Pearce, Gardner, Turner & Poloczek (2019), Scalable Global
       Optimization via Local Bayesian Optimization, NeurIPS.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import GaussianProcess, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = GaussianProcess()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=20, seed=0)
    >>> for _ in range(20):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], losses=(row - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-4)
    True
    """

    name = "gp"
    predicts = True
    _near_fit: tuple[int, Array]
    _parameter_constraints: ClassVar = {
        **SurrogateOptimizer._parameter_constraints,
        "acquisition": [StrOptions(set(get_args(Acquisition)))],
    }

    def __init__(
        self,
        *,
        acquisition: Acquisition = "auto",
        n_initial_points: int | Literal["auto"] = "auto",
    ) -> None:
        super().__init__(n_initial_points=n_initial_points)
        self.acquisition = acquisition

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        self._restart(None)

    def tell_source_task(self, rows: Rows, losses: Array) -> None:
        # The tasks share a process that has one more column, which tells them apart:
        # its lengthscale, fitted like the others, says how much they share [5]. Half of
        # the design is left to show how far they agree.
        self.n_design = max(MIN_DESIGN, self.n_design // 2)
        self._restart(Earlier(rows, losses[:, 0], self.layout))

    def predict(self, rows: Rows) -> tuple[Array, Array]:
        n = len(self.losses)
        known, y, extra, offset = self._data(n, MAX_ROWS)
        posterior = Posterior(known, y, self._theta(n), self._task_layout, extra)
        mean, std = posterior.predict(self._mark(rows))
        return Gaussianised(self._loss).moments(mean[:, 0] - offset, std)

    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        view = self._view(len(pending), taken, rng)
        if self.acquisition == "thompson":
            return self._lowest_of_draw(view, rng)
        mixture, best = self._model(view, pending, rng)
        score = self._score(best)
        speed = self._speed() if self.acquisition == "log_ei_per_second" else None

        def value(rows: Rows) -> Array:
            worth = mixture.value(self._mark(rows), score)
            return worth if speed is None else worth + speed.value(rows)

        def gradient(rows: Rows) -> tuple[Array, Rows]:
            worth, slope = mixture.gradient(self._mark(rows), score)
            slope = slope[:, : rows.shape[1]]
            if speed is None:
                return worth, slope
            pace, by_row = speed.gradient(rows)
            return worth + pace, slope + by_row

        lengthscales = np.exp(view.theta[: self.space.n_columns])
        return maximise(
            view.pool, value, gradient, view.feasible, taken, rng, scale=lengthscales
        )

    def _view(
        self, n_pending: int, taken: set[bytes], rng: np.random.Generator
    ) -> View:
        n = len(self.rows)
        everywhere = n <= MANY or (n + n_pending) % GLOBAL_EVERY == 0
        if everywhere or self.grid is not None or not np.isfinite(self._loss).any():
            pool = self._pool(taken, N_POOL, rng)
            rows, y, extra, _ = self._data(n, MAX_ROWS)
            n_earlier = 0 if self._earlier is None else len(self._earlier.y)
            theta = self._theta(n)
            return View(rows, y, extra, theta, n_earlier, self._feasible, pool)
        theta = self._near_theta(n - n % REFIT_EVERY)
        region = self._region(n, theta)
        feasible = region.restrict(self._feasible)
        points = region.candidates(feasible, 2 * N_POOL, rng)
        pool = untaken(points, taken)
        pool = pool if len(pool) else points
        return View(*self._near(region), theta, 0, feasible, pool)

    def _region(self, size: int, theta: Array) -> TrustRegion:
        """Return the box after the first `size` losses."""
        lengthscales = np.exp(theta[: self.space.n_columns])
        rows, losses = self.rows[:size], self._loss[:size]
        return TrustRegion(rows, losses, MANY, lengthscales, self.layout)

    def _near_theta(self, size: int) -> Array:
        """Return hyperparameters that fit what is near the best of `size` losses."""
        if self._near_fit[0] != size:
            theta = self._theta(size)
            rows, y, extra = self._near(self._region(size, theta))
            if y.any():
                theta = fit(rows, y, self._task_layout, theta, extra=extra)[0]
            self._near_fit = size, theta
        return self._near_fit[1]

    def _near(self, region: TrustRegion) -> tuple[Rows, Array, Array]:
        """Return the rows near the best one, their targets and extra variances."""
        i = region.near
        y, extra = normalise_noisy(self._loss[i], self.variances[i])
        return self._mark(self.rows[i]), y, extra

    def _score(self, best: Array) -> Score:
        if self.acquisition == "ucb":
            return partial(lower_bound, kappa=KAPPA)
        if self.acquisition == "auto" and self._on_plateau():
            return partial(lower_bound, kappa=KAPPA_ON_PLATEAU)
        n = len(self.rows)
        margin = MARGIN * max(0.0, 1.0 - n / self.n_iter) * (n <= MANY)
        if self.acquisition == "log_pi":
            return partial(log_pi, best=best - margin)
        return partial(log_ei, best=best - margin * (self.acquisition == "auto"))

    def _lowest_of_draw(self, view: View, rng: np.random.Generator) -> Rows:
        """Return the candidate where a function drawn from the posterior is lowest.

        No two proposals see the same draw, so that pending rows need no care [7]_.
        """
        pool, theta = view.pool[:N_DRAWN], view.theta
        if rng.random() < DOUBT:
            theta = halved(theta)
        layout = self._task_layout
        posterior = Posterior(view.rows, view.y, theta, layout, view.extra)
        normals = rng.standard_normal((len(pool), 1))
        row: Rows = pool[_draw(posterior, self._mark(pool), normals).argmin()]
        return row

    def _speed(self) -> Speed | None:
        """Return the model of the seconds, if any are known."""
        rows, y, _, scale = self._timed(len(self.rows), MAX_ROWS)
        if not len(rows):
            return None
        data = partial(self._timed, limit=MAX_FIT)
        theta = self._pace.theta(len(self.rows), self._n_first(), data)
        return Speed(rows, y, scale, theta, self.layout)

    def _timed(self, size: int, limit: int) -> tuple[Rows, Array, float, float]:
        """Return rows, standard log seconds, 0 and their scale, of the first `size`.

        Failures are left out: that they end early is no merit.
        """
        seconds = np.where(np.isfinite(self._loss), self.seconds, np.nan)[:size]
        known = np.isfinite(seconds) & (seconds > 0.0)
        rows, y = self.rows[:size][known], np.log(seconds[known])
        if len(rows) > limit:
            chosen = informative(y, limit)
            rows, y = rows[chosen], y[chosen]
        scale = float(y.std()) if len(y) else 0.0
        return rows, (y - y.mean()) / scale if scale else np.zeros(len(y)), 0.0, scale

    def _restart(self, earlier: Earlier | None) -> None:
        self._earlier = earlier
        layout = self.layout
        if earlier is not None:
            layout = Layout(
                np.append(layout.categorical, True),
                np.append(layout.conditional, False),
            )
        self._task_layout = layout
        self._chain = Chain(layout)
        self._near_fit = 0, np.empty(0)
        self._pace = Chain(self.layout)

    def _mark(self, rows: Rows, task: float = 1.0) -> Rows:
        """Add the column that tells tasks apart, if there are two."""
        if self._earlier is None:
            return rows
        return np.column_stack([rows, np.full(len(rows), task)])

    def _data(self, size: int, limit: int) -> tuple[Rows, Array, Array, float]:
        """Return rows, targets and their extra variances of the first `size` losses.

        At most `limit` of them, with those of an earlier study before. The last result
        is what was added to the targets to bring them to the level of the earlier ones.
        """
        rows = self.rows[:size]
        y, extra = normalise_noisy(self._loss[:size], self.variances[:size])
        if size > limit:
            chosen = informative(y, limit)
            rows, y, extra = rows[chosen], y[chosen], extra[chosen]
        if self._earlier is None:
            return rows, y, extra, 0.0
        offset = self._earlier.level(rows)
        known = [self._mark(self._earlier.rows, 0.0), self._mark(rows)]
        y = np.append(self._earlier.y, y + offset)
        return np.vstack(known), y, np.pad(extra, (len(y) - len(extra), 0)), offset

    def _model(
        self, view: View, pending: Rows, rng: np.random.Generator
    ) -> tuple[Mixture, Array]:
        """Return the model of what was told, and of fantasies of what is pending.

        The second result is the best of the targets, (S,).
        """
        rows, targets, extra = view.rows, view.y[:, None], view.extra
        theta, layout = view.theta, self._task_layout
        posterior = Posterior(rows, targets, theta, layout, extra)
        noisy = self.acquisition == "log_noisy_ei"
        if noisy or len(pending):
            marked = self._mark(pending)
            everything = np.vstack([rows, marked])
            n_drawn = len(everything) if noisy else len(pending)
            half = rng.standard_normal((n_drawn, N_FANTASIES // 2))
            normals = np.hstack([half, -half])
            if noisy:
                targets = _draw(posterior, everything, normals)
                theta = np.append(theta[:-1], np.log(NOISE_BOUNDS[0]))
            else:
                fantasies = posterior.sample(marked, normals)
                targets = np.vstack([np.tile(targets, N_FANTASIES), fantasies])
            rows = everything
            extra = np.zeros(len(rows)) if noisy else np.pad(extra, (0, len(pending)))
            posterior = Posterior(rows, targets, theta, layout, extra)
        doubtful = Posterior(rows, targets, halved(theta), layout, extra)
        mixture = Mixture([posterior, doubtful], [1.0 - DOUBT, DOUBT])
        if self.acquisition != "auto":
            targets, _ = posterior.predict(rows)
        return mixture, targets[view.n_earlier :].min(axis=0)

    def _theta(self, size: int) -> Array:
        data = partial(self._data, limit=MAX_FIT)
        return self._chain.theta(size, self._n_first(), data)

    def _n_first(self) -> int:
        return min(self.n_design, self.n_iter)

    def _on_plateau(self) -> bool:
        """Whether the last two losses both repeat earlier ones."""
        earlier = self._loss[:-2]
        return len(earlier) > 0 and bool(np.isin(self._loss[-2:], earlier).all())


def _draw(posterior: Posterior, rows: Rows, normals: Array) -> Array:
    """Draw the values of rows jointly, without the noise of observations."""
    silent = copy(posterior)
    silent.noise = NUGGET
    return silent.sample(rows, normals)
