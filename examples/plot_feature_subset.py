"""
Search for columns and a model together
=======================================

Which columns a model should see depends on the model, and its best settings depend on
the columns. A :class:`~sklearn_hpo.space.subset` makes the columns a parameter, so that
one search finds both. The data are those of 442 diabetes patients that come with
scikit-learn: the aim is to predict the progress of the disease a year later.

Needs pandas and matplotlib.
"""

# %%
# Columns as a parameter
# ----------------------
#
# The ``transformers`` of a :class:`~sklearn.compose.ColumnTransformer` are a list of
# triples, and a parameter like any other. A subset of triples, one for each column, is
# a subset of columns; no class has to be written.
#
# Nearest neighbours suffer from every column that tells them nothing, and have no way
# to find out which ones do. Beside the ten columns of the data there are five of noise.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import uniform
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold, train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_hpo import EvolutionarySearchCV
from sklearn_hpo.space import lograndint, subset

X, y = load_diabetes(return_X_y=True, as_frame=True)
rng = np.random.default_rng(0)
for k in range(1, 6):
    X[f"noise {k}"] = rng.normal(size=len(X))
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

one_by_one = [(name, "passthrough", [name]) for name in X]
pipe = Pipeline(
    [
        ("select", ColumnTransformer(one_by_one)),
        ("scale", StandardScaler()),
        ("model", KNeighborsRegressor()),
    ]
)
neighbours = {
    "model__n_neighbors": lograndint(1, 60),
    "model__p": uniform(1, 2),
    "model__weights": ["uniform", "distance"],
}
columns = {"select__transformers": subset(one_by_one)}

# %%
# With and without the choice
# ---------------------------
#
# The same budget goes to the settings alone and to settings and columns together. A
# search over thousands of subsets finds lucky ones too, so that its own score is too
# good; what the choice is worth is for the test set to say, which no search has seen.

folds = KFold(5, shuffle=True, random_state=0)
searches = {}
for label, space in (("settings", neighbours), ("both", neighbours | columns)):
    search = EvolutionarySearchCV(pipe, space, n_iter=80, cv=folds, random_state=0)
    searches[label] = search.fit(X_train, y_train)
    test = search.score(X_test, y_test)
    print(f"{label:9s} cross-validated {search.best_score_:.3f}, test {test:.3f}")
kept = [name for name, *_ in searches["both"].best_params_["select__transformers"]]
print("columns kept:", ", ".join(kept))

# %%
# What it kept
# ------------
#
# Left, the best cross-validated score so far. Right, how many of the twenty best
# candidates have each column. Noise is rare among them.

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for label, color in (("settings", "0.5"), ("both", "C0")):
    best = searches[label].history_["best_score"]
    left.step(np.arange(1, len(best) + 1), best, where="post", color=color, label=label)
left.set(xlabel="candidates evaluated", ylabel="best mean $R^2$ of 5 folds")
left.legend(loc="lower right", frameon=False)

results = searches["both"].cv_results_
top = np.argsort(results["rank_test_score"], kind="stable")[:20]
chosen = [
    {name for name, *_ in results["params"][i]["select__transformers"]} for i in top
]
counts = np.array([sum(name in names for names in chosen) for name in X])
order = np.argsort(counts, kind="stable")
colors = np.where([name.startswith("noise") for name in X], "0.6", "C0")
right.barh(np.array(X.columns)[order], counts[order], color=colors[order])
right.set(xlabel="among the 20 best candidates", xlim=(0, 20))
right.tick_params(axis="y", labelsize=8)
plt.show()
