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
import sklearn
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.multiclass import unique_labels

from sklearn_hpo._resources._base import Parameter, Resource
from sklearn_hpo._trial import Job

HIST_BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
NETWORKS = (MLPClassifier, MLPRegressor)
# linear models by stochastic gradients
LINEAR = (Perceptron, SGDClassifier, SGDRegressor)


def final_step(estimator: Any) -> tuple[str, Any]:
    """Return the prefix of the parameters of the estimator that learns, and itself.

    Parameters
    ----------
    estimator : estimator object
        A pipeline, or anything else.

    Returns
    -------
    prefix : str
        For instance "classifier__"; empty if the estimator is no pipeline.
    final : estimator object
        The last step of the last pipeline.
    """
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix, estimator


@dataclass
class _Model:
    """A fitted estimator that waits, and how much of the resource it has had."""

    estimator: Any
    amount: float


@dataclass(frozen=True)
class Iterations(Parameter):
    """Iterations of an estimator that continues, bare or as the end of a pipeline.

    A subclass says how the last estimator goes on. What stands before it in a pipeline
    is fitted once, and only transforms afterwards.
    """

    continues = True
    # settings with which the last estimator draws the same in one fit as in several
    exact = MappingProxyType[str, Any]({})

    def plain(self) -> Resource:
        """Return the parameter, set for fits that begin anew."""
        return Parameter(self.name, self.minimum, self.maximum, self.whole)

    def begin(self, estimator: Any, job: Job) -> tuple[Any, dict[str, Any]]:
        """Return a clone with its first iterations ahead, or the model that waits."""
        amount = self.amount(job.budget)
        if job.model is None:
            estimator = clone(estimator)
            params = {**job.params, **self.settings(0, amount)}
            done: float = 0
        else:
            estimator, done = job.model.estimator, job.model.amount
            params = self.settings(done, amount)
        self._prepare(estimator, done, amount)
        return estimator, params

    def end(self, estimator: Any, job: Job) -> Any:
        """Return the model with its amount, as if it had been fitted in one go."""
        amount = self.amount(job.budget)
        self._release(estimator)
        estimator.set_params(**self.params(amount))
        return _Model(estimator, amount) if job.keep else None

    def fit(
        self, estimator: Any, budget: float, data: Sequence[Any], params: dict[str, Any]
    ) -> None:
        """Fit on all rows with the iterations that the budget is."""
        amount = self.amount(budget)
        self._prepare(estimator, 0, amount)
        try:
            estimator.fit(*data, **params)
        finally:
            self._release(estimator)

    def reached(self, estimator: Any) -> float | None:
        """Return how many iterations early stopping let it do, if it stopped."""
        final = final_step(estimator)[1]
        name = "n_iter_" if isinstance(final, HIST_BOOSTING) else "n_estimators_"
        return getattr(final, name, None)

    def settings(self, done: float, amount: float) -> dict[str, Any]:
        """Return the parameters to set before `done` iterations become `amount`."""
        return self.params(amount)

    def advance(self, final: Any, done: float, amount: float) -> Any:
        """Return what stands in for the ``fit`` of the last estimator, or None."""
        return None

    def _prepare(self, estimator: Any, done: float, amount: float) -> None:
        final = final_step(estimator)[1]
        function = self.advance(final, done, amount)
        if function is not None:
            final.fit = function
        if done and isinstance(estimator, Pipeline):
            estimator.fit = _LastStep(estimator)

    def _release(self, estimator: Any) -> None:
        """Take away what stood in for methods of the estimator."""
        for fitted in (estimator, final_step(estimator)[1]):
            vars(fitted).pop("fit", None)


class _LastStep:
    """Stands in for the ``fit`` of a pipeline whose transformers are fitted."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def __call__(self, X: Any, y: Any = None, **params: Any) -> Any:
        step = self._pipeline
        while isinstance(step, Pipeline):
            params = _params_of_last(step, params)
            if len(step.steps) > 1:
                X = step[:-1].transform(X)
            step = step.steps[-1][1]
        step.fit(X, y, **params)
        return self._pipeline


def _params_of_last(pipeline: Pipeline, params: dict[str, Any]) -> dict[str, Any]:
    """Return what a pipeline's ``fit`` would hand to that of its last step."""
    name = pipeline.steps[-1][0]
    if sklearn.get_config()["enable_metadata_routing"]:
        return dict(process_routing(pipeline, "fit", **params)[name]["fit"])
    start = f"{name}__"
    return {k[len(start) :]: v for k, v in params.items() if k.startswith(start)}


