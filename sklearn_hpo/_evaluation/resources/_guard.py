"""Whether a model that goes on is the one that a plain fit gives: tried, not known."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.resources._iterations import Iterations
from sklearn_hpo._evaluation.resources._learner import final_step
from sklearn_hpo._sklearn_compat import fit_and_score
from sklearn_hpo._trial import FoldJob

# Fits that compute for less than this share of their time wait for something.
_SHARE_OF_WORK = 0.2
# Of quicker ones, most of the time is that of what calls them.
_LEAST_SECONDS = 0.02
_OUTPUTS = ("predict_proba", "decision_function", "predict", "transform")


def try_going_on(
    job: FoldJob,
    problem: Any,
    around: Callable[[Any, Any], AbstractContextManager[None]],
) -> dict[str, Any]:
    """Fit a candidate in steps and in one go; return how the models differ, and times.

    The ``"difference"`` is None if there is none, or if it can't be told: as the
    candidate and, in its place, the estimator as it is fail to fit, or no two fits are
    equal. The seconds of the ``"steps"`` and of fits ``"in_one_go"``, for `Prices`, are
    left out if fits are too quick, one with more than the second rung failed, or the
    last rung has not all of the resource. What is `around` a fit of an estimator on
    training rows is as in the search.
    """
    for params in (job.params, {}):
        with _numpy_seeded():
            try:
                comparison = _Comparison(replace(job, params=params), problem, around)
                return comparison.result()
            except Exception:  # a plain fit failed, which tells nothing
                continue
    return {"difference": None}


class _Comparison:
    """One candidate on one fold, with each draw that can be fixed fixed."""

    def __init__(self, job: FoldJob, problem: Any, around: Any) -> None:
        self._around = around
        self._budgets = (*job.earlier_budgets, job.budget)
        resource = problem.resource
        params = {**job.params, **_fixed(job.params, problem.estimator, resource)}
        self._job = replace(job, params=params, events=None, keep=False)
        self._rows = problem.splits[job.fold]
        self._seen = _Outputs(problem.scorer)
        self._took: list[_Times] = []
        self._problem = replace(
            problem,
            scorer=self._seen,
            return_train_score=False,
            error_score="raise",
            verbose=0,
        )

    def result(self) -> dict[str, Any]:
        """Return the difference on the second rung, and the seconds of all of them."""
        # the first fit of a process is slower than others: it is not the lowest rung's
        plain, second = self._in_one_go(self._budgets[1])
        steps = self._steps()
        found: dict[str, Any] = {"difference": self._difference(plain, steps)}
        if self._budgets[-1] < 1.0:
            return found
        try:
            if found["difference"] is None:
                for _ in steps:
                    pass
            whole = second
            if len(self._budgets) > 2:
                _, whole = self._in_one_go(self._budgets[-1])
        except Exception:  # of amounts that the candidate may never get
            return found
        seconds = _on_one_clock([*self._took, second, whole])
        if not self._took or seconds[-1] < _LEAST_SECONDS:
            return found
        return {**found, "steps": seconds[:-2], "in_one_go": seconds[-2:]}

    def _difference(self, plain: Any, steps: Iterator[Any]) -> str | None:
        """Return in words how going on differs from a plain fit, if it does."""
        try:
            next(steps)
            is_equal = _are_equal(plain, next(steps))
        except Exception as error:
            return f"training that goes on raised {type(error).__name__}: {error}"
        # what no two plain fits have in common shows nothing
        if is_equal or not _are_equal(plain, self._in_one_go(self._budgets[1])[0]):
            return None
        return "training that goes on predicts otherwise than one fit"

    def _in_one_go(self, budget: float) -> "tuple[Any, _Times]":
        """Return the outputs of a plain fit, and its times."""
        job = replace(self._job, budget=budget)
        return self._fit(self._problem.resource.plain(), job)[1:]

    def _steps(self) -> Iterator[Any]:
        """Yield the outputs of a fit that goes on, rung by rung; note the times."""
        model = None
        for budget in self._budgets:
            step = replace(self._job, budget=budget, model=model, keep=True)
            model, outputs, times = self._fit(self._problem.resource, step)
            self._took.append(times)
            yield outputs

    def _fit(self, resource: Any, job: FoldJob) -> "tuple[Any, Any, _Times]":
        train, test = self._rows
        estimator, params = resource.begin(self._problem.estimator, job)
        with self._around(estimator, train):
            began = _now()
            fit_and_score(estimator, params, self._problem, train, test, job)
            times = _now() - began - self._seen.times
        return resource.end(estimator, job), self._seen.outputs, times


_Times = NDArray[np.float64]


def _now() -> _Times:
    """Return the time of the wall, and the time that this process has computed."""
    return np.array([time.perf_counter(), time.process_time()])


def _on_one_clock(times: Sequence[_Times]) -> list[float]:
    """Return the times of fits by the better one of the clocks.

    Other programs lengthen the wall time of a fit, but not its own. If it hardly
    computes, it waits: for a disk, a network, processes or a device.
    """
    wall, own = np.transpose(times)
    seconds = own if own.sum() > _SHARE_OF_WORK * wall.sum() else wall
    # a clock may stand still during the quickest of fits
    return np.maximum(seconds, 1e-6).tolist()


class _Outputs:
    """Stands in for the scorer, and keeps what the model says of the test rows.

    The times that this takes, which a search does not spend, are noted.
    """

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer
        self.outputs: Any = None
        self.times = np.zeros(2)

    def __call__(self, estimator: Any, X: Any, *y: Any, **params: Any) -> float:
        name = next((name for name in _OUTPUTS if hasattr(estimator, name)), None)
        try:
            self.outputs = self._scorer(estimator, X, *y, **params)
        except Exception:  # what can't be scored may still be compared
            if name is None:
                raise
        began = _now()
        if name is not None:
            self.outputs = getattr(estimator, name)(X)
        self.times = _now() - began
        return 0.0


def _fixed(params: dict[str, Any], estimator: Any, resource: Iterations) -> Any:
    """Return seeds, and settings with which training draws the same in steps."""
    candidate = copy_unfitted(estimator).set_params(**clone(params, safe=False))
    prefix, final = final_step(candidate)
    own = final.get_params(deep=False)
    settings = {prefix + k: v for k, v in resource.exact.items() if k in own}
    for name, value in candidate.get_params().items():
        if name.endswith("random_state") and not isinstance(value, int | np.integer):
            settings[name] = 0
    return settings


def _are_equal(a: Any, b: Any) -> bool:
    """Whether outputs are the same, but for rounding."""
    if isinstance(a, dict):
        return all(_are_equal(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_are_equal, a, b))
    a, b = (x.toarray() if hasattr(x, "toarray") else np.asarray(x) for x in (a, b))
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fc":
        return bool(np.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True))
    return bool(np.array_equal(a, b))


@contextmanager
def _numpy_seeded() -> Iterator[None]:
    """Seed NumPy's global generator, and give it back as it was."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
