"""AskTell: the candidates of a search, for any function and without one."""

import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator

from sklearn_hpo import AskTell, BayesSearchCV, EvolutionarySearchCV
from sklearn_hpo.optimizers import GaussianProcess, Random
from sklearn_hpo.schedulers import FullBudget

SPACE = {"x": uniform(-1, 2), "n": randint(0, 50), "kind": ["a", "b"]}
NAMES = ["auto", "gp", "rbf", "forest", "tpe", "sobol", "random"]


def loss_of(params):
    return (params["x"] - 0.3) ** 2 + params["n"] / 50 + 0.5 * (params["kind"] == "b")


def run(tuner, function=loss_of):
    """Return the parameters of all candidates that are left."""
    found = []
    for trial in tuner:
        tuner.tell(trial, loss=function(trial.params))
        found.append(trial.params)
    return found


class Scored(BaseEstimator):
    """Its score is the negative loss of its parameters."""

    def __init__(self, x=0.0, n=0, kind="a"):
        self.x = x
        self.n = n
        self.kind = kind

    def fit(self, X, y=None):
        return self

    def score(self, X, y=None):
        return -loss_of(self.get_params())


def searched(search_class, **settings):
    search = search_class(
        Scored(),
        SPACE,
        random_state=5,
        cv=[([0], [1])],
        initial_candidates=[],
        refit=False,
        **settings,
    )
    return search.fit(np.zeros((2, 1))).cv_results_["params"]


@pytest.mark.parametrize("name", NAMES)
def test_candidates_are_those_of_the_search(name):
    tuner = AskTell(SPACE, 14, optimizer=name, seed=5)
    assert run(tuner) == searched(BayesSearchCV, n_iter=14, optimizer=name)


def test_candidates_of_an_optimizer_that_is_handed_in():
    asked = EvolutionarySearchCV(Scored(), SPACE, n_iter=30)
    tuner = AskTell(SPACE, 30, optimizer=asked._make_optimizer(FullBudget()), seed=5)
    assert run(tuner) == searched(EvolutionarySearchCV, n_iter=30)


def test_it_learns():
    best = [AskTell(SPACE, 30, seed=seed) for seed in range(3)]
    drawn = [AskTell(SPACE, 30, optimizer="random", seed=seed) for seed in range(3)]
    for tuner in best + drawn:
        run(tuner)
    gains = [d.best_loss - b.best_loss for b, d in zip(best, drawn, strict=True)]
    assert min(gains) > 0.01
    assert best[0].best_loss == loss_of(best[0].best_params)


def test_several_under_way_are_told_in_any_order():
    tuner = AskTell(SPACE, 20, seed=0)
    trials = [tuner.ask() for _ in range(6)]
    assert [trial.number for trial in trials] == list(range(6))
    for trial in reversed(trials):
        tuner.tell(trial, loss=loss_of(trial.params))
    others = run(tuner)
    assert len(others) == 14
    keys = {tuple(p.values()) for p in [*others, *(t.params for t in trials)]}
    assert len(keys) == 20
    assert tuner.n_asked == tuner.n_told == 20


def test_a_proposal_knows_who_is_under_way():
    """One that ignores them would propose the same again."""
    tuner = AskTell({"x": uniform(0, 1)}, 30, optimizer="gp", seed=0)
    for _ in range(10):
        trial = tuner.ask()
        tuner.tell(trial, loss=(trial.params["x"] - 0.4) ** 2)
    x = sorted(tuner.ask().params["x"] for _ in range(4))
    assert min(np.diff(x)) > 1e-6


def test_failed_candidates_are_no_best():
    tuner = AskTell(SPACE, 15, seed=0)
    for trial in tuner:
        bad = trial.number % 3 == 0
        tuner.tell(trial, loss=math.inf if bad else loss_of(trial.params))
    assert np.isnan(tuner.optimizer.losses[0]).all()
    assert math.isfinite(tuner.best_loss)


def test_without_a_finite_loss_there_is_no_best():
    tuner = AskTell(SPACE, 3, seed=0)
    tuner.tell(tuner.ask(), loss=math.nan)
    with pytest.raises(ValueError, match="No finite loss"):
        tuner.best_params  # noqa: B018


@pytest.mark.parametrize("name", ["auto", "gp", "random"])
def test_several_losses(name):
    tuner = AskTell(SPACE, 15, optimizer=name, n_objectives=2, seed=0)
    for trial in tuner:
        x = trial.params["x"]
        tuner.tell(trial, loss=[x**2, (x - 0.5) ** 2])
    front = tuner.pareto_front
    assert 1 <= len(front) <= 15
    losses = np.array([losses for _, losses in front])
    for row in losses:
        assert not (losses < row).all(axis=1).any()
    with pytest.raises(ValueError, match="pareto_front"):
        tuner.best_loss  # noqa: B018


