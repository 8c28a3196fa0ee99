"""Mutation and crossover against their definitions, and populations against a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad

from sklearn_hpo._numerics import variation
from sklearn_hpo.optimizers._population import PATIENCE, Population

SEEDS = st.integers(0, 2**32 - 1)
N = 100_000


def test_differential_is_best_1_and_current_to_pbest_1():
    rng = np.random.default_rng(0)
    base, leader, a, b = rng.random((4, 6, 3))
    scale = rng.random((6, 1))
    best_1 = variation.differential(base, leader, np.ones((6, 1)), a - b, scale)
    assert_allclose(best_1, leader + scale * (a - b))
    towards = variation.differential(base, leader, scale, a - b, scale)
    assert_allclose(towards, base + scale * (leader - base) + scale * (a - b))


def test_an_inactive_coordinate_makes_no_difference():
    row = np.array([[0.2, 0.4]])
    ones = np.ones((1, 1))
    mutant = variation.differential(row, row, ones, np.array([[np.nan, 0.3]]), ones)
    assert_allclose(mutant, [[0.2, 0.7]])


def test_points_outside_come_halfway_back():
    points = variation.halfway_inside(np.array([[-3.0, 0.3, 9.0]]), np.full(3, 0.6))
    assert_allclose(points, [[0.3, 0.3, 0.8]])


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_binomial_takes_the_share_and_one_at_least(rate):
    parents, mutants = np.zeros(4), np.ones((N, 4))
    children = variation.binomial(parents, mutants, rate, np.random.default_rng(1))
    assert children.sum(axis=1).min() >= 1
    assert children.mean() == pytest.approx(0.25 + 0.75 * rate, abs=0.01)


@pytest.mark.parametrize("index", [2.0, 15.0])
def test_simulated_binary_spread_has_its_density(index):
    def density(beta):
        tail = 1.0 if beta <= 1.0 else beta ** -(2.0 * index + 2.0)
        return 0.5 * (index + 1.0) * beta**index * tail

    rng = np.random.default_rng(2)
    first, second = np.full((N, 1), 0.4), np.full((N, 1), 0.6)
    children = variation.simulated_binary(first, second, index, rng)
    assert (children < 0.5).mean() == pytest.approx(0.5, abs=0.02)
    spread = np.abs(0.5 - children) / 0.1
    crossed = spread[np.abs(spread - 1.0) > 1e-12]
    assert len(crossed) == pytest.approx(N / 2, rel=0.02)
    for limit in (0.8, 1.0, 1.2):
        expected = quad(density, 0.0, limit, points=[1.0])[0]
        assert (crossed < limit).mean() == pytest.approx(expected, abs=0.01)


@given(SEEDS, st.floats(0.0, 1.0), st.floats(0.0, 100.0))
def test_polynomial_stays_inside(seed, rate, index):
    rng = np.random.default_rng(seed)
    points = np.vstack([rng.random((20, 3)), np.zeros((1, 3)), np.ones((1, 3))])
    moved = variation.polynomial(points, index, rate, rng)
    assert ((moved >= 0) & (moved <= 1)).all()
    if rate == 0.0:
        assert_array_equal(moved, points)


def test_polynomial_goes_the_share_of_the_way_that_it_says():
    index = 4.0
    points = np.full((N, 1), 0.5)
    moved = variation.polynomial(points, index, 1.0, np.random.default_rng(3))
    share = np.abs(moved - 0.5) / 0.5
    for limit in (0.1, 0.3, 0.6):
        expected = 1.0 - (1.0 - limit) ** (index + 1.0)
        assert (share < limit).mean() == pytest.approx(expected, abs=0.01)
    assert moved.mean() == pytest.approx(0.5, abs=0.01)


def test_resample_draws_only_its_columns():
    points = np.zeros((N, 3))
    columns = np.array([True, False, True])
    drawn = variation.resample(points, columns, 0.25, np.random.default_rng(4))
    assert not drawn[:, 1].any()
    assert (drawn[:, [0, 2]] > 0).mean() == pytest.approx(0.25, abs=0.01)


@given(SEEDS, st.integers(3, 8), st.data())
def test_pairs_differ_from_each_other_and_from_the_target(seed, n, data):
    without = data.draw(st.integers(0, n - 1))
    rng = np.random.default_rng(seed)
    first, second = variation.pairs(n, 400, without, rng)
    everyone = set(range(n)) - {without}
    assert set(first) == set(second) == everyone
    assert (first != second).all()


@given(SEEDS, st.integers(2, 8))
def test_population_keeps_the_best_unless_it_stagnates(seed, size):
    losses = np.random.default_rng(seed).normal(size=PATIENCE * size)
    population = Population(size)
    for number in range(len(losses)):
        population.admit(number, losses)
        members = population.members[population.members >= 0]
        assert np.argmin(losses[: number + 1]) in members
        assert len(set(members)) == len(members) == min(number + 1, size)


@given(SEEDS, st.integers(2, 8))
def test_aging_population_is_the_last_rows(seed, size):
    losses = np.random.default_rng(seed).normal(size=PATIENCE * size)
    population = Population(size, ages=True)
    for number in range(len(losses)):
        population.admit(number, losses)
    assert sorted(population.members) == list(range(len(losses) - size, len(losses)))


@pytest.mark.parametrize("size", [4, 5])
def test_ties_count_as_stagnation_and_half_the_places_become_vacant(size):
    losses = np.zeros(PATIENCE * size + 1)
    population = Population(size)
    for number in range(len(losses) - 1):
        population.admit(number, losses)
        assert (population.members >= 0).sum() == min(number + 1, size)
    population.admit(len(losses) - 1, losses)
    assert (population.members >= 0).sum() == (size + 1) // 2


@given(
    seed=SEEDS,
    n=st.integers(2, 9),
    index=st.sampled_from([5.0, 20.0]),
    rate=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_polynomial_leaves_its_cell_where_it_moves(seed, n, index, rate):
    rng = np.random.default_rng(seed)
    cells = rng.integers(n, size=(400, 3))
    moved = variation.polynomial((cells + 0.5) / n, index, rate, rng, least=1.0 / n)
    assert ((moved >= 0) & (moved <= 1)).all()
    share = np.mean(np.floor(moved * n).astype(int) != cells)
    assert share == pytest.approx(rate, abs=0.1)
