"""Optimizers by name, as objects, and as estimators; their streams of numbers."""

import pickle

import numpy as np
import pytest
from asktell import run
from contracts import toy_loss
from scipy.stats import uniform
from sklearn.base import clone

from sklearn_hpo._numerics.streams import stream
from sklearn_hpo.optimizers import (
    CMAES,
    NSGA3,
    TPE,
    DifferentialEvolution,
    Evolution,
    GaussianProcess,
    GeneticAlgorithm,
    HypervolumeGP,
    MultiFidelity,
    Portfolio,
    Random,
    RegularizedEvolution,
)
from sklearn_hpo.optimizers._registry import OPTIMIZERS, make_optimizer
from sklearn_hpo.space import SearchSpace

SPACE = SearchSpace({"x": uniform(0, 1), "y": uniform(0, 1)})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_names_make_optimizers_of_ones_own(name):
    one, other = make_optimizer(name), make_optimizer(name)
    assert one is not other
    assert repr(one) == repr(other) == f"{type(one).__name__}()"
    assert make_optimizer(name, n_objectives=2).multi_objective or name in (
        ["rbf", "forest", "tpe", "ga", "regularized", "lshade", "cmaes"]
    )


def test_a_given_optimizer_is_cloned():
    given = Portfolio(members=[GaussianProcess(acquisition="ucb"), TPE()])
    made = make_optimizer(given)
    made.start(SPACE, 10, 0)
    assert made is not given
    assert set(vars(given)) == {"members"}
    assert made.members[0].acquisition == "ucb"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("GP", ValueError, "'GP' is none of"),
        (
            GaussianProcess,
            TypeError,
            r"GaussianProcess is a class.*GaussianProcess\(\)",
        ),
        (3, TypeError, "neither a name nor an optimizer"),
    ],
)
def test_what_is_no_optimizer_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        make_optimizer(given)


@pytest.mark.parametrize(
    ("optimizer", "n_objectives", "message"),
    [
        (GaussianProcess(), 2, "GaussianProcess learns one objective, but there are 2"),
        (HypervolumeGP(), 1, "HypervolumeGP needs 2 objectives or more"),
        (NSGA3(), 1, "NSGA3 needs 2 objectives or more"),
        (Portfolio(members=[GaussianProcess()]), 2, "Portfolio learns one objective"),
        (Portfolio(members=[]), 1, "at least one"),
        (Portfolio(members=["gp"]), 1, "must be a list of optimizers"),
        (MultiFidelity(optimizer="gp"), 1, "'optimizer' parameter of MultiFidelity"),
        (MultiFidelity(optimizer=TPE(n_initial_points=0)), 1, "n_initial_points"),
        (GaussianProcess(acquisition="ei"), 1, "'acquisition' parameter of Gaussian"),
        (GeneticAlgorithm(mutation=1.5), 1, r"in the range \[0.0, 1.0\]"),
        (DifferentialEvolution(mutation=2.5), 1, r"in the range \[0.0, 2.0\]"),
        (RegularizedEvolution(screening="gp"), 1, "'screening' parameter"),
        (CMAES(population_size=3), 1, r"in the range \[4, inf\)"),
    ],
    ids=repr,
)
def test_start_says_what_is_wrong(optimizer, n_objectives, message):
    with pytest.raises(ValueError, match=message):
        optimizer.start(SPACE, 10, 0, n_objectives)


def test_parameters_of_parts_are_parameters():
    optimizer = MultiFidelity(optimizer=GaussianProcess())
    assert optimizer.get_params()["optimizer__acquisition"] == "auto"
    optimizer.set_params(optimizer__acquisition="log_ei")
    assert repr(optimizer) == (
        "MultiFidelity(optimizer=GaussianProcess(acquisition='log_ei'))"
    )
    assert clone(optimizer).optimizer.acquisition == "log_ei"


def test_rows_are_no_metadata():
    # scikit-learn takes what `predict` has beside X for metadata to be routed
    assert not hasattr(GaussianProcess(), "set_predict_request")


def test_evolution_is_that_of_its_choice():
    for n_objectives, kind in ((1, DifferentialEvolution), (3, NSGA3)):
        optimizer = Evolution(population_size=5)
        optimizer.start(SPACE, 50, 0, n_objectives)
        assert type(optimizer.chosen) is kind
        assert optimizer.chosen.population_size == optimizer.n_design == 5
    ours = run(Evolution(), SPACE, toy_loss, 20)
    theirs = run(DifferentialEvolution(), SPACE, toy_loss, 20)
    np.testing.assert_array_equal(ours.rows, theirs.rows)
    assert ours.diversity == theirs.diversity
    assert ours.predicts
    np.testing.assert_array_equal(ours.predict(ours.rows), theirs.predict(ours.rows))


def test_any_optimizer_may_be_a_member_or_wrapped():
    team = run(Portfolio(members=[Random(), TPE()]), SPACE, toy_loss, 12)
    assert team.n_design == 0
    assert not team.predicts
    wrapped = run(MultiFidelity(optimizer=Portfolio()), SPACE, toy_loss, 12)
    assert wrapped.predicts
    assert not MultiFidelity(optimizer=Random()).learns


def test_no_optimizer_holds_a_method_of_itself():
    # what pickle takes, and stricter formats do not
    for name in OPTIMIZERS:
        several = name.startswith("nsga")
        losses_of = (lambda rows: rows) if several else toy_loss
        how = {"n_objectives": 1 + several}
        optimizer = run(make_optimizer(name), SPACE, losses_of, 12, **how)
        held = pickle.dumps(vars(optimizer))
        assert b"functools" not in held
        assert b"builtins\x94\x8c\x07getattr" not in held


def test_streams_are_those_that_results_depend_on():
    for purpose, key in {
        "proposal": [7, 5],
        "redraw": [7, 5, 1],
        "restart": [7, 5, 1],
        "archive": [7, 5, 1],
        "random share": [7, 5, 2],
        "initial candidate": [7, 5, 2],
        "design": [7, 2**32 - 1],
        "sequence": 7,
    }.items():
        expected = np.random.default_rng(key).random(3)
        np.testing.assert_array_equal(stream(7, 5, purpose).random(3), expected)
