"""Several objectives: the optimizer and the search that look for their front."""

import joblib
import numpy as np
import probes
import pytest
from asktell import asked, run, tell
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import EvolutionarySearchCV
from sklearn_hpo._numerics.pareto import hypervolume
from sklearn_hpo.optimizers import NSGA2, DifferentialEvolution
from sklearn_hpo.optimizers._evolutionary import EvolutionaryOptimizer
from sklearn_hpo.space import SearchSpace

X, Y = load_iris(return_X_y=True)
KINDS = [DifferentialEvolution, NSGA2]


def dominates(a, b):
    return all(a <= b) and any(a < b)


def non_dominated(losses):
    return [i for i, b in enumerate(losses) if not any(dominates(a, b) for a in losses)]


def zdt(rows, power):
    """Return the losses of ZDT1 (power 0.5) or ZDT2 (power 2)."""
    f = rows[:, 0]
    g = 1 + 9 * rows[:, 1:].mean(axis=1)
    return np.column_stack([f, g * (1 - (f / g) ** power)])


def begun(kind, power, n=150, seed=0, n_pending=0, **settings):
    space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(6)})
    losses_of = lambda rows: zdt(rows, power)
    return run(kind(**settings), space, losses_of, n, seed, n_pending, n_objectives=2)


@pytest.mark.parametrize("power", [0.5, 2.0])
@pytest.mark.parametrize("n_pending", [0, 3])
def test_differential_evolution_spreads_along_the_front(power, n_pending):
    reference = np.array([1.1, 11.0])
    found, drawn = [], []
    for seed in range(3):
        how = {"seed": seed, "n_pending": n_pending}
        rows = begun(DifferentialEvolution, power, **how).rows
        found.append(hypervolume(zdt(rows, power), reference))
        draws = np.random.default_rng(seed).random((150, 6))
        drawn.append(hypervolume(zdt(draws, power), reference))
        assert len(np.unique(rows, axis=0)) == 150
    assert min(found) > max(drawn) + 0.3


def test_every_member_of_a_front_is_a_parent(monkeypatch):
    """Also in a team that asks for every second proposal."""
    targets = []
    breed = EvolutionaryOptimizer._children
    monkeypatch.setattr(
        EvolutionaryOptimizer,
        "_children",
        lambda self, members, target, rng: (
            targets.append(target) or breed(self, members, target, rng)
        ),
    )
    optimizer = DifferentialEvolution(population_size=8)
    space = SearchSpace({"x": uniform(0, 1), "y": uniform(0, 1)})
    optimizer.start(space, 120, 0, n_objectives=2)
    rng = np.random.default_rng(0)
    for number in range(120):
        row = space.sample(1, rng) if number % 2 else asked(optimizer)
        losses = np.hstack([row[:, :1] ** 2, (row[:, :1] - 1) ** 2]) + row[:, 1:]
        tell(optimizer, row, losses)
    assert set(targets) == set(range(8))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("surrogate", ["rbf", None])
def test_the_population_is_a_function_of_what_was_told(kind, surrogate):
    settings = {"screening": surrogate, "population_size": 8}
    optimizer = begun(kind, 0.5, n=40, **settings)
    replayed = kind(**settings)
    replayed.start(optimizer.space, 40, 0, n_objectives=2)
    losses = zdt(optimizer.rows, 0.5)
    tell(replayed, optimizer.rows, losses)
    nothing = np.empty((0, 6))
    assert_array_equal(asked(replayed, 3, nothing), asked(optimizer, 3, nothing))


@pytest.mark.parametrize("kind", KINDS)
def test_survives_failures_of_all_and_of_some(kind):
    space = SearchSpace({"x": uniform(0, 1), "c": ["a", "b"], "k": randint(1, 9)})
    for share in (1.0, 0.5):
        optimizer = kind(population_size=4)
        optimizer.start(space, 20, 0, n_objectives=2)
        for _ in range(20):
            row = asked(optimizer, 1, optimizer.rows[:0])
            losses = np.where(row[:, :1] < share, np.nan, row[:, [0, 2]])
            tell(optimizer, row, losses)
        assert np.isfinite(optimizer.rows).all()


class Probe(probes.Probe):
    """Has two scores that are at odds along x; fails where k is 8."""

    def __init__(self, x=0.5, k=1):
        super().__init__(x)
        self.k = k

    def fit(self, X, y):
        if self.k == 8:
            raise RuntimeError("eight")
        return super().fit(X, y)