@dataclass(frozen=True)
class WarmStart(Iterations):
    """Estimators with ``warm_start``.

    Attributes
    ----------
    total : bool
        Whether the parameter counts all iterations, not those of each call.
    """

    total: bool = True

    def settings(self, done: float, amount: float) -> dict[str, Any]:
        """Return the iterations that the next call shall do, by the estimator's way."""
        path, separator, _ = self.name.rpartition("__")
        count = amount if self.total else amount - done
        return {**self.params(count), f"{path}{separator}warm_start": True}

    def advance(self, final: Any, done: float, amount: float) -> Any:
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

    def params(self, amount: float) -> dict[str, Any]:
        """Return the parameter that counts passes in ``fit``, if there is one."""
        return {} if self.parameter is None else {self.parameter: amount}

    def advance(self, final: Any, done: float, amount: float) -> Any:
        """Return a loop of ``partial_fit`` in the place of ``fit``.

        It begins with one ``fit``, where that does the same in less time.
        """
        takes_classes = "classes" in inspect.signature(final.partial_fit).parameters
        first = {"classes": self.classes} if takes_classes and not done else {}

        def passes(X: Any, y: Any = None, **params: Any) -> Any:
            if not done and self._is_one_fit(final, y):
                with warnings.catch_warnings():
                    if amount < self.maximum:
                        warnings.simplefilter("ignore", ConvergenceWarning)
                    return type(final).fit(final, X, y, **params)
            has_ended = _EndOfFit(final) if isinstance(final, NETWORKS) else None
            for i in range(int(amount - done)):
                if has_ended is not None and has_ended():
                    break
                final.partial_fit(X, y, **({} if i else first), **params)
            return final

        return passes

    def end(self, estimator: Any, job: Job) -> Any:
        """Return the model, whose later passes each have an order of rows of their own.

        With a number for `random_state`, all of them would have the same.
        """
        final = final_step(estimator)[1]
        seed = getattr(final, "random_state", None)
        if job.keep and isinstance(seed, int | np.integer):
            final.random_state = np.random.RandomState(seed)
        return super().end(estimator, job)

    def _is_one_fit(self, final: Any, y: Any) -> bool:
        """Whether ``fit`` does what the first passes do."""
        heeds_tol = isinstance(final, NETWORKS)
        return (
            self.parameter is not None
            and (heeds_tol or (isinstance(final, LINEAR) and final.tol is None))
            # what passes can't have is theirs to refuse
            and hasattr(final, "partial_fit")
            and not final.early_stopping
            and (self.classes is None or len(unique_labels(y)) == len(self.classes))
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

    def planned(self, stages: Sequence[tuple[int, float]]) -> "Staged":
        """Return the resource with the cheapest length of a fit for each rung."""
        reach: dict[float, float] = {}
        for i, (n, budget) in enumerate(stages):
            best, below, apart = budget, 0.0, 0.0
            for m, above in stages[i:]:
                if above <= below:
                    break  # another bracket
                below = above
                apart += m * above
                if n * above <= apart:
                    best = above
            known = reach.get(self.amount(budget), 0)
            reach[self.amount(budget)] = max(self.amount(best), known)
        return replace(self, reach=tuple(sorted(reach.items())))

    def price(self, budget: float, before: float) -> float:
        """Return the length of the fit, or 0 if an earlier one reached so far."""
        amount = self.amount(budget)
        if before and self._length(self.amount(before)) >= amount:
            return 0.0
        return self._length(amount) / self.maximum

    def settings(self, done: float, amount: float) -> dict[str, Any]:
        """Return how far to fit, if that has not been done."""
        read = done and self._length(done) >= amount
        return self.params(self._length(done if read else amount))

    def advance(self, final: Any, done: float, amount: float) -> Any:
        """Return a ``fit`` after which predictions are those of that many iterations.

        If an earlier fit went so far, nothing is fitted.
        """
        fitted = bool(done) and self._length(done) >= amount

        def fit(X: Any, y: Any = None, **params: Any) -> Any:
            if not fitted:
                type(final).fit(final, X, y, **params)
            for name in _PREDICTIONS:
                if hasattr(final, f"staged_{name}"):
                    setattr(final, name, _Stage(final, name, int(amount)))
            return final

        return fit

    def _length(self, amount: float) -> float:
        return dict(self.reach).get(amount, amount)

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


@dataclass(frozen=True)
class Boosting(Iterations):
    """XGBoost and LightGBM, whose ``fit`` takes an earlier model to go on with."""

    exact = MappingProxyType(
        dict.fromkeys(
            (
                *("subsample", "bagging_fraction", "feature_fraction"),
                *("colsample_bytree", "colsample_bylevel", "colsample_bynode"),
            ),
            1.0,
        )
    )

    def settings(self, done: float, amount: float) -> dict[str, Any]:
        """Return the number of trees to add."""
        return self.params(amount - done)

    def advance(self, final: Any, done: float, amount: float) -> Any:
        """Return ``fit`` with the earlier trees."""
        if not done:
            return None
        if hasattr(final, "get_booster"):
            earlier = {"xgb_model": final.get_booster()}
        else:
            earlier = {"init_model": final.booster_}
        fit = type(final).fit

        def more(X: Any, y: Any = None, **params: Any) -> Any:
            seed = final.random_state
            # XGBoost seeds its generator only if the seed is another one, and would
            # else go on with what other fits of the process have left; LightGBM would
            # draw the rows and columns of the first trees again
            if seed is None or isinstance(seed, int | np.integer):
                final.random_state = (seed or 0) + int(done)
            try:
                return fit(final, X, y, **earlier, **params)
            finally:
                final.random_state = seed

        return more
