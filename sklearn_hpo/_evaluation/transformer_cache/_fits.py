"""What stands in for the memory of a pipeline."""

import time
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.pipeline import Pipeline

from sklearn_hpo._evaluation.transformer_cache._packing import packed
from sklearn_hpo._evaluation.transformer_cache._store import Entry, TransformerCache
from sklearn_hpo._evaluation.transformer_cache._watch import stream, watched
from sklearn_hpo._identity.fits import NotCacheable, key_of


@contextmanager
def cached_transformers(
    transformer_cache: TransformerCache | None,
    estimator: Any,
    place: Hashable,
    *,
    has_listeners: bool = False,
) -> Iterator["PipelineMemory"]:
    """Let a pipeline share its transformers while it is fitted inside.

    Parameters
    ----------
    transformer_cache : TransformerCache or None
        None to share nothing.
    estimator : estimator object
        Only a pipeline without ``memory`` of its own shares.
    place : hashable
        What determines the rows that it is fitted on.
    has_listeners : bool
        Whether callbacks listen.

    Yields
    ------
    memory : PipelineMemory
        Whose `saved` tells how many seconds the fit was spared.
    """
    memory = PipelineMemory(transformer_cache, estimator, place, has_listeners)
    # a subclass may fit in another way
    if transformer_cache is None or type(estimator) is not Pipeline or estimator.memory:
        yield memory
        return
    estimator.memory = memory
    try:
        yield memory
    finally:
        memory.end()


class PipelineMemory:
    """Stands in for the ``memory`` of a pipeline, until the pipeline asks for it.

    Attributes
    ----------
    saved : float
        Seconds that shared transformers once took.
    """

    # the pipeline then fits the very transformers that it holds, as without memory
    location = None

    def __init__(
        self,
        transformer_cache: TransformerCache | None,
        pipeline: Any,
        place: Hashable,
        has_listeners: bool,
    ) -> None:
        self.saved = 0.0
        self._transformer_cache = transformer_cache
        self._pipeline = pipeline
        self._place = place
        self._has_listeners = has_listeners

    def cache(
        self, function: Callable[..., Any], ignore: Any = None
    ) -> Callable[..., Any]:
        """Return a function that calls `function`, or finds its result."""
        self.end()  # what scores the pipeline sees it as it is without sharing
        if self._transformer_cache is None:
            return function
        return _Fits(
            function, self._transformer_cache, self._place, self, self._has_listeners
        )

    def end(self) -> None:
        """Take itself out of the pipeline."""
        if self._pipeline.memory is self:
            self._pipeline.memory = None


class _Fits:
    """Fits the transformers of one pipeline one after the other, or finds them."""

    def __init__(
        self,
        function: Callable[..., Any],
        transformer_cache: TransformerCache,
        place: Hashable,
        memory: PipelineMemory,
        has_listeners: bool,
    ) -> None:
        self._function = function
        self._transformer_cache = transformer_cache
        # None from the first step on that can't be shared
        self._chain: Hashable | None = place
        self._memory = memory
        self._has_listeners = has_listeners

    def __call__(self, transformer: Any, X: Any, y: Any, **arguments: Any) -> Any:
        def run(transformer: Any) -> Any:
            return self._function(transformer, X, y, **arguments)

        self._extend(transformer, arguments)
        if self._chain is None:
            return run(transformer)
        entry = self._transformer_cache.find(self._chain)
        if entry is None:
            return self._fit(run, transformer, X)
        if not entry.blob:
            return run(transformer)
        self._memory.saved += entry.seconds
        out, fitted = entry.load()
        if "callback_ctx" in arguments:  # scikit-learn >= 1.9
            self._announce(arguments["callback_ctx"], arguments["caller"], X, out, y)
        for note in entry.notes:
            warnings.warn_explicit(*note)
        return out, fitted

    def _extend(self, transformer: Any, arguments: dict[str, Any]) -> None:
        """Add a transformer to the chain, or end the chain."""
        has_listeners = self._has_listeners and hasattr(transformer, "set_callbacks")
        prints = arguments["message"] is not None
        routed = any(dict(arguments["params"] or {}).values())
        if self._chain is None or has_listeners or prints or routed:
            self._chain = None
            return
        try:
            self._chain = (self._chain, key_of(transformer))
        except (NotCacheable, RecursionError):
            self._chain = None

    def _announce(self, context: Any, caller: Any, X: Any, out: Any, y: Any) -> None:
        """Tell callbacks of the pipeline what a fit would tell them."""
        context.call_on_fit_task_begin(estimator=caller, X=X, y=y)
        context.call_on_fit_task_end(estimator=caller, X=out, y=y)

    def _fit(self, run: Callable[[Any], Any], transformer: Any, X: Any) -> Any:
        """Fit a transformer, and keep it if nothing was random."""
        before = stream()
        began = time.perf_counter()
        with watched() as notes:
            result = run(transformer)
        seconds = time.perf_counter() - began
        if before is None or before != stream():
            self._chain = None
            return result
        began = time.thread_time()
        blob = packed(result, X, self._transformer_cache.limit)
        if time.thread_time() - began > seconds:
            blob = b""  # to find it would take as long as to fit it
        self._transformer_cache.keep(self._chain, Entry(blob, seconds, notes))
        return result
