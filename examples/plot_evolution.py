"""
Evolve a whole pipeline
=======================

Which scaler, how many components or which columns, which classifier, and the settings
of each: :class:`~sklearn_hpo.EvolutionarySearchCV` breeds pipelines, beside
:class:`~sklearn.model_selection.RandomizedSearchCV` with the same number of fits.

Needs matplotlib.
"""

# %%
# The space
# ---------
#
# Two ways to reduce the columns and three classifiers make six branches, each with
# parameters of its own: a list of six dicts.

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import EvolutionarySearchCV
from sklearn_hpo.space import lograndint

X, y = load_digits(return_X_y=True)
X = X[:, (X > 0).mean(axis=0) > 0.05]  # without pixels that are nearly always empty
X, y = X[:500], y[:500]
n_columns = X.shape[1]
pipe = Pipeline([("scale", StandardScaler()), ("reduce", PCA()), ("model", SVC())])

scalers = [StandardScaler(), MinMaxScaler(), QuantileTransformer(n_quantiles=50)]
reducers = [
    {
        "reduce": [PCA(random_state=0)],
        "reduce__n_components": randint(2, n_columns + 1),
        "reduce__whiten": [False, True],
    },
    {"reduce": [SelectKBest()], "reduce__k": randint(2, n_columns + 1)},
]
models = [
    {
        "model": [SVC()],
        "model__C": loguniform(1e-2, 1e3),
        "model__gamma": loguniform(1e-5, 1e1),
        "model__class_weight": [None, "balanced"],
    },
    {
        "model": [KNeighborsClassifier()],
        "model__n_neighbors": lograndint(1, 60),
        "model__weights": ["uniform", "distance"],
        "model__p": uniform(1, 3),
    },
    {
        "model": [DecisionTreeClassifier(random_state=0)],
        "model__max_depth": randint(2, 20),
        "model__min_samples_leaf": lograndint(1, 30),
    },
]
space = [{"scale": scalers, **r, **m} for r, m in product(reducers, models)]

# %%
# Both searches
# -------------
#
# One run of either may be lucky, so each has three seeds.

N_ITER, SEEDS = 100, range(3)
settings = {
    "n_iter": N_ITER,
    "cv": StratifiedKFold(3, shuffle=True, random_state=0),
    "refit": False,
}
evolved, drawn = [], []
for seed in SEEDS:
    search = EvolutionarySearchCV(pipe, space, random_state=seed, **settings)
    evolved.append(search.fit(X, y))
    search = RandomizedSearchCV(pipe, space, random_state=seed, **settings)
    drawn.append(search.fit(X, y))
for evolution, random in zip(evolved, drawn, strict=True):
    print(f"evolution {evolution.best_score_:.4f}, random {random.best_score_:.4f}")
for name, value in evolved[0].best_params_.items():
    print(f"  {name}: {value}")

# %%
# What evolution spends its fits on
# ---------------------------------
#
# Left, the best score so far; right, which classifier the candidates had. Evolution
# begins with the centre of the space, which happens to be good here; what it gains
# after that is bred. Random search gives a third of its fits to each classifier.
# Evolution gives few to trees, which do worst, without closing their branch.

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
steps = np.arange(1, N_ITER + 1)
for searches, label, color in (
    ([s.history_["best_score"] for s in evolved], "EvolutionarySearchCV", "C0"),
    (
        [np.maximum.accumulate(s.cv_results_["mean_test_score"]) for s in drawn],
        "RandomizedSearchCV",
        "0.5",
    ),
):
    for best in searches:
        left.step(steps, best, where="post", color=color, lw=0.8, alpha=0.5)
    left.step(steps, np.mean(searches, axis=0), where="post", color=color, label=label)
left.set(
    xlabel="candidates evaluated",
    ylabel="best mean accuracy of 3 folds",
    xlim=(1, N_ITER),
    ylim=(0.95, 0.995),
)
left.legend(loc="lower right", frameon=False, title="three seeds and their mean")

blocks = steps.reshape(-1, 20)
names = [type(model["model"][0]).__name__ for model in models]
chosen = np.array(
    [[type(p["model"]).__name__ for p in s.history_["params"]] for s in evolved]
)
shares = [[np.mean(chosen[:, block - 1] == name) for block in blocks] for name in names]
right.stackplot(blocks.mean(axis=1), shares, labels=names, alpha=0.8)
right.set(
    xlabel="candidates evaluated",
    ylabel="share of candidates, evolution",
    xlim=(blocks[0].mean(), blocks[-1].mean()),
    ylim=(0, 1),
)
right.legend(loc="lower right")
plt.show()
