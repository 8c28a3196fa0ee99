"""What the Gaussian process may look for: options of one optimizer and one search."""

import time
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from asktell import asked, tell
from contracts import SPACES, OptimizerContract, toy_loss
from scipy.optimize import check_grad
from scipy.stats import uniform
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from sklearn_hpo import BayesSearchCV
from sklearn_hpo._execution.executor import SequentialExecutor
from sklearn_hpo._numerics.evidence import prior
from sklearn_hpo._numerics.gp import Layout, Posterior
from sklearn_hpo._numerics.gp_fits import Speed
from sklearn_hpo._study.jobs import FoldJobs
from sklearn_hpo._study.loop import Study
from sklearn_hpo._study.tuner import Tuner
from sklearn_hpo._trial import FoldResult
from sklearn_hpo.optimizers import GaussianProcess, Random
from sklearn_hpo.optimizers._bayesian import Acquisition, _draw
from sklearn_hpo.schedulers import Racing, Setting
from sklearn_hpo.search._objectives import Objectives
from sklearn_hpo.space import SearchSpace

OPTIONS = sorted(set(get_args(Acquisition)) - {"auto"})
SQUARE = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
NONE = np.empty((0, 2))


def told(acquisition, losses_of=toy_loss, n=15, seed=0, seconds=None):
    """Return an optimizer that was told the losses of random points of the square."""
    optimizer = GaussianProcess(acquisition=acquisition)
    optimizer.start(SQUARE, 2 * n, seed)
    rows = np.random.default_rng(seed).random((n, 2))
    more = {} if seconds is None else {"seconds": seconds(rows)}
    tell(optimizer, rows, losses_of(rows), **more)
    return optimizer


def incumbent(optimizer):
    """Return what the improvement counts from, before the margin."""
    rng = np.random.default_rng(0)
    return optimizer._model(optimizer._view(0, set(), rng), NONE, rng)[1]


class Timed(GaussianProcess):
    """Is told seconds that follow from the rows."""

    def tell(self, told):
        super().tell(replace(told, seconds=np.exp(np.nansum(told.rows, axis=1))))


@pytest.mark.parametrize("acquisition", OPTIONS)
class TestOptions(OptimizerContract):
    @pytest.fixture(params=["branches", "one point"])
    def space(self, request):
        return SearchSpace(SPACES[request.param])

    @pytest.fixture
    def make(self, acquisition):
        return lambda: Timed(acquisition=acquisition)

    def test_closes_in_on_the_minimum(self, acquisition):
        ours, random = [], []
        for seed in range(5):
            optimizer = GaussianProcess(acquisition=acquisition)
            optimizer.start(SQUARE, 20, seed)
            for _ in range(20):
                row = asked(optimizer, 1, NONE)
                tell(optimizer, row, toy_loss(row))
            ours.append(optimizer.losses.min())
            draws = SQUARE.sample(20, np.random.default_rng(seed))
            random.append(toy_loss(draws).min())
        assert np.median(ours) < 0.1 * np.median(random)

    def test_tells_in_any_portions_lead_to_the_same_ask(self, acquisition):
        rows = np.random.default_rng(0).random((30, 2))
        losses = toy_loss(rows)
        losses[[3, 20]] = np.nan
        asks = []
        for portion in (1, 30):
            optimizer = Timed(acquisition=acquisition)
            optimizer.start(SQUARE, 40, 5)
            for first in range(0, 30, portion):
                some = slice(first, first + portion)
                tell(optimizer, rows[some], losses[some])
                asked(optimizer, 1, NONE)
            asks.append(asked(optimizer, 2, rows[:2] + 0.01))
        np.testing.assert_array_equal(*asks)


@pytest.mark.parametrize("acquisition", OPTIONS)
def test_an_earlier_study_is_a_hint(acquisition):
    rows = np.random.default_rng(0).random((60, 2))
    found = []
    for seed in range(5):
        optimizer = GaussianProcess(n_initial_points=4, acquisition=acquisition)
        optimizer.start(SQUARE, 20, seed)
        optimizer.tell_source_task(rows, 5.0 + toy_loss(rows)[:, None])
        tell(optimizer, rows[:4], toy_loss(rows[:4]), seconds=1.0)
        found.append(toy_loss(asked(optimizer, 1, rows[4:6]))[0])
    assert np.median(found) < np.quantile(toy_loss(rows), 0.2)


def noisy(rows, seed=0):
    return toy_loss(rows) + 0.3 * np.random.default_rng(seed).standard_normal(len(rows))


def test_options_differ():
    asks = {asked(told(o, noisy, seconds=halves), 1, NONE).tobytes() for o in OPTIONS}
    assert len(asks) == len(OPTIONS)


@pytest.mark.parametrize("seed", range(3))
def test_noise_does_not_lower_the_incumbent(seed):
    best = {}
    for option in ("auto", "log_ei", "log_noisy_ei"):
        optimizer = told(option, n=1, seed=seed)
        # that rows repeat with other losses shows the noise
        rows = np.random.default_rng(seed).random((10, 2)).repeat(4, axis=0)
        tell(optimizer, rows, noisy(rows, seed))
        best[option] = incumbent(optimizer)
    assert best["log_ei"] > best["auto"] + 0.2
    # the expected minimum is lower than the minimum of expectations
    assert best["auto"] < best["log_noisy_ei"].mean() < best["log_ei"]
    assert best["log_noisy_ei"].std() > 0.02


@pytest.mark.parametrize("option", ["log_ei", "log_noisy_ei"])
def test_without_noise_the_incumbent_is_the_lowest_loss(option):
    lowest = incumbent(told("auto", n=25))
    ours = incumbent(told(option, n=25))
    np.testing.assert_allclose(ours, lowest[0], atol=0.02)


