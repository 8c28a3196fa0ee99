"""Iterations that go on where they ended: more trees, more passes over the data."""

import inspect
import math
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import unique_labels

from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.resources._base import Parameter, Resource
from sklearn_hpo._evaluation.resources._learner import final_step, params_of_last
from sklearn_hpo._evaluation.resources._transformers import are_known, digest
from sklearn_hpo._trial import FoldJob

HIST_BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
NETWORKS = (MLPClassifier, MLPRegressor)
# linear models by stochastic gradients
LINEAR = (Perceptron, SGDClassifier, SGDRegressor)


@dataclass
class Paused:
    """A fitted estimator that waits, and how much of the resource it has had."""

    estimator: Any
    n_resources: float
    # the rows that the last step of a pipeline got, if another fit may give it others
    rows: str | None = None


@dataclass(frozen=True)
class Iterations(Parameter):
    """Iterations of an estimator that continues, bare or as the end of a pipeline.

    A subclass says how the last estimator goes on. What stands before it in a pipeline
    is fitted once, and only transforms afterwards; if the last step would then get
    other rows than it had, the whole pipeline is fitted anew.
    """

    continues = True
    # settings with which the last estimator draws the same in one fit as in several
    exact = MappingProxyType[str, Any]({})

    def plain(self) -> Resource:
        """Return the parameter, set for fits that begin anew."""
        return Parameter(self.name, self.minimum, self.maximum, self.whole)

    def begin(self, estimator: Any, job: FoldJob) -> tuple[Any, dict[str, Any]]:
        """Return a clone with its first iterations ahead, or the model that waits."""
        n_resources = self.n_resources(job.budget)
        if job.model is None:
            begun, done = copy_unfitted(estimator), 0.0
            params = {**job.params, **self.settings(0, n_resources)}
        else:
            begun, done = job.model.estimator, job.model.n_resources
            params = self.settings(done, n_resources)
        self._prepare(begun, done, n_resources)
        if isinstance(begun, Pipeline):
            if done:
                self._only_last_step(begun, estimator, job)
            elif not are_known(begun) or any(map(_is_step, job.params.values())):
                final = final_step(begun)[1]
                final.fit = _Noting(begun, final.fit)
        return begun, params

    def end(self, estimator: Any, job: FoldJob) -> Any:
        """Return the model with its amount, as if it had been fitted in one go."""
        n_resources = self.n_resources(job.budget)
        rows = getattr(final_step(estimator)[1].fit, "rows", None)
        self._release(estimator)
        self._restore(estimator, n_resources)
        return Paused(estimator, n_resources, rows) if job.keep else None

    def fit(
        self, estimator: Any, budget: float, data: Sequence[Any], params: dict[str, Any]
    ) -> None:
        """Fit on all rows with the iterations that the budget is."""
        n_resources = self.n_resources(budget)
        self._prepare(estimator, 0, n_resources)
        try:
            estimator.fit(*data, **params)
        finally:
            self._release(estimator)

    def n_iter_used(self, estimator: Any) -> float | None:
        """Return how many iterations early stopping let it do, if it stopped."""
        final = final_step(estimator)[1]
        name = "n_iter_" if isinstance(final, HIST_BOOSTING) else "n_estimators_"
        return getattr(final, name, None)

    def settings(self, done: float, n_resources: float) -> dict[str, Any]:
        """Return what to set before `done` iterations become `n_resources`."""
        return self.params(n_resources)

    def advance(self, final: Any, done: float, n_resources: float) -> Any:
        """Return what stands in for the ``fit`` of the last estimator, or None."""
        return None

    def _prepare(self, estimator: Any, done: float, n_resources: float) -> None:
        final = final_step(estimator)[1]
        function = self.advance(final, done, n_resources)
        if function is not None:
            final.fit = function

    def _only_last_step(self, pipeline: Pipeline, original: Any, job: FoldJob) -> None:
        """Let only the last step be fitted, if it gets the rows that it had."""
        final = final_step(pipeline)[1]
        if job.model.rows is not None:
            final.fit = _Checking(final.fit, job.model.rows)

        def fit_anew(X: Any, y: Any, **params: Any) -> None:
            self._release(pipeline)
            fresh, settings = self.begin(original, replace(job, model=None))
            fresh.set_params(**clone(settings, safe=False)).fit(X, y, **params)
            pipeline.steps = fresh.steps

        pipeline.fit = _LastStep(pipeline, fit_anew)

    def _restore(self, estimator: Any, n_resources: float) -> None:
        """Let the parameters of a fitted estimator be those of one fit."""
        estimator.set_params(**self.params(n_resources))

    def _release(self, estimator: Any) -> None:
        """Take away what stood in for methods of the estimator."""
        for fitted in (estimator, final_step(estimator)[1]):
            vars(fitted).pop("fit", None)


def _is_step(value: Any) -> bool:
    return hasattr(value, "fit")


class _OtherRowsError(Exception):
    """Raised by a last step that gets other rows than it had."""


