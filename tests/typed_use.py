"""A user's program, which mypy and pyright accept but for the lines that they must not.

It is checked and not run; to ignore an error where there is none is one.
"""

from pathlib import Path

from scipy.stats import loguniform
from sklearn.base import BaseEstimator
from sklearn.svm import SVC

from sklearn_hpo import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    SearchCV,
    knee,
    read_checkpoint,
)
from sklearn_hpo.optimizers import GaussianProcess, GeneticAlgorithm
from sklearn_hpo.schedulers import Halving


def name_of(estimator: BaseEstimator) -> str:
    return type(estimator).__name__


space = {"C": loguniform(1e-2, 1e2)}
grid = {"C": [0.1, 1.0], "gamma": ["scale", "auto"]}
gp = GaussianProcess(acquisition="log_ei", n_initial_points=4)
few = BayesSearchCV(
    SVC(), space, n_iter=10, optimizer=gp, scheduler="racing", scoring=["accuracy"],
    n_jobs=2, refit="accuracy", cv=5, random_state=0,
    error_score="raise", max_time=60, max_concurrent="auto", deterministic="auto",
    checkpoint=Path("few.jsonl"), fit_timeout=1, fit_memory_limit=10**9,
    cache_transformers=False, n_iter_no_change=5, tol=0.001,
)  # fmt: skip
named = BayesSearchCV(
    SVC(), param_grid=grid, objectives=["score", len], refit=knee(["score", len]),
    initial_candidates=[{"C": 1.0}], warm_start_from=few, max_concurrent=2,
)  # fmt: skip
many = HyperbandSearchCV(
    SVC(), [grid, space], resource="n_samples", min_resources=20, factor=2.5,
    n_candidates=9, scheduler="asha", optimizer="tpe", scoring={"a": "accuracy"},
    refit=lambda results: int(results["mean_test_a"].argmax()), error_score=0.0,
)  # fmt: skip
bred = EvolutionarySearchCV(
    SVC(), grid, n_iter=100, optimizer=GeneticAlgorithm(mutation=0.1, screening=None),
    initial_candidates="default", scoring=lambda model, X, y: 1.0,
)  # fmt: skip
free = SearchCV(
    SVC(), space, optimizer="de", scheduler=Halving(factor=2), n_iter=20,
    resource="folds", warm_start_from=[({"C": 1.0}, 0.9)],
)  # fmt: skip
X, y = [[0.0], [1.0]], [0, 1]
fitted = few.set_params(n_iter=3).fit(X, y, sample_weight=[1, 1])
C: float = fitted.best_params_["C"]
score: float = fitted.best_score_ + few.score(X, y)
print(fitted.predict(X).shape, few.cv_results_["params"], few.history_["score"])
print(many.plan(X, y)["cost"], many.n_resources_[0], bred.pareto_front_.shape)
print(free.best_params_, free.plan_)
print(few.predict_score(few.best_params_), few.space_.names, name_of(bred))
print(read_checkpoint("few.jsonl")["score"], few.best_estimator_.C, many.plan_["rung"])

BayesSearchCV(SVC(), space, n_iter="ten")  # type: ignore[arg-type]
BayesSearchCV(SVC(), space, optimizer="GP")  # type: ignore[arg-type]
HyperbandSearchCV(SVC(), space, optimizer="GP")  # type: ignore[arg-type]
HyperbandSearchCV(SVC(), space, scheduler="full")  # type: ignore[arg-type]
SearchCV(SVC(), space, scheduler="half")  # type: ignore[arg-type]
EvolutionarySearchCV(SVC(), space, method="de")  # type: ignore[call-arg]
BayesSearchCV(SVC(), space, initial_candidates="defaults")  # type: ignore[arg-type]
print(fitted.best_param_)  # type: ignore[attr-defined]
