"""
Search over the architecture of a network
=========================================

How many hidden layers, and of what sizes? With lists one writes down some architectures
and hopes that a good one is among them. A :class:`~sklearn_hpo.space.sequence` is all
of them: here one to four layers of 4 to 64 units each, beside the penalty and the
learning rate.

Needs matplotlib.
"""

# %%
# The space
# ---------
#
# The tuple that is drawn is what ``hidden_layer_sizes`` takes. The number of layers and
# the size of each are columns of their own to the search, so that what it learns about
# the first layer counts for networks of any depth.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_hpo import EvolutionarySearchCV
from sklearn_hpo.space import SearchSpace, lograndint, sequence

X, y = load_digits(return_X_y=True)
X, y = X[:600], y[:600]
space = {
    "mlpclassifier__hidden_layer_sizes": sequence(lograndint(4, 65), 1, 4),
    "mlpclassifier__alpha": loguniform(1e-5, 1e1),
    "mlpclassifier__learning_rate_init": loguniform(1e-4, 1e-1),
}
for column in SearchSpace(space).columns:
    print(column.name)

# %%
# Both searches
# -------------
#
# Networks are stopped after ten epochs, converged or not: what is wanted is one that
# learns fast.

model = MLPClassifier(max_iter=10, batch_size=50, random_state=0)
pipe = make_pipeline(MinMaxScaler(), model)
N_ITER = 60
settings = {
    "n_iter": N_ITER,
    "cv": StratifiedKFold(3, shuffle=True, random_state=0),
    "refit": False,
    "random_state": 0,
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    evolved = EvolutionarySearchCV(pipe, space, **settings).fit(X, y)
    drawn = RandomizedSearchCV(pipe, space, **settings).fit(X, y)
for name, search in (("evolution", evolved), ("random", drawn)):
    best = {k.rpartition("__")[2]: v for k, v in search.best_params_.items()}
    print(f"{name}: {search.best_score_:.4f} with {best}")

# %%
# What evolution tried
# --------------------
#
# Left, the best score so far, of one run each. Right, the architectures in the order in
# which evolution tried them: a bar for each candidate, its layers stacked from the
# input upwards, and darker where the score is better. Children have the layers of a
# parent but for one that was put in, left out, doubled or changed, or sizes between
# those of two parents. Ten epochs are too few for deep networks: of two layers, then of
# one, most of the later candidates are made.

fig, (left, right) = plt.subplots(
    1, 2, figsize=(9.5, 4), width_ratios=[2, 3], layout="constrained"
)
steps = np.arange(1, N_ITER + 1)
for search, label, color in (
    (evolved, "EvolutionarySearchCV", "C0"),
    (drawn, "RandomizedSearchCV", "0.5"),
):
    best = np.maximum.accumulate(search.cv_results_["mean_test_score"])
    left.step(steps, best, where="post", color=color, label=label)
left.set(
    xlabel="candidates evaluated",
    ylabel="best mean accuracy of 3 folds",
    xlim=(1, N_ITER),
    ylim=(0.85, 1.0),
)
left.legend(loc="lower right", frameon=False)

scores = evolved.cv_results_["mean_test_score"]
shades = plt.get_cmap("Blues")(np.clip((scores - 0.8) / 0.17, 0.05, 1.0))
for step, params, shade in zip(
    steps, evolved.cv_results_["params"], shades, strict=True
):
    sizes = params["mlpclassifier__hidden_layer_sizes"]
    ends = np.cumsum(sizes)
    right.bar(
        np.full(len(sizes), step),
        sizes,
        bottom=ends - sizes,
        color=shade,
        edgecolor="0.3",
        lw=0.5,
    )
right.set(
    xlabel="candidate, in the order of evolution",
    ylabel="hidden units, layer upon layer",
    xlim=(0.3, N_ITER + 0.7),
)
plt.show()
