"""
A competition notebook
======================

From ``train.csv`` and ``test.csv`` to ``submission.csv``: features, a pipeline, a
search over two kinds of model within a time limit, a file to hand in. The tables are
made on the spot: house prices that follow a known law, with gaps and noise.

Needs pandas and matplotlib.
"""

# %%
# The files
# ---------
#
# As in a competition, prices are known for ``train.csv`` only.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_log_error
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_hpo import BayesSearchCV


def make_houses(n, rng):
    """Return a table of houses and their prices."""
    houses = pd.DataFrame(
        {
            "area": rng.gamma(8, 15, n).round(),
            "rooms": rng.integers(1, 8, n),
            "built": rng.integers(1900, 2021, n),
            "sold": rng.integers(2015, 2025, n),
            "district": rng.choice(["harbour", "hill", "north", "old town"], n),
            "heating": rng.choice(["gas", "heat pump", "oil"], n, p=[0.6, 0.1, 0.3]),
        }
    )
    age = houses["sold"] - houses["built"]
    worth = houses["district"].map(
        {"harbour": 0.1, "hill": 0.5, "north": -0.2, "old town": 0.3}
    )
    # houses lose value with age, until they are old enough to be loved
    worth -= 0.012 * age.clip(upper=50) - 0.02 * (age - 70).clip(lower=0)
    worth += 0.1 * (houses["heating"] == "heat pump")
    worth += 0.8 * np.log(houses["area"]) + 0.03 * (houses["sold"] - 2015)
    price = np.exp(8 + worth + rng.normal(0, 0.12, n)).round(-2)
    houses.loc[rng.random(n) < 0.1, "built"] = np.nan
    houses.loc[rng.random(n) < 0.05, "heating"] = np.nan
    return houses, price


folder = tempfile.TemporaryDirectory()
path = Path(folder.name)
houses, prices = make_houses(1000, np.random.default_rng(0))
houses.insert(0, "id", np.arange(1, 1001))
houses.iloc[:600].assign(price=prices[:600]).to_csv(path / "train.csv", index=False)
houses.iloc[600:].to_csv(path / "test.csv", index=False)

# %%
# The notebook begins
# -------------------

train = pd.read_csv(path / "train.csv", index_col="id")
test = pd.read_csv(path / "test.csv", index_col="id")
X, y = train.drop(columns="price"), train["price"]
print(train.head(3).to_string())

# %%
# Features are made inside the pipeline, so that each fold makes them from its own rows.


def add_features(houses):
    """Return the table with what the columns tell together."""
    return houses.assign(
        age=houses["sold"] - houses["built"],
        log_area=np.log(houses["area"]),
        area_per_room=houses["area"] / houses["rooms"],
    )


columns = ColumnTransformer(
    [
        (
            "numbers",
            make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            "names",
            OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
    ]
)
model = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)
pipe = Pipeline(
    [
        ("features", FunctionTransformer(add_features)),
        ("columns", columns),
        ("model", model),
    ]
)

# %%
# The search
# ----------
#
# A list of dicts: each model brings its own parameters, and what they share is learned
# from both. ``max_time`` keeps the notebook within its limit, refit included.

shared = {
    "columns__numbers__simpleimputer__strategy": ["mean", "median"],
    "columns__names__min_frequency": [None, 0.05, 0.2],
}
boosting = GradientBoostingRegressor(subsample=0.7, random_state=0)
space = [
    {
        **shared,
        "model__regressor": [Ridge()],
        "model__regressor__alpha": loguniform(1e-2, 1e3),
    },
    {
        **shared,
        "model__regressor": [boosting],
        "model__regressor__learning_rate": loguniform(0.02, 0.5),
        "model__regressor__max_depth": randint(1, 6),
        "model__regressor__min_samples_leaf": randint(1, 40),
        "model__regressor__max_features": uniform(0.2, 0.8),
    },
]
search = BayesSearchCV(
    pipe,
    space,
    n_iter=25,
    max_time=60,
    scoring="neg_root_mean_squared_log_error",
    cv=3,
    random_state=0,
).fit(X, y)

print("RMSLE in cross-validation:", round(-search.best_score_, 4))
for name, value in search.best_params_.items():
    print(f"    {name}: {value}")

# %%
# What was tried
# --------------

history = pd.DataFrame(search.history_)
history["model"] = [type(p["model__regressor"]).__name__ for p in history["params"]]
history["RMSLE"] = -history["score"]
print(history.groupby("model")["RMSLE"].agg(["count", "min", "median"]).round(4))

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, tried in history.groupby("model"):
    ax.plot(tried["candidate"] + 1, tried["RMSLE"], "o", label=name)
best = -history["best_score"]
ax.step(history["candidate"] + 1, best, where="post", color="0.5", label="best so far")
ax.set(xlabel="candidate", ylabel="RMSLE in cross-validation")
ax.legend(frameon=False)
plt.show()

# %%
# The submission
# --------------

submission = pd.DataFrame({"price": search.predict(test)}, index=test.index)
submission.to_csv(path / "submission.csv", float_format="%.0f")
print((path / "submission.csv").read_text()[:60])

# %%
# What the leader board would say, since here the prices are known:

handed_in = pd.read_csv(path / "submission.csv", index_col="id")["price"]
error = root_mean_squared_log_error(prices[600:], handed_in)
print(f"RMSLE on the test set: {error:.4f}; a perfect model: about 0.12")
folder.cleanup()
