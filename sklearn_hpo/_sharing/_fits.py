"""What stands in for the memory of a pipeline."""

import time
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.pipeline import Pipeline

from sklearn_hpo._sharing._keys import Doubt, key_of
from sklearn_hpo._sharing._packing import packed
from sklearn_hpo._sharing._store import Entry, Sharing
from sklearn_hpo._sharing._watch import noted, stream


@contextmanager
def lent(
    sharing: Sharing | None, estimator: Any, place: Hashable, *, heard: bool = False
) -> Iterator["Loan"]:
    """Let a pipeline share its transformers while it is fitted inside.

    Parameters
    ----------
    sharing : Sharing or None
        None to share nothing.
    estimator : estimator object
        Only a pipeline without ``memory`` of its own shares.
    place : hashable
        What determines the rows that it is fitted on.
    heard : bool
        Whether callbacks listen.

    Yields
    ------
    loan : Loan
        Whose `saved` tells how many seconds the fit was spared.
    """
    loan = Loan(sharing, estimator, place, heard)
    # a subclass may fit in another way
    if sharing is None or type(estimator) is not Pipeline or estimator.memory:
        yield loan
        return
    estimator.memory = loan
    try:
        yield loan
    finally:
        loan.end()


class Loan:
    """Stands in for the ``memory`` of a pipeline, until the pipeline asks for it.

    Attributes
    ----------
    saved : float
        Seconds that shared transformers once took.
    """

    # the pipeline then fits the very transformers that it holds, as without memory
    location = None

    def __init__(
        self, sharing: Sharing | None, pipeline: Any, place: Hashable, heard: bool
    ) -> None:
        self.saved = 0.0
        self._sharing = sharing
        self._pipeline = pipeline
        self._place = place
        self._heard = heard

    def cache(
        self, function: Callable[..., Any], ignore: Any = None
    ) -> Callable[..., Any]:
        """Return a function that calls `function`, or finds its result."""
        self.end()  # what scores the pipeline sees it as it is without sharing
        if self._sharing is None:
            return function
        return _Fits(function, self._sharing, self._place, self, self._heard)

    def end(self) -> None:
        """Take itself out of the pipeline."""
        if self._pipeline.memory is self:
            self._pipeline.memory = None


class _Fits:
    """Fits the transformers of one pipeline one after the other, or finds them."""

    def __init__(
        self,
        function: Callable[..., Any],
        sharing: Sharing,
        place: Hashable,
        loan: Loan,
        heard: bool,
    ) -> None:
        self._function = function
        self._sharing = sharing
        # None from the first step on that can't be shared
        self._chain: Hashable | None = place
        self._loan = loan
        self._heard = heard

    def __call__(self, transformer: Any, X: Any, y: Any, **arguments: Any) -> Any:
        def run(transformer: Any) -> Any:
            return self._function(transformer, X, y, **arguments)

        self._extend(transformer, arguments)
        if self._chain is None:
            return run(transformer)
        entry = self._sharing.find(self._chain)
        if entry is None:
            return self._fit(run, transformer, X)
        if not entry.blob:
            return run(transformer)
        self._loan.saved += entry.seconds
        out, fitted = entry.load()
        if "callback_ctx" in arguments:  # scikit-learn >= 1.9
            self._announce(arguments["callback_ctx"], arguments["caller"], X, out, y)
        for note in entry.notes:
            warnings.warn_explicit(*note)
        return out, fitted

    def _extend(self, transformer: Any, arguments: dict[str, Any]) -> None:
        """Add a transformer to the chain, or end the chain."""
        heard = self._heard and hasattr(transformer, "set_callbacks")
        prints = arguments["message"] is not None
        routed = any(dict(arguments["params"] or {}).values())
        if self._chain is None or heard or prints or routed:
            self._chain = None
            return
        try:
            self._chain = (self._chain, key_of(transformer))
        except (Doubt, RecursionError):
            self._chain = None

    def _announce(self, context: Any, caller: Any, X: Any, out: Any, y: Any) -> None:
        """Tell callbacks of the pipeline what a fit would tell them."""
        context.call_on_fit_task_begin(estimator=caller, X=X, y=y)
        context.call_on_fit_task_end(estimator=caller, X=out, y=y)

    def _fit(self, run: Callable[[Any], Any], transformer: Any, X: Any) -> Any:
        """Fit a transformer, and keep it if nothing was random."""
        before = stream()
        began = time.perf_counter()
        with noted() as notes:
            result = run(transformer)
        seconds = time.perf_counter() - began
        if before is None or before != stream():
            self._chain = None
            return result
        began = time.thread_time()
        blob = packed(result, X, self._sharing.limit)
        if time.thread_time() - began > seconds:
            blob = b""  # to find it would take as long as to fit it
        self._sharing.keep(self._chain, Entry(blob, seconds, notes))
        return result