def test_the_best_is_one_of_the_largest_budget():
    tuner = AskTell(SPACE, 5, seed=0)
    first, second = tuner.ask(), tuner.ask()
    tuner.tell(first, loss=0.1, budget=0.5)
    tuner.tell(second, loss=0.2, budget=0.5)
    assert tuner.best_params == first.params
    tuner.tell(second, loss=0.3, budget=1.0, seconds=2.0)
    assert tuner.best_params == second.params
    tuner.ask()
    assert_array_equal(tuner.optimizer.budgets, [0.5, 0.5, 1.0])
    assert_array_equal(tuner.optimizer.seconds, [np.nan, np.nan, 2.0])


def test_given_results_are_learnt_and_not_proposed():
    space = {"x": list(range(6))}
    tuner = AskTell(space, 10, seed=0)
    tuner.tell({"x": 3}, loss=0.5)
    tuner.tell({"x": 4}, loss=0.25)
    others = run(tuner, lambda params: params["x"])
    assert sorted(params["x"] for params in others) == [0, 1, 2, 5]
    assert tuner.n_asked == 4
    assert tuner.n_told == 6
    tuner.flush()
    assert len(tuner.optimizer.losses) == 6


def test_parameters_stand_for_the_candidate_that_was_asked_for():
    tuner = AskTell(SPACE, 10, optimizer="random", seed=0)
    trial = tuner.ask()
    tuner.tell(trial.params, loss=1.0)
    assert not tuner._pending
    assert tuner.best_params == trial.params


def test_initial_candidates_come_first():
    first = [{"x": 0.25, "n": 3, "kind": "b"}, {"x": 0.5, "n": 4, "kind": "a"}]
    tuner = AskTell(SPACE, 4, seed=0, initial_candidates=first)
    trials = list(tuner)
    assert [trial.params for trial in trials[:2]] == first
    assert [trial.source for trial in trials[:2]] == ["initial"] * 2
    assert len(trials) == 4


def test_a_finite_space_is_used_up():
    tuner = AskTell({"x": [1, 2], "y": randint(0, 3)}, 50, seed=0)
    assert len(run(tuner, lambda p: p["x"])) == 6
    assert tuner.ask() is None


@pytest.mark.parametrize("name", NAMES)
def test_a_pickle_goes_on_as_the_original(name):
    whole = run(AskTell(SPACE, 16, optimizer=name, seed=3))
    tuner = AskTell(SPACE, 16, optimizer=name, seed=3)
    found = []
    while (trial := tuner.ask()) is not None:
        found.append(trial.params)
        tuner = pickle.loads(pickle.dumps(tuner))
        tuner.tell(trial, loss=loss_of(trial.params))
        tuner = pickle.loads(pickle.dumps(tuner))
    assert found == whole


def test_a_pickle_keeps_who_is_under_way():
    tuner = AskTell(SPACE, 12, optimizer="gp", seed=3)
    trials = [tuner.ask() for _ in range(5)]
    twin = pickle.loads(pickle.dumps(tuner))
    for either in (tuner, twin):
        for trial in (trials[4], trials[1]):
            either.tell(trial, loss=loss_of(trial.params))
    assert [t.params for t in tuner] == [t.params for t in twin]


def test_seeds():
    space = {"x": loguniform(1e-3, 1)}
    same = [run(AskTell(space, 5, seed=1), lambda p: p["x"]) for _ in range(2)]
    assert same[0] == same[1]
    assert AskTell(space, 5).seed != AskTell(space, 5).seed


def test_an_optimizer_object():
    tuner = AskTell(SPACE, 8, optimizer=GaussianProcess(), seed=0)
    assert run(tuner) == run(AskTell(SPACE, 8, optimizer="gp", seed=0))
    assert isinstance(AskTell(SPACE, 8, optimizer=Random()).optimizer, Random)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_iter": 0}, "n_iter=0"),
        ({"n_iter": 5, "n_objectives": 0}, "n_objectives=0"),
        ({"n_iter": 5, "optimizer": "GP"}, "optimizer='GP'"),
        ({"n_iter": 5, "optimizer": "tpe", "n_objectives": 2}, "TPE learns one"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        AskTell(SPACE, **settings)


def test_wrong_tells():
    tuner = AskTell(SPACE, 5, optimizer="random", seed=0)
    other = AskTell(SPACE, 5, optimizer="random", seed=1).ask()
    with pytest.raises(ValueError, match="no candidate that was asked for here"):
        tuner.tell(other, loss=1.0)
    trial = tuner.ask()
    with pytest.raises(ValueError, match="should be 1 of them"):
        tuner.tell(trial, loss=[1.0, 2.0])
    with pytest.raises(ValueError, match="budget=0"):
        tuner.tell(trial, loss=1.0, budget=0)
    with pytest.raises(ValueError, match="x"):
        tuner.tell({"x": 9.0, "n": 1, "kind": "a"}, loss=1.0)
