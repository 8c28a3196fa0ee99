"""Dominance, crowding and hypervolume against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from sklearn_hpo._numerics.pareto import (
    crowded_order,
    crowding_distance,
    hypervolume,
    non_dominated_rank,
)

# small integers, so that ties and equal rows abound
TABLES = st.tuples(st.integers(1, 8), st.integers(1, 4)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(0, 4))
)


def dominates(a, b):
    return all(a <= b) and any(a < b)


def non_dominated(losses):
    return [i for i, b in enumerate(losses) if not any(dominates(a, b) for a in losses)]


@given(TABLES)
def test_ranks_peel_fronts(losses):
    rank = non_dominated_rank(losses)
    left = np.arange(len(losses))
    for front in range(rank.max() + 1):
        outer = left[non_dominated(losses[left])]
        assert_array_equal(np.flatnonzero(rank == front), outer)
        left = np.setdiff1d(left, outer)
    assert not len(left)


@given(TABLES)
def test_hypervolume_counts_cells(losses):
    reference = np.full(losses.shape[1], 4.0)
    cells = itertools.product(range(4), repeat=losses.shape[1])
    count = sum((losses <= cell).all(axis=1).any() for cell in cells)
    assert hypervolume(losses, reference) == count


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_hypervolume_is_that_of_inclusion_and_exclusion(seed, k):
    losses = np.random.default_rng(seed).normal(size=(7, k))
    reference = np.full(k, 1.0)
    volume = 0.0
    for size in range(1, 8):
        for rows in itertools.combinations(losses, size):
            corner = np.maximum(reference - np.max(rows, axis=0), 0.0)
            volume -= (-1) ** size * np.prod(corner)
    assert hypervolume(losses, reference) == pytest.approx(volume, abs=1e-9)


def test_hypervolume_of_a_known_front():
    x = np.linspace(0, 1, 2001)
    front = np.column_stack([x, 1 - np.sqrt(x)])
    # the area above 1 - sqrt(x), up to 1, is the integral of sqrt(x)
    assert hypervolume(front, np.ones(2)) == pytest.approx(2 / 3, abs=2e-3)


@given(TABLES)
def test_failures_come_last_in_the_crowded_order(losses):
    failed = np.vstack([np.full((2, losses.shape[1]), np.inf), losses])
    order = crowded_order(failed)
    assert sorted(order) == list(range(len(failed)))
    assert set(order[-2:]) == {0, 1}
    rank = non_dominated_rank(failed)[order]
    assert (np.diff(rank) >= 0).all()


def test_crowding_is_the_size_of_the_gap():
    losses = np.array([[3.0, 7.0], [0.0, 10.0], [10.0, 0.0], [4.0, 5.0]])
    expected = [0.4 + 0.5, np.inf, np.inf, 0.7 + 0.7]
    np.testing.assert_allclose(crowding_distance(losses), expected)
