"""Tasks whose fits can be had at a part of their price, with rows held out."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, is_classifier
from sklearn.datasets import load_digits, make_classification, make_friedman1
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_hpo.space import lograndint


@dataclass
class Task:
    """One search to run.

    Parameters
    ----------
    estimator, space : objects
        What a search takes; scores are those of the estimator.
    X, y, X_test, y_test : array-like
        Rows to search on, and rows to score the choice on.
    iterations : str or None
        The parameter that counts the iterations, if training can go on.
    share : float
        What a search may cost, in searches of random candidates.
    cv : list
        The folds.
    """

    estimator: BaseEstimator
    space: dict
    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    iterations: str | None = None

    def __post_init__(self):
        self.share = 0.5 if self.iterations is None else 0.2
        folds = StratifiedKFold if is_classifier(self.estimator) else KFold
        folds = folds(5 if self.iterations is None else 3, shuffle=True, random_state=0)
        self.cv = list(folds.split(self.X, self.y))

    @property
    def maximum(self):
        """The most that a candidate gets: iterations, or else rows."""
        if self.iterations is None:
            return len(self.y)
        return self.estimator.get_params()[self.iterations]

    @property
    def minimum(self):
        """What successive halving starts with."""
        forest = isinstance(self.estimator, RandomForestClassifier)
        return self.maximum // (27 if forest else 9)


def text(n, n_words=3000, n_classes=4, seed=0):
    """Return documents as tf-idf of words drawn by Zipf's law, and their topics."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(n_classes, size=n)
    chances = np.exp(0.6 * rng.normal(size=(n_classes, n_words)))
    chances /= np.arange(1, n_words + 1)
    chances /= chances.sum(axis=1, keepdims=True)
    words = [rng.choice(n_words, 5 + rng.poisson(30), p=chances[k]) for k in topics]
    rows = np.repeat(np.arange(n), [len(w) for w in words])
    counts = csr_matrix((np.ones(len(rows)), (rows, np.concatenate(words))))
    counts.sum_duplicates()
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts), topics


def halves(data, n):
    """Return the first `n` rows to search on, the others to test on."""
    X, y = data
    return X[:n], y[:n], X[n:], y[n:]


@cache
def all_tasks():
    """Return the six tasks by name."""
    X, y = load_digits(return_X_y=True)
    digits = halves((X / 16, y), 900)
    friedman = halves(make_friedman1(3000, 10, noise=1.0, random_state=0), 1500)
    clusters = halves(
        make_classification(
            3000, 8, n_informative=5, n_clusters_per_class=4, flip_y=0.1, random_state=0
        ),
        1200,
    )
    return {
        "forest": Task(
            RandomForestClassifier(n_estimators=27, random_state=0),
            {
                "max_features": uniform(0.02, 0.98),
                "max_depth": randint(2, 21),
                "min_samples_leaf": lograndint(1, 20),
                "criterion": ["gini", "entropy"],
            },
            *digits,
            "n_estimators",
        ),
        "histgb": Task(
            HistGradientBoostingRegressor(
                max_iter=54, early_stopping=False, random_state=0
            ),
            {
                "learning_rate": loguniform(0.01, 1),
                "max_leaf_nodes": lograndint(2, 64),
                "min_samples_leaf": lograndint(1, 100),
                "l2_regularization": loguniform(1e-4, 1e2),
            },
            *friedman,
            "max_iter",
        ),
        "mlp": Task(
            MLPClassifier((32,), max_iter=27, tol=0.0, random_state=0),
            {
                "hidden_layer_sizes": [(16,), (32,), (64,)],
                "alpha": loguniform(1e-6, 1),
                "learning_rate_init": loguniform(1e-4, 0.1),
                "batch_size": lograndint(32, 257),
                "activation": ["relu", "tanh"],
            },
            *digits,
            "max_iter",
        ),
        "sgd": Task(
            SGDClassifier(max_iter=27, tol=None, random_state=0),
            {
                "loss": ["hinge", "log_loss", "modified_huber"],
                "penalty": ["l2", "elasticnet"],
                "alpha": loguniform(1e-7, 1e-1),
                "eta0": loguniform(1e-3, 10),
                "learning_rate": ["optimal", "invscaling", "constant"],
            },
            *halves(text(8000), 5000),
            "max_iter",
        ),
        "svc": Task(
            SVC(),
            {"C": loguniform(1e-2, 1e2), "gamma": loguniform(1e-4, 1e1)},
            *clusters,
        ),
        "pipeline": Task(
            make_pipeline(StandardScaler(), PCA(random_state=0), SVC()),
            {
                "pca__n_components": randint(5, 61),
                "pca__whiten": [False, True],
                "svc__C": loguniform(1e-2, 1e3),
                "svc__gamma": loguniform(1e-5, 1e0),
            },
            *digits,
        ),
    }
