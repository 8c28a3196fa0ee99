"""
A forest as good and as quick as it can be
==========================================

How many milliseconds is a percent of accuracy worth?
:class:`~sklearn_hpo.BayesSearchCV` with two objectives looks for all forests that no
other one beats in both, and takes the knee of that front.

Needs matplotlib.
"""

# %%
# Two objectives
# --------------
#
# Everything in ``objectives`` is maximised. ``"accuracy"`` is a score;
# ``"neg_score_time"`` is what it takes to predict the held-out fold and to score it, in
# seconds with a minus. Times depend on the machine, so that each run of this page finds
# another front; where a size will do, let a function of the fitted model count it, such
# as the number of nodes.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import uniform
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold

from sklearn_hpo import BayesSearchCV, knee
from sklearn_hpo.space import lograndint

X, y = load_digits(return_X_y=True)


search = BayesSearchCV(
    RandomForestClassifier(random_state=0),
    {
        "n_estimators": lograndint(1, 60),
        "max_leaf_nodes": lograndint(2, 200),
        "max_features": uniform(0.02, 0.5),
        "min_samples_leaf": lograndint(1, 20),
    },
    n_iter=60,
    scoring=["accuracy"],
    objectives=["accuracy", "neg_score_time"],
    refit=knee(["accuracy", "neg_score_time"]),
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
    random_state=0,
).fit(X, y)

# %%
# The front
# ---------
#
# ``pareto_front_`` are rows of ``cv_results_``. The refit took the knee: from there, a
# better forest takes far longer, and a quicker one is far less accurate.

results = search.cv_results_
accuracy, ms = results["mean_test_accuracy"], 1000 * results["mean_score_time"]
front = search.pareto_front_[np.argsort(ms[search.pareto_front_])]
knee = search.best_index_
for row in front:
    mark = "<- knee" if row == knee else ""
    print(f"{ms[row]:8.1f} ms, accuracy {accuracy[row]:.3f} {mark}")

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.scatter(ms, accuracy, color="0.7", s=15, label="candidates")
left.step(ms[front], accuracy[front], where="post", color="C0", lw=1)
left.scatter(ms[front], accuracy[front], color="C0", s=25, label="front")
left.scatter(ms[knee], accuracy[knee], color="C3", marker="*", s=200, label="knee")
left.set(xlabel="milliseconds to predict a fold", ylabel="accuracy")
left.legend(loc="lower right")
right.step(
    np.arange(1, search.n_candidates_evaluated_ + 1),
    search.history_["hypervolume"],
    where="post",
)
right.set(xlabel="candidates", ylabel="hypervolume", yticks=[])
plt.show()

# %%
# Right, the volume that the front dominates: the search may end where it no longer
# grows.
#
# Another rule
# ------------
#
# A callable ``refit`` says anything else. Here, the quickest forest within two percent
# of the most accurate one; it can be applied to the same results without a new search.


def quickest_good(results):
    accuracy = results["mean_test_accuracy"]
    good = accuracy >= accuracy.max() - 0.02
    return int(np.argmin(np.where(good, results["mean_score_time"], np.inf)))


row = quickest_good(results)
print(f"{ms[row]:.1f} ms, accuracy {accuracy[row]:.3f}: {results['params'][row]}")
