"""
Tune a network by its epochs
============================

A multilayer perceptron behind a scaler, on scikit-learn's images of digits. Poor
settings show in the first passes over the data, and candidates that go on keep their
weights: ``partial_fit`` takes them on where they were.

Needs pandas and matplotlib.
"""

# %%
# The plan
# --------
#
# ``max_iter`` of the network at the end of the pipeline is the number of passes that
# the best candidates get; the others get a ninth or a third of them. The scaler is
# fitted once for each candidate and fold. Before anything is fitted, ``plan`` tells
# what it will cost.

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_hpo import HyperbandSearchCV
from sklearn_hpo.space import lograndint

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
pipe = Pipeline(
    [("scale", StandardScaler()), ("mlp", MLPClassifier(max_iter=54, random_state=0))]
)
space = {
    "mlp__hidden_layer_sizes": [(16,), (32,), (64,), (32, 32)],
    "mlp__learning_rate_init": loguniform(1e-4, 1e-1),
    "mlp__alpha": loguniform(1e-6, 1e1),
    "mlp__batch_size": lograndint(16, 256),
}
search = HyperbandSearchCV(
    pipe,
    space,
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
    scoring="neg_log_loss",
    optimizer="random",
    return_train_score=True,
    random_state=0,
)
plan = pd.DataFrame(search.plan(X_train, y_train))
print(plan.round(1).to_string(index=False))
print(
    f"{plan['n_candidates'][0]} candidates for the price of {plan['cost'].sum():.1f} "
    "with all passes"
)

# %%
# The search
# ----------
#
# It spends what was planned. The best candidate is refitted by as many passes as it won
# with.

search.fit(X_train, y_train)
print("as planned:", search.plan_ == plan.to_dict("list"))
for name, value in search.best_params_.items():
    print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
print(f"log loss on held-out folds {-search.best_score_:.3f}")
print(f"accuracy on the test rows {search.best_estimator_.score(X_test, y_test):.3f}")

# %%
# Learning curves
# ---------------
#
# On the left the scores that decided. Were the order of the candidates the same at all
# heights, nothing would be lost by stopping early; where curves cross, an early score
# has misled. On the right the candidates that got all passes, with their scores on the
# training folds: those whose curves part have learnt by heart.

history = pd.DataFrame(search.history_)
history[["loss", "train loss"]] = -history[["score", "train_score"]]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
n_complete = 0
for _, curve in history.groupby("candidate"):
    complete = curve["status"].iloc[-1] == "complete"
    color = f"C{n_complete}" if complete else "0.8"
    passes = curve["n_resources"]
    left.plot(passes, curve["loss"], "o-", color=color, ms=3, zorder=1 + complete)
    if complete:
        n_complete += 1
        right.plot(passes, curve["loss"], "o-", color=color, ms=3)
        right.plot(passes, curve["train loss"], "o:", color=color, ms=3)
for ax in (left, right):
    ax.set(xscale="log", yscale="log", xlabel="passes over the training rows")
    ax.set_xticks(search.n_resources_, search.n_resources_)
    ax.minorticks_off()
left.set(ylabel="log loss", title="all candidates, held-out folds (grey: stopped)")
right.set(title="got all passes: held-out (lines), training (dots)")
plt.show()
