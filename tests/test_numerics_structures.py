"""How sequences, subsets and orders vary, against the same done with lists."""

import itertools

import numpy as np
import pytest
from contracts import SPACES
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import uniform

from sklearn_hpo._numerics.structures import (
    cross_orders,
    vary_orders,
    vary_sequences,
    vary_subsets,
)
from sklearn_hpo.optimizers._breeders import (
    DifferentialBreeder,
    GeneticBreeder,
    Parents,
    RegularizedBreeder,
)
from sklearn_hpo.optimizers._inherit import inherit
from sklearn_hpo.space import SearchSpace, permutation, sequence, subset

SEEDS = st.integers(0, 2**32 - 1)
SPACE = SPACES["structures"]


def places(rng, m, n):
    return np.argsort(rng.random((m, n)), axis=1)


@given(SEEDS, st.integers(2, 9))
def test_orders_stay_orders_and_change(seed, n):
    rng = np.random.default_rng(seed)
    first, second = places(rng, 20, n), places(rng, 20, n)
    for child in (cross_orders(first, second, rng), vary_orders(first, rng)):
        assert (np.sort(child, axis=1) == np.arange(n)).all()
    assert (vary_orders(first, rng) != first).any(axis=1).all()
    assert (cross_orders(first, first, rng) == first).all()


@given(SEEDS)
def test_order_crossover_is_that_of_the_lists(seed):
    rng = np.random.default_rng(seed)
    first, second = places(rng, 1, 7), places(rng, 1, 7)
    child = cross_orders(first, second, rng)[0]
    ours, a, b = (np.argsort(x).tolist() for x in (child, first[0], second[0]))

    def crossed(start, end):
        rest = [item for item in b if item not in a[start:end]]
        return rest[:start] + a[start:end] + rest[start:]

    slices = itertools.combinations(range(8), 2)
    assert ours in [crossed(*ends) for ends in slices if ends != (0, 7)]


def test_changes_of_orders_are_those_of_the_lists():
    expected = set()
    for i, j in itertools.permutations(range(5), 2):
        swapped = [*range(5)]
        swapped[i], swapped[j] = j, i
        moved = [*range(5)]
        moved.insert(j, moved.pop(i))
        low, high = min(i, j), max(i, j)
        reverse = [*range(low), *range(high, low - 1, -1), *range(high + 1, 5)]
        expected |= {tuple(swapped), tuple(moved), tuple(reverse)}
    start = np.tile(np.arange(5), (3000, 1))
    varied = vary_orders(start, np.random.default_rng(0))
    assert {tuple(np.argsort(row).tolist()) for row in varied} == expected


@given(SEEDS, st.integers(2, 8), st.data())
def test_subsets_stay_in_bounds_and_change(seed, n, data):
    low = data.draw(st.integers(0, n - 1))
    high = data.draw(st.integers(max(low, 1), n))
    rng = np.random.default_rng(seed)
    size = rng.integers(low, high + 1, size=(30, 1))
    members = places(rng, 30, n) < size
    varied = vary_subsets(members, low, high, rng)
    count = varied.sum(axis=1)
    assert ((count >= low) & (count <= high)).all()
    changes = (varied != members).sum(axis=1)
    assert set(changes.tolist()) <= {1, 2}


@given(SEEDS, st.integers(1, 6), st.integers(1, 2), st.data())
def test_sequences_are_edited(seed, high, w, data):
    low = data.draw(st.integers(0, high))
    rng = np.random.default_rng(seed)
    lengths = rng.integers(low, high + 1, size=40)
    entries = rng.random((40, high, w))
    after, varied = vary_sequences(lengths, entries, low, np.zeros(w, bool), rng)
    assert ((after >= low) & (after <= high)).all()
    assert ((varied >= 0) & (varied <= 1)).all()
    for n, m, old, new in zip(lengths, after, entries, varied, strict=True):
        a, b = old[:n].tolist(), new[:m].tolist()
        if m == n + 1:  # an entry more, new or a copy of the one before
            k = next(k for k in range(m) if k == n or a[k] != b[k])
            assert b[:k] + b[k + 1 :] == a
        elif m == n - 1:
            assert any(a[:k] + a[k + 1 :] == b for k in range(n))
        else:
            assert m == n
            assert sum(x != y for x, y in zip(a, b, strict=True)) == 1


