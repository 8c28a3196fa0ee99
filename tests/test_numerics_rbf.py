"""The cubic interpolant against scipy's, and the optimizer that uses it."""

from functools import partial

import numpy as np
import pytest
from asktell import asked, run, tell
from contracts import MIXED, OptimizerContract, mixed_losses
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import RBFInterpolator
from scipy.stats import randint, uniform

from sklearn_hpo._numerics.gp import Layout
from sklearn_hpo._numerics.rbf import CubicRBF, expected_losses
from sklearn_hpo.optimizers import (
    LSHADE,
    RBF,
    DifferentialEvolution,
    GaussianProcess,
    Portfolio,
    _rbf,
)
from sklearn_hpo.space import SearchSpace


def layout_of(space):
    categorical = np.array([c.kind == "categorical" for c in space.columns])
    return Layout(categorical, ~space.active.all(axis=0))


class TestRBFOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return RBF


@pytest.mark.parametrize("seed", range(3))
def test_interpolant_is_the_one_of_scipy(seed):
    rng = np.random.default_rng(seed)
    rows, where, y = rng.random((40, 5)), rng.random((60, 5)), rng.normal(size=40)
    layout = Layout(np.zeros(5, bool), np.zeros(5, bool))
    ours = CubicRBF(rows, y, layout, rows[:0]).predict(where)
    theirs = RBFInterpolator(rows, y, kernel="cubic", degree=1)(where)
    assert_allclose(ours[0], theirs, atol=1e-3)
    distance = np.linalg.norm(where[:, None] - rows, axis=2).min(axis=1)
    assert_allclose(ours[1], distance, atol=1e-7)


def test_errors_at_rows_left_out():
    space = SearchSpace(MIXED)
    rows = space.sample(30, np.random.default_rng(0))
    y = np.random.default_rng(1).normal(size=30)
    layout = layout_of(space)
    errors, distances = CubicRBF(rows, y.copy(), layout, rows[:0]).left_out()
    for i in range(30):
        others = np.arange(30) != i
        alone = CubicRBF(rows[others], y[others], layout, rows[:0])
        value, distance = alone.predict(rows[[i]])
        assert errors[i] == pytest.approx(y[i] - value[0], rel=1e-3, abs=1e-4)
        assert distances[i] == pytest.approx(distance[0], abs=1e-6)


def bowl(space, rows):
    """Return a smooth loss of rows of a space with x, z and kind."""
    params = [space.decode(row) for row in rows]
    shift = {"a": 0.0, "b": 0.3, "c": 0.1}
    return np.array(
        [
            (p["x"] - 0.4) ** 2 * (1 + p["z"]) + (p["z"] - 0.7) ** 2 + shift[p["kind"]]
            for p in params
        ]
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "make",
    [RBF, LSHADE, DifferentialEvolution],
)
def test_losses_are_predicted(make, seed):
    space = SearchSpace(
        {"x": uniform(0, 1), "z": uniform(0, 1), "kind": ["a", "b", "c"]}
    )
    optimizer = run(make(), space, lambda rows: bowl(space, rows), 60, seed)
    mean, std = optimizer.predict(optimizer.rows)
    assert_allclose(mean, optimizer.losses[:, 0], atol=1e-4)
    assert_allclose(std, 0.0, atol=1e-4)
    where = space.sample(200, np.random.default_rng(9))
    mean, std = optimizer.predict(where)
    errors = np.abs(mean - bowl(space, where))
    assert np.corrcoef(mean, bowl(space, where))[0, 1] > 0.9
    assert np.mean(errors < std) > 0.5
    assert np.mean(errors < 2 * std) > 0.75
    assert std.mean() < 0.15  # of losses that range over 1.3


