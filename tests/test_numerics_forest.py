"""The forest against scikit-learn's own, and the optimizer on it."""

import numpy as np
import pytest
from asktell import asked
from contracts import SPACES, ExhaustiveContract, toy_loss
from numpy.testing import assert_allclose
from scipy.stats import uniform

from sklearn_hpo._numerics.forest import INACTIVE, RegressionForest
from sklearn_hpo.optimizers._forest import Forest, _log_scale
from sklearn_hpo.space import SearchSpace

CATEGORIES = (np.arange(3) + 0.5) / 3


def draw_rows(n, seed):
    """Rows of two numeric columns, one of them conditional, and a categorical one."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n, 3))
    rows[rng.random(n) < 0.3, 1] = np.nan
    rows[:, 2] = rng.choice(CATEGORIES, size=n)
    return rows


def make_forest(rows, y, seed=0):
    rng = np.random.default_rng(seed)
    return RegressionForest(rows, y, (None, None, CATEGORIES), rng)


def features(rows):
    """What the trees should see, column by column."""
    return np.column_stack(
        [
            rows[:, 0],
            np.where(np.isnan(rows[:, 1]), INACTIVE, rows[:, 1]),
            *(rows[:, 2] == c for c in CATEGORIES),
        ]
    )


@pytest.mark.parametrize("seed", range(3))
def test_mean_and_deviation_are_those_of_the_trees(seed):
    rows, y = draw_rows(40, seed), np.random.default_rng(seed).normal(size=40)
    # Equal rows of different targets share a leaf, which then has a variance.
    forest = make_forest(np.vstack([rows, rows]), np.append(y, y + 1.0), seed)
    asked = np.vstack([draw_rows(30, seed + 10), rows])
    mean, std = forest.predict(asked)
    trees = np.array([t.predict(features(asked)) for t in forest.estimators])
    assert_allclose(mean, trees.mean(axis=0))
    assert_allclose(std, np.sqrt(trees.var(axis=0) + 0.25))
    assert len({t.random_state for t in forest.estimators}) == len(forest.estimators)


@pytest.mark.parametrize("seed", range(3))
def test_mean_interpolates_and_deviation_grows_between_rows(seed):
    rows, y = draw_rows(40, seed), np.random.default_rng(seed).normal(size=40)
    forest = make_forest(rows, y, seed)
    mean, std = forest.predict(rows)
    assert_allclose(mean, y, atol=1e-9)
    assert_allclose(std, 0, atol=1e-6)
    assert forest.predict(draw_rows(40, seed + 10))[1].mean() > 0.1


def test_category_and_presence_are_learnt():
    rows = draw_rows(200, 0)
    y = (rows[:, 2] == CATEGORIES[1]) - 2.0 * np.isnan(rows[:, 1])
    asked = draw_rows(100, 1)
    expected = (asked[:, 2] == CATEGORIES[1]) - 2.0 * np.isnan(asked[:, 1])
    mean, _ = make_forest(rows, y).predict(asked)
    assert np.abs(mean - expected).mean() < 0.1


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e308])
@pytest.mark.parametrize("seed", range(3))
def test_log_scale_keeps_the_order_and_stretches_the_best(unit, seed):
    losses = np.random.default_rng(seed).uniform(-1, 1, 50)
    y = _log_scale(unit * np.append(losses, np.nan))
    assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-9)
    order = np.argsort(losses)
    ranked = y[order]
    slope = np.diff(ranked) / np.diff(losses[order])
    assert (slope[:-1] > slope[1:]).all()
    assert (slope > 0).all()
    assert y[-1] > ranked[-1]
    assert_allclose(_log_scale(np.full(5, 3.0)), 0)
    assert_allclose(_log_scale(np.full(5, np.nan)), 0)


class TestForestOptimizer(ExhaustiveContract):
    @pytest.fixture
    def make(self):
        return Forest

    def test_is_nearer_to_the_minimum_than_random_draws(self, make):
        space = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
        losses = []
        for seed in range(12):
            _, rows = self.told(make, space, toy_loss, n=25, seed=seed)
            losses.append(toy_loss(rows).min())
        # Half of the studies of 25 independent draws end above log(2) / (25 pi).
        assert np.median(losses) < 0.5 * np.log(2) / (25 * np.pi)

    def test_batch_repeats_nothing(self, make):
        space = SearchSpace(SPACES["branches"])
        optimizer, rows = self.told(make, space, toy_loss)
        batch = asked(optimizer, 4, rows[:0])
        assert len({row.tobytes() for row in np.vstack([rows, batch])}) == 16
