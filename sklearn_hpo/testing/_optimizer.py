"""What every optimizer must do, checked without any fit."""

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone

from sklearn_hpo.optimizers import Optimizer, Proposal, Told
from sklearn_hpo.space import SearchSpace

Array = NDArray[np.float64]

_N_ITER, _SEED = 10, 3
_SPACES: dict[str, Any] = {
    "a continuous space": {"a": uniform(0, 1), "b": loguniform(1e-3, 1e3)},
    "a mixed space": {"a": ["x", "y", "z"], "b": randint(1, 9), "c": uniform(0, 1)},
    "a space of branches": [
        {"kernel": ["linear"], "C": loguniform(1e-3, 1e3)},
        {"kernel": ["rbf"], "C": loguniform(1e-3, 1e3), "gamma": uniform(0, 1)},
    ],
    "a space of two points": {"a": [True, False]},
    "a space of one point": {"a": [1]},
}


def check_optimizer(optimizer: Optimizer) -> None:
    """Raise unless an optimizer does all that a search relies on.

    It is asked and told in several spaces, without any fit, which takes some seconds
    where it has a model. The optimizer itself is not changed.

    .. versionadded:: 0.1

    Parameters
    ----------
    optimizer : Optimizer
        An instance.

    Raises
    ------
    AssertionError
        Says what it did, what it should do, and in which space.

    Examples
    --------
    >>> from sklearn_hpo.optimizers import TPE
    >>> from sklearn_hpo.testing import check_optimizer
    >>> check_optimizer(TPE(n_initial_points=4))
    """
    if not isinstance(optimizer, Optimizer):
        raise AssertionError(f"{optimizer!r} is no instance of a subclass of Optimizer")
    name = type(optimizer).__name__
    try:
        _check_parameters(optimizer)
        _check_tags(optimizer)
        numbers = _numbers_of_objectives(optimizer)
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from error
    for n_objectives in numbers:
        for where, given in _SPACES.items():
            case = _Case(optimizer, SearchSpace(given), n_objectives)
            of_several = "" if n_objectives == 1 else f", {n_objectives} objectives"
            for check in _CHECKS:
                _run(check, case, f"{name}, {where}{of_several}")


def _run(check: Callable[["_Case"], None], case: "_Case", where: str) -> None:
    try:
        check(case)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
    except Exception as error:
        what = (check.__doc__ or "").strip().rstrip(".").lower()
        raise AssertionError(
            f"{where}: {type(error).__name__} while it was checked {what}: {error}"
        ) from error


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(text)


def _check_parameters(optimizer: Optimizer) -> None:
    """Check what scikit-learn asks of everything that has parameters."""
    try:
        twin = clone(optimizer)
    except Exception as error:
        raise AssertionError(
            "it can't be cloned, as its constructor does more than store its "
            f"parameters under their own names: {error}"
        ) from error
    more = sorted(set(vars(twin)) - set(twin.get_params(deep=False)))
    _require(
        not more,
        f"its constructor must only store its parameters; what it works out from them, "
        f"{more}, belongs into start",
    )
    try:
        copy = pickle.loads(pickle.dumps(twin))
    except Exception as error:
        raise AssertionError(f"it can't be pickled: {error}") from error
    _require(
        repr(copy) == repr(twin),
        f"it is shown as {twin!r}, but after pickling as {copy!r}",
    )


def _check_tags(optimizer: Optimizer) -> None:
    """Check what a search reads before it starts an optimizer."""
    name = getattr(optimizer, "name", None)
    _require(
        isinstance(name, str) and name != "",
        f"its class must have a name, a text that history_ shows, not {name!r}",
    )
    tags = "multi_objective", "predicts", "learns", "multi_fidelity", "begins_with_own"
    for tag in tags:
        value = getattr(optimizer, tag)
        _require(
            isinstance(value, bool), f"{tag} must be True or False, but is {value!r}"
        )


def _numbers_of_objectives(optimizer: Optimizer) -> list[int]:
    """Return for how many objectives it is, after a check that it refuses others."""
    space = SearchSpace(_SPACES["a continuous space"])
    found = []
    for n in (1, 2):
        try:
            clone(optimizer).start(space, _N_ITER, _SEED, n)
        except ValueError as error:
            _require(
                n == (1 if optimizer.multi_objective else 2),
                f"start with {n} objective{'s' * (n > 1)} raised {error}; "
                + (
                    "set multi_objective = False if it learns only one"
                    if n > 1
                    else "it must do for one objective unless multi_objective is True"
                ),
            )
            continue
        found.append(n)
    _require(
        2 not in found or optimizer.multi_objective,
        "start with 2 objectives must raise ValueError, as multi_objective is False; "
        "super().start(...) does so",
    )
    return found