@pytest.mark.filterwarnings("error")
def test_predictions_of_unusual_losses():
    space = SearchSpace({"x": uniform(0, 1), "kind": ["a", "b"]})
    layout = layout_of(space)
    rows = space.sample(8, np.random.default_rng(0))

    def expected(losses):
        n = len(losses)
        return expected_losses(rows[:n], np.array(losses, float), layout, rows)

    assert_array_equal(expected([]), np.full((2, 8), np.nan))
    assert_array_equal(expected([3.0]), [np.full(8, 3.0), np.full(8, np.nan)])
    assert_allclose(expected([2.0, 2.0, 2.0]), [np.full(8, 2.0), np.zeros(8)])
    # a failure is left out
    failed = expected([1.0, 2.0, np.nan, 4.0, np.inf])
    assert_allclose(failed[0][[0, 1, 3]], [1.0, 2.0, 4.0], rtol=1e-4)
    assert failed[1][2] > 0.0
    huge = expected([4e307, -4e307, 2e307, 0.0])
    assert_allclose(huge[0][:4], [4e307, -4e307, 2e307, 0.0], atol=1e304)
    many = space.sample(3000, np.random.default_rng(1))
    mean, _ = expected_losses(many, many[:, 0] ** 2, layout, rows)
    assert_allclose(mean, rows[:, 0] ** 2, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_interpolates_mixed_rows_however_few(n):
    space, rng = SearchSpace(MIXED), np.random.default_rng(n)
    rows, y = space.sample(n, rng), rng.normal(size=n)
    value, distance = CubicRBF(rows, y, layout_of(space), rows[:0]).predict(rows)
    assert_allclose(value, y, atol=0.02)
    assert_allclose(distance, 0, atol=1e-6)


def test_a_constant_is_reproduced_everywhere():
    space, rng = SearchSpace(MIXED), np.random.default_rng(0)
    rows = space.sample(20, rng)
    model = CubicRBF(rows, np.ones(20), layout_of(space), rows[:0])
    assert_allclose(model.predict(space.sample(50, rng))[0], 1, atol=1e-3)


def test_equal_rows_are_averaged():
    rows = np.repeat([[0.1], [0.5], [0.9]], 2, axis=0)
    layout = Layout(np.zeros(1, bool), np.zeros(1, bool))
    model = CubicRBF(rows, np.array([0.0, 2, 3, 5, 1, 1]), layout, rows[:0])
    assert_allclose(model.predict(rows[::2])[0], [1, 4, 1], atol=1e-3)


@pytest.mark.parametrize("d", [1, 20, 300])
@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-8, 1e-4, 1.0])
def test_a_line_is_reproduced_however_near_the_rows_are(d, spread):
    rng = np.random.default_rng(d)
    centres = rng.random((10, d)).repeat(20, axis=0)
    rows = np.clip(centres + spread * rng.normal(size=centres.shape), 0, 1)
    slope = rng.normal(size=d) / np.sqrt(d)
    layout = Layout(np.zeros(d, bool), np.zeros(d, bool))
    model = CubicRBF(rows, rows @ slope, layout, rows[:0])
    assert_allclose(model.predict(rows)[0], rows @ slope, atol=1e-3)


def test_pending_rows_are_near_but_move_nothing():
    space, rng = SearchSpace(MIXED), np.random.default_rng(1)
    rows, pending, where = (space.sample(n, rng) for n in (15, 4, 30))
    y, layout = rng.normal(size=15), layout_of(space)
    model = CubicRBF(rows, y, layout, pending)
    value, distance = model.predict(where)
    alone = CubicRBF(rows, y, layout, rows[:0])
    assert_allclose(value, alone.predict(where)[0], atol=1e-3)
    assert_allclose(model.predict(pending)[1], 0, atol=1e-6)
    assert (distance <= alone.predict(where)[1] + 1e-9).all()
    # Told what they were taken to be, they leave the interpolant as it is.
    everything = np.vstack([rows, pending])
    values = np.append(y, model.predict(pending)[0])
    told = CubicRBF(everything, values, layout, rows[:0])
    assert_allclose(told.predict(where)[0], value, atol=1e-2)


@pytest.mark.parametrize("n_pending", [0, 3])
def test_better_than_random_on_a_bowl(n_pending):
    space = SearchSpace({name: uniform(0, 1) for name in "abcde"})
    at = np.array([0.2, 0.4, 0.5, 0.6, 0.9])
    losses_of = lambda rows: ((rows - at) ** 2).sum(axis=1)
    for seed in range(5):
        best = run(RBF(), space, losses_of, 40, seed, n_pending).losses.min()
        rows = space.sample(1000, np.random.default_rng(seed))
        assert best < 0.5 * losses_of(rows).min()


def test_the_right_branch_and_category_win():
    space = SearchSpace(MIXED)
    for seed in range(5):
        optimizer = run(RBF(), space, partial(mixed_losses, space), 40, seed)
        best = space.decode(optimizer.rows[np.argmin(optimizer.losses)])
        assert best["kind"] == "b"
        assert best["k"] == 6
        assert best["x"] == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize(
    "grid",
    [
        {"a": ["x", "y"], "b": ["u", "v", "w"], "c": [1, 2, 4]},
        [{"a": ["x", "y"], "b": [1, 2, 3]}, {"c": [None, "z"]}],
    ],
    ids=["dict", "branches"],
)
@pytest.mark.parametrize("constant", [True, False])
def test_finite_spaces_are_exhausted_without_repetition(grid, constant):
    space = SearchSpace(grid)
    losses_of = lambda rows: np.nansum(rows, axis=1) * (not constant)
    size = int(space.size)
    optimizer = run(RBF(), space, losses_of, size, n_pending=2)
    assert len({row.tobytes() for row in optimizer.rows}) == size
    row = asked(optimizer, 1, np.empty((0, space.n_columns)))
    assert_array_equal(space.from_unit(row), row)