class _Noting:
    """Stands in for the ``fit`` of a last step, and notes the rows that it is given."""

    def __init__(self, pipeline: Pipeline, fit: Any) -> None:
        self.rows: str | None = None
        self._pipeline = pipeline
        self._fit = fit

    def __call__(self, X: Any, y: Any = None, **params: Any) -> Any:
        if not are_known(self._pipeline):
            self.rows = digest(X) or "unknown"
        return self._fit(X, y, **params)


class _Checking:
    """Stands in for the ``fit`` of a last step that goes on with the same rows only."""

    def __init__(self, fit: Any, rows: str) -> None:
        self.rows = rows
        self._fit = fit

    def __call__(self, X: Any, y: Any = None, **params: Any) -> Any:
        if digest(X) != self.rows:
            raise _OtherRowsError
        return self._fit(X, y, **params)


class _LastStep:
    """Stands in for the ``fit`` of a pipeline whose transformers are fitted."""

    def __init__(self, pipeline: Pipeline, fit_anew: Any) -> None:
        self._pipeline = pipeline
        self._fit_anew = fit_anew

    def __call__(self, X: Any, y: Any = None, **params: Any) -> Any:
        try:
            self._go_on(X, y, params)
        except _OtherRowsError:
            self._fit_anew(X, y, **params)
        return self._pipeline

    def _go_on(self, X: Any, y: Any, params: dict[str, Any]) -> None:
        step = self._pipeline
        while isinstance(step, Pipeline):
            params = params_of_last(step, params)
            if len(step.steps) > 1:
                X = step[:-1].transform(X)
            step = step.steps[-1][1]
        step.fit(X, y, **params)


@dataclass(frozen=True)
class WarmStart(Iterations):
    """Estimators with ``warm_start``.

    Attributes
    ----------
    total : bool
        Whether the parameter counts all iterations, not those of each call.
    """

    total: bool = True

    def settings(self, done: float, n_resources: float) -> dict[str, Any]:
        """Return the iterations that the next call shall do, by the estimator's way."""
        path, separator, _ = self.name.rpartition("__")
        count = n_resources if self.total else n_resources - done
        return {**self.params(count), f"{path}{separator}warm_start": True}

    def advance(self, final: Any, done: float, n_resources: float) -> Any:
        """Return a ``fit`` that does nothing, if early stopping has ended training.

        Histogram boosting itself would add trees, as if it had any patience left.
        """
        if not done or not isinstance(final, HIST_BOOSTING) or not _has_stopped(final):
            return None

        def stay(X: Any, y: Any = None, **params: Any) -> Any:
            return final

        return stay


def _has_stopped(final: Any) -> bool:
    """Whether early stopping has ended the training of histogram boosting."""
    if not final.do_early_stopping_:
        return False
    scores = final.validation_score_
    scores = final.train_score_ if not len(scores) else scores
    patience = final.n_iter_no_change
    if len(scores) <= patience:
        return False
    least = scores[-patience - 1] + final.tol
    return not (np.asarray(scores[-patience:]) > least).any()


