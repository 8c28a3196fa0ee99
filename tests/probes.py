"""Classifiers without a model: what a test asks for happens in their fits.

Tests that need more subclass them. Worker processes find this file as they find the
tests: by the path of the process that started them.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Probe(ClassifierMixin, BaseEstimator):
    """Its score follows from its parameter: the best one is 0.3."""

    def __init__(self, x=0.5):
        self.x = x

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        return -((self.x - 0.3) ** 2)


class GrowingProbe(Probe):
    """Its iterations go on in a warm start, and raise its score."""

    def __init__(self, x=0.5, n_estimators=27, warm_start=False):
        super().__init__(x)
        self.n_estimators = n_estimators
        self.warm_start = warm_start

    @property
    def n_left(self):
        """How many iterations a fit would add."""
        done = getattr(self, "done_", 0) if self.warm_start else 0
        return self.n_estimators - done

    def fit(self, X, y):
        self.done_ = self.n_estimators
        return super().fit(X, y)

    def score(self, X, y):
        return super().score(X, y) - 1 / self.done_
