"""
Tune boosting by its iterations
===============================

Gradient boosting on 50,000 rows, tuned twice with the same number of candidates:
:class:`~sklearn.model_selection.RandomizedSearchCV` gives all iterations to each of
them, :class:`~sklearn_hpo.HyperbandSearchCV` a ninth of them to all, and the rest to
those that do well. A candidate that goes on keeps its trees and adds to them.

Needs pandas and matplotlib.
"""

# %%
# The plan
# --------
#
# A quarter of the rows is the one validation fold. The resource is found by itself:
# ``max_iter`` of an estimator that can go on where it ended. ``plan`` says what ``fit``
# will do; ``cost`` is in fits with all iterations.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import RandomizedSearchCV, ShuffleSplit

from sklearn_hpo import HyperbandSearchCV
from sklearn_hpo.space import lograndint

X, y = make_classification(
    50_000, 20, n_informative=12, n_clusters_per_class=8, flip_y=0.05, random_state=0
)
model = HistGradientBoostingClassifier(
    max_iter=270, early_stopping=False, random_state=0
)
space = {
    "learning_rate": loguniform(0.01, 1.0),
    "max_leaf_nodes": lograndint(4, 64),
    "min_samples_leaf": lograndint(5, 300),
    "max_features": uniform(0.2, 0.8),
}
settings = {
    "cv": ShuffleSplit(1, test_size=0.25, random_state=0),
    "scoring": "neg_log_loss",
    "refit": False,
    "random_state": 0,
}
halving = HyperbandSearchCV(
    model, space, n_candidates=18, optimizer="random", **settings
)
plan = pd.DataFrame(halving.plan(X, y))
print(plan.round(1).to_string(index=False))
print(f"in all {plan['cost'].sum():.1f} full fits for 18 candidates")

# %%
# Both searches
# -------------
#
# Left to themselves, the two would draw different candidates. To compare the procedures
# and not the draws, halving is given those that the random search had. The column
# ``mean_fit_time`` of ``cv_results_`` adds up to the seconds spent in fits; for a
# candidate that went on it holds only what was added.

rows = {}


def run(name, search):
    """Fit a search and note what it cost and found."""
    began = time.perf_counter()
    search.fit(X, y)
    rows[name] = {
        "fit seconds": search.cv_results_["mean_fit_time"].sum(),
        "all seconds": time.perf_counter() - began,
        "best log loss": -search.best_score_,
    }
    return search


random = run(
    "RandomizedSearchCV", RandomizedSearchCV(model, space, n_iter=18, **settings)
)
halving.set_params(initial_candidates=random.cv_results_["params"])
run("HyperbandSearchCV", halving)
print(pd.DataFrame(rows).T.round(3).to_string())
same = random.best_params_.items() <= halving.best_params_.items()
print("the same winner:", same)
for name, value in halving.best_params_.items():
    print(f"{name}: {value:.3g}")

# %%
# The plan counts iterations, the clock sees more: a fit has to sort the rows into bins
# before its first iteration, also one that goes on, and the candidates that survive are
# those with large trees, whose iterations take longer than others.
#
# Learning curves
# ---------------
#
# ``history_`` has a row for each candidate and rung, so its groups by ``trial`` are
# learning curves. Grey ones were stopped.

history = pd.DataFrame(halving.history_)
history["loss"] = -history["score"]
history["learning rate"] = [params["learning_rate"] for params in history["params"]]
colors = plt.get_cmap("viridis_r")
rates = history.loc[history["status"] == "complete", "learning rate"]
low, high = np.log(rates.min()), np.log(rates.max())

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for _, curve in history.groupby("candidate"):
    last = curve.iloc[-1]
    style = {"color": "0.75", "ms": 3, "zorder": 1}
    if last["status"] == "complete":
        rate = last["learning rate"]
        color = colors((np.log(rate) - low) / (high - low))
        style = {"color": color, "label": f"learning rate {rate:.2g}"}
    ax.plot(curve["n_resources"], curve["loss"], "o-", **style)
ax.set(
    xlabel="iterations",
    ylabel="log loss, validation rows",
    xscale="log",
    xticks=halving.n_resources_,
    xticklabels=halving.n_resources_,
)
ax.minorticks_off()
ax.legend(frameon=False, title="got all iterations")
plt.show()
