"""Optimisation with radial basis functions."""

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.rbf import CubicRBF, best_and_even, expected_losses
from sklearn_hpo._numerics.transform import normalise
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._surrogate import SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

N_CANDIDATES, MAX_CANDIDATES = 50, 1000  # for each column, and in all
N_POOL = 512  # rows from anywhere, if all candidates are taken
MAX_ROWS = 512  # that the interpolant is fitted to
WEIGHTS = (0.3, 0.5, 0.8, 0.95)  # of the predicted value, in turn
# Standard deviation of the moves: halved after as many failures in a row as there are
# columns (at least MIN_FAILURES), doubled after N_SUCCESSES, reset when too small.
SIGMA = 0.2
MAX_HALVINGS = 6
N_SUCCESSES, MIN_FAILURES = 3, 5
N_MOVED = 20.0  # columns that a candidate moves at first, on average

Losses = NDArray[np.float64]


class RBF(SurrogateOptimizer):
    """Propose near the best row where a cubic interpolant is low and little is known.

    An even design is followed by proposals of dynamic coordinate
    search [1]_. Candidates move some coordinates of the best row, all of them at first
    and only one at last, by steps that shrink after failures and grow after
    successes. Of all candidates the one is taken with the best weighted mean of two
    criteria: its value under a cubic radial basis function, and its distance from the
    nearest row that is evaluated or pending [2]_. The weights alternate between
    exploration and exploitation. Losses are made Gaussian by a Yeo-Johnson
    transformation.

    A proposal costs a fraction of one from a Gaussian process.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_initial_points : int or "auto", default="auto"
        Size of the initial design; "auto" is two more than a third of the columns,
        those of each branch counted, at most a quarter of the candidates that the study
        plans, but at least 4.

    References
    ----------
    .. [1] Regis & Shoemaker (2013), Combining Radial Basis Function Surrogates and
       Dynamic Coordinate Search in High-Dimensional Expensive Black-Box Optimization,
       Engineering Optimization 45.
    .. [2] Regis & Shoemaker (2007), A Stochastic Radial Basis Function Method for the
       Global Optimization of Expensive Functions, INFORMS Journal on Computing 19.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import RBF, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = RBF()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=30, seed=0)
    >>> for _ in range(30):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], losses=(row - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-4)
    True
    """

    name = "rbf"
    predicts = True

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        # A smaller step would seldom change a discrete value.
        self._min_step = self._level_widths()

    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        number = len(self.rows) + len(pending) - self.n_design
        candidates = self.grid
        if candidates is None:
            candidates = self._candidates(number, rng)
        scores = self._scores(candidates, pending, number)
        for row in candidates[np.argsort(scores, kind="stable")]:
            if row.tobytes() not in taken:
                return row
        anywhere: Rows = self._pool(taken, N_POOL, rng)[0]
        return anywhere

    def predict(self, rows: Rows) -> tuple[Losses, Losses]:
        return expected_losses(self.rows, self._loss, self.layout, rows)

    def _scores(self, pool: Rows, pending: Rows, number: int) -> Losses:
        """Return what proposal `number` after the design minimises."""
        rows, y, others = self.rows, normalise(self._loss), pending
        if len(y) > MAX_ROWS:
            fitted = best_and_even(y, MAX_ROWS)
            others = np.vstack([rows[~fitted], pending])
            rows, y = rows[fitted], y[fitted]
        model = CubicRBF(rows, y, self.layout, others)
        value, distance = model.predict(pool)
        # Each weight twice: a member of a team of two is asked every other time.
        weight = WEIGHTS[number // 2 % len(WEIGHTS)]
        return weight * _scaled(value) - (1.0 - weight) * _scaled(distance)

    def _candidates(self, number: int, rng: np.random.Generator) -> Rows:
        """Return copies of the best row with some coordinates moved."""
        d = self.space.n_columns
        m = min(N_CANDIDATES * d, MAX_CANDIDATES)
        best = self.rows[np.argmin(_finite(self._loss))]
        # The share of columns to move falls to nothing with the logarithm of the
        # number of proposals [1]_; one active column is moved in any case.
        spent = np.log(number + 1) / np.log(max(self.n_iter - self.n_design, 2))
        draws = np.where(np.isnan(best), np.inf, rng.random((m, d)))
        moved = draws < min(N_MOVED / d, 1.0) * (1.0 - spent)
        moved[np.arange(m), np.argmin(draws, axis=1)] = True
        points = rng.standard_normal((m, d))
        points *= np.maximum(self._sigma(), self._min_step)
        points += best
        # Steps over the edge are turned back into the cube.
        points = 1.0 - np.abs(1.0 - np.abs(points))
        start = best
        if not self.layout.plain:
            anywhere = rng.random((m, d))
            start = np.where(np.isnan(best), anywhere, best)
            unordered = self.layout.categorical | np.isnan(best)
            points = np.where(unordered, anywhere, points)
        return self.space.from_unit(np.where(moved, points, start))

    def _sigma(self) -> float:
        """Return the size of the steps, replayed from the losses since the design."""
        max_failures = max(self.space.n_columns, MIN_FAILURES)
        best = np.minimum.accumulate(_finite(self._loss))
        level = successes = failures = 0
        for success in (best[1:] < best[:-1])[self.n_design - 1 :].tolist():
            successes = successes + 1 if success else 0
            failures = 0 if success else failures + 1
            if successes == N_SUCCESSES:
                level, successes = max(level - 1, 0), 0
            elif failures == max_failures:
                level, failures = (level + 1) % (MAX_HALVINGS + 1), 0
        return SIGMA * 0.5**level


def _finite(losses: Losses) -> Losses:
    """Return losses, infinite where NaN."""
    return np.where(np.isnan(losses), np.inf, losses)


def _scaled(x: Losses) -> Losses:
    """Map the range of x to [0, 1]."""
    low = x.min()
    width = x.max() - low
    return (x - low) / (width if width > 0.0 else 1.0)
