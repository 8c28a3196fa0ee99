"""The box around the best row, and proposals from it."""

import numpy as np
import pytest
from asktell import asked, tell
from scipy.stats import loguniform, randint, uniform

from sklearn_hpo._numerics.trust_region import (
    LENGTH,
    MAX_LENGTH,
    N_NEAR,
    TrustRegion,
    box_length,
)
from sklearn_hpo.optimizers import GaussianProcess
from sklearn_hpo.space import SearchSpace

NONE_YET = 1001
SPACES = {
    "numeric": {f"x{i}": uniform(0, 1) for i in range(4)},
    "mixed": {"x": uniform(0, 1), "k": randint(0, 40), "c": ["a", "b", "c"]},
    "branches": [
        {"kind": ["a", "b"], "x": uniform(0, 1), "k": randint(1, 9)},
        {"kind": ["c"], "x": uniform(0, 1), "z": loguniform(1e-3, 1)},
    ],
}


@pytest.fixture(params=SPACES)
def space(request):
    return SearchSpace(SPACES[request.param])


def loss_of(rows):
    return np.nansum((rows - 0.37) ** 2 * np.arange(1, rows.shape[1] + 1), axis=1)


def begun(space, n=NONE_YET, seed=0, **settings):
    """Return an optimizer that was told n random rows."""
    # a late end of the design spares the fits of hyperparameters before it
    optimizer = GaussianProcess(n_initial_points=900, **settings)
    optimizer.start(space, 2000, seed)
    rows = space.sample(n, np.random.default_rng(seed))
    losses = loss_of(rows)
    losses[rows[:, -1] > 0.97] = np.nan
    tell(optimizer, rows, losses)
    return optimizer


def region_of(optimizer, lengthscales):
    return TrustRegion(
        optimizer.rows, optimizer.losses[:, 0], 1000, lengthscales, optimizer.layout
    )


def go_on(optimizer, n, n_pending=0):
    pending = optimizer.rows[:0]
    for _ in range(n):
        pending = np.vstack([pending, asked(optimizer, 1, pending)])
        if len(pending) > n_pending:
            tell(optimizer, pending[:1], loss_of(pending[:1]))
            pending = pending[1:]
    return optimizer


@pytest.mark.parametrize(
    ("outcomes", "d", "expected"),
    [
        ("", 3, LENGTH),
        ("ssfs", 3, LENGTH),
        ("sss", 3, 2 * LENGTH),
        (12 * "s", 3, MAX_LENGTH),
        ("ffff", 3, LENGTH / 2),
        ("ffff", 5, LENGTH),
        ("fffsffff", 5, LENGTH),
        ("fffff", 5, LENGTH / 2),
        ("fffff" + "sss", 5, LENGTH),
        (6 * "ffff", 2, LENGTH / 64),
        (7 * "ffff", 2, LENGTH),
    ],
)
def test_length_follows_successes_and_failures(outcomes, d, expected):
    improved = np.array([letter == "s" for letter in outcomes], dtype=bool)
    assert box_length(improved, d) == expected


@pytest.mark.parametrize("seed", range(3))
def test_near_rows_are_the_nearest_in_lengthscales(seed):
    optimizer = begun(SearchSpace(SPACES["numeric"]), seed=seed)
    lengthscales = np.random.default_rng(seed).uniform(0.1, 3.0, 4)
    near = region_of(optimizer, lengthscales).near
    best = optimizer.rows[np.nanargmin(optimizer.losses)]
    distance = np.linalg.norm((optimizer.rows - best) / lengthscales, axis=1)
    assert len(near) == N_NEAR
    assert distance[near].max() <= np.delete(distance, near).min()