@dataclass(frozen=True)
class PartialFit(Iterations):
    """Estimators with ``partial_fit``: an iteration is a pass over the rows.

    Attributes
    ----------
    classes : ndarray or None
        All classes of the data, for estimators whose first call asks for them.
    parameter : str or None
        The parameter that counts passes in ``fit``, if there is one.
    """

    classes: Any = None
    parameter: str | None = None
    exact = MappingProxyType({"shuffle": False})

    def plain(self) -> Resource:
        """Return the same passes, all of them in one go."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return UnbrokenPasses(**values)

    def params(self, n_resources: float) -> dict[str, Any]:
        """Return the parameter that counts passes in ``fit``, if there is one."""
        return {} if self.parameter is None else {self.parameter: n_resources}

    def advance(self, final: Any, done: float, n_resources: float) -> Any:
        """Return a loop of ``partial_fit`` in the place of ``fit``.

        It begins with one ``fit``, where that does the same in less time.
        """
        takes_classes = "classes" in inspect.signature(final.partial_fit).parameters

        def passes(X: Any, y: Any = None, **params: Any) -> Any:
            classes = self.classes
            if takes_classes:  # the first pass needs them, `fit` does not know them
                classes = params.pop("classes", classes)
            first = {"classes": classes} if takes_classes and not done else {}
            if not done and self._is_one_fit(final, y, classes):
                with warnings.catch_warnings():
                    if n_resources < self.maximum:
                        warnings.simplefilter("ignore", ConvergenceWarning)
                    return type(final).fit(final, X, y, **params)
            has_ended = _EndOfFit(final) if isinstance(final, NETWORKS) else None
            for i in range(int(n_resources - done)):
                if has_ended is not None and has_ended():
                    break
                final.partial_fit(X, y, **({} if i else first), **params)
            return final

        return passes

    def end(self, estimator: Any, job: FoldJob) -> Any:
        """Return the model, whose later passes each have an order of rows of their own.

        With a number for `random_state`, all of them would have the same.
        """
        final = final_step(estimator)[1]
        seed = getattr(final, "random_state", None)
        if job.keep and isinstance(seed, int | np.integer):
            final.random_state = np.random.RandomState(seed)
        return super().end(estimator, job)

    def _is_one_fit(self, final: Any, y: Any, classes: Any) -> bool:
        """Whether ``fit`` does what the first passes do."""
        heeds_tol = isinstance(final, NETWORKS)
        return (
            self.parameter is not None
            and (heeds_tol or (isinstance(final, LINEAR) and final.tol is None))
            # what passes can't have is theirs to refuse
            and hasattr(final, "partial_fit")
            and not final.early_stopping
            and (classes is None or len(unique_labels(y)) == len(classes))
        )


@dataclass(frozen=True)
class UnbrokenPasses(PartialFit):
    """Passes that begin anew for each amount, as those of the refit do."""

    continues = False


class _EndOfFit:
    """Tells when ``fit`` of a network would end by its ``tol``, as passes know none."""

    def __init__(self, final: Any) -> None:
        self._final = final
        self._n_seen = self._n_stale = 0
        self._best = math.inf
        # passes lower an "adaptive" rate themselves, and end when it is too low
        lowers = final.solver == "sgd" and final.learning_rate == "adaptive"
        self._rate = final.learning_rate_init if lowers else 0.0

    def __call__(self) -> bool:
        losses = getattr(self._final, "loss_curve_", [])
        for loss in losses[self._n_seen :]:
            is_stale = loss > self._best - self._final.tol
            self._n_stale = self._n_stale + 1 if is_stale else 0
            self._best = min(self._best, loss)
            if self._n_stale > self._final.n_iter_no_change:
                if self._rate <= 1e-6:
                    return True
                self._rate /= 5
                self._n_stale = 0
        self._n_seen = len(losses)
        return False


@dataclass(frozen=True)
class Staged(Iterations):
    """Estimators that can't go on, but tell what they were after fewer iterations.

    Where the plan lets most candidates go on, one longer fit that is read at several
    lengths is cheaper than a fit for each.

    Attributes
    ----------
    reach : tuple of (float, float)
        Amounts at which scores are asked for, and how far to fit for each.
    """

    reach: tuple[tuple[float, float], ...] = ()

    def planned(self, rungs: Sequence[tuple[int, float]]) -> "Staged":
        """Return the resource with the cheapest length of a fit for each rung."""
        reach: dict[float, float] = {}
        for i, (n, budget) in enumerate(rungs):
            best, below, apart = budget, 0.0, 0.0
            for m, above in rungs[i:]:
                if above <= below:
                    break  # another bracket
                below = above
                apart += m * above
                if n * above <= apart:
                    best = above
            known = reach.get(self.n_resources(budget), 0)
            reach[self.n_resources(budget)] = max(self.n_resources(best), known)
        return replace(self, reach=tuple(sorted(reach.items())))

    def cost(self, budget: float, before: float) -> float:
        """Return the length of the fit, or 0 if an earlier one reached so far."""
        if self.prices is not None:
            return super().cost(budget, before)
        n_resources = self.n_resources(budget)
        if before and self._length(self.n_resources(before)) >= n_resources:
            return 0.0
        return self._length(n_resources) / self.maximum

    def settings(self, done: float, n_resources: float) -> dict[str, Any]:
        """Return how far to fit, if that has not been done."""
        read = done and self._length(done) >= n_resources
        return self.params(self._length(done if read else n_resources))

    def advance(self, final: Any, done: float, n_resources: float) -> Any:
        """Return a ``fit`` after which predictions are those of that many iterations.

        If an earlier fit went so far, nothing is fitted.
        """
        fitted = bool(done) and self._length(done) >= n_resources

        def fit(X: Any, y: Any = None, **params: Any) -> Any:
            if not fitted:
                type(final).fit(final, X, y, **params)
            for name in _PREDICTIONS:
                if hasattr(final, f"staged_{name}"):
                    setattr(final, name, _Stage(final, name, int(n_resources)))
            return final

        return fit

    def _length(self, n_resources: float) -> float:
        return dict(self.reach).get(n_resources, n_resources)

    def _release(self, estimator: Any) -> None:
        super()._release(estimator)
        final = final_step(estimator)[1]
        for name in _PREDICTIONS:
            vars(final).pop(name, None)


_PREDICTIONS = ("predict", "predict_proba", "decision_function")


class _Stage:
    """Predicts as an ensemble did when it had fewer members."""

    def __init__(self, final: Any, name: str, n: int) -> None:
        self.__name__ = name  # by which scorers know what they were given
        self._staged = getattr(final, f"staged_{name}")
        self._n = n

    def __call__(self, X: Any) -> Any:
        # boosting that is perfect early ends early
        return deque(islice(self._staged(X), self._n), maxlen=1)[0]
