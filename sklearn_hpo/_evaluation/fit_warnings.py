"""Warnings of fits: collected where they are raised, shown once, with a count."""

import re
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TextIO

# Category, text, file and line of a warning.
Raised = tuple[type[Warning], str, str, int]

_NUMBER = re.compile(r"[-+]?\d[\d.]*(e[-+]?\d+)?")
# How many texts are shown that the same line of code gives.
_MOST_TEXTS = 5
_fit = threading.local()


class _Sink:
    """What stands for `warnings.showwarning`: keeps what a fit of this thread raises.

    Filters are not its business: what is to be ignored or to be an error never comes
    here.
    """

    def __init__(self) -> None:
        self.otherwise = warnings.showwarning

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        raised = getattr(_fit, "raised", None)
        if raised is None or file is not None:
            self.otherwise(message, category, filename, lineno, file, line)
        else:
            raised[category, str(message), filename, lineno] = None


@contextmanager
def sink() -> Iterator[None]:
    """Put the sink in place; a thread inside may do so again."""
    before = warnings.showwarning
    if isinstance(before, _Sink):
        yield
        return
    warnings.showwarning = _Sink()
    try:
        yield
    finally:
        warnings.showwarning = before


@contextmanager
def collected() -> Iterator[dict[Raised, None]]:
    """Yield what this thread would show inside the block, each warning once."""
    outer = getattr(_fit, "raised", None)
    raised: dict[Raised, None] = {}
    _fit.raised = raised
    try:
        with _anew(), sink():
            yield raised
    finally:
        _fit.raised = outer


def _anew() -> AbstractContextManager[Any]:
    """Let a line of code that has warned warn again, where no thread can be in the way.

    In other threads scikit-learn sets filters for each job from 1.7 on, which does the
    same; with older ones, equal texts may count too seldom there.
    """
    if threading.current_thread() is threading.main_thread():
        return warnings.catch_warnings()
    return nullcontext()


def inside_fit() -> bool:
    """Whether this thread runs a fit of a search."""
    return getattr(_fit, "raised", None) is not None


@contextmanager
def held(warned: Iterable[Raised]) -> Iterator[None]:
    """Show warnings at the end of the block, after those that it raises itself.

    Filters have their say then, so that none of them becomes an error inside.

    Parameters
    ----------
    warned : iterable
        As `summary` returns it.
    """
    raised: dict[Raised, None] = {}
    try:
        with warnings.catch_warnings(), collected() as raised:
            warnings.simplefilter("always")
            yield
    finally:
        show([*raised, *warned])


def summary(fits: Iterable[tuple[Raised, ...]]) -> list[Raised]:
    """Return each warning once, with the number of fits that raised it in its text.

    Texts that differ in numbers only are one, and a line of code that gives many
    texts shows a few of them.

    Parameters
    ----------
    fits : iterable of tuple
        What each fit raised.

    Returns
    -------
    warned : list
        In the order of the fits.

    Examples
    --------
    >>> raised = [((UserWarning, f"No end after {n}", "a.py", 3),) for n in (10, 20)]
    >>> [text for _, text, _, _ in summary([*raised, ()])]
    ['No end after 10 (raised in 2 of 3 fits, with other numbers in some)']
    """
    n_fits = 0
    places: dict[Any, dict[str, list[Any]]] = {}
    for raised in fits:
        n_fits += 1
        seen = set()
        for category, text, filename, lineno in raised:
            texts = places.setdefault((category, filename, lineno), {})
            shape = _NUMBER.sub("#", text)
            if shape not in texts and len(texts) >= _MOST_TEXTS:
                shape = "more"
            entry = texts.setdefault(shape, [text, 0, False])
            entry[1] += id(entry) not in seen
            entry[2] |= text != entry[0]
            seen.add(id(entry))
    warned = []
    for (category, filename, lineno), texts in places.items():
        for shape, (text, n, varies) in texts.items():
            how = ", with other numbers in some" if varies else ""
            if shape == "more":
                how = ", with other words in some" if varies else ""
            note = f" (raised in {n} of {n_fits} fits{how})"
            warned.append((category, text + note, filename, lineno))
    return warned


def show(warned: Iterable[Raised]) -> None:
    """Give warnings to the filters that are in place, from where they were raised.

    Parameters
    ----------
    warned : iterable
        As `summary` returns it.
    """
    files = {getattr(m, "__file__", None): n for n, m in list(sys.modules.items())}
    for category, text, filename, lineno in warned:
        # without a module nothing is shown at all
        module = files.get(filename) or filename
        warnings.warn_explicit(_made(category, text), None, filename, lineno, module)


def _made(category: type[Warning], text: str) -> Warning:
    """Return a warning of that text; some categories need other arguments."""
    for kind in category.__mro__:
        try:
            warning = kind(text)
        except Exception:
            continue
        if isinstance(warning, Warning) and str(warning) == text:
            return warning
    return UserWarning(text)
