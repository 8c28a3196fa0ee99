"""Schedulers by their short names."""

from sklearn.base import clone

from sklearn_hpo.schedulers._asha import ASHA
from sklearn_hpo.schedulers._base import FullBudget, Scheduler
from sklearn_hpo.schedulers._halving import Halving, Hyperband
from sklearn_hpo.schedulers._racing import Racing

SCHEDULERS: dict[str, type[Scheduler]] = {
    "full": FullBudget,
    "racing": Racing,
    "halving": Halving,
    "hyperband": Hyperband,
    "asha": ASHA,
}


def make_scheduler(given: str | Scheduler) -> Scheduler:
    """Return a fresh scheduler: the one of that name, or a clone of the one given.

    .. versionadded:: 0.1

    Parameters
    ----------
    given : {"full", "racing", "halving", "hyperband", "asha"} or Scheduler
        What is wanted.

    Returns
    -------
    Scheduler
        Not yet started.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import make_scheduler
    >>> make_scheduler("halving")
    Halving()
    """
    if isinstance(given, Scheduler):
        return clone(given)
    if isinstance(given, str) and given in SCHEDULERS:
        return SCHEDULERS[given]()
    if isinstance(given, type) and issubclass(given, Scheduler):
        raise TypeError(
            f"scheduler={given.__name__} is a class: give an instance, "
            f"{given.__name__}()."
        )
    error = ValueError if isinstance(given, str) else TypeError
    raise error(
        f"scheduler={given!r} is neither a Scheduler nor one of {sorted(SCHEDULERS)}."
    )
