"""The Parzen estimators against brute force and SciPy, and the optimizer on them."""

import numpy as np
import pytest
from asktell import asked, tell
from contracts import ExhaustiveContract, toy_loss
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import truncnorm, uniform

from sklearn_hpo._numerics.parzen import Cells, Mixture, bandwidths
from sklearn_hpo.optimizers._tpe import TPE
from sklearn_hpo.space import Column, SearchSpace, lograndint

EVEN = (np.arange(4) + 0.5) / 4
UNEVEN = np.array([0.3, 0.65, 0.85])  # cells end at 0.6, 0.7 and 1
EDGES = np.array([0.0, 0.6, 0.7, 1.0])


def make_cells(centres, categorical=()):
    columns = [Column("", "", 0 if c is None else len(c), c) for c in centres]
    edges = [column.edges for column in columns]
    return Cells(centres, edges, np.isin(np.arange(len(centres)), categorical))


def draw_mixture(cells, centres, n, seed, missing=0.2):
    """A mixture on random canonical rows with random weights."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n, len(centres)))
    for j, values in enumerate(centres):
        if values is not None:
            rows[:, j] = rng.choice(values, size=n)
    rows[rng.random(rows.shape) < missing] = np.nan
    return Mixture(rows, rng.uniform(0.5, 2, n + 1), cells)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_continuous_density_is_that_of_truncated_normals(n, seed):
    mixture = draw_mixture(make_cells([None, None]), [None, None], n, seed)
    points = np.random.default_rng(seed + 100).random((50, 2))
    points[::5, 1] = np.nan
    expected = np.zeros(len(points))
    for weight, mean, sigma in zip(
        mixture.weights, mixture.mean, mixture.sigma, strict=True
    ):
        kernel = np.full(len(points), weight)
        for j in np.flatnonzero(~np.isnan(mean)):
            law = truncnorm(-mean[j] / sigma[j], (1 - mean[j]) / sigma[j])
            density = law.pdf((points[:, j] - mean[j]) / sigma[j]) / sigma[j]
            kernel *= np.where(np.isnan(points[:, j]), 1.0, density)
        expected += kernel
    assert_allclose(mixture.log_density(points), np.log(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_ordered_density_is_the_mean_over_the_cell(seed):
    mixture = draw_mixture(make_cells([UNEVEN]), [UNEVEN], 6, seed)
    fine = draw_mixture(make_cells([None]), [UNEVEN], 6, seed)
    for centre, low, high in zip(UNEVEN, EDGES[:-1], EDGES[1:], strict=True):
        inside = low + (high - low) * (np.arange(4000) + 0.5) / 4000
        mean = np.exp(fine.log_density(inside[:, None])).mean()
        found = np.exp(mixture.log_density(np.array([[centre]])))
        assert_allclose(found, mean, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("categorical", [(), (1, 2)], ids=["ordered", "categorical"])
def test_density_integrates_to_one(categorical, seed):
    centres = [None, EVEN, UNEVEN]
    mixture = draw_mixture(make_cells(centres, categorical), centres, 8, seed)
    x = (np.arange(1000) + 0.5) / 1000
    points = np.stack(np.meshgrid(x, EVEN, UNEVEN, indexing="ij"), axis=-1)
    density = np.exp(mixture.log_density(points.reshape(-1, 3))).reshape(1000, 4, 3)
    assert_allclose((density.mean(axis=(0, 1)) * np.diff(EDGES)).sum(), 1, rtol=1e-5)


def test_category_of_a_kernel_gains_what_others_lose():
    mixture = Mixture(np.full((1, 1), EVEN[2]), np.ones(2), make_cells([EVEN], (0,)))
    density = np.exp(mixture.log_density(EVEN[:, None]))
    # One kernel and the uniform one: counts (1 + 1/2, 1/2, 1/2, 1/2) of 3, and 1/4.
    assert_allclose(density / 4, 0.5 * np.array([1, 1, 3, 1]) / 6 + 0.5 / 4)


@pytest.mark.parametrize("kind", ["continuous", "ordered", "categorical"])
@pytest.mark.parametrize("seed", range(2))
def test_samples_follow_the_density(kind, seed):
    centres = [None if kind == "continuous" else UNEVEN]
    cells = make_cells(centres, (0,) if kind == "categorical" else ())
    mixture = draw_mixture(cells, centres, 5, seed)
    draws = mixture.sample(40_000, np.random.default_rng(seed))[:, 0]
    assert draws.min() >= 0
    assert draws.max() <= 1
    edges = np.linspace(0, 1, 9) if kind == "continuous" else EDGES
    share = np.histogram(draws, edges)[0] / len(draws)
    if kind == "continuous":
        fine = ((np.arange(8000) + 0.5) / 8000)[:, None]
        expected = np.exp(mixture.log_density(fine)).reshape(8, 1000).mean(axis=1) / 8
    else:
        expected = np.exp(mixture.log_density(UNEVEN[:, None])) * np.diff(EDGES)
    assert_allclose(share, expected, atol=5 * 0.5 / np.sqrt(len(draws)))


def test_columns_with_many_values_and_with_few_agree():
    values = (np.arange(300) + 0.5) / 300
    mixture = draw_mixture(make_cells([values]), [values], 5, 0)
    rows = np.append(values, np.nan)[:, None]
    everything = mixture.log_density(rows)  # more rows than values
    assert_array_equal(mixture.log_density(rows[100:110]), everything[100:110])
    assert_allclose(mixture.log_density(rows[-2:])[1], 0, atol=1e-12)


def test_density_is_finite_far_from_every_kernel():
    d = 60
    centres = [UNEVEN if j % 2 else None for j in range(d)]
    mixture = Mixture(np.full((80, d), 0.85), np.ones(81), make_cells(centres))
    log_density = mixture.log_density(np.where(np.arange(d) % 2, 0.3, 0.0)[None])
    assert_allclose(log_density, -np.log(81))


def test_bandwidth_is_a_share_of_the_wider_gap_within_limits():
    sigma = bandwidths(np.array([[0.9, 0.3], [0.1, np.nan], [0.5, np.nan], [0.6, 0.3]]))
    assert_allclose(sigma[:, 0], 0.7 * np.array([0.3, 0.4, 0.4, 0.3]))
    assert_allclose(sigma[[0, 3], 1], 1 / 8)
    assert_allclose(bandwidths(np.array([[0.2]])), 0.7 * 0.8)
    assert bandwidths(np.empty((0, 3))).shape == (0, 3)
    assert_allclose(bandwidths(np.full((200, 1), 0.5)), 0.01)


class TestTPEOptimizer(ExhaustiveContract):
    @pytest.fixture
    def make(self):
        return TPE

    @pytest.mark.parametrize("seed", range(3))
    def test_is_nearer_to_the_minimum_than_random_draws(self, make, seed):
        space = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
        losses = []
        for k in range(5):
            _, rows = self.told(make, space, toy_loss, n=40, seed=10 * seed + k)
            losses.append(toy_loss(rows).min())
        # Half of the studies of 40 independent draws end above log(2) / (40 pi).
        assert np.median(losses) < 0.5 * np.log(2) / (40 * np.pi)

    def test_failures_are_never_good(self):
        space = SearchSpace({"a": uniform(0, 1)})
        optimizer = TPE(n_initial_points=1)
        optimizer.start(space, 20, 0)
        rows = space.sample(30, np.random.default_rng(0))
        losses = np.where(rows[:, 0] < 0.9, np.nan, 1.0)
        losses[:2] = -np.inf
        tell(optimizer, rows, losses)
        found = [
            asked(optimizer, 1, space.sample(k, np.random.default_rng(k)))
            for k in range(20)
        ]
        assert np.median(found) > 0.8

    def test_category_that_improves_is_proposed_more_often(self):
        space = SearchSpace({"a": ["x", "y", "z"], "b": lograndint(1, 1000)})
        hits = 0
        for seed in range(60):
            optimizer = TPE(n_initial_points=1)
            optimizer.start(space, 20, seed)
            rows = space.sample(60, np.random.default_rng(seed))
            tell(optimizer, rows, rows[:, 0] + 0.1 * rows[:, 1])
            hits += asked(optimizer, 1, rows[:0])[0, 0] == space.columns[0].centres[0]
        assert hits > 36  # 20 by chance, with a standard deviation of 3.7
