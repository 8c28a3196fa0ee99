"""Callbacks of scikit-learn >= 1.9: what they are told, and what they answer."""

import copy
from contextlib import contextmanager
from traceback import format_exception


class CallbackFailed(RuntimeError):
    """A callback raised an error.

    Parameters
    ----------
    details : str
        Its traceback.
    """

    def __init__(self, details):
        super().__init__(f"a callback raised an error:\n{details}")

    def __repr__(self):
        return str(self)


class FitEvents:
    """The tasks of one fit, as callbacks see them; silent before scikit-learn 1.9.

    Parameters
    ----------
    search : SearchCV
        The search that is being fitted.
    X, y : array-like
        What it is fitted on.
    sample_weight : array-like of shape (n_samples,) or None
        Announced with the data.

    Attributes
    ----------
    errors : list of str
        Tracebacks of errors that callbacks raised when the search was over.
    """

    def __init__(self, search, X, y, sample_weight=None):
        self.errors = []
        self._search = search
        self._data = {"X": X, "y": y, "metadata": None}
        if sample_weight is not None:
            self._data["metadata"] = {"sample_weight": sample_weight}
        self._root = None
        if hasattr(search, "_init_callback_context"):
            refits = search.refit is not False
            self._root = search._init_callback_context(max_subtasks=1 + refits)
            self._begin(self._root)

    def _begin(self, context):
        context.call_on_fit_task_begin(estimator=self._search, **self._data)

    def _end(self, context):
        context.call_on_fit_task_end(estimator=self._search, **self._data)

    @contextmanager
    def _noting(self):
        """Keep the error of a callback from what has been evaluated."""
        try:
            yield
        except Exception as error:
            self.errors.append("".join(format_exception(error)))

    @property
    def has_listeners(self):
        """Whether a callback listens to this search or to a part of its estimator."""
        if self._root is None:
            return False
        parts = self._search.get_params(deep=True).values()
        return any(hasattr(part, "_skl_callbacks") for part in (self._search, *parts))

    @contextmanager
    def searching(self, rungs, n_splits, detach):
        """Announce the search; yield a function from trial, fold and rung to events.

        Parameters
        ----------
        rungs : list of int or None
            Upper bounds of the candidates, by rung; None if unknown. Several rungs
            are tasks of their own, as the iterations of scikit-learn's halving.
        n_splits : int
            The folds of each candidate.
        detach : bool
            Whether the folds run in other processes or threads, which must not see
            the tree of tasks grow while they pickle or change it.
        """
        if self._root is None:
            yield None
            return
        halving = len(rungs) > 1
        search = self._root.subcontext(
            task_name="search",
            max_subtasks=len(rungs) if halving else rungs[0] and rungs[0] * n_splits,
            sequential_subtasks=False,
        )
        search.call_on_fit_task_begin(estimator=self._search)
        begun = {} if halving else {0: search}

        def rung_context(rung):
            if rung not in begun:
                begun[rung] = search.subcontext(
                    task_name="halving-iteration",
                    task_id=rung,
                    max_subtasks=rungs[rung] and rungs[rung] * n_splits,
                    sequential_subtasks=False,
                )
                try:
                    begun[rung].call_on_fit_task_begin(estimator=self._search)
                except Exception as error:
                    text = "".join(format_exception(error))
                    raise CallbackFailed(text) from error
            return begun[rung]

        tasks = {}

        def fold_events(trial, fold, rung):
            place = rung, trial * n_splits + fold
            if place not in tasks:  # a fold that is put off may come again
                tasks[place] = rung_context(rung).subcontext(
                    task_name="candidate-split-evaluation", task_id=place[1]
                )
            task = tasks[place]
            if not detach:
                return FoldEvents(self._search, task)
            caller = copy.copy(self._search)
            del caller._callback_fit_ctx, caller._skl_callbacks_to_teardown
            return FoldEvents(caller, _detached(task))

        yield fold_events if self.has_listeners else None
        for context in [*begun.values(), search] if halving else [search]:
            with self._noting():
                context.call_on_fit_task_end(estimator=self._search)

    @contextmanager
    def refitting(self, estimator):
        """Announce the refit of `estimator`, with its callbacks in place."""
        if self._root is None:
            yield
            return
        context = self._root.subcontext(task_name="refit-with-best-params")
        with context.propagate_callback_context(estimator):
            with self._noting():
                self._begin(context)
            yield
        with self._noting():
            self._end(context)

    def close(self):
        """Announce the end of the fit."""
        if self._root is not None:
            with self._noting():
                self._end(self._root)


class FoldEvents:
    """The task of one fit on one fold; remembers how callbacks answered its end.

    scikit-learn's evaluation drops their answer, and their errors drop its result, so
    this stands in the context's place and keeps both.
    """

    def __init__(self, caller, context):
        self.caller = caller
        self.context = context
        self.stop = False
        self.error = None

    def arguments(self):
        """Return what scikit-learn's evaluation takes."""
        return {"caller": self.caller, "callback_ctx": self}

    def propagate_callback_context(self, estimator):
        """Lend the auto-propagated callbacks to `estimator`."""
        return self.context.propagate_callback_context(estimator)

    def call_on_fit_task_begin(self, **data):
        """Announce the beginning of the fit and note an error."""
        try:
            self.context.call_on_fit_task_begin(**data)
        except Exception as error:
            self.error = "".join(format_exception(error))

    def call_on_fit_task_end(self, **data):
        """Announce the end of the fit and note the answer, or the error."""
        try:
            self.stop = self.context.call_on_fit_task_end(**data)
        except Exception as error:
            self.error = "".join(format_exception(error))
        return self.stop


def _detached(context):
    """Return a copy of `context` whose ancestors have no other children."""
    twin = copy.copy(context)
    twin._children_map = {}
    if context.parent is not None:
        twin.parent = _detached(context.parent)
        twin.parent._children_map = {twin.task_id: twin}
    return twin