def test_large_grids_are_not_repeated():
    space = SearchSpace({"a": randint(0, 60), "b": randint(0, 60)})
    losses_of = lambda rows: np.abs(rows - 0.5).max(axis=1).round(1)
    optimizer = run(RBF(), space, losses_of, 150, seed=1)
    assert len({row.tobytes() for row in optimizer.rows}) == 150


def test_asking_for_two_is_asking_twice():
    space = SearchSpace(MIXED)
    optimizer = run(RBF(), space, lambda rows: np.nansum(rows, axis=1), 20)
    first, second = asked(optimizer, 2, np.empty((0, space.n_columns)))
    assert_array_equal(asked(optimizer, 1, first[None])[0], second)


def test_steps_shrink_with_failures_and_grow_with_successes():
    space = SearchSpace({"x": uniform(0, 1)})
    optimizer = RBF(n_initial_points=4)
    optimizer.start(space, 200, 0)

    def step_after(losses):
        losses = np.array(losses, float)
        optimizer.start(space, 200, 0)
        tell(optimizer, np.full((len(losses), 1), 0.5), losses)
        return optimizer._sigma()

    design = [3, 2, 9, np.nan]
    full = step_after(design)
    assert step_after([*design, 4, 4, 4, np.nan]) == full
    assert step_after([*design, 4, 4, 4, np.nan, 4]) == full / 2
    assert step_after([*design, 4, 4, 4, 4, 4, 1, 0, -1]) == full
    assert step_after([*design, *[4] * 30]) == full / 64
    assert step_after([*design, *[4] * 35]) == full


def test_the_unit_of_the_losses_is_of_no_account():
    space, rng = SearchSpace(MIXED), np.random.default_rng(4)
    rows = space.sample(25, rng)
    losses, asks = rng.normal(size=25), []
    for told in (losses, 8.0 * losses, 0.25 * losses):
        optimizer = RBF()
        optimizer.start(space, 60, 2)
        tell(optimizer, rows, told)
        asks.append(asked(optimizer, 1, rows[:0]))
    assert_array_equal(asks[0], asks[1])
    assert_array_equal(asks[0], asks[2])


def test_only_the_informative_of_many_rows_are_fitted():
    space = SearchSpace({"x": uniform(0, 1), "y": uniform(0, 1)})
    rows = space.sample(1500, np.random.default_rng(0))
    optimizer = RBF()
    optimizer.start(space, 3000, 0)
    tell(optimizer, rows, ((rows - 0.4) ** 2).sum(axis=1))
    asks = asked(optimizer, 8, rows[:0])
    assert not (asks[:, None] == rows).all(axis=2).any()
    # The last of the four weights, used twice, is the one of the interpolant.
    assert_allclose(asks[6:], 0.4, atol=0.05)


@pytest.mark.parametrize("n_members", [1, 2])
def test_each_weight_has_its_turn_in_a_team_too(n_members, monkeypatch):
    used = []

    class Recorded(tuple):
        __slots__ = ()

        def __getitem__(self, index):
            used.append(super().__getitem__(index))
            return used[-1]

    monkeypatch.setattr(_rbf, "WEIGHTS", Recorded(_rbf.WEIGHTS))
    space = SearchSpace({"x": uniform(0, 1)})
    team = Portfolio(members=[GaussianProcess(), RBF()][-n_members:])
    team.start(space, 40, 0)
    tell(team, space.sample(4, np.random.default_rng(0)), np.arange(4.0))
    asked(team, 16, np.empty((0, 1)))
    assert sorted(used) == sorted(_rbf.WEIGHTS * (4 // n_members))


def test_rows_told_twice_or_all_alike_do_no_harm():
    space = SearchSpace(MIXED)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = np.repeat(space.sample(rng.integers(1, 9), rng), rng.integers(1, 9), 0)
        optimizer = RBF(n_initial_points=1)
        optimizer.start(space, 20, seed)
        tell(optimizer, rows, rng.normal(size=len(rows)).round())
        row = asked(optimizer, 1, rows[:1])
        assert_array_equal(space.from_unit(row), row)
        assert not (np.nan_to_num(rows) == np.nan_to_num(row)).all(axis=1).any()
