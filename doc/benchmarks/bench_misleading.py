"""When halving misleads: how well early scores tell the order of the final ones.

    python doc/benchmarks/bench_misleading.py

scores the same 27 random candidates with 1/9, 1/3 and all of a resource on four data
sets, prints what ``doc/user_guide/hyperband.rst`` includes, and writes it to
``doc/benchmarks/results/misleading.*``. It takes about 8 minutes on one core.
"""

from itertools import product

import numpy as np
from _report import RESULTS, machine, save, table
from scipy.stats import loguniform, rankdata, spearmanr
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import ParameterSampler, StratifiedKFold
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

SHARES = (1 / 9, 1 / 3, 1.0)
SEEDS = range(4)
N_CANDIDATES, N_FOLDS = 27, 9
BOOSTING = HistGradientBoostingClassifier(
    max_iter=180, max_leaf_nodes=8, early_stopping=False, random_state=0
)
RATES = ("learning_rate", loguniform(0.005, 1.0))
FOREST = RandomForestClassifier(90, random_state=0)
LEAVES = ("min_samples_leaf", range(1, 61))
PENALTIES = ("C", loguniform(1e-2, 1e3))
# estimator, what is searched, what candidates get less of, score
CASES = {
    "boosting, iterations": (BOOSTING, RATES, "max_iter", "neg_log_loss"),
    "forest, trees": (FOREST, LEAVES, "n_estimators", "accuracy"),
    "forest, rows": (FOREST, LEAVES, "rows", "accuracy"),
    "SVC, rows": (SVC(), PENALTIES, "rows", "accuracy"),
    "SVC, folds": (SVC(), PENALTIES, "folds", "accuracy"),
}


def scores(case, values, share, seed):
    """Return the mean score of each value with a share of the resource."""
    estimator, (parameter, _), resource, scoring = case
    X, y = make_classification(
        1350,
        15,
        n_informative=8,
        n_clusters_per_class=4,
        flip_y=0.15,
        random_state=seed,
    )
    folds = list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(X, y))
    # where folds are not what is shared out, three are enough
    folds = folds[: round(share * N_FOLDS) if resource == "folds" else 3]
    found = np.empty((len(values), len(folds)))
    for (j, (train, test)), (i, value) in product(enumerate(folds), enumerate(values)):
        rows = np.random.default_rng(j).permutation(train)
        model = clone(estimator).set_params(**{parameter: value})
        if resource == "rows":
            rows = rows[: round(share * len(rows))]
        elif resource != "folds":
            amount = round(share * model.get_params()[resource])
            model.set_params(**{resource: amount})
        found[i, j] = get_scorer(scoring)(model.fit(X[rows], y[rows]), X[test], y[test])
    return found.mean(axis=1)


def run(name, seed):
    """Return what one case on one data set tells."""
    parameter, law = CASES[name][1]
    drawn = ParameterSampler({parameter: law}, N_CANDIDATES, random_state=seed)
    values = [params[parameter] for params in drawn]
    first, second, final = (scores(CASES[name], values, s, seed) for s in SHARES)
    leader, best = int(np.argmax(first)), int(np.argmax(final))
    return {
        "case": name,
        "seed": seed,
        "ninth": float(spearmanr(first, final)[0]),
        "third": float(spearmanr(second, final)[0]),
        "rank": float(rankdata(-first, "min")[best]),
        "leader": float(values[leader]),
        "best": float(values[best]),
        "lost": float(final[best] - final[leader]),
    }


def report(records):
    """Return the table, one row a case."""
    header = ["estimator, resource", "parameter", "corr. 1/9", "corr. 1/3"]
    header += ["rank at 1/9", "value of leader", "of best", "lost"]
    rows = []
    for name, (_, (parameter, _), *_) in CASES.items():
        mine = [r for r in records if r["case"] == name]
        mean = {k: np.mean([r[k] for r in mine]) for k in ("ninth", "third", "rank")}
        centre = [
            np.exp(np.mean(np.log([r[k] for r in mine]))) for k in ("leader", "best")
        ]
        cells = [name, f"``{parameter}``", f"{mean['ninth']:.2f}"]
        cells += [f"{mean['third']:.2f}", f"{mean['rank']:.1f}"]
        cells += [f"{value:.2g}" for value in centre]
        rows.append([*cells, f"{np.mean([r['lost'] for r in mine]):.3f}"])
    return table(header, rows)


def main():
    """Run, print, write."""
    with threadpool_limits(1):
        records = [run(*item) for item in product(CASES, SEEDS)]
    line = machine()
    text = f"{line}\n\n{report(records)}"
    print(text)
    save(RESULTS / "misleading.json", text, {"machine": line, "records": records})


if __name__ == "__main__":
    main()
