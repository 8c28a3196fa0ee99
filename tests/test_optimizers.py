"""Each optimizer fulfils the contract."""

import numpy as np
import pytest
from contracts import OptimizerContract, toy_loss
from scipy.stats import uniform

from sklearn_hpo.optimizers import (
    CMAES,
    LSHADE,
    RBF,
    DifferentialBreeder,
    EvolutionaryOptimizer,
    GaussianProcess,
    GeneticBreeder,
    HypervolumeGP,
    Portfolio,
    Random,
    RegularizedBreeder,
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
        optimizer.start(space, seed)
        rows = optimizer.ask(16, np.empty((0, 3)))
        octants = (rows > 0.5) @ [1, 2, 4]
        np.testing.assert_array_equal(np.bincount(octants), np.full(8, 2))


class TestTeamOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return lambda: Portfolio([GaussianProcess(20), RBF(20)])

    def test_members_take_turns(self, make):
        space = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
        team, rows = self.told(make, space, toy_loss, n=12)
        for k in range(team.n_design, 12):
            member = [GaussianProcess(20), RBF(20)][(k - team.n_design) % 2]
            member.start(space, 3)
            member.tell(rows[:k], toy_loss(rows[:k]), np.ones(k))
            np.testing.assert_array_equal(member.ask(1, rows[:0])[0], rows[k])


class TestBayesianOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return lambda: GaussianProcess(20)

    def test_closes_in_on_the_minimum(self, make):
        space = SearchSpace({"a": uniform(0, 1), "b": uniform(0, 1)})
        _, rows = self.told(make, space, toy_loss, n=20)
        assert toy_loss(rows).min() < 1e-3
        # as many independent draws come this near once in about 16 studies


class TestEvolutionaryOptimizer(OptimizerContract):
    @pytest.fixture(params=["de", "ga", "regularized", "plain de", "plain ga"])
    def make(self, request):
        breeders = [DifferentialBreeder(), GeneticBreeder(), RegularizedBreeder()]
        breeder = {b.name: b for b in breeders}[request.param.removeprefix("plain ")]
        surrogate = None if "plain" in request.param else "rbf"
        return lambda: EvolutionaryOptimizer(20, breeder, 4, surrogate)


class TestLShadeOptimizer(OptimizerContract):
    @pytest.fixture(params=["rbf", None])
    def make(self, request):
        return lambda: LSHADE(20, 5, request.param)


class TestEvolutionaryOptimizerOfSeveral(OptimizerContract):
    n_objectives = 2

    @pytest.fixture(params=["de", "nsga3", "plain nsga2"])
    def make(self, request):
        breeder = DifferentialBreeder() if request.param == "de" else GeneticBreeder()
        surrogate = None if "plain" in request.param else "rbf"
        return lambda: EvolutionaryOptimizer(
            20, breeder, 4, surrogate, 2, niches="nsga3" in request.param
        )


class TestTeamOfSeveral(OptimizerContract):
    n_objectives = 2

    @pytest.fixture
    def make(self):
        return lambda: Portfolio(
            [
                HypervolumeGP(20, "auto", 2),
                EvolutionaryOptimizer(20, DifferentialBreeder(), n_objectives=2),
            ]
        )


class TestCMAESOptimizer(OptimizerContract):
    @pytest.fixture
    def make(self):
        return lambda: CMAES(20, 4)
