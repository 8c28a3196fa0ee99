"""The tree-structured Parzen estimator."""

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.maximize import untaken
from sklearn_hpo._numerics.parzen import Cells, Mixture
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.optimizers._surrogate import SurrogateOptimizer
from sklearn_hpo.space import SearchSpace

GOOD_SHARE = 0.1  # of the losses make the good group, as in Optuna
MAX_GOOD = 25
MIN_WEIGHT = 0.1  # of a good row, in units of the mean improvement
N_CANDIDATES = 128


class TPE(SurrogateOptimizer):
    """Propose what is likely among good rows and unlikely among bad ones.

    An even design is followed by proposals of the tree-structured
    Parzen estimator [1]_ in its multivariate form [2]_: the best tenth of the rows and
    all others each give a mixture of product kernels; of some draws from the first
    mixture the one with the largest ratio of the densities is taken. A good row counts
    in proportion to how much it improves on the best bad one [3]_.

    Kernels compare what is active in both rows only; which columns are active is
    one more category. Pending rows belong to the bad group.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_initial_points : int or "auto", default="auto"
        Size of the initial design; "auto" is two more than a third of the columns,
        those of each branch counted, at most a quarter of the candidates that the study
        plans, but at least 4.

    References
    ----------
    .. [1] Bergstra, Bardenet, Bengio & Kégl (2011), Algorithms for Hyper-Parameter
       Optimization, NeurIPS.
    .. [2] Watanabe (2023), Tree-Structured Parzen Estimator: Understanding Its
       Algorithm Components and Their Roles for Better Empirical Performance,
       arXiv 2304.11127.
    .. [3] Song, Yu, Neiswanger & Ermon (2022), A General Recipe for Likelihood-free
       Bayesian Optimization, ICML.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import TPE, Told
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = TPE()
    >>> space = SearchSpace({"x": uniform(0, 1)})
    >>> optimizer.start(space, n_iter=40, seed=0)
    >>> for _ in range(40):
    ...     row = optimizer.ask(optimizer.rows[:0]).row
    ...     optimizer.tell(Told.of(row[None], losses=(row - 0.3) ** 2))
    >>> bool(optimizer.losses.min() < 1e-4)
    True
    """

    name = "tpe"

    def start(
        self, space: SearchSpace, n_iter: int, seed: int, n_objectives: int = 1
    ) -> None:
        super().start(space, n_iter, seed, n_objectives)
        columns = space.columns
        self._cells = Cells(
            [c.centres for c in columns],
            [c.edges for c in columns],
            self.layout.categorical,
        )

    def _choose(
        self, pending: Rows, taken: set[bytes], rng: np.random.Generator
    ) -> Rows:
        good, bad = self._mixtures(pending)
        drawn = self.space.from_unit(good.sample(N_CANDIDATES, rng))
        free = untaken(drawn, taken)
        rows = free if len(free) else self._pool(taken, N_CANDIDATES, rng)
        best: Rows = rows[np.argmax(good.log_density(rows) - bad.log_density(rows))]
        return best

    def _mixtures(self, pending: Rows) -> tuple[Mixture, Mixture]:
        """Return the estimates of the density of good rows and of all others."""
        finite = np.isfinite(self._loss)
        order = np.argsort(np.where(finite, self._loss, np.inf), kind="stable")
        n_good = int(np.ceil(GOOD_SHARE * len(order)))
        n_good = min(n_good, MAX_GOOD, int(finite.sum()))
        weights = _improvements(self._loss[order[: finite.sum()]], n_good)
        others = np.vstack([self.rows[order[n_good:]], pending])
        return (
            Mixture(self.rows[order[:n_good]], np.append(weights, 1.0), self._cells),
            Mixture(others, np.ones(len(others) + 1), self._cells),
        )


def _improvements(losses: NDArray[np.float64], n_good: int) -> NDArray[np.float64]:
    """Return weights, 1 in the mean before the lower limit, of the first of losses.

    The losses are finite and sorted.
    """
    if n_good == len(losses):
        return np.ones(n_good)
    # Halved, so that no difference of finite numbers overflows.
    gain = 0.5 * losses[n_good] - 0.5 * losses[:n_good]
    if not n_good or gain[0] == 0.0:
        return np.ones(n_good)
    gain /= gain[0]
    weights: NDArray[np.float64] = np.maximum(gain / gain.mean(), MIN_WEIGHT)
    return weights
