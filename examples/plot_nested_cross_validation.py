"""
Nested cross-validation
=======================

The best score of a search is that of a winner, and winners were a little lucky: it
leans to the good side. To tell what tuning is worth, nested cross-validation scores the
whole procedure, search included, on rows that the search has not seen. Here for a
pipeline on scikit-learn's breast cancer data.

Needs matplotlib.
"""

# %%
# A search is an estimator
# ------------------------
#
# The pipeline scales, selects features and classifies; the search tunes all three with
# three inner folds.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import StratifiedKFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.svm import SVC

from sklearn_hpo import BayesSearchCV

X, y = load_breast_cancer(return_X_y=True)
pipe = Pipeline(
    [("scale", StandardScaler()), ("select", SelectKBest()), ("svc", SVC())]
)
space = {
    "scale": [StandardScaler(), RobustScaler()],
    "select__k": range(2, 31),
    "svc__C": loguniform(1e-2, 1e3),
    "svc__gamma": loguniform(1e-4, 1e1),
}
inner = StratifiedKFold(3, shuffle=True, random_state=0)
search = BayesSearchCV(pipe, space, n_iter=20, cv=inner, random_state=0)

# %%
# Five searches
# -------------
#
# Each outer fold runs a search of its own on the other four fifths of the rows, and is
# then predicted by the winner. The pipeline as it is, untuned, meets the same folds.

outer = StratifiedKFold(5, shuffle=True, random_state=1)
results = cross_validate(search, X, y, cv=outer, return_estimator=True)
searches, tuned = results["estimator"], results["test_score"]
claimed = [fitted.best_score_ for fitted in searches]
untuned = cross_val_score(pipe, X, y, cv=outer)

print("fold  untuned  claimed    tuned  parameters")
for i, fitted in enumerate(searches):
    best = fitted.best_params_
    print(
        f"{i + 1:4}{untuned[i]:9.3f}{claimed[i]:9.3f}{tuned[i]:9.3f}"
        f"  {type(best['scale']).__name__}, k={best['select__k']},"
        f" C={best['svc__C']:.3g}, gamma={best['svc__gamma']:.3g}"
    )
print(f"mean{np.mean(untuned):9.3f}{np.mean(claimed):9.3f}{np.mean(tuned):9.3f}")

# %%
# What to report
# --------------
#
# The mean of the outer scores, "tuned", is what to expect of the procedure. The winners
# differ from fold to fold; the model to use comes from one last search on all rows. In
# the figure, dashed lines are means.

final = search.fit(X, y)
print("parameters to use:", final.best_params_)

folds = np.arange(1, 6)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for shift, values, label, color in (
    (-0.1, untuned, "untuned", "0.5"),
    (0, claimed, "claimed by the search", "C1"),
    (0.1, tuned, "tuned, rows not seen", "C0"),
):
    ax.plot(folds + shift, values, "o", color=color, label=label)
    ax.axhline(np.mean(values), color=color, ls="--", lw=1)
ax.set(xlabel="outer fold", ylabel="accuracy", xticks=folds)
fig.legend(frameon=False, loc="outside upper center", ncols=3)
plt.show()
