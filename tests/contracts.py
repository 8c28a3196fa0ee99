"""What every optimizer must do; a subclass gives the fixture."""

import pickle

import numpy as np
import pytest
from asktell import asked, tell
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, randint, uniform

from sklearn_hpo.space import SearchSpace, lograndint, permutation, sequence, subset

SPACES = {
    "numeric": {"a": uniform(0, 1), "b": loguniform(1e-3, 1e3), "c": randint(1, 9)},
    "categorical": {"a": ["x", "y", "z"], "b": [None, "auto", 3], "c": [True, False]},
    "branches": [
        {"kernel": ["linear"], "C": loguniform(1e-3, 1e3)},
        {"kernel": ["rbf"], "C": loguniform(1e-3, 1e3), "gamma": uniform(0, 1)},
        {"kernel": ["poly"], "degree": randint(2, 6)},
    ],
    "structures": {
        "keep": subset(["a", "b", "c", "d"], 1, 3),
        "layers": sequence(lograndint(8, 513), 1, 3),
        "order": permutation(range(4)),
        "x": uniform(0, 1),
    },
    "one column": {"a": uniform(-1, 2)},
    "one point": {"a": [1]},
    "two points": {"a": [True, False]},
    "wide": {f"x{i}": uniform(0, 1) for i in range(50)},
}


MIXED = [
    {"kind": ["a", "b"], "x": uniform(0, 1), "k": randint(1, 9)},
    {"kind": ["c"], "x": uniform(0, 1), "z": loguniform(1e-3, 1)},
]


def mixed_losses(space, rows):
    """Return losses of rows of `MIXED`; the best are near x = 0.7, kind "b", k = 6."""
    out = []
    for row in rows:
        params = space.decode(row)
        base = {"a": 1.0, "b": 0.0, "c": 0.5}[params["kind"]]
        shape = (params["k"] - 6) ** 2 / 50 if "k" in params else params["z"]
        out.append(base + shape + (params["x"] - 0.7) ** 2)
    return np.array(out)


def toy_loss(rows):
    """Return a smooth loss of rows; inactive coordinates count as 0."""
    return np.nansum((rows - 0.3) ** 2, axis=1)


class OptimizerContract:
    """Tests for an optimizer; the fixture `make` returns a fresh one."""

    n_objectives = 1

    def table(self, losses):
        """Return losses as the optimizer takes them: with several, they are at odds."""
        if self.n_objectives == 1:
            return losses
        return np.column_stack([(-1) ** j * losses for j in range(self.n_objectives)])

    @pytest.fixture(params=SPACES)
    def space(self, request):
        return SearchSpace(SPACES[request.param])

    def told(self, make, space, losses_of, n=12, seed=3):
        """Return an optimizer that has run `n` proposals, and the rows."""
        optimizer = self.started(make, space, seed)
        for _ in range(n):
            row = asked(optimizer)
            tell(optimizer, row, self.table(losses_of(row)))
        return optimizer, optimizer.rows

    def started(self, make, space, seed=3):
        optimizer = make()
        optimizer.start(space, 20, seed, self.n_objectives)
        return optimizer

    def test_rows_are_canonical(self, make, space):
        _, rows = self.told(make, space, toy_loss)
        assert rows.shape == (12, space.n_columns)
        assert_array_equal(space.from_unit(rows), rows)
        active = rows[~np.isnan(rows)]
        assert ((active >= 0) & (active <= 1)).all()

    def test_ask_changes_nothing(self, make, space):
        optimizer, rows = self.told(make, space, toy_loss)
        pending = rows[:2]
        first = asked(optimizer, 3, pending)
        asked(optimizer)
        assert_array_equal(asked(optimizer, 3, pending), first)

    def test_replay_gives_the_same_ask(self, make, space):
        optimizer, rows = self.told(make, space, toy_loss)
        replayed = self.started(make, space)
        tell(replayed, rows, self.table(toy_loss(rows)))
        assert_array_equal(asked(replayed), asked(optimizer))

    def test_rounding_does_not_depend_on_addresses(self, make, space, monkeypatch):
        # NumPy 1.24 rounds these of strided arrays by where the result is stored.
        def checked(function):
            def check(x, *args, **kwargs):
                assert np.asarray(x).flags.forc
                return function(x, *args, **kwargs)

            return check

        for name in ("exp", "expm1", "log", "log1p", "power"):
            monkeypatch.setattr(np, name, checked(getattr(np, name)))
        self.told(make, space, toy_loss)

    def test_start_forgets(self, make, space):
        optimizer, rows = self.told(make, space, toy_loss)
        optimizer.start(space, 20, 3, self.n_objectives)
        assert_array_equal(asked(optimizer), rows[:1])

    def test_seeds_differ(self, make):
        space = SearchSpace(SPACES["numeric"])
        _, rows = self.told(make, space, toy_loss)
        _, others = self.told(make, space, toy_loss, seed=4)
        assert not np.array_equal(rows, others)

    @pytest.mark.parametrize(
        "losses_of",
        [
            lambda rows: np.full(len(rows), np.nan),
            lambda rows: np.zeros(len(rows)),
            lambda rows: np.where(rows[:, 0] > 0.5, np.nan, toy_loss(rows)),
            lambda rows: 1e12 * toy_loss(rows),
            lambda rows: np.round(toy_loss(rows)),
        ],
        ids=["all failed", "constant", "half failed", "huge", "plateaus"],
    )
    def test_survives_odd_losses(self, make, losses_of):
        space = SearchSpace(SPACES["numeric"])
        _, rows = self.told(make, space, losses_of, n=15)
        assert np.isfinite(rows).all()

    def test_survives_a_start_that_fails(self, make):
        space = SearchSpace(SPACES["numeric"])
        losses = iter([np.nan] * 8 + list(np.linspace(3, 1, 7)))
        _, rows = self.told(make, space, lambda row: np.array([next(losses)]), n=15)
        assert np.isfinite(rows).all()

    def test_survives_noise(self, make):
        space = SearchSpace(SPACES["numeric"])
        rng = np.random.default_rng(0)
        _, rows = self.told(make, space, lambda row: rng.normal(size=1), n=15)
        assert len(np.unique(rows, axis=0)) == 15

    def test_pending_rows_are_not_proposed_again(self, make):
        space = SearchSpace(SPACES["numeric"])
        optimizer, _ = self.told(make, space, toy_loss)
        assert len(np.unique(asked(optimizer, 6), axis=0)) == 6

    def test_global_random_state_is_untouched(self, make, space):
        before = pickle.dumps(np.random.get_state())  # noqa: NPY002
        self.told(make, space, toy_loss, n=6)
        assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


class ExhaustiveContract(OptimizerContract):
    """Tests for an optimizer that evaluates all of a finite space before it ends."""

    @pytest.mark.parametrize("seed", range(3))
    def test_finite_space_is_covered_without_repetition(self, make, seed):
        choices = {"a": ["x", "y", "z"], "b": [1, 2, 4, 8]}
        for space in (SearchSpace(choices), SearchSpace([choices, {"c": [1, 2]}])):
            n = int(space.size)
            _, rows = self.told(make, space, toy_loss, n=n, seed=seed)
            assert len({row.tobytes() for row in rows}) == n
