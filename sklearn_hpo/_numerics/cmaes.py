"""The distributions of CMA-ES for mixed spaces: a normal one, and one of categories.

Both learn from the ranking of a generation. Letters are those of [1]_: ``n`` numeric
columns, ``lam`` children, ``y = (x - mean) / sigma``.

References
----------
.. [1] Hansen (2016), The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772;
   appendix A has the algorithm and its constants.
.. [2] Hamano, Saito, Nomura & Shirakawa (2022), CMA-ES with Margin: Lower-Bounding
   Marginal Probability for Mixed-Integer Black-Box Optimization, GECCO.
.. [3] Hamano, Saito, Nomura, Uchida & Shirakawa (2024), CatCMA: Stochastic Optimization
   for Mixed-Category Problems, GECCO; arXiv 2504.07884 adds integers.
.. [4] Akimoto, Shirakawa, Yoshinari, Uchida, Saito & Nishida (2019), Adaptive
   Stochastic Natural Gradient Method for One-Shot Neural Architecture Search, ICML.
.. [5] Hansen (2011), Injecting External Solutions Into CMA-ES, arXiv 1110.4181.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# A generation ends without improvement below TOL_LOSS, or with steps below TOL_STEP of
# the first one, or with an ill-conditioned covariance.
TOL_LOSS, TOL_STEP, MAX_CONDITION = 1e-12, 1e-12, 1e14
# Probability that a child has all its discrete values from the middle [3]_.
UNMUTATED = 0.73
SNR = 1.5  # signal-to-noise ratio that the step in the categories aims at [4]_


def recombination_weights(lam: int) -> tuple[Array, float, float]:
    """Return weights by rank, before they are normalised.

    Parameters
    ----------
    lam : int
        Number of children.

    Returns
    -------
    weights : ndarray of shape (lam,)
        Falling; positive for the better half.
    mu_eff, mu_eff_minus : float
        Effective numbers of positive and of other weights.
    """
    weights = math.log((lam + 1) / 2) - np.log(np.arange(1, lam + 1))
    mu = lam // 2
    sizes = [
        float(part.sum() ** 2 / np.square(part).sum())
        for part in (weights[:mu], weights[mu:])
    ]
    return weights, sizes[0], sizes[1]


class Normal:
    """Multivariate normal distribution that learns mean, step size and covariance.

    Parameters
    ----------
    mean : ndarray of shape (n,), n > 0
        Where to start.
    sigma : float
        First step size, in units of the cube.
    lam : int
        Children of a generation.
    edges : sequence of (ndarray or None)
        For each column that is discrete the increasing limits between its values.
    margin : float
        Least probability that such a column leaves its most likely value [2]_.

    Attributes
    ----------
    stretch : ndarray of shape (n,)
        Factors that keep discrete columns moving.
    """

    def __init__(
        self,
        mean: Array,
        sigma: float,
        lam: int,
        edges: Sequence[Array | None] = (),
        margin: float = 0.0,
    ) -> None:
        n = len(mean)
        self.mean, self.sigma, self.stretch = mean, sigma, np.ones(n)
        self.edges, self.margin = edges, margin
        self._first_sigma, self._n_updates = sigma, 0
        self._cov = np.eye(n)
        self._decompose()
        self._path_sigma, self._path_c = np.zeros(n), np.zeros(n)
        self._set_constants(n, lam)
        self._bests: list[float] = []

    def _set_constants(self, n: int, lam: int) -> None:
        """Set the learning rates of [1]_, equations 49 to 58 and table 1."""
        weights, mu_eff, mu_eff_minus = recombination_weights(lam)
        c1 = 2.0 / ((n + 1.3) ** 2 + mu_eff)
        cmu = 2.0 * (0.25 + mu_eff + 1.0 / mu_eff - 2.0) / ((n + 2.0) ** 2 + mu_eff)
        cmu = min(1.0 - c1, cmu)
        negative = min(
            1.0 + c1 / cmu,
            1.0 + 2.0 * mu_eff_minus / (mu_eff + 2.0),
            (1.0 - c1 - cmu) / (n * cmu),
        )
        positive = weights[weights > 0].sum()
        total = -weights[weights < 0].sum()
        # a large population on few columns learns from its better half alone
        factor = np.where(weights > 0, 1.0 / positive, negative / total)
        self._weights = weights * factor
        self._mu_eff, self._c1, self._cmu = mu_eff, c1, cmu
        self._c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0)
        excess = math.sqrt((mu_eff - 1.0) / (n + 1.0)) - 1.0
        self._d_sigma = 1.0 + 2.0 * max(0.0, excess) + self._c_sigma
        self._cc = (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n)
        self._chi = math.sqrt(n) * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n))
        self._memory = 10 + math.ceil(30 * n / lam)

    def steps(self, z: Array) -> Array:
        """Return what standard normal draws become: y, without the stretch.

        Parameters
        ----------
        z : ndarray of shape (m, n)
            Standard normal.

        Returns
        -------
        y : ndarray of shape (m, n)
            With the learnt covariance.
        """
        y: Array = z @ (self._axes * self._lengths).T
        return y

    def points(self, y: Array) -> Array:
        """Return where steps lead: ``mean + sigma stretch y``.

        Parameters
        ----------
        y : ndarray of shape (m, n)
            Steps.

        Returns
        -------
        points : ndarray of shape (m, n)
            Possibly outside the cube.
        """
        points: Array = self.mean + self.sigma * self.stretch * y
        return points

    def injected(self, point: Array) -> Array:
        """Return the step to a point that this distribution has not drawn [5]_.

        Parameters
        ----------
        point : ndarray of shape (n,)
            NaN counts as the mean.

        Returns
        -------
        y : ndarray of shape (n,)
            No longer than a long step of its own.
        """
        away = np.where(np.isnan(point), 0.0, point - self.mean)
        y = away / (self.sigma * self.stretch)
        n, length = len(y), float(np.linalg.norm(self._whitened(y)))
        longest = math.sqrt(n) + 2.0 * n / (n + 2.0)
        shortened: Array = y * min(1.0, longest / max(length, 1e-300))
        return shortened

    def update(self, y: Array, losses: Array) -> None:
        """Learn from a generation.

        Parameters
        ----------
        y : ndarray of shape (lam, n)
            Steps, best first.
        losses : ndarray of shape (lam,)
            In the same order.
        """
        self._n_updates += 1
        n, w = y.shape[1], self._weights
        mean_step = np.maximum(w, 0.0) @ y
        self.mean = np.clip(self.mean + self.sigma * mean_step, 0.0, 1.0)
        cs, cc = self._c_sigma, self._cc
        white = self._whitened(y)
        whitened = np.maximum(w, 0.0) @ white @ self._axes.T
        self._path_sigma = (1.0 - cs) * self._path_sigma
        self._path_sigma += math.sqrt(cs * (2.0 - cs) * self._mu_eff) * whitened
        length = float(np.linalg.norm(self._path_sigma)) / self._chi
        usual = math.sqrt(1.0 - (1.0 - cs) ** (2 * self._n_updates))
        slow = length / usual < 1.4 + 2.0 / (n + 1.0)
        self._path_c = (1.0 - cc) * self._path_c
        self._path_c += slow * math.sqrt(cc * (2.0 - cc) * self._mu_eff) * mean_step
        # Negative weights must not take more than the whole of a direction.
        sizes = np.maximum(np.einsum("ij,ij->i", white, white), 1e-300)
        w_o = np.where(w >= 0.0, w, w * n / sizes)
        c1, cmu = self._c1, self._cmu
        kept = 1.0 + c1 * (1.0 - slow) * cc * (2.0 - cc) - c1 - cmu * w.sum()
        self._cov = kept * self._cov + cmu * (y.T * w_o) @ y
        self._cov += c1 * np.outer(self._path_c, self._path_c)
        self.sigma *= math.exp(min(1.0, cs / self._d_sigma * (length - 1.0)))
        self._decompose()
        for j, edges in enumerate(self.edges):
            if edges is not None:
                self._keep_moving(j, edges)
        self._bests = [*self._bests, float(losses[0])][-self._memory :]

    def stops(self, losses: Array) -> bool:
        """Return whether nothing is to be gained any more.

        Parameters
        ----------
        losses : ndarray of shape (lam,)
            Of the last generation.

        Returns
        -------
        stops : bool
            If losses or steps are equal, or the covariance is ill-conditioned.
        """
        finite = np.append(self._bests, losses)
        finite = finite[np.isfinite(finite)]
        enough = len(self._bests) == self._memory
        level = enough and (not len(finite) or np.ptp(finite) < TOL_LOSS)
        spread = self.sigma * np.sqrt(np.diag(self._cov))
        path = self.sigma * np.abs(self._path_c)
        short = max(spread.max(), path.max()) < TOL_STEP * self._first_sigma
        condition = float(np.ptp(np.log(self._lengths)))
        return bool(level or short or 2.0 * condition > math.log(MAX_CONDITION))

    def _whitened(self, y: Array) -> Array:
        white: Array = y @ self._axes / self._lengths
        return white

    def _decompose(self) -> None:
        self._cov = 0.5 * (self._cov + self._cov.T)
        values, self._axes = np.linalg.eigh(self._cov)
        self._lengths = np.sqrt(np.maximum(values, 1e-30))

    def _keep_moving(self, j: int, edges: Array) -> None:
        """Keep the probability of leaving a discrete value above the margin [2]_."""
        deviation = self.sigma * math.sqrt(self._cov[j, j])
        k = int(np.searchsorted(edges, self.mean[j]))
        if k in (0, len(edges)):
            # at the end: the only limit may be as far as the margin allows
            limit = edges[min(k, len(edges) - 1)]
            reach = -ndtri(self.margin) * deviation * self.stretch[j]
            away = np.clip(self.mean[j] - limit, -reach, reach)
            self.mean[j] = limit + away
            return
        low, high = edges[k - 1], edges[k]
        scale = deviation * self.stretch[j]
        half = 0.5 * self.margin
        below = float(ndtr((low - self.mean[j]) / scale))
        above = float(ndtr((self.mean[j] - high) / scale))
        middle = 1.0 - below - above
        below, above = max(below, half), max(above, half)
        total = below + above + middle
        share = (1.0 - total) / (total - 3.0 * half)
        below += share * (below - half)
        above += share * (above - half)
        a, b = -ndtri(min(below, 0.5)), -ndtri(min(above, 0.5))
        if a + b > 0.0:
            self.mean[j] = (low * b + high * a) / (a + b)
            self.stretch[j] = (high - low) / (deviation * (a + b))


class Categories:
    """Independent categorical distributions that learn by natural gradient [4]_.

    Parameters
    ----------
    n_levels : sequence of int
        Of each column, 2 at least.
    margin : float
        Sum of the least probabilities of all values but one.

    Attributes
    ----------
    probabilities : ndarray of shape (n_columns, max(n_levels))
        Zero beyond the levels of a column.
    """

    def __init__(self, n_levels: Sequence[int], margin: float) -> None:
        K = np.asarray(n_levels)[:, None]
        self._valid = np.arange(K.max()) < K
        self._last = K[:, 0] - 1
        self._least = np.where(self._valid, margin / (K - 1), 0.0)
        self.probabilities = np.where(self._valid, 1.0 / K, 0.0)
        self._path = np.zeros(int(self._last.sum()))
        self._gamma, self._pace = 0.0, 1.0

    def draw(self, u: Array) -> Index:
        """Return the values at quantiles.

        Parameters
        ----------
        u : ndarray of shape (m, n_columns)
            In [0, 1).

        Returns
        -------
        values : ndarray of shape (m, n_columns), int
            From 0.
        """
        upper = np.cumsum(self.probabilities, axis=1)
        values = (u[:, :, None] >= upper).sum(axis=2)
        return np.minimum(values, self._last)

    def update(self, values: Index, lam: int) -> None:
        """Learn from a generation.

        Parameters
        ----------
        values : ndarray of shape (lam // 2, n_columns), int
            Of the better half, best first.
        lam : int
            Size of the generation.
        """
        weights = recombination_weights(lam)[0][: len(values)]
        one_hot = values[:, :, None] == np.arange(self._valid.shape[1])
        q = self.probabilities
        gradient = np.einsum("i,ijk->jk", weights / weights.sum(), one_hot) - q
        gradient[~self._valid] = 0.0
        white = self._whitened(gradient)
        length = math.sqrt(float(white @ white))
        delta = 1.0 / self._pace
        self.probabilities = self._with_margin(q + delta / (length + 1e-8) * gradient)
        beta = delta / math.sqrt(len(white))
        self._path = (1.0 - beta) * self._path
        self._path += math.sqrt(beta * (2.0 - beta)) * white / (length + 1e-300)
        self._gamma = (1.0 - beta) ** 2 * self._gamma + beta * (2.0 - beta)
        surplus = self._gamma - float(self._path @ self._path) / SNR
        # A step longer than the first would overshoot.
        self._pace = max(self._pace * math.exp(beta * surplus), 1.0)

    def _whitened(self, gradient: Array) -> Array:
        """Return the gradient times a root of the Fisher information."""
        rows = np.arange(len(gradient))
        root = np.sqrt(self.probabilities)
        rest = root[rows, self._last]
        free = self._valid.copy()
        free[rows, self._last] = False
        sums = np.where(free, gradient, 0.0).sum(axis=1) / (rest**2 + rest)
        white: Array = (gradient / np.where(free, root, 1.0) + root * sums[:, None])[
            free
        ]
        return white

    def _with_margin(self, q: Array) -> Array:
        q = np.maximum(q, self._least)
        above = q - self._least
        room = 1.0 - self._least.sum(axis=1, keepdims=True)
        return self._least + above * room / above.sum(axis=1, keepdims=True)
