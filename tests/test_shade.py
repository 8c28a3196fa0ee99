"""L-SHADE against the equations of its paper, and beside plain evolution."""

import numpy as np
import pytest
from asktell import asked, run, tell
from contracts import SPACES, toy_loss
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import cauchy, uniform

from sklearn_hpo._numerics.shade import (
    SLOTS,
    SuccessHistory,
    lehmer_mean,
    linear_size,
)
from sklearn_hpo.optimizers import LSHADE, DifferentialEvolution
from sklearn_hpo.optimizers._lshade import ARCHIVE, LEAST, ShrinkingPopulation
from sklearn_hpo.space import SearchSpace

SEEDS = st.integers(0, 2**32 - 1)


def sphere(rows):
    return ((rows - 0.4) ** 2).sum(axis=1)


def rosenbrock(rows):
    x = 4.0 * rows - 2.0
    steep = 100.0 * (x[:, 1:] - x[:, :-1] ** 2) ** 2
    return (steep + (1.0 - x[:, :-1]) ** 2).sum(axis=1)


@given(SEEDS, st.integers(1, 20))
def test_history_learns_weighted_lehmer_means_in_turn(seed, n):
    rng = np.random.default_rng(seed)
    history = SuccessHistory()
    expected = np.full((2, SLOTS), 0.5)
    for generation in range(SLOTS + 2):
        children = rng.uniform(0.01, 1.0, (2, n))
        gains = rng.exponential(size=n) + 1e-9
        history.learn(*children, gains)
        # equations 7 to 9 of SHADE (Tanabe & Fukunaga 2013), used by L-SHADE for both
        weights = [gain / sum(gains) for gain in gains]
        for values, slots in zip(children, expected, strict=True):
            squares = sum(w * x * x for w, x in zip(weights, values, strict=True))
            firsts = sum(w * x for w, x in zip(weights, values, strict=True))
            slots[generation % SLOTS] = squares / firsts
        assert_allclose([history.scales, history.rates], expected)


def test_history_without_successes_stays_and_a_rate_of_zero_is_final():
    history = SuccessHistory()
    history.learn(*np.empty((3, 0)))
    assert_array_equal(history.rates, 0.5)
    for _ in range(SLOTS):
        history.learn(np.array([0.7, 0.2]), np.zeros(2), np.ones(2))
    history.learn(np.array([0.7]), np.array([0.9]), np.ones(1))
    assert np.isnan(history.rates).all()
    rng = np.random.default_rng(0)
    assert {history.draw(rng)[1] for _ in range(20)} == {0.0}


@pytest.mark.parametrize("gain", [1e-300, 1e308, np.inf])
def test_gains_of_any_size_are_weights(gain):
    history = SuccessHistory()
    history.learn(np.array([0.2, 0.4]), np.array([0.2, 0.4]), np.full(2, gain))
    assert history.scales[0] == history.rates[0] == pytest.approx(0.2 / 0.6)
    assert lehmer_mean(np.zeros(2), np.ones(2)) == 0.0


def test_draws_are_about_the_slots():
    history = SuccessHistory()
    history.learn(np.array([0.9]), np.array([0.1]), np.ones(1))
    rng = np.random.default_rng(1)
    scales, rates = np.array([history.draw(rng) for _ in range(30_000)]).T
    assert ((scales > 0.0) & (scales <= 1.0)).all()
    assert ((rates >= 0.0) & (rates <= 1.0)).all()
    # a sixth from a normal distribution about 0.1, the rest about 0.5, of width 0.1
    assert (rates < 0.2).mean() == pytest.approx(0.841 / 6, abs=0.01)
    law = cauchy(history.scales, 0.1)
    within = (law.cdf(0.6) - law.cdf(0.4)) / law.sf(0.0)
    assert ((scales > 0.4) & (scales < 0.6)).mean() == pytest.approx(
        within.mean(), abs=0.01
    )


@given(st.integers(4, 200), st.integers(1, 5000), st.floats(0.0, 2.0))
def test_size_is_that_of_the_paper(first, n_most, done):
    n = min(int(done * n_most), n_most)
    exact = (4 - first) / n_most * n + first  # equation 10 of the paper
    assert abs(linear_size(first, 4, n / n_most) - exact) <= 0.5 + 1e-9
    assert linear_size(first, 4, 1.0) == linear_size(first, 4, 1.7) == 4


@given(SEEDS, st.integers(4, 20), st.integers(20, 120))
def test_population_keeps_the_best_and_shrinks(seed, size, n):
    losses = np.random.default_rng(seed).normal(size=n)
    population = ShrinkingPopulation(size, n, seed)
    seen = []
    for number in range(n):
        place = population.place(number)
        assert 0 <= place < len(population.members)
        population.admit(number, losses)
        members = population.members[population.members >= 0]
        assert np.argmin(losses[: number + 1]) in members
        assert len(set(members)) == len(members)
        assert not set(members) & set(population.archive)
        seen.append(len(population.members))
    assert seen == sorted(seen, reverse=True)
    # the last size was that of equation 10 less than a generation before the end
    assert LEAST <= seen[-1] <= LEAST + 0.5 + (size - LEAST) * (seen[-1] - 1) / n
    assert len(population.archive) <= ARCHIVE * seen[-1] + seen[-1]


def test_credit_goes_to_the_rates_that_the_child_had(monkeypatch):
    drawn, credited = {}, []
    draw, learn = SuccessHistory.draw, SuccessHistory.learn
    space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(5)})
    optimizer = LSHADE(screening=None)

    def spy(history, rng):
        rates = draw(history, rng)
        drawn.setdefault(rates, len(optimizer.losses))
        return rates

    def note(history, scales, rates, gains):
        credited.extend(zip(scales.tolist(), rates.tolist(), strict=True))
        learn(history, scales, rates, gains)

    optimizer.start(space, 150, 0)
    offered = []
    monkeypatch.setattr(SuccessHistory, "learn", note)
    for _ in range(150):
        monkeypatch.setattr(SuccessHistory, "draw", spy)
        row = asked(optimizer)
        offered = list(drawn)
        monkeypatch.setattr(SuccessHistory, "draw", draw)
        tell(optimizer, row, sphere(row))
    assert len(credited) > 20
    assert set(credited) <= set(offered)


@pytest.mark.parametrize("d", [5, 10])
def test_converges_on_a_sphere(d):
    space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(d)})
    n = 200 * d
    found = [
        run(LSHADE(screening=None), space, sphere, n, seed).losses.min()
        for seed in range(3)
    ]
    assert max(found) < 1e-5


def test_goes_further_along_a_valley_than_plain_evolution():
    space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(5)})
    n = 1500

    def median_of(kind):
        optimizers = [
            run(kind(screening=None), space, rosenbrock, n, seed) for seed in range(5)
        ]
        return np.median([optimizer.losses.min() for optimizer in optimizers])

    assert median_of(LSHADE) < median_of(DifferentialEvolution)


@pytest.mark.parametrize("surrogate", ["rbf", None])
@pytest.mark.parametrize("name", ["numeric", "branches"])
def test_replay_with_pending_rows_gives_the_same_ask(surrogate, name):
    space = SearchSpace(SPACES[name])
    settings = {"population_size": 8, "screening": surrogate}
    ran = run(LSHADE(**settings), space, toy_loss, 50, 1, n_pending=5)
    replayed = LSHADE(**settings)
    replayed.start(space, 50, 1)
    tell(replayed, ran.rows, ran.losses)
    pending = ran.rows[:0]
    assert_array_equal(asked(replayed, 3, pending), asked(ran, 3, pending))
    assert len(np.unique(ran.rows, axis=0)) == 50