BREEDERS = [DifferentialBreeder(), GeneticBreeder(), RegularizedBreeder()]
MIXED = [
    {**SPACE, "free": subset(range(6))},
    {"layers": SPACE["layers"], "n": sequence(subset([1, 2, 3]), 0, 3)},
    {"x": SPACE["x"]},
]


@pytest.mark.parametrize("breeder", BREEDERS, ids=["de", "ga", "regularized"])
@pytest.mark.parametrize("given_space", [SPACE, MIXED, {"o": permutation(range(5))}])
@pytest.mark.parametrize("seed", range(3))
def test_children_are_candidates(breeder, given_space, seed):
    space = SearchSpace(given_space)
    rng = np.random.default_rng(seed)
    rows = space.sample(8, rng)
    categorical = np.array([c.kind == "categorical" for c in space.columns])
    parents = Parents(rows, rng.random(8), 3, categorical, False, space.groups)
    points = breeder.breed(parents, 200, True, rng)
    assert points.shape == (200, space.n_columns)
    assert ((points >= 0) & (points <= 1)).all()
    children = space.from_unit(points)
    assert all(space.contains(space.decode(row)) for row in children)
    assert len({row.tobytes() for row in children}) > 30


def test_what_is_inherited_as_a_whole_is_a_parent_or_near_it():
    space = SearchSpace({"o": permutation(range(9)), "s": subset(range(9), 3, 3)})
    rng = np.random.default_rng(0)
    first, second = (np.repeat(space.sample(1, rng), 400, axis=0) for _ in range(2))
    bred = rng.random(first.shape)
    none = np.zeros(space.n_columns, dtype=bool)
    both = first, second
    kept = inherit(bred.copy(), both, space.groups, none, rng, whole=0.0)
    assert (kept[:, :9] == bred[:, :9]).all()
    whole = inherit(bred.copy(), both, space.groups, none, rng, whole=1.0)
    subsets = space.from_unit(whole)[:, 9:]
    distance = (subsets != first[:, 9:]).sum(axis=1)
    assert np.mean(distance == 0) == pytest.approx(0.2, abs=0.08)
    assert np.mean(distance <= 2) > 0.6
    assert np.mean((whole[:, :9] == first[:, :9]).all(axis=1)) > 0.03


def test_what_a_parent_lacks_comes_from_the_other():
    space = SearchSpace([{"o": permutation(range(6))}, {"x": [1, 2]}])
    has = np.repeat(space.encode({"o": [5, 4, 3, 2, 1, 0]})[None], 300, axis=0)
    lacks = np.repeat(space.encode({"x": 1})[None], 300, axis=0)
    rng = np.random.default_rng(1)
    none = np.zeros(space.n_columns, dtype=bool)
    for pair in ((has, lacks), (lacks, has)):
        bred = rng.random(has.shape)
        child = inherit(bred.copy(), pair, space.groups, none, rng, whole=1.0)
        block = space.groups[0].columns
        assert np.mean((child[:, block] == has[:, block]).all(axis=1)) > 0.1
    bred = rng.random(has.shape)
    child = inherit(bred.copy(), (lacks, lacks), space.groups, none, rng, whole=1.0)
    assert not np.isnan(child).any()


@pytest.mark.parametrize("breeder", BREEDERS, ids=["de", "ga", "regularized"])
def test_a_subset_that_no_parent_has_is_of_any_size(breeder):
    space = SearchSpace(
        [{"m": ["a"], "x": uniform(0, 1)}, {"m": ["b"], "s": subset(range(30), 1, 4)}]
    )
    rng = np.random.default_rng(0)
    rows = np.array(
        [row for row in space.sample(60, rng) if space.decode(row)["m"] == "a"]
    )
    categorical = np.array([c.kind == "categorical" for c in space.columns])
    losses = rng.random(len(rows))
    parents = Parents(rows, losses, 0, categorical, False, space.groups)
    children = space.from_unit(breeder.breed(parents, 4000, False, rng))
    found = [space.decode(row) for row in children]
    sizes = np.bincount([len(p["s"]) for p in found if "s" in p], minlength=5)
    assert (sizes[1:5] > 0.08 * sizes.sum()).all()
