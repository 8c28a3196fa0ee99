"""The Gaussian process against scikit-learn's, finite differences and brute force."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from sklearn_hpo._numerics.acquisition import log_ei, lower_bound
from sklearn_hpo._numerics.evidence import Evidence, fit, prior
from sklearn_hpo._numerics.gp import (
    N_SHARED,
    NUGGET,
    Layout,
    Mixture,
    Posterior,
    _inverse,
)

D = 6
MIXED = Layout(
    categorical=np.array([False, True, False, False, True, False]),
    conditional=np.array([False, False, True, False, True, False]),
)
NUMERIC = Layout(np.zeros(D, bool), np.zeros(D, bool))


def draw_rows(rng, n, layout):
    """Rows whose column 1 decides whether columns 2 and 4 are active."""
    rows = rng.random((n, D))
    if layout is MIXED:
        rows[:, 1] = rng.choice([1 / 6, 0.5, 5 / 6], n)
        rows[:, 4] = rng.choice([0.25, 0.75], n)
        rows[rows[:, 1] > 0.6, 2] = np.nan
        rows[rows[:, 1] < 0.3, 4] = np.nan
    return rows


def draw_theta(rng):
    return np.append(rng.normal(0, 0.5, D + 1), -3.0)


def reference(theta, extra=0.0):
    s2, noise = np.exp(theta[D:])
    kernel = ConstantKernel(s2) * Matern(np.exp(theta[:D]), nu=2.5)
    return GaussianProcessRegressor(
        kernel + WhiteKernel(noise + NUGGET), alpha=extra, optimizer=None
    )


@pytest.mark.parametrize("noisier", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_posterior_equals_scikit_learn(seed, noisier):
    rng = np.random.default_rng(seed)
    rows, new = rng.random((25, D)), rng.random((40, D))
    y, theta = rng.standard_normal((25, 2)), draw_theta(rng)
    extra = noisier * rng.exponential(size=25)
    mean, std = Posterior(rows, y, theta, NUMERIC, extra).predict(new)
    model = reference(theta, extra).fit(rows, y)
    expected, deviation = model.predict(new, return_std=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-7, atol=1e-9)
    variance = deviation[:, 0] ** 2 - np.exp(theta[-1]) - NUGGET
    np.testing.assert_allclose(std**2, variance, rtol=1e-6, atol=1e-9)


def test_a_target_of_huge_variance_is_ignored():
    rng = np.random.default_rng(0)
    rows, new, theta = rng.random((20, D)), rng.random((9, D)), draw_theta(rng)
    y = np.append(rng.standard_normal(19), -50.0)
    extra = np.append(np.zeros(19), 1e12)
    without = Posterior(rows[:-1], y[:-1], theta, NUMERIC).predict(new)
    for found, expected in zip(
        Posterior(rows, y, theta, NUMERIC, extra).predict(new), without, strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("noisier", [False, True])
def test_evidence_is_marginal_likelihood_and_prior(noisier):
    rng = np.random.default_rng(0)
    rows, y = rng.random((25, D)), rng.standard_normal(25)
    extra = noisier * rng.exponential(size=25)
    evidence = Evidence(rows, y, NUMERIC, extra)
    mean, std = prior(D)

    def expected(theta):
        model = reference(theta, extra).fit(rows, y)
        log_prior = multivariate_normal(mean, np.diag(std**2)).logpdf(theta)
        return model.log_marginal_likelihood_value_ + log_prior

    one, two = draw_theta(rng), draw_theta(rng)
    difference = evidence(one)[0] - evidence(two)[0]
    assert difference == pytest.approx(expected(one) - expected(two))


@pytest.mark.parametrize("layout", [NUMERIC, MIXED], ids=["numeric", "mixed"])
@pytest.mark.parametrize("seed", range(3))
def test_evidence_gradient(layout, seed):
    rng = np.random.default_rng(seed)
    rows, y, extra = draw_rows(rng, 20, layout), *rng.random((2, 20))
    evidence = Evidence(rows, y, layout, extra)
    theta = draw_theta(rng)
    error = check_grad(
        lambda t: evidence(t)[0], lambda t: evidence(t)[1], theta, epsilon=1e-6
    )
    assert error < 1e-3 * np.linalg.norm(evidence(theta)[1])


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("name", ["log_ei", "lower_bound"])
def test_score_gradient(n_targets, name):
    rng = np.random.default_rng(n_targets)
    rows, y = draw_rows(rng, 20, MIXED), rng.standard_normal((20, n_targets))
    posterior = Posterior(rows, y, draw_theta(rng), MIXED)

    def score(mean, std):
        if name == "log_ei":
            return log_ei(mean, std, y.min(axis=0))
        return lower_bound(mean, std, 2.0)

    new = draw_rows(rng, 8, MIXED)
    value, gradient = posterior.gradient(new, score)
    np.testing.assert_allclose(value, score(*posterior.predict(new))[0])
    assert not gradient[:, MIXED.categorical].any()
    assert not gradient[np.isnan(new)].any()
    step = 1e-6
    for j in np.flatnonzero(~MIXED.categorical):
        move = step * (np.arange(D) == j)
        up, down = (score(*posterior.predict(new + s * move))[0] for s in (1, -1))
        np.testing.assert_allclose(
            gradient[:, j], (up - down) / (2 * step), rtol=1e-4, atol=1e-6
        )


def brute_force_kernel(a, b, theta):
    """Covariance of two rows of MIXED, from the definition."""
    r2 = 0.0
    for j in range(D):
        x, z, scale = a[j], b[j], np.exp(theta[j])
        if MIXED.categorical[j]:
            same = x == z or (np.isnan(x) and np.isnan(z))
            distance = 0.0 if same else 1.0
        elif np.isnan(x) and np.isnan(z):
            distance = 0.0
        elif np.isnan(x) or np.isnan(z):
            distance = (np.nansum([x, z]) - 0.5) ** 2 + 0.25
        else:
            distance = (x - z) ** 2
        r2 += distance / scale**2
    r = np.sqrt(5 * r2)
    return np.exp(theta[D]) * (1 + r + r**2 / 3) * np.exp(-r)


@pytest.mark.parametrize("seed", range(3))
def test_mixed_posterior_equals_brute_force(seed):
    # Few observed rows: some categories asked about have never been seen.
    rng = np.random.default_rng(seed)
    rows, new = draw_rows(rng, 4, MIXED), draw_rows(rng, 20, MIXED)
    y, theta = rng.standard_normal(4), draw_theta(rng)
    K, k = (
        np.array([[brute_force_kernel(a, b, theta) for b in rows] for a in other])
        for other in (rows, new)
    )
    K += (np.exp(theta[-1]) + NUGGET) * np.eye(4)
    mean, std = Posterior(rows, y, theta, MIXED).predict(new)
    np.testing.assert_allclose(mean[:, 0], k @ np.linalg.solve(K, y), atol=1e-9)
    variance = np.exp(theta[D]) - np.sum(k * np.linalg.solve(K, k.T).T, axis=1)
    np.testing.assert_allclose(std**2, variance, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_kernel_of_mixed_rows_is_positive_semidefinite(seed):
    rng = np.random.default_rng(seed)
    rows, theta = draw_rows(rng, 60, MIXED), draw_theta(rng)
    i, j = np.indices((60, 60)).reshape(2, -1)
    r = np.sqrt(5 * np.exp(-2 * theta[:D]) @ MIXED.distances(rows, i, j))
    K = ((1 + r + r**2 / 3) * np.exp(-r)).reshape(60, 60)
    assert np.linalg.eigvalsh(K).min() > -1e-10


def test_samples_have_posterior_mean_and_variance():
    rng = np.random.default_rng(0)
    rows, new = draw_rows(rng, 3, MIXED), draw_rows(rng, 6, MIXED)
    new[1] = new[0]
    theta = draw_theta(rng)
    posterior = Posterior(rows, rng.standard_normal(3), theta, MIXED)
    draws = posterior.sample(new, rng.standard_normal((6, 200_000)))
    mean, std = posterior.predict(new)
    np.testing.assert_allclose(draws.mean(axis=1), mean[:, 0], atol=0.02)
    noise = np.exp(theta[-1])
    np.testing.assert_allclose(draws.var(axis=1), std**2 + noise, rtol=0.03)
    # Equal rows share the function value and differ by their noise alone.
    assert np.var(draws[0] - draws[1]) == pytest.approx(2 * noise, rel=0.03)


def test_conditioning_on_samples_keeps_the_mean_and_shrinks_the_deviation():
    rng = np.random.default_rng(1)
    rows, pending = draw_rows(rng, 10, MIXED), draw_rows(rng, 4, MIXED)
    new, y, theta = draw_rows(rng, 15, MIXED), rng.standard_normal(10), draw_theta(rng)
    posterior = Posterior(rows, y, theta, MIXED)
    mean, std = posterior.predict(new)
    draws = posterior.sample(pending, rng.standard_normal((4, 20_000)))
    targets = np.vstack([np.tile(y[:, None], 20_000), draws])
    later = Posterior(np.vstack([rows, pending]), targets, theta, MIXED)
    means, later_std = later.predict(new)
    np.testing.assert_allclose(means.mean(axis=1), mean[:, 0], atol=0.03)
    # The law of total variance.
    np.testing.assert_allclose(
        means.var(axis=1) + later_std**2, std**2, rtol=0.05, atol=1e-3
    )


def test_mixture_is_the_weighted_mean_expected_improvement():
    rng = np.random.default_rng(0)
    rows, y = draw_rows(rng, 20, MIXED), rng.standard_normal((20, 2))
    posteriors = [Posterior(rows, y, draw_theta(rng), MIXED) for _ in range(2)]
    mixture, new = Mixture(posteriors, [0.7, 0.3]), draw_rows(rng, N_SHARED, MIXED)

    def score(mean, std):
        return log_ei(mean, std, y.min(axis=0))

    each = [np.exp(score(*posterior.predict(new))[0]) for posterior in posteriors]
    expected = 0.7 * each[0] + 0.3 * each[1]
    np.testing.assert_allclose(np.exp(mixture.value(new, score)), expected)
    value, gradient = mixture.gradient(new, score)
    np.testing.assert_allclose(np.exp(value), expected)
    step = 1e-6
    for j in np.flatnonzero(~MIXED.categorical):
        move = step * (np.arange(D) == j)
        up, down = (mixture.value(new + s * move, score) for s in (1, -1))
        np.testing.assert_allclose(
            gradient[:, j], (up - down) / (2 * step), rtol=1e-3, atol=1e-5
        )


def test_mixture_finds_the_best_of_many_rows_and_bounds_the_others():
    rng = np.random.default_rng(0)
    rows, y = draw_rows(rng, 30, MIXED), rng.standard_normal(30)
    theta = draw_theta(rng)
    shorter = np.append(theta[:D] - np.log(2.0), theta[D:])
    posteriors = [Posterior(rows, y, t, MIXED) for t in (theta, shorter)]
    mixture, new = Mixture(posteriors, [0.9, 0.1]), draw_rows(rng, 1000, MIXED)

    def score(mean, std):
        return log_ei(mean, std, y.min(keepdims=True))

    full = np.concatenate(
        [mixture.value(part, score) for part in np.split(new, 1000 // 50)]
    )
    value = mixture.value(new, score)
    exact = np.isclose(value, full)
    assert exact.sum() >= N_SHARED
    assert exact[value.argmax()]
    assert (value <= full + 1e-9).all()
    first = score(*posteriors[0].predict(new))[0] + np.log(0.9)
    np.testing.assert_allclose(value[~exact], first[~exact])


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 129, 200])
def test_inverse_of_a_triangle(n):
    rng = np.random.default_rng(n)
    L = np.tril(rng.random((n, n))) + n * np.eye(n)
    np.testing.assert_allclose(_inverse(L) @ L, np.eye(n), atol=1e-12)


def test_fit_finds_the_relevant_columns():
    rng = np.random.default_rng(0)
    rows = rng.random((60, D))
    y = np.sin(6 * rows[:, 0]) + rows[:, 3]
    theta, value = fit(rows, (y - y.mean()) / y.std(), NUMERIC, prior(D)[0], 100)
    assert theta[[0, 3]].max() < np.delete(theta[:D], [0, 3]).min()
    assert theta[-1] < np.log(0.01)
    assert value > Evidence(rows, (y - y.mean()) / y.std(), NUMERIC)(prior(D)[0])[0]


def test_repeated_rows_without_noise():
    rows = np.full((30, D), 0.5)
    theta = np.append(np.zeros(D), [6.9, -18.4])
    mean, std = Posterior(rows, np.ones(30), theta, NUMERIC).predict(rows[:1])
    assert mean[0, 0] == pytest.approx(1.0, abs=1e-3)
    assert 0 < std[0] < 1e-2


def test_evidence_and_posterior_survive_a_singular_matrix():
    rows = np.full((200, D), 0.5)
    theta = np.append(np.full(D, 3.9), [50.0, -50.0])
    value, gradient = Evidence(rows, np.ones(200), NUMERIC)(theta)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    mean, std = Posterior(rows, np.ones(200), theta, NUMERIC).predict(rows[:1])
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
