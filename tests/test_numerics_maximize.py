"""The maximiser of acquisitions against dense grids and enumeration."""

import itertools

import numpy as np
import pytest

from sklearn_hpo._numerics.maximize import (
    FeasibleSet,
    climb,
    maximise,
    neighbours,
    perturb,
    spread,
    untaken,
)

THREE, FIVE = (np.arange(3) + 0.5) / 3, (np.arange(5) + 0.5) / 5
MANY = (np.arange(40) + 0.5) / 40


def make_feasible(levels, categorical=()):
    def snap(points):
        rows = np.where(np.isnan(points), 0.5, points)
        for j, values in enumerate(levels):
            if values is not None:
                nearest = np.abs(rows[:, j, None] - values).argmin(axis=1)
                rows[:, j] = values[nearest]
        return rows

    return FeasibleSet(
        snap, tuple(levels), np.isin(np.arange(len(levels)), categorical)
    )


def bumps(seed, d):
    """A smooth function with several maxima, and its gradient."""
    rng = np.random.default_rng(seed)
    centres, heights = rng.random((6, d)), rng.uniform(0.5, 1.5, 6)

    def value_and_gradient(rows):
        gap = rows[:, None] - centres
        parts = heights * np.exp(-8 * (gap**2).sum(axis=2))
        return parts.sum(axis=1), -16 * (parts[:, :, None] * gap).sum(axis=1)

    return value_and_gradient


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("levels", "categorical"),
    [
        ([None, None], ()),
        ([None, FIVE], ()),
        ([None, THREE, FIVE], (1,)),
        ([MANY, MANY], ()),
        ([FIVE, THREE, MANY], (0, 1)),
    ],
    ids=str,
)
def test_maximum_is_that_of_a_dense_grid(levels, categorical, seed):
    feasible = make_feasible(levels, categorical)
    score, rng = bumps(seed, len(levels)), np.random.default_rng(seed)
    pool = feasible.snap(rng.random((128, len(levels))))
    best = maximise(pool, lambda r: score(r)[0], score, feasible, set(), rng)
    axes = [np.linspace(0, 1, 101) if v is None else v for v in levels]
    grid = np.array(list(itertools.product(*axes)))
    np.testing.assert_array_equal(feasible.snap(best[None])[0], best)
    assert score(best[None])[0][0] >= score(grid)[0].max() - 1e-6


def test_taken_rows_are_never_returned():
    feasible = make_feasible([FIVE, THREE], (1,))
    score, rng = bumps(0, 2), np.random.default_rng(0)
    grid = feasible.grid(100)
    values = score(grid)[0]
    taken = set()
    for rank in range(len(grid)):
        pool = untaken(rng.permutation(grid), taken)[:3]
        best = maximise(pool, lambda r: score(r)[0], score, feasible, taken, rng)
        assert best.tobytes() not in taken
        if len(pool) == len(grid) - rank:
            assert score(best[None])[0][0] == np.sort(values)[::-1][rank]
        taken.add(best.tobytes())
    assert len(taken) == len(grid)


