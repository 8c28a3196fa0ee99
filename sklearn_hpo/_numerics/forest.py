"""A forest of random regression trees that tells mean and deviation."""

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import ExtraTreeRegressor

Array = NDArray[np.float64]

N_TREES = 16
MAX_FEATURES = 0.5
INACTIVE = -1.0  # left of all active coordinates: one split tells them apart


class RegressionForest:
    """Extremely randomised trees that tell mean and deviation.

    Every tree sees all rows, so that the mean interpolates; the trees differ in the
    cuts they draw [1]_, and so they disagree between the rows.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Observed rows, NaN where inactive.
    y : ndarray of shape (n,)
        Targets.
    categories : tuple of (ndarray or None)
        For each column its categories, which get an indicator each, so that one cut
        can tell any category from all others; None for a column with an order.
    rng : numpy.random.Generator
        Source of randomness.

    References
    ----------
    .. [1] Geurts, Ernst & Wehenkel (2006), Extremely Randomized Trees, Machine
       Learning 63.
    .. [2] Hutter, Xu, Hoos & Leyton-Brown (2014), Algorithm Runtime Prediction:
       Methods & Evaluation, Artificial Intelligence 206; section 4.3.2.
    """

    def __init__(
        self,
        rows: Array,
        y: Array,
        categories: tuple[Array | None, ...],
        rng: np.random.Generator,
    ) -> None:
        self.categories = categories
        X = self._features(rows)
        self.estimators = [
            ExtraTreeRegressor(max_features=MAX_FEATURES, random_state=int(seed)).fit(
                X, y, check_input=False
            )
            for seed in rng.integers(2**31, size=N_TREES)
        ]

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and deviation of the mixture of what the trees predict.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            NaN where inactive.

        Returns
        -------
        mean : ndarray of shape (m,)
            Mean over trees.
        std : ndarray of shape (m,)
            By the law of total variance: the variance of the means of the leaves plus
            the mean of the variances within [2]_.
        """
        X = self._features(rows)
        means, variances = np.empty((2, N_TREES, len(X)))
        for k, estimator in enumerate(self.estimators):
            leaves = estimator.tree_.apply(X)
            means[k] = estimator.tree_.value[leaves, 0, 0]
            variances[k] = estimator.tree_.impurity[leaves]
        variance = means.var(axis=0) + np.maximum(variances.mean(axis=0), 0.0)
        return means.mean(axis=0), np.sqrt(variance)

    def _features(self, rows: Array) -> NDArray[np.float32]:
        """Return what the trees see: coordinates and indicators of categories."""
        parts = [
            np.nan_to_num(rows[:, j, None], nan=INACTIVE)
            if categories is None
            else rows[:, j, None] == categories
            for j, categories in enumerate(self.categories)
        ]
        return np.hstack(parts).astype(np.float32)
