"""Each optimizer fulfils the contract."""

import numpy as np
import pytest
from asktell import asked, tell
from contracts import OptimizerContract, toy_loss
from scipy.stats import uniform

from sklearn_hpo.optimizers import (
    CMAES,
    LSHADE,
    NSGA2,
    NSGA3,
    RBF,
    DifferentialEvolution,
    GaussianProcess,
    GeneticAlgorithm,
    Portfolio,
    Random,
    RegularizedEvolution,
    Sobol,
)
from sklearn_hpo.space import SearchSpace


class TestRandomOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return Random

    def test_is_deaf_to_losses(self, make, space):
        _, rows = self.told(make, space, toy_loss)
        _, others = self.told(make, space, lambda rows: -toy_loss(rows))
        np.testing.assert_array_equal(rows, others)


class TestSobolOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return Sobol

    @pytest.mark.parametrize("seed", range(3))
    def test_every_octant_gets_its_share(self, make, seed):
        optimizer = make()
        space = SearchSpace(
            {"a": uniform(0, 1), "b": uniform(0, 1), "c": uniform(0, 1)}
        )
        optimizer.start(space, 16, seed)
        rows = asked(optimizer, 16)
        octants = (rows > 0.5) @ [1, 2, 4]
        np.testing.assert_array_equal(np.bincount(octants), np.full(8, 2))


class TestPortfolio(OptimizerContract):
    @pytest.fixture
    def make(self):
        return Portfolio

    def test_members_take_turns(self, make):
        space = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
        team, rows = self.told(make, space, toy_loss, n=12)
        for k in range(team.n_design, 12):
            member = [GaussianProcess(), RBF()][(k - team.n_design) % 2]
            member.start(space, 20, 3)
            tell(member, rows[:k], toy_loss(rows[:k]))
            np.testing.assert_array_equal(asked(member, 1, rows[:0])[0], rows[k])


class TestBayesianOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return GaussianProcess

    def test_closes_in_on_the_minimum(self, make):
        space = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
        _, rows = self.told(make, space, toy_loss, n=20)
        assert toy_loss(rows).min() < 1e-3
        # as many independent draws come this near once in about 16 studies


class TestEvolutionaryOptimizer(OptimizerContract):
    @pytest.fixture(params=["rbf", None])
    def screening(self, request):
        return request.param

    @pytest.fixture(params=[DifferentialEvolution, GeneticAlgorithm, LSHADE])
    def make(self, request, screening):
        return lambda: request.param(population_size=4, screening=screening)


class TestRegularizedEvolution(OptimizerContract):
    @pytest.fixture
    def make(self):
        return lambda: RegularizedEvolution(population_size=4)


class TestEvolutionOfSeveral(OptimizerContract):
    n_objectives = 2

    @pytest.fixture(params=["de", "nsga3", "plain nsga2"])
    def make(self, request):
        kinds = {"de": DifferentialEvolution, "nsga3": NSGA3, "plain nsga2": NSGA2}
        screening = None if "plain" in request.param else "rbf"
        kind = kinds[request.param]
        return lambda: kind(population_size=4, screening=screening)


class TestPortfolioOfSeveral(OptimizerContract):
    n_objectives = 2

    @pytest.fixture
    def make(self):
        return Portfolio


class TestCMAESOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return lambda: CMAES(population_size=4)
