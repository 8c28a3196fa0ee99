"""Independent draws from the space."""

import numpy as np

from sklearn_hpo.optimizers._base import Optimizer, Rows


class RandomOptimizer(Optimizer):
    """Draw rows from the distributions of the space, deaf to every loss.

    The law is that of scikit-learn's ``RandomizedSearchCV``.
    """

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