@dataclass(frozen=True)
class _Case:
    """An optimizer in a space."""

    optimizer: Optimizer
    space: SearchSpace
    n_objectives: int

    def started(self) -> Optimizer:
        optimizer: Optimizer = clone(self.optimizer)
        optimizer.start(self.space, _N_ITER, _SEED, self.n_objectives)
        return optimizer

    @property
    def nothing(self) -> Array:
        return np.empty((0, self.space.n_columns))

    def losses(self, rows: Array) -> Array:
        """Return losses that are at odds with one another, if there are several."""
        loss = np.nansum((rows - 0.3) ** 2, axis=1)
        return np.column_stack([(-1) ** j * loss for j in range(self.n_objectives)])

    def drawn(self, n: int) -> Told:
        """Return what is told of draws from the space, some of which failed."""
        rows = self.space.sample(n, np.random.default_rng(0))
        losses = self.losses(rows)
        losses[1::4] = np.nan
        return Told.of(rows, losses)

    def rows_of(
        self,
        optimizer: Optimizer,
        losses_of: Callable[[Array], Array] | None = None,
        n: int = _N_ITER,
    ) -> Array:
        """Return what it proposes if each row is told before the next is proposed."""
        rows = self.nothing
        for _ in range(n):
            row = self.ask(optimizer, self.nothing)[None]
            optimizer.tell(Told.of(row, (losses_of or self.losses)(row)))
            rows = np.vstack([rows, row])
        return rows

    def ask(self, optimizer: Optimizer, pending: Array) -> Array:
        """Return a row, after a check that it is one."""
        proposal = optimizer.ask(pending)
        _require(
            isinstance(proposal, Proposal),
            f"ask must return a Proposal, not {proposal!r}",
        )
        _require(
            isinstance(proposal.source, str),
            f"the source of a proposal must be a text, not {proposal.source!r}",
        )
        row, d = proposal.row, self.space.n_columns
        _require(
            isinstance(row, np.ndarray)
            and row.shape == (d,)
            and row.dtype == np.float64,
            f"the row of a proposal must be an array of {d} floats, not {row!r}",
        )
        numbers = row[~np.isnan(row)]
        _require(
            bool(((numbers >= 0) & (numbers <= 1)).all()),
            f"all numbers of a row must be from 0 to 1, but it proposed {row}",
        )
        canonical = self.space.from_unit(row[None])[0]
        _require(
            np.array_equal(canonical, row, equal_nan=True),
            f"rows must be canonical, but it proposed {row} in the place of "
            f"{canonical}; pass rows through space.from_unit",
        )
        return row


def _check_proposals(case: _Case) -> None:
    """Whether rows are of the space, and new where it has no end."""
    optimizer = case.started()
    rows = case.rows_of(optimizer)
    n_design = optimizer.n_design
    _require(
        isinstance(n_design, int | np.integer) and n_design >= 0,
        f"n_design must be a number of rows, not {n_design!r}",
    )
    if np.isinf(case.space.size):
        _require(
            len({row.tobytes() for row in rows}) == len(rows),
            "it proposed a row that had been told already",
        )


def _check_repeats(case: _Case) -> None:
    """Whether the same seed gives the same proposals, also after another start."""
    optimizer = case.started()
    rows = case.rows_of(optimizer)
    _require(
        _equal(case.rows_of(case.started()), rows),
        "two studies with the same seed and losses differ; draw from "
        "self.trial_rng(len(pending)), which is the same each time",
    )
    optimizer.start(case.space, _N_ITER, _SEED, case.n_objectives)
    _require(
        _equal(case.rows_of(optimizer), rows),
        "after start it does not begin anew: start must forget all that was told",
    )


def _check_ask_is_pure(case: _Case) -> None:
    """Whether ask changes nothing."""
    optimizer = case.started()
    optimizer.tell(case.drawn(6))
    pending = case.drawn(2).rows
    first = case.ask(optimizer, pending)
    case.ask(optimizer, case.nothing)
    _require(
        _equal(case.ask(optimizer, pending), first),
        "ask with the same pending rows gave another row the second time: it must "
        "change nothing that a later call can observe",
    )


def _check_pending(case: _Case) -> None:
    """Whether pending rows are not proposed again."""
    optimizer = case.started()
    optimizer.tell(case.drawn(6))
    pending = case.nothing
    for _ in range(4):
        pending = np.vstack([pending, case.ask(optimizer, pending)])
    if np.isinf(case.space.size):
        _require(
            len({row.tobytes() for row in pending}) == len(pending),
            "it proposed a row that was pending; with results outstanding it must "
            "propose others, by the number of the proposal at least",
        )


def _check_batches(case: _Case) -> None:
    """Whether it matters how many evaluations are told at once."""
    told, rows = case.drawn(9), []
    for size in (1, 4, 9):
        optimizer = case.started()
        for first in range(0, 9, size):
            optimizer.tell(told[first : first + size])
            case.ask(optimizer, case.nothing)
        rows.append(case.ask(optimizer, case.nothing))
    _require(
        _equal(rows[0], rows[1]) and _equal(rows[0], rows[2]),
        "what it proposes depends on how many evaluations it was told at once, so a "
        "search that goes on from a checkpoint would not do the same",
    )


