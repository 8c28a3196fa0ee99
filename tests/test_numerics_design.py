"""Designs are Latin hypercubes, where columns are active, and spread out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_hpo._numerics.design import MANY, even_design
from sklearn_hpo._numerics.gp import Layout

SIZES = [(1, 1), (2, 3), (7, 2), (MANY, 4), (MANY + 9, 3)]


def plain(d):
    return Layout(np.zeros(d, dtype=bool), np.zeros(d, dtype=bool))


def steps(column):
    """Return the distances from each value to the next one, around the circle."""
    values = np.sort(column)
    return np.diff([*values, values[0] + 1])


def least_distance(rows):
    i, j = np.triu_indices(len(rows), 1)
    return plain(rows.shape[1]).distances(rows, i, j).sum(axis=0).min()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_each_column_is_cut_into_equal_steps(n, d, seed):
    rng = np.random.default_rng(seed)
    rows = even_design(n, lambda points: points, plain(d), None, rng)
    assert rows.shape == (n, d)
    assert ((rows >= 0) & (rows < 1)).all()
    for column in rows.T:
        assert_allclose(steps(column), 1 / n)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_the_others_are_laid_around_the_first_row(n, d, seed):
    rng = np.random.default_rng(seed)
    anchor = rng.random(d)
    rows = even_design(n, lambda points: points, plain(d), anchor, rng)
    assert_allclose(rows[0], anchor)
    for column in rows.T:
        assert_allclose(steps(column), 1 / n)


@pytest.mark.parametrize("n", [9, 20, MANY + 9])
def test_a_column_is_even_where_it_is_active(n):
    """The second column is there in the upper half of the first one."""

    def snap(points):
        rows = points.copy()
        rows[:, 0] = np.where(points[:, 0] < 0.5, 0.25, 0.75)
        rows[rows[:, 0] < 0.5, 1] = np.nan
        return rows

    layout = Layout(np.array([True, False, False]), np.array([False, True, False]))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rows = even_design(n, snap, layout, None, rng)
        active = ~np.isnan(rows[:, 1])
        assert_array_equal(active, rows[:, 0] == 0.75)
        assert abs(active.sum() - n / 2) < 1
        assert_allclose(steps(rows[active, 1]), 1 / active.sum())
        assert_allclose(steps(rows[:, 2]), 1 / n)


@pytest.mark.parametrize("first_seed", [0, 100])
def test_rows_keep_their_distance(first_seed):
    """The nearest pair is farther apart than in nearly all Latin hypercubes."""
    rng = np.random.default_rng(first_seed)
    drawn = [
        least_distance(rng.permuted(np.tile(np.arange(10)[:, None], 3), axis=0) / 10)
        for _ in range(200)
    ]
    made = [
        least_distance(even_design(10, lambda points: points, plain(3), None, rng))
        for _ in range(20)
    ]
    assert np.mean(made) > np.quantile(drawn, 0.9)