def test_draws_have_the_moments_of_the_posterior_without_noise():
    rng = np.random.default_rng(0)
    rows, theta = rng.random((20, 2)), prior(2)[0]
    theta[-1] = np.log(0.5)
    layout = Layout(np.zeros(2, bool), np.zeros(2, bool))
    posterior = Posterior(rows, noisy(rows), theta, layout)
    where = rng.random((30, 2))
    draws = _draw(posterior, where, rng.standard_normal((30, 20_000)))
    mean, std = posterior.predict(where)
    assert std.max() < np.sqrt(0.5)
    np.testing.assert_allclose(draws.mean(axis=1), mean[:, 0], atol=0.03)
    np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.05)


def test_each_draw_is_another_one():
    rows = asked(told("thompson", n=8), 4, NONE)
    assert len(np.unique(rows, axis=0)) == 4


def flat(rows):
    return np.zeros(len(rows))


def halves(rows):
    return np.where(rows[:, 0] < 0.5, 1.0, 100.0)


def test_of_equal_losses_the_cheap_half_is_preferred():
    for seed in range(8):
        optimizer = told("log_ei_per_second", flat, seed=seed, seconds=halves)
        assert asked(optimizer, 1, NONE)[0, 0] < 0.5


@pytest.mark.parametrize(
    "seconds_of",
    [
        lambda rows: np.full(len(rows), 7.0),
        lambda rows: np.full(len(rows), np.nan),
        lambda rows: np.zeros(len(rows)),
    ],
    ids=["equal", "unknown", "below the clock's resolution"],
)
def test_seconds_that_say_nothing_leave_the_expected_improvement(seconds_of):
    timed = told("log_ei_per_second", seconds=seconds_of)
    np.testing.assert_array_equal(asked(timed, 1, NONE), asked(told("log_ei"), 1, NONE))


def test_units_of_time_do_not_matter_nor_do_seconds_of_failures():
    def failing(rows):
        return np.where(rows[:, 1] > 0.7, np.nan, toy_loss(rows))

    def changed(rows):
        return np.where(rows[:, 1] > 0.7, 1e-3, 60.0 * halves(rows))

    asks = [
        asked(told("log_ei_per_second", failing, seconds=of), 1, NONE)
        for of in (halves, changed)
    ]
    np.testing.assert_allclose(*asks, atol=1e-4)
    assert not np.array_equal(asks[0], asked(told("log_ei", failing), 1, NONE))


def test_speed_follows_the_seconds_and_its_gradient_is_right():
    rng = np.random.default_rng(0)
    rows = rng.random((40, 2))
    log_seconds = 3.0 * rows[:, 0]
    scale = log_seconds.std()
    y = (log_seconds - log_seconds.mean()) / scale
    layout = Layout(np.zeros(2, bool), np.zeros(2, bool))
    speed = Speed(rows, y, scale, prior(2)[0], layout)
    where = rng.random((5, 2))
    expected = log_seconds.mean() - 3.0 * where[:, 0]
    np.testing.assert_allclose(speed.value(where), expected, atol=0.3)
    for row in where:
        error = check_grad(
            lambda x: speed.value(x[None])[0],
            lambda x: speed.gradient(x[None])[1][0],
            row,
        )
        assert error < 1e-5


def test_the_study_tells_seconds_of_all_folds_and_variances_of_some():
    def evaluate(job, _=None):
        a = job.params["a"]
        value = 0.01 * np.sin(100 * a * job.fold) - (a - 0.3) ** 2
        result = {"test_scores": value, "fit_time": 1.0 + job.params["a"]}
        now = time.time()
        return FoldResult(job.trial, job.fold, result, now, now)

    optimizer = Random()
    scheduler = Racing()
    scheduler.start(Setting(20, n_splits=5))
    study = Study(
        Tuner(SQUARE, 20, optimizer=optimizer, seed=0),
        scheduler,
        FoldJobs(SequentialExecutor(evaluate, None), n_splits=5),
        Objectives(BayesSearchCV(None, {})),
    )
    study.run()
    optimizer = study.tuner.optimizer
    stopped = [record.status == "stopped" for record in study.trials]
    assert any(stopped)
    np.testing.assert_array_equal(optimizer.variances > 0, stopped)
    np.testing.assert_allclose(optimizer.seconds, 5.0 * (1.0 + optimizer.rows[:, 0]))


X, Y = load_iris(return_X_y=True)


class Unfit(SVC):
    def fit(self, X, y):
        raise AssertionError("This must not be fitted.")


def search(estimator=None, **settings):
    space = {"C": uniform(0.1, 10), "gamma": uniform(0.01, 1)}
    settings = {"n_iter": 8, "cv": 3, "random_state": 0, **settings}
    return BayesSearchCV(estimator or SVC(), space, **settings)


@pytest.mark.parametrize("acquisition", OPTIONS)
def test_the_process_searches_alone(acquisition):
    fitted = search(optimizer=GaussianProcess(acquisition=acquisition)).fit(X, Y)
    assert set(fitted.history_["source"]) == {"estimator", "design", "gp"}
    if acquisition != "log_ei_per_second":
        other = search(optimizer=GaussianProcess(acquisition=acquisition)).fit(X, Y)
        assert fitted.history_["params"] == other.history_["params"]


def test_unknown_acquisitions_are_refused():
    with pytest.raises(ValueError, match="'log_ei_per_second'"):
        search(optimizer=GaussianProcess(acquisition="ei")).fit(X, Y)
