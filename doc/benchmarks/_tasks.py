"""Tasks that the benchmarks share: functions with a known optimum, and real models.

A task is what ``RandomizedSearchCV`` would get: an estimator, a space, data, folds that
are drawn once, and a score. Real models are deterministic (``random_state=0``), so all
methods meet the same function of the parameters.

References
----------
Branin, Hartmann, Ackley, Rosenbrock, camel, Beale, Levy and Styblinski-Tang functions:
S. Surjanovic and D. Bingham, Virtual Library of Simulation Experiments,
https://www.sfu.ca/~ssurjano.
Func-2C: B. Ru et al., "Bayesian optimisation over multiple continuous and categorical
inputs", ICML 2020. Tree: R. Jenatton et al., "Bayesian optimization with
tree-structured dependencies", ICML 2017.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_classification,
    make_friedman1,
)
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

from sklearn_hpo.space import lograndint


@dataclass
class Task:
    """One search to run.

    Parameters
    ----------
    name : str
        How the tables call it.
    estimator, space, X, y, cv, scoring : objects
        What a search and its ``fit`` take.
    optimum : float or None
        The highest possible score, where it is known.
    """

    name: str
    estimator: BaseEstimator
    space: Any
    X: np.ndarray
    y: np.ndarray
    cv: list
    scoring: str | None = None
    optimum: float | None = None

    @property
    def is_synthetic(self):
        """Whether the score is a formula."""
        return self.optimum is not None


def branin(x1, x2):
    """Three equal minima of 0.397887."""
    a, b, c = 5.1 / (4 * np.pi**2), 5 / np.pi, 1 / (8 * np.pi)
    return (x2 - a * x1**2 + b * x1 - 6) ** 2 + 10 * (1 - c) * np.cos(x1) + 10


def hartmann6(*x):
    """Six local minima in six dimensions, the best -3.32237."""
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    return -alpha @ np.exp(-(a * (np.array(x) - p) ** 2).sum(axis=1))


def ackley(*x):
    """Many local minima around the best, which is 0."""
    x = np.array(x)
    bowl = -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2)))
    return bowl - np.exp(np.mean(np.cos(2 * np.pi * x))) + 20 + np.e


def rosenbrock(*x):
    """A bent valley; its lowest point is 0."""
    x = np.array(x)
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def camel(x1, x2):
    """Six local minima, two of them the best: -1.0316."""
    return (4 - 2.1 * x1**2 + x1**4 / 3) * x1**2 + x1 * x2 + (4 * x2**2 - 4) * x2**2


def beale(x1, x2):
    """Flat, with steep walls; its lowest point is 0."""
    powers = np.arange(1, 4)
    return np.sum((np.array([1.5, 2.25, 2.625]) - x1 + x1 * x2**powers) ** 2)


def func2c(x1, x2, first, second):
    """Two categories choose the two functions that are added."""
    parts = {
        "rosenbrock": (rosenbrock, 300),
        "camel": (camel, 10),
        "beale": (beale, 50),
    }
    total = 0.0
    for name in (first, second):
        function, scale = parts.get(name, parts["beale"])
        total += function(2 * x1, 2 * x2) / scale
    return total


def tree(first, second, **leaf):
    """Two binary choices lead to one of four leaves, each with its own variable."""
    variable = leaf[f"x{1 + 2 * first + second}"]
    return variable**2 + 0.1 * (1 + 2 * first + second) + leaf[f"r{1 + first}"]


def levy(*x):
    """Ripples on a bowl; its lowest point is 0, at 1."""
    w = 1 + (np.array(x) - 1) / 4
    ends = np.sin(np.pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (
        1 + np.sin(2 * np.pi * w[-1]) ** 2
    )
    ripples = 1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2
    return ends + np.sum((w[:-1] - 1) ** 2 * ripples)


def styblinski(*x):
    """Two basins in each dimension, the best of all -39.16617."""
    x = np.array(x)
    return 0.5 * np.mean(x**4 - 16 * x**2 + 5 * x)


def stairs(*x):
    """A bowl of plateaus, steeper in each dimension; its lowest value is 0."""
    return 2.0 ** np.arange(len(x)) @ np.floor(1.5 * np.array(x) + 0.5) ** 2


def trees(x1, x2, x3, x4, first):
    """Two integers that depend on each other, two logarithms, a category; 0 at best."""
    best = {"a": 4, "b": 7, "c": 10}[first]
    whole = (x1 - best) ** 2 / 30 + (np.log2(x2) - 0.4 * x1) ** 2 / 8
    return whole + np.log10(x3) ** 2 / 9 + abs(x4 - 0.8) + (10 - best) / 60


def _by_name(function):
    """Let a function of any number of coordinates take them as x1, x2, ..."""
    return lambda **x: function(*(x[name] for name in sorted(x)))


FUNCTIONS = {
    "branin": branin,
    "hartmann6": _by_name(hartmann6),
    "ackley5": _by_name(ackley),
    "rosenbrock4": _by_name(rosenbrock),
    "func2c": func2c,
    "tree": tree,
    "levy4": _by_name(levy),
    "styblinski5": _by_name(styblinski),
    "stairs4": _by_name(stairs),
    "trees": trees,
}


class Formula(BaseEstimator):
    """An estimator whose score is minus a function of its parameters.

    Parameters
    ----------
    function : str
        Key of `FUNCTIONS`.
    x1, x2, x3, x4, x5, x6, r1, r2, first, second : object, default=None
        Arguments of the function; those that are None are not passed on.
    """

    def __init__(  # noqa: PLR0913 - each is a parameter to search
        self,
        function="branin",
        *,
        x1=None,
        x2=None,
        x3=None,
        x4=None,
        x5=None,
        x6=None,
        r1=None,
        r2=None,
        first=None,
        second=None,
    ):
        self.function = function
        self.x1 = x1
        self.x2 = x2
        self.x3 = x3
        self.x4 = x4
        self.x5 = x5
        self.x6 = x6
        self.r1 = r1
        self.r2 = r2
        self.first = first
        self.second = second

    def fit(self, X, y):
        """Do nothing."""
        self.is_fitted_ = True
        return self

    def score(self, X, y):
        """Return minus the function."""
        params = self.get_params()
        function = FUNCTIONS[params.pop("function")]
        given = {k: v for k, v in params.items() if v is not None}
        return -float(function(**given))


def _synthetic(name, space, optimum):
    rows = np.arange(2)
    return Task(
        name,
        Formula(name),
        space,
        rows[:, None],
        rows,
        [(rows, rows)],
        optimum=optimum,
    )


def _box(n, low, high):
    return {f"x{i + 1}": uniform(low, high - low) for i in range(n)}


def _leaf(first, second):
    return {
        "first": [first],
        "second": [second],
        f"x{1 + 2 * first + second}": uniform(-1, 2),
        f"r{1 + first}": uniform(0, 1),
    }


def synthetic_tasks():
    """Return the tasks with a known optimum.

    Returns
    -------
    tasks : list of Task
        Real, categorical and conditional spaces of 2 to 6 dimensions.
    """
    mixed = _box(2, -1, 1) | {
        "first": ["rosenbrock", "camel", "beale"],
        "second": ["rosenbrock", "camel", "beale", "beale 2", "beale 3"],
    }
    return [
        _synthetic("branin", {"x1": uniform(-5, 15), "x2": uniform(0, 15)}, -0.397887),
        _synthetic("hartmann6", _box(6, 0, 1), 3.322369),
        # moved, so that the optimum is not in the centre, where we begin
        _synthetic("ackley5", _box(5, -20.0, 45.0), 0.0),
        _synthetic("rosenbrock4", _box(4, -5, 10), 0.0),
        _synthetic("func2c", mixed, 0.206326),
        _synthetic("tree", [_leaf(i, j) for i in (0, 1) for j in (0, 1)], -0.1),
    ]


def more_synthetic_tasks():
    """Return more tasks with a known optimum, for what needs many searches.

    Returns
    -------
    tasks : list of Task
        Ripples, basins, plateaus, and integers beside a category.
    """
    whole = {
        "x1": randint(1, 16),
        "x2": lograndint(1, 129),
        "x3": loguniform(1e-4, 1e2),
        "x4": uniform(0, 1),
        "first": ["a", "b", "c"],
    }
    return [
        _synthetic("levy4", _box(4, -9.0, 10.0), 0.0),
        _synthetic("styblinski5", _box(5, -5.0, 5.0), 39.16617),
        _synthetic("stairs4", _box(4, -7.0, 10.0), 0.0),
        _synthetic("trees", whole, 0.0),
    ]


def _classification(name, estimator, space, data, scoring):
    X, y = data
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return Task(name, estimator, space, X, y, list(folds.split(X, y)), scoring)


def _regression(name, estimator, space, data):
    X, y = data
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    return Task(name, estimator, space, X, y, folds, "r2")


def _digits(n):
    X, y = load_digits(return_X_y=True)
    return X[:n], y[:n]


def _classifiers():
    wine, cancer = load_wine(return_X_y=True), load_breast_cancer(return_X_y=True)
    return [
        _classification(
            "svc-digits",
            SVC(),
            {"C": loguniform(1e-2, 1e4), "gamma": loguniform(1e-6, 1e1)},
            _digits(600),
            "accuracy",
        ),
        _classification(
            "svc-cancer",
            make_pipeline(StandardScaler(), SVC()),
            {
                "svc__C": loguniform(1e-3, 1e4),
                "svc__gamma": loguniform(1e-6, 1e1),
                "svc__kernel": ["rbf", "sigmoid"],
                "svc__class_weight": [None, "balanced"],
            },
            cancer,
            "roc_auc",
        ),
        _classification(
            "forest-digits",
            RandomForestClassifier(n_estimators=20, random_state=0),
            {
                "max_features": uniform(0.02, 0.9),
                "min_samples_leaf": lograndint(1, 30),
                "max_depth": randint(2, 20),
                "criterion": ["gini", "entropy"],
                "class_weight": [None, "balanced"],
            },
            _digits(300),
            "neg_log_loss",
        ),
        _classification(
            "histgb-cancer",
            HistGradientBoostingClassifier(
                max_iter=20, early_stopping=False, random_state=0
            ),
            {
                "learning_rate": loguniform(1e-2, 1e0),
                "max_leaf_nodes": lograndint(2, 32),
                "min_samples_leaf": lograndint(2, 100),
                "l2_regularization": loguniform(1e-6, 1e2),
                "max_features": uniform(0.1, 0.9),
            },
            cancer,
            "neg_log_loss",
        ),
        _classification(
            "mlp-wine",
            make_pipeline(StandardScaler(), MLPClassifier(max_iter=20, random_state=0)),
            {
                "mlpclassifier__hidden_layer_sizes": lograndint(2, 100),
                "mlpclassifier__learning_rate_init": loguniform(1e-4, 1e0),
                "mlpclassifier__alpha": loguniform(1e-6, 1e1),
                "mlpclassifier__batch_size": lograndint(8, 129),
                "mlpclassifier__activation": ["relu", "tanh", "logistic"],
            },
            wine,
            "neg_log_loss",
        ),
        _classification(
            "knn-digits",
            make_pipeline(PCA(random_state=0), KNeighborsClassifier()),
            {
                "pca__n_components": randint(2, 60),
                "pca__whiten": [False, True],
                "kneighborsclassifier__n_neighbors": lograndint(1, 60),
                "kneighborsclassifier__weights": ["uniform", "distance"],
                "kneighborsclassifier__metric": ["euclidean", "manhattan", "chebyshev"],
            },
            _digits(600),
            "accuracy",
        ),
        _pipeline(),
    ]


def _pipeline():
    """Return a task whose space has two branches: an SVC or a logistic regression."""
    common = {"pca__n_components": randint(2, 20)}
    branches = [
        {
            "model": [SVC()],
            "model__C": loguniform(1e-3, 1e3),
            "model__gamma": loguniform(1e-5, 1e1),
        },
        {
            "model": [LogisticRegression(solver="liblinear")],
            "model__C": loguniform(1e-3, 1e3),
            "model__class_weight": [None, "balanced"],
        },
    ]
    pipe = make_pipeline(StandardScaler(), PCA(random_state=0), SVC())
    pipe.steps[-1] = ("model", SVC())
    data = make_classification(
        n_samples=400, n_features=20, n_informative=8, flip_y=0.05, random_state=0
    )
    return _classification(
        "pipe-synthetic", pipe, [common | b for b in branches], data, "accuracy"
    )


def _regressors():
    diabetes = load_diabetes(return_X_y=True)
    friedman = make_friedman1(n_samples=500, noise=1.0, random_state=0)
    return [
        _regression(
            "elastic-diabetes",
            make_pipeline(PolynomialFeatures(2), StandardScaler(), ElasticNet()),
            {
                "elasticnet__alpha": loguniform(1e-3, 1e2),
                "elasticnet__l1_ratio": uniform(0, 1),
                "polynomialfeatures__interaction_only": [False, True],
            },
            diabetes,
        ),
        _regression(
            "tree-friedman",
            DecisionTreeRegressor(random_state=0),
            {
                "max_depth": randint(1, 20),
                "min_samples_leaf": lograndint(1, 100),
                "min_samples_split": lograndint(2, 100),
                "max_features": uniform(0.1, 0.9),
                "ccp_alpha": loguniform(1e-5, 1e0),
            },
            friedman,
        ),
        _regression(
            "gb-diabetes",
            GradientBoostingRegressor(random_state=0),
            {
                "n_estimators": lograndint(5, 100),
                "learning_rate": loguniform(1e-2, 1e0),
                "max_depth": randint(1, 7),
                "subsample": uniform(0.3, 0.7),
                "min_samples_leaf": lograndint(1, 50),
            },
            diabetes,
        ),
    ]


@cache
def all_tasks():
    """Return the tasks by name.

    Returns
    -------
    tasks : dict of Task
        Synthetic ones first.
    """
    tasks = [*synthetic_tasks(), *_classifiers(), *_regressors()]
    return {task.name: task for task in tasks}
