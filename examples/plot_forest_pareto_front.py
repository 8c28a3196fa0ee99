"""
A forest as good and as small as it can be
==========================================

How many nodes is a percent of accuracy worth? :class:`~sklearn_hpo.BayesSearchCV` with
two objectives looks for all forests that no other one beats in both, and takes the
knee of that front.

Needs matplotlib.
"""

# %%
# Two objectives
# --------------
#
# Everything in ``objectives`` is maximised. ``"accuracy"`` is a score; the second one
# is a function of the model that was fitted on a training fold. The number of nodes is
# what a forest takes in memory, and much of what a prediction takes in time. Other than
# ``"neg_score_time"`` it is the same on every machine.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import uniform
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold

from sklearn_hpo import BayesSearchCV
from sklearn_hpo.space import lograndint

X, y = load_digits(return_X_y=True)


def few_nodes(forest):
    return -sum(tree.tree_.node_count for tree in forest.estimators_)


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
    objectives=["accuracy", few_nodes],
    refit="knee",
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
    random_state=0,
).fit(X, y)

# %%
# The front
# ---------
#
# ``pareto_front_`` are rows of ``cv_results_``. The refit took the knee: from there, a
# better forest costs far more nodes, and a smaller one far more accuracy.

results = search.cv_results_
accuracy, nodes = results["mean_test_accuracy"], -results["mean_test_few_nodes"]
front = search.pareto_front_[np.argsort(nodes[search.pareto_front_])]
knee = search.best_index_
for row in front:
    mark = "<- knee" if row == knee else ""
    print(f"{nodes[row]:8.0f} nodes, accuracy {accuracy[row]:.3f} {mark}")

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.scatter(nodes, accuracy, color="0.7", s=15, label="candidates")
left.step(nodes[front], accuracy[front], where="post", color="C0", lw=1)
left.scatter(nodes[front], accuracy[front], color="C0", s=25, label="front")
left.scatter(nodes[knee], accuracy[knee], color="C3", marker="*", s=200, label="knee")
left.set(xscale="log", xlabel="nodes", ylabel="accuracy")
left.legend(loc="lower right")
right.step(
    np.arange(1, search.n_trials_ + 1), search.history_["hypervolume"], where="post"
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
# A callable ``refit`` says anything else. Here, the smallest forest within two percent
# of the most accurate one; it can be applied to the same results without a new search.


def smallest_good(results):
    accuracy = results["mean_test_accuracy"]
    good = accuracy >= accuracy.max() - 0.02
    return int(np.argmax(np.where(good, results["mean_test_few_nodes"], -np.inf)))


row = smallest_good(results)
print(f"{nodes[row]:.0f} nodes, accuracy {accuracy[row]:.3f}: {results['params'][row]}")
