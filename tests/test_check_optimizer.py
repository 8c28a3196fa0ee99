"""check_optimizer passes what is right, and says in plain words what is wrong."""

import numpy as np
import pytest

from sklearn_hpo import optimizers
from sklearn_hpo.optimizers import Optimizer, Proposal, Random
from sklearn_hpo.testing import check_optimizer

PUBLIC = [
    getattr(optimizers, name)
    for name in optimizers.__all__
    if name not in ("Optimizer", "Proposal", "Told")
]


class Climber(Optimizer):
    """Right, but for what a subclass changes."""

    name = "climber"

    def __init__(self, *, step=0.1):
        self.step = step

    def ask(self, pending):
        return Proposal(self.row(pending), self.name)

    def row(self, pending):
        rng = self.trial_rng(len(pending))
        row = self.space.sample(1, rng)[0]
        failed = np.isnan(self.losses[:, 0])
        if not failed.all():
            best = self.rows[np.where(failed, np.inf, self.losses[:, 0]).argmin()]
            moved = best + self.step * rng.standard_normal(len(best))
            row = self.space.from_unit(moved[None] % 1)[0]
        return row


@pytest.mark.parametrize("kind", [Climber, *PUBLIC], ids=lambda kind: kind.__name__)
def test_ours_pass(kind):
    optimizer = kind()
    check_optimizer(optimizer)
    assert set(vars(optimizer)) == set(optimizer.get_params(deep=False))


class WorksInConstructor(Climber):
    def __init__(self, *, step=0.1):
        super().__init__(step=step)
        self.half = step / 2


class Renames(Climber):
    def __init__(self, *, size=0.1):
        self.step = size


class HoldsALambda(Climber):
    def __init__(self, *, step=None):
        self.step = step or (lambda: 0.1)


class Nameless(Climber):
    name = ""


class OddTag(Climber):
    learns = "yes"


class TakesTwo(Climber):
    def start(self, space, n_iter, seed, n_objectives=1):
        super().start(space, n_iter, seed)


class RefusesTwo(Climber):
    multi_objective = True

    def start(self, space, n_iter, seed, n_objectives=1):
        if n_objectives > 1:
            raise ValueError("one at a time")
        super().start(space, n_iter, seed)


class BareRow(Climber):
    def ask(self, pending):
        return self.row(pending)


class NumberAsSource(Climber):
    def ask(self, pending):
        return Proposal(self.row(pending), 3)


class TwoRows(Climber):
    def row(self, pending):
        return super().row(pending)[None]


class Outside(Climber):
    def row(self, pending):
        return super().row(pending) + 1.0


class NotSnapped(Climber):
    def row(self, pending):
        return self.trial_rng(len(pending)).random(self.space.n_columns)


class Repeats(Climber):
    def row(self, pending):
        return self.space.from_unit(np.full((1, self.space.n_columns), 0.5))[0]


class Forgetful(Climber):
    def row(self, pending):
        rng = np.random.default_rng()
        return self.space.sample(1, rng)[0]


class Remembers(Climber):
    n_started = 0

    def start(self, *how):
        super().start(*how)
        self.n_started += 1

    def row(self, pending):
        rng = np.random.default_rng([self.n_started, self.n_proposed + len(pending)])
        return self.space.sample(1, rng)[0]


class Counts(Climber):
    def start(self, *how):
        super().start(*how)
        self.n_asked = 0

    def row(self, pending):
        self.n_asked += 1
        return self.space.sample(1, np.random.default_rng(self.n_asked))[0]


class BlindToPending(Climber):
    def row(self, pending):
        return super().row(pending[:0])


class ByBatch(Climber):
    def start(self, *how):
        super().start(*how)
        self.n_tells = 0

    def tell(self, told):
        super().tell(told)
        self.n_tells += 1

    def row(self, pending):
        rng = np.random.default_rng([self.n_tells, len(pending)])
        return self.space.sample(1, rng)[0]


class NoFailures(Climber):
    def tell(self, told):
        if np.isnan(told.losses).all() and len(self.rows) > 2:
            raise RuntimeError("no loss to learn from")
        super().tell(told)


class FillsIn(Climber):
    def tell(self, told):
        told.losses[np.isnan(told.losses)] = 1e9
        super().tell(told)


class Tunes(Climber):
    def tell(self, told):
        super().tell(told)
        self.step = 0.5


class HoldsAFunction(Climber):
    def start(self, *how):
        super().start(*how)
        self.draw = lambda rng: self.space.sample(1, rng)


class Global(Climber):
    def row(self, pending):
        np.random.rand()  # noqa: NPY002
        return super().row(pending)


class SaysItDoesNotLearn(Climber):
    learns = False


class NoHints(Climber):
    def expect(self, row):
        raise NotImplementedError("what for?")


class OneBudget(Climber):
    multi_fidelity = True

    def tell(self, told):
        super().tell(told)
        assert (told.budgets == 1.0).all(), "a low budget"


class PredictsOneNumber(Climber):
    predicts = True

    def predict(self, rows):
        return 0.0, 1.0


class DoubtsNegatively(Climber):
    predicts = True

    def predict(self, rows):
        return np.zeros(len(rows)), np.full(len(rows), -1.0)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (WorksInConstructor, r"only store .* \['half'\], belongs into start"),
        (Renames, "can't be cloned"),
        (HoldsALambda, "cloned|pickled"),
        (Nameless, "must have a name"),
        (OddTag, "learns must be True or False, but is 'yes'"),
        (TakesTwo, "2 objectives must raise ValueError"),
        (RefusesTwo, "2 objectives raised one at a time"),
        (BareRow, "must return a Proposal"),
        (NumberAsSource, "must be a text, not 3"),
        (TwoRows, "an array of 2 floats"),
        (Outside, "from 0 to 1"),
        (NotSnapped, "a mixed space: rows must be canonical"),
        (Repeats, "a row that had been told already"),
        (Forgetful, "same seed and losses differ"),
        (Remembers, "must forget all that was told"),
        (Counts, "ask with the same pending rows gave another row"),
        (BlindToPending, "a row that was pending"),
        (ByBatch, "how many evaluations it was told at once"),
        (NoFailures, r"all losses are failed \(NaN\): RuntimeError: no loss"),
        (FillsIn, "tell changed told.losses"),
        (Tunes, "changed a parameter"),
        (HoldsAFunction, "PicklingError|AttributeError"),
        (Global, "NumPy's global random state"),
        (SaysItDoesNotLearn, "although learns is False"),
        (NoHints, "NotImplementedError while it was checked whether another study"),
        (OneBudget, "a low budget"),
        (PredictsOneNumber, r"means of shape \(\), not \(5,\)"),
        (DoubtsNegatively, "deviations not negative"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_is_wrong_is_said(kind, message):
    with pytest.raises(AssertionError, match=message) as caught:
        check_optimizer(kind())
    assert str(caught.value).startswith(kind.__name__)


def test_a_class_is_no_optimizer():
    with pytest.raises(AssertionError, match="no instance of a subclass of Optimizer"):
        check_optimizer(Random)