def test_candidates_are_valid_rows_of_the_box(space):
    optimizer = begun(space)
    rng = np.random.default_rng(0)
    lengthscales = rng.uniform(0.05, 0.5, space.n_columns)
    feasible = region_of(optimizer, lengthscales).restrict(optimizer._feasible)
    best = optimizer.rows[np.nanargmin(optimizer.losses)]
    assert ((feasible.low <= best) | np.isnan(best)).all()
    assert ((feasible.high >= best) | np.isnan(best)).all()
    rows = region_of(optimizer, lengthscales).candidates(feasible, 200, rng)
    np.testing.assert_array_equal(space.from_unit(rows), rows)
    assert (rows != best).any(axis=1).mean() > 0.5
    for j, levels in enumerate(feasible.levels):
        known = rows[~np.isnan(rows[:, j]), j]
        # rounding may lead half a step out of the box
        step = 0.0 if levels is None else 0.5 / len(optimizer._feasible.levels[j])
        assert (known >= feasible.low[j] - step - 1e-9).all()
        assert (known <= feasible.high[j] + step + 1e-9).all()
        if levels is not None and not np.isnan(best[j]):
            everything = optimizer._feasible.levels[j]
            here = np.searchsorted(everything, best[j])
            around = everything[max(here - 1, 0) : here + 2]
            kept = everything[here] if optimizer.layout.categorical[j] else around
            assert np.isin(kept, levels).all()


def test_box_shrinks_to_one_step_of_a_column_with_levels():
    space = SearchSpace({"x": uniform(0, 1), "k": randint(0, 40)})
    optimizer = begun(space)
    failures = space.sample(24, np.random.default_rng(1))
    tell(optimizer, failures, np.full(24, 1e3))
    feasible = region_of(optimizer, np.ones(2)).restrict(optimizer._feasible)
    width = dict(
        zip([c.name for c in space.columns], feasible.high - feasible.low, strict=True)
    )
    assert width["x"] <= 0.02
    assert width["k"] >= 1 / 40
    assert [len(v) for v in feasible.levels if v is not None] == [3]


def test_of_five_proposals_one_looks_everywhere():
    optimizer = begun(SearchSpace(SPACES["numeric"]))
    everywhere = []
    for n_pending in range(10):
        view = optimizer._view(n_pending, set(), np.random.default_rng(0))
        everywhere.append(np.ndim(view.feasible.low) == 0)
        assert len(view.rows) == (300 if everywhere[-1] else N_NEAR)
    assert np.flatnonzero(everywhere).tolist() == [4, 9]


@pytest.mark.parametrize("n_pending", [0, 3])
def test_long_studies_find_what_random_search_does_not(space, n_pending):
    optimizer = begun(space)
    before = np.nanmin(optimizer.losses)
    go_on(optimizer, 25, n_pending)
    rows = space.sample(10_000, np.random.default_rng(9))
    assert optimizer.losses[NONE_YET:].min() < min(1.01 * loss_of(rows).min(), before)
    assert len(np.unique(optimizer.rows, axis=0)) >= len(optimizer.rows) - 1


def test_ask_changes_nothing_and_replay_repeats(space):
    optimizer = go_on(begun(space), 8)
    pending = optimizer.rows[:2]
    first = asked(optimizer, 3, pending)
    np.testing.assert_array_equal(asked(optimizer, 3, pending), first)
    replayed = GaussianProcess(n_initial_points=900)
    replayed.start(space, 2000, 0)
    tell(replayed, optimizer.rows, optimizer.losses)
    np.testing.assert_array_equal(asked(replayed, 3, pending), first)


@pytest.mark.parametrize(
    "acquisition", ["log_ei", "log_noisy_ei", "log_pi", "ucb", "thompson"]
)
def test_all_acquisitions_know_the_box(acquisition):
    optimizer = begun(SearchSpace(SPACES["numeric"]), acquisition=acquisition)
    for _ in range(3):
        row = asked(optimizer, 1, optimizer.rows[:0])
        view = optimizer._view(0, set(), np.random.default_rng(0))
        assert (row >= view.feasible.low - 1e-9).all()
        assert (row <= view.feasible.high + 1e-9).all()
        tell(optimizer, row, loss_of(row))


def test_an_earlier_study_and_failures_are_no_obstacle(space):
    optimizer = GaussianProcess(n_initial_points=900)
    optimizer.start(space, 2000, 0)
    earlier = space.sample(30, np.random.default_rng(5))
    optimizer.tell_source_task(earlier, loss_of(earlier)[:, None])
    rows = space.sample(NONE_YET, np.random.default_rng(0))
    tell(optimizer, rows, np.full(NONE_YET, np.nan))
    go_on(optimizer, 3)
    assert np.isfinite(optimizer.losses[-3:]).all()
