"""Bayesian optimisation with a forest of random regression trees."""

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.acquisition import log_ei
from sklearn_hpo._numerics.forest import RegressionForest
from sklearn_hpo._numerics.maximize import neighbours, perturb, untaken
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._surrogate import SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

Array = NDArray[np.float64]

MIN_STD = 1e-3  # where all trees agree; losses have unit variance
N_POOL = 512  # candidates over the whole cube, and as many near the best rows
N_STARTS = 4  # best candidates, searched around
N_STEPS = 3
N_NEAR = 64  # random steps from them, besides every exchange of a discrete value
# The logarithm starts this quantile of the losses, less the least, below the least one,
# as in SMAC, but not less than this share of their range.
LOG_QUANTILE, MIN_SHIFT = 0.2, 0.05
FAILURE = 1.5  # of the range, counted from the best: the loss of a failed candidate
RANDOM_EVERY = 16  # proposals: a forest may be sure and wrong, of a branch above all


class Forest(SurrogateOptimizer):
    """Propose where a forest of random trees expects the largest improvement.

    An even design is followed by proposals that maximise the
    logarithm of the expected improvement under a forest, in the manner of SMAC [1]_:
    the best of many candidates, over the whole space and near the best rows, are
    improved by exchanges of single values and by random steps. Trees learn the
    logarithm of the distance of the losses to a value below the best one.

    Every sixteenth proposal is random. Trees need no distances, which suits many
    categorical and conditional columns; inactive coordinates are set below all active
    ones. Pending rows are taken to get the losses that the forest predicts.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_initial_points : int or "auto", default="auto"
        Size of the initial design; "auto" is two more than a third of the columns,
        those of each branch counted, at most a quarter of the candidates that the study
        plans, but at least 4.

    References
    ----------
    .. [1] Hutter, Hoos & Leyton-Brown (2011), Sequential Model-Based Optimization for
       General Algorithm Configuration, LION 5.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import Forest, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = Forest()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=20, seed=0)
    >>> for _ in range(20):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], losses=(row - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-3)
    True
    """

    name = "forest"

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        self._categories = tuple(
            c.centres if c.kind == "categorical" else None for c in space.columns
        )

    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        pool = self._pool(taken, N_POOL, rng)
        if (len(self.rows) + len(pending)) % RANDOM_EVERY == 0:
            first: Rows = pool[0]
            return first
        rows, y = self.rows, _log_scale(self._loss)
        forest = RegressionForest(rows, y, self._categories, rng)
        if len(pending):
            y = np.append(y, forest.predict(pending)[0])
            rows = np.vstack([rows, pending])
            forest = RegressionForest(rows, y, self._categories, rng)
        return self._maximise(forest, y.min(keepdims=True), pool, taken, rng)

    def _maximise(
        self,
        forest: RegressionForest,
        best: Array,
        pool: Rows,
        taken: set[bytes],
        rng: np.random.Generator,
    ) -> Rows:
        """Return the row of the largest score found from the best of the pool."""
        starts, scores = pool, _score(forest, pool, best)
        for _ in range(N_STEPS):
            top = np.argsort(-scores, kind="stable")[:N_STARTS]
            starts, scores = starts[top], scores[top]
            steps = perturb(starts, N_NEAR, self._feasible, rng)
            around = [neighbours(row, self._feasible, rng) for row in starts]
            near = self.space.from_unit(np.vstack([steps, *around]))
            near = untaken(near, taken)
            if not len(near):
                break
            starts = np.vstack([starts, near])
            scores = np.append(scores, _score(forest, near, best))
        chosen: Rows = starts[np.argmax(scores)]
        return chosen


def _score(forest: RegressionForest, rows: Rows, best: Array) -> Array:
    mean, std = forest.predict(rows)
    return log_ei(mean[:, None], np.maximum(std, MIN_STD), best)[0]


def _log_scale(losses: Array) -> Array:
    """Return targets of unit variance that tell the best losses apart most.

    All zero if the losses are all equal or none is finite.
    """
    finite = np.isfinite(losses)
    if not finite.any():
        return np.zeros(len(losses))
    # Halved, so that no difference of finite numbers overflows.
    y: Array = 0.5 * losses - 0.5 * losses[finite].min()
    span = y[finite].max()
    y = y / span if span > 0.0 else np.zeros(len(y))
    y[~finite] = FAILURE
    y = np.log(y + max(np.quantile(y, LOG_QUANTILE), MIN_SHIFT))
    y -= y.mean()
    deviation = y.std()
    return y / deviation if deviation > 1e-12 else np.zeros(len(y))
