"""
Tune a text pipeline
====================

Raw strings go into the search, and the whole pipeline is tuned: how words become
numbers, and the linear model behind that. A candidate learns its vocabulary once for
each fold; when it goes on, only the linear model is trained further.

Needs pandas and matplotlib.
"""

# %%
# Documents
# ---------
#
# Six topics, each with its own frequencies of the same 3000 words. Every document mixes
# its topic with what all have in common, and is between 20 and 120 words long.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from sklearn_hpo import HyperbandSearchCV

rng = np.random.default_rng(0)
n_documents, n_topics, n_words = 3000, 6, 3000
words = np.array([f"word{i}" for i in range(n_words)])
common = rng.dirichlet(1 / np.arange(1, n_words + 1) * 300)
topics = [
    0.93 * common + 0.07 * rng.dirichlet(np.full(n_words, 0.1)) for _ in range(n_topics)
]
y = rng.integers(n_topics, size=n_documents)
lengths = rng.integers(20, 121, size=n_documents)
X = [
    " ".join(rng.choice(words, n, p=topics[topic]))
    for n, topic in zip(lengths, y, strict=True)
]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print(X_train[0][:77])

# %%
# The search
# ----------
#
# ``X`` is a list of strings, as the pipeline takes it. The resource is the number of
# passes of the classifier, the last step; ``plan`` names it ``partial_fit``. To show
# how often a vocabulary is learnt, the vectorizer counts.


class CountedTfidf(TfidfVectorizer):
    n_fits = 0

    def fit_transform(self, raw_documents, y=None):
        CountedTfidf.n_fits += 1
        return super().fit_transform(raw_documents, y)


pipe = Pipeline(
    [
        ("words", CountedTfidf()),
        ("linear", SGDClassifier(max_iter=27, tol=None, random_state=0)),
    ]
)
space = {
    "words__ngram_range": [(1, 1), (1, 2)],
    "words__min_df": [1, 2, 5, 10],
    "words__sublinear_tf": [False, True],
    "linear__loss": ["hinge", "log_loss", "modified_huber"],
    "linear__penalty": ["l2", "l1", "elasticnet"],
    "linear__alpha": loguniform(1e-7, 1e-1),
}
search = HyperbandSearchCV(pipe, space, cv=3, n_candidates=24, random_state=0)
print(pd.DataFrame(search.plan(X_train, y_train)).round(1).to_string(index=False))
search.fit(X_train, y_train)
for name, value in search.best_params_.items():
    print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
untuned = clone(pipe).fit(X_train, y_train)
print(f"test accuracy {search.score(X_test, y_test):.3f}", end=", ")
print(f"untuned {untuned.score(X_test, y_test):.3f}")

# %%
# Vocabularies are learnt for each candidate and fold, and once more for the refit, not
# for each rung:

n_vocabularies = CountedTfidf.n_fits - 1  # without that of the untuned pipeline
n_candidates, n_evaluations = (
    search.n_candidates_evaluated_,
    len(search.history_["candidate"]),
)
print(f"{n_candidates} candidates, {n_evaluations} evaluations, 3 folds")
print(f"{n_vocabularies} vocabularies = {n_candidates} * 3 + 1")

# %%
# Learning curves
# ---------------
#
# A point is a candidate that was stopped at once; a curve that ends early is one that
# was stopped later.

history = pd.DataFrame(search.history_)
history["penalty"] = [params["linear__penalty"] for params in history["params"]]
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for color, (penalty, group) in enumerate(history.groupby("penalty")):
    for i, (_, curve) in enumerate(group.groupby("candidate")):
        ax.plot(
            curve["n_resources"],
            curve["score"],
            "o-",
            color=f"C{color}",
            ms=4,
            label="_" * (i > 0) + penalty,
        )
ax.set(xlabel="passes over the training rows", ylabel="accuracy, 3 folds", xscale="log")
ax.set_xticks(search.n_resources_, search.n_resources_)
ax.minorticks_off()
ax.legend(frameon=False, title="penalty", loc="lower right")
plt.show()
