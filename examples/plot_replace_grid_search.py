"""
Replace a grid search
=====================

A pipeline over columns of mixed type, tuned first with scikit-learn's
:class:`~sklearn.model_selection.GridSearchCV`, then with
:class:`~sklearn_hpo.BayesSearchCV` in its place. The data are those of 442 diabetes
patients that come with scikit-learn: the aim is to predict the progress of the disease
a year later.

Needs pandas and matplotlib.
"""

# %%
# The data
# --------
#
# Sex is a category in these data; the groups of age and of body mass index (the WHO's
# limits) are made from columns of numbers, which stay in the table.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import loguniform
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR

from sklearn_hpo import BayesSearchCV

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1: "one", 2: "two"})
X["age_group"] = pd.cut(
    X["age"], [0, 30, 45, 60, 120], labels=["to 29", "30 to 44", "45 to 59", "from 60"]
)
X["bmi_group"] = pd.cut(
    X["bmi"], [0, 18.5, 25, 30, 99], labels=["under", "normal", "over", "obese"]
)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print(X_train.head(3).to_string())

# %%
# The pipeline and its grid
# -------------------------
#
# Parameters of the preprocessing and of the model are tuned together: 144 candidates.

categories = ["sex", "age_group", "bmi_group"]
numbers = [name for name in X if name not in categories]
columns = ColumnTransformer(
    [
        ("numbers", StandardScaler(), numbers),
        ("categories", OneHotEncoder(handle_unknown="ignore"), categories),
    ]
)
pipe = Pipeline([("columns", columns), ("svr", SVR())])
grid = {
    "columns__categories__min_frequency": [None, 0.3],
    "svr__C": np.logspace(-1, 4, 6),
    "svr__gamma": np.logspace(-5, 0, 6),
    "svr__epsilon": [1.0, 30.0],
}

# %%
# The change
# ----------
#
# Another class, and a number of candidates. All else stays.

rows = {}


def run(name, search):
    """Fit a search and note what it cost and found."""
    began = time.perf_counter()
    search.fit(X_train, y_train)
    rows[name] = {
        "candidates": len(search.cv_results_["params"]),
        "seconds": time.perf_counter() - began,
        "best R2, 5 folds": search.best_score_,
        "R2, test set": search.score(X_test, y_test),
    }
    return search


grid_search = run("GridSearchCV", GridSearchCV(pipe, grid, cv=5))
bayes_search = run(
    "BayesSearchCV, same grid",
    BayesSearchCV(pipe, grid, cv=5, n_iter=30, random_state=0),
)

# %%
# A grid also limits what can be found. With distributions in the place of lists, the
# search decides for itself how finely to look, here in 50 candidates, the default.

space = {
    "columns__categories__min_frequency": [None, 0.3],
    "svr__C": loguniform(1e-1, 1e4),
    "svr__gamma": loguniform(1e-5, 1e0),
    "svr__epsilon": loguniform(1.0, 30.0),
}
free_search = run(
    "BayesSearchCV, no grid",
    BayesSearchCV(pipe, space, cv=5, random_state=4),
)
print(pd.DataFrame(rows).T.astype({"candidates": int}).round(3).to_string())
print("best of the grid:", bayes_search.best_params_)
print("best without it: ", free_search.best_params_)

# %%
# What each candidate was worth
# -----------------------------
#
# The best score so far, after each candidate. For comparison: the grid's own candidates
# in random order, as a mean over a thousand orders.

scores = grid_search.cv_results_["mean_test_score"]
orders = np.random.default_rng(0).permuted(np.tile(scores, (1000, 1)), axis=1)
random_order = np.maximum.accumulate(orders, axis=1).mean(axis=0)
steps = np.arange(1, 51)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.axhline(max(scores), color="0.5", ls="--", lw=1, label="best of all 144")
ax.plot(steps, random_order[:50], color="0.5", label="grid in random order (mean)")
for search, label, color in (
    (bayes_search, "BayesSearchCV, same grid", "C0"),
    (free_search, "BayesSearchCV, no grid", "C1"),
):
    best = search.history_["best_score"]
    ax.step(steps[: len(best)], best, where="post", color=color, label=label)
ax.set(
    xlabel="candidates evaluated",
    ylabel="best mean R² of 5 folds",
    xlim=(1, 50),
    ylim=(0.35, None),
)
ax.legend(loc="lower right", frameon=False)
plt.show()
