"""Candidates that do not depend on any loss."""

import numpy as np
from scipy.stats import qmc

from sklearn_hpo.optimizers._base import Optimizer, Rows


class Random(Optimizer):
    """Draw rows from the distributions of the space, deaf to every loss.

    The law is that of scikit-learn's ``RandomizedSearchCV``.
    """

    name = "random"
    learns = False
    begins_with_own = False  # the law of the draws is what it is known for

    def ask(self, n: int, pending: Rows) -> Rows:
        """Draw `n` rows, each from its own counter-based generator.

        Parameters
        ----------
        n : int
            How many rows to propose.
        pending : ndarray of shape (n_pending, n_columns)
            Rows proposed earlier whose losses have not been told yet.

        Returns
        -------
        rows : ndarray of shape (n, n_columns)
            Canonical rows of the space.
        """
        draws = [
            self.space.sample(1, self.trial_rng(len(pending) + i)) for i in range(n)
        ]
        return np.vstack(draws)


class Sobol(Optimizer):
    """Spread rows evenly over the space, deaf to every loss.

    They are the points of a scrambled Sobol sequence [1]_.

    References
    ----------
    .. [1] Owen (1998), Scrambling Sobol' and Niederreiter-Xing Points, Journal of
       Complexity 14.
    """

    name = "sobol"
    learns = False
    begins_with_own = False

    def ask(self, n: int, pending: Rows) -> Rows:
        """Return the next `n` points of the sequence.

        Parameters
        ----------
        n : int
            How many rows to propose.
        pending : ndarray of shape (n_pending, n_columns)
            Rows proposed earlier whose losses have not been told yet.

        Returns
        -------
        rows : ndarray of shape (n, n_columns)
            Canonical rows of the space.
        """
        d = self.space.n_columns
        if not d:
            return np.empty((n, 0))
        start = self.n_proposed + len(pending)
        # `seed` is what SciPy before 1.15 calls it, and newer ones accept
        sequence = qmc.Sobol(d, scramble=True, seed=np.random.default_rng(self.seed))
        if start:
            sequence.fast_forward(start)
        points = [sequence.random(1)[0] for _ in range(n)]
        return self.space.from_unit(self.space.spread(np.array(points).reshape(n, d)))