def test_climb_reaches_the_constrained_maximum_of_every_start():
    target = np.array([0.3, 1.4, -0.2])

    def score(rows):
        gap = rows - target
        return -(gap**2).sum(axis=1), -2 * gap

    starts = np.random.default_rng(0).random((5, 3))
    end = climb(starts, score, np.ones(3, bool), max_iter=50)
    np.testing.assert_allclose(end, np.tile([0.3, 1.0, 0.0], (5, 1)), atol=1e-4)
    fixed = climb(starts, score, np.array([True, False, True]))
    np.testing.assert_array_equal(fixed[:, 1], starts[:, 1])
    np.testing.assert_allclose(fixed[:, [0, 2]], end[:, [0, 2]], atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_climb_reaches_the_top_of_a_hill_that_is_not_quadratic(seed):
    rng = np.random.default_rng(seed)
    d = 8
    scale = np.exp(rng.uniform(-2, 1, d))
    turn, top = rng.normal(size=(d, d)) / scale, rng.random(d)
    n_calls = 0

    def score(rows):
        nonlocal n_calls
        n_calls += 1
        z = (rows - top) @ turn.T
        return -np.log1p(0.1 * z**2).sum(axis=1), -(0.2 * z / (1 + 0.1 * z**2)) @ turn

    starts = np.clip(top + 0.1 * rng.normal(size=(4, d)), 0, 1)
    begin = score(starts)[0]
    short = score(climb(starts, score, np.ones(d, bool), scale, max_iter=4))[0]
    assert (short > begin).all()
    n_calls = 0
    end = climb(starts, score, np.ones(d, bool), scale, max_iter=100)
    assert n_calls < 100
    assert (score(end)[0] >= short).all()
    assert score(end)[0].min() > -1e-3


def test_climb_knows_the_scale_of_each_column():
    scale = np.array([3.0, 0.1, 1.0, 0.01])

    def score(rows):
        z = (rows - 0.6) / scale
        return np.exp(-(z**2).sum(axis=1) / 1e3), (
            -2e-3 * z / scale * np.exp(-(z**2).sum(axis=1) / 1e3)[:, None]
        )

    starts = np.random.default_rng(0).random((5, 4))
    end = climb(starts, score, np.ones(4, bool), scale)
    blind = climb(starts, score, np.ones(4, bool))
    assert (score(end)[0] >= score(blind)[0]).all()
    assert score(end)[0].min() > 1 - 1e-3


def test_climb_leaves_inactive_coordinates():
    starts = np.array([[0.2, np.nan], [np.nan, 0.6]])

    def score(rows):
        return np.nansum(rows, axis=1), np.where(np.isnan(rows), 0.0, 1.0)

    end = climb(starts, score, np.ones(2, bool))
    np.testing.assert_allclose(end, [[1.0, np.nan], [np.nan, 1.0]])


def test_neighbours_differ_in_one_discrete_value():
    feasible = make_feasible([None, THREE, FIVE, MANY], (1,))
    row = np.array([0.123, THREE[1], FIVE[0], MANY[7]])
    rows = neighbours(row, feasible, np.random.default_rng(0))
    changed = rows != row
    assert (changed.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(rows[changed[:, 1], 1], THREE[[0, 2]])
    np.testing.assert_array_equal(rows[changed[:, 2], 2], FIVE[1:])
    np.testing.assert_array_equal(rows[changed[:, 3], 3], MANY[[5, 6, 8, 9]])
    assert len(rows) == 10


def test_grid_enumerates_small_spaces_only():
    feasible = make_feasible([THREE, FIVE])
    grid = feasible.grid(15)
    assert {tuple(row) for row in grid} == set(itertools.product(THREE, FIVE))
    assert len(grid) == 15
    assert feasible.grid(14) is None
    assert make_feasible([THREE, None]).grid(1000) is None


def test_perturbed_points_are_near_and_inside():
    rng = np.random.default_rng(0)
    feasible = make_feasible([None, THREE, None], (1,))
    elite = np.array([[0.0, THREE[0], np.nan], [0.9, THREE[2], 0.5]])
    points = perturb(elite, 4000, feasible, rng)
    assert ((points >= 0) & (points <= 1)).all()
    gap = np.abs(points[:, :1] - elite[:, 0]).min(axis=1)
    assert np.quantile(gap, 0.75) < 0.2
    kept = np.isin(points[:, 1], elite[:, 1])
    assert 0.6 < kept.mean() < 0.95


def test_spread_gives_as_many_points_as_asked_for():
    for n in (0, 1, 2, 5, 8):
        points = spread(n, 3, np.random.default_rng(0))
        assert points.shape == (n, 3)
        assert len(np.unique(points, axis=0)) == n


def test_spread_points_are_more_even_than_random_ones():
    for seed in range(3):
        points = spread(512, 3, np.random.default_rng(seed))
        counts, _ = np.histogramdd(points, bins=4, range=[(0, 1)] * 3)
        assert counts.std() < 0.6 * np.sqrt(512 / 64)
    assert not np.array_equal(points, spread(512, 3, np.random.default_rng(9)))