def _check_odd_losses(case: _Case) -> None:
    """Whether failures and losses of any size do no harm."""
    kinds: dict[str, Callable[[Array], Array]] = {
        "failed (NaN)": lambda losses: np.full_like(losses, np.nan),
        "equal": np.zeros_like,
        "huge": lambda losses: 1e12 * losses,
    }
    for kind, change in kinds.items():
        optimizer = case.started()
        try:
            case.rows_of(optimizer, _chain(change, case.losses))
        except Exception as error:
            raise AssertionError(
                f"where all losses are {kind}: {type(error).__name__}: {error}"
            ) from error


def _chain(
    outer: Callable[[Array], Array], inner: Callable[[Array], Array]
) -> Callable[[Array], Array]:
    return lambda rows: outer(inner(rows))


def _check_inputs(case: _Case) -> None:
    """Whether what it is given stays as it is."""
    optimizer = case.started()
    params = repr(optimizer.get_params())
    told, untold = case.drawn(8), case.drawn(8)
    optimizer.tell(told)
    pending = told.rows[:2].copy()
    case.ask(optimizer, pending)
    for field in fields(Told):
        _require(
            _equal(getattr(told, field.name), getattr(untold, field.name)),
            f"tell changed told.{field.name}, which belongs to who calls it",
        )
    _require(
        _equal(pending, told.rows[:2]),
        "ask changed pending, which belongs to who calls it",
    )
    _require(
        repr(optimizer.get_params()) == params == repr(clone(optimizer).get_params()),
        "it changed a parameter; it must leave those alone, for clone and repr",
    )


def _check_pickle(case: _Case) -> None:
    """Whether it can be pickled in the middle of a study."""
    optimizer = case.started()
    optimizer.tell(case.drawn(7))
    row = case.ask(optimizer, case.nothing)
    twin = pickle.loads(pickle.dumps(optimizer))
    _require(
        _equal(case.ask(twin, case.nothing), row),
        "after pickling it proposes another row than before",
    )


def _check_global_random_state(case: _Case) -> None:
    """Whether NumPy's global random numbers are left alone."""
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    case.rows_of(case.started())
    _require(
        pickle.dumps(np.random.get_state()) == before,  # noqa: NPY002
        "it draws from NumPy's global random state, which is the user's; draw from "
        "self.trial_rng(len(pending))",
    )


def _check_learns(case: _Case) -> None:
    """Whether losses are ignored, if it says so."""
    if not case.optimizer.learns:
        rows = case.rows_of(case.started())
        others = case.rows_of(case.started(), lambda rows: 1.0 - case.losses(rows))
        _require(
            _equal(rows, others),
            "its proposals depend on losses, although learns is False",
        )


def _check_hints(case: _Case) -> None:
    """Whether another study's results and an expected row may be told."""
    optimizer = case.started()
    rows = case.drawn(6).rows
    optimizer.tell_source_task(rows, case.losses(rows))
    optimizer.expect(rows[0])
    optimizer.tell(Told.of(rows[:1], case.losses(rows[:1])))
    case.rows_of(optimizer, n=6)


def _check_budgets(case: _Case) -> None:
    """Whether losses of several budgets may be told."""
    if case.optimizer.multi_fidelity:
        optimizer = case.started()
        for budget in (1 / 9, 1 / 3, 1.0):
            rows = case.drawn(6).rows
            optimizer.tell(Told.of(rows, case.losses(rows), budgets=budget))
            case.ask(optimizer, case.nothing)


def _check_predictions(case: _Case) -> None:
    """Whether it predicts, if it says so."""
    optimizer = case.started()
    optimizer.tell(case.drawn(9))
    if not optimizer.predicts:
        return
    rows = case.drawn(5).rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, std = optimizer.predict(rows)
    for what, values in (("means", mean), ("standard deviations", std)):
        _require(
            np.shape(values) == (5,),
            f"of 5 rows it predicts {what} of shape {np.shape(values)}, not (5,)",
        )
    _require(
        bool(np.isfinite(mean).all()) and not bool((std < 0).any()),
        f"it predicts {mean} with the standard deviations {std}; means must be finite, "
        "deviations not negative",
    )


def _equal(a: Any, b: Any) -> bool:
    return np.array_equal(a, b, equal_nan=True)


_CHECKS = [
    _check_proposals,
    _check_odd_losses,
    _check_global_random_state,
    _check_repeats,
    _check_ask_is_pure,
    _check_pending,
    _check_batches,
    _check_inputs,
    _check_pickle,
    _check_learns,
    _check_hints,
    _check_budgets,
    _check_predictions,
]