def left(estimator, X, y):
    return -((estimator.x - 0.2) ** 2) - estimator.k


def right(estimator, X, y):
    return -((estimator.x - 0.7) ** 2) - estimator.k


def search(**more):
    return EvolutionarySearchCV(
        **{
            "estimator": Probe(),
            "param_distributions": {"x": uniform(0, 1), "k": randint(1, 9)},
            "n_iter": 40,
            "cv": 2,
            "scoring": {"left": left, "right": right},
            "objectives": ["left", "right"],
            "refit": "right",
            "random_state": 0,
            **more,
        }
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
@pytest.mark.parametrize("error_score", [np.nan, 0.0])
@pytest.mark.parametrize("algorithm", ["auto", "nsga2"])
def test_front_is_not_dominated(algorithm, error_score):
    # an error score above all others would be chosen for the refit
    refit = "right" if np.isnan(error_score) else False
    more = {"optimizer": algorithm, "error_score": error_score, "refit": refit}
    fitted = search(**more).fit(X, Y)
    table = np.column_stack(
        [fitted.cv_results_[f"mean_test_{name}"] for name in ("left", "right")]
    )
    failed = fitted.cv_results_["param_k"].astype(int) == 8
    assert failed.any()
    fine = np.flatnonzero(~failed)
    assert_array_equal(fitted.pareto_front_, fine[non_dominated(-table[fine])])
    assert {"auto": "de"}.get(algorithm, algorithm) in fitted.history_["source"]
    volume = fitted.history_["hypervolume"]
    assert (np.diff(volume) >= 0).all()
    opening = table[:8][~failed[:8]]
    reference = -opening.min(axis=0)
    assert volume[-1] == pytest.approx(hypervolume(-table[fine], reference))
    if np.isnan(error_score):
        assert fitted.best_index_ == np.nanargmax(table[:, 1])
        assert fitted.best_index_ in fitted.pareto_front_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_same_result_for_any_number_of_workers_and_after_a_stop(tmp_path):
    whole = search(max_concurrent=3).fit(X, Y)
    with joblib.parallel_config("threading"):
        spread = search(max_concurrent=3, n_jobs=2).fit(X, Y)
    path = tmp_path / "search.jsonl"
    search(max_concurrent=3, checkpoint=path).fit(X, Y)
    # what was written before an interrupt
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    resumed = search(max_concurrent=3, checkpoint=path).fit(X, Y)
    for other in (spread, resumed):
        assert other.cv_results_["params"] == whole.cv_results_["params"]
        assert_array_equal(other.pareto_front_, whole.pareto_front_)
        assert other.history_["hypervolume"] == whole.history_["hypervolume"]


def test_times_are_objectives():
    fitted = EvolutionarySearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": randint(1, 9), "ccp_alpha": loguniform(1e-4, 1e-1)},
        n_iter=15,
        scoring=["accuracy"],
        objectives=["accuracy", "neg_fit_time", "neg_score_time"],
        refit=lambda results: int(np.argmin(results["mean_fit_time"])),
        random_state=0,
    ).fit(X, Y)
    results = fitted.cv_results_
    losses = np.column_stack(
        [
            -results["mean_test_accuracy"],
            results["mean_fit_time"],
            results["mean_score_time"],
        ]
    )
    assert_array_equal(fitted.pareto_front_, non_dominated(losses))
    assert fitted.best_index_ in fitted.pareto_front_


class NeverFitted(Probe):
    def fit(self, X, y):
        raise AssertionError


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"objectives": ["left", "up"]}, "holds 'up', which is none of"),
        ({"objectives": ["left"]}, "two or more"),
        ({"objectives": []}, "two or more"),
        ({"objectives": ["left", "left"]}, "more than once"),
        ({"scoring": left, "refit": True}, "'left', which is none of"),
        ({"refit": True}, "refit"),
        ({"optimizer": "cmaes"}, "CMAES learns one objective"),
        (
            {"optimizer": "nsga2", "objectives": None},
            "NSGA2 needs 2 objectives",
        ),
        ({"optimizer": NSGA2(mutation=1.5)}, "float in the range"),
        ({"warm_start_from": [({"x": 0.5, "k": 1}, 0.3)]}, "several objectives"),
    ],
)
def test_wrong_settings_are_refused_before_any_fit(more, message):
    with pytest.raises(ValueError, match=message):
        search(estimator=NeverFitted(), error_score="raise", **more).fit(X, Y)
