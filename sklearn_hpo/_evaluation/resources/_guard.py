"""Whether a model that goes on is the one that a plain fit gives: tried, not known."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.resources._iterations import Iterations
from sklearn_hpo._evaluation.resources._learner import final_step
from sklearn_hpo._sklearn_compat import fit_and_score
from sklearn_hpo._trial import FoldJob

_OUTPUTS = ("predict_proba", "decision_function", "predict", "transform")


def difference_of_ways(
    job: FoldJob, problem: Any, limit: Callable[[], AbstractContextManager[None]]
) -> str | None:
    """Fit a candidate in steps and in one go; return how the models differ.

    None if they do not, or if it can't be told: as the candidate and, in its place,
    the estimator as it is fail to fit, or no two fits are equal. Each fit has a `limit`
    of its own.
    """
    for params in (job.params, {}):
        with _numpy_seeded():
            try:
                comparison = _Comparison(replace(job, params=params), problem, limit)
                return comparison.difference(comparison.in_one_go())
            except Exception:  # a plain fit failed, which tells nothing
                continue
    return None


class _Comparison:
    """One candidate on one fold, with each draw that can be fixed fixed."""

    def __init__(self, job: FoldJob, problem: Any, limit: Any) -> None:
        self._limit = limit
        resource = problem.resource
        params = {**job.params, **_fixed(job.params, problem.estimator, resource)}
        self._job = replace(job, params=params, events=None, keep=False)
        self._rows = problem.splits[job.fold]
        self._seen = _Outputs(problem.scorer)
        self._problem = replace(
            problem,
            scorer=self._seen,
            return_train_score=False,
            error_score="raise",
            verbose=0,
        )

    def in_one_go(self) -> Any:
        """Return the outputs of a plain fit."""
        return self._fit(self._problem.resource.plain(), self._job)[0]

    def in_steps(self) -> Any:
        """Return the outputs of a fit that went on."""
        model = outputs = None
        for budget in (*self._job.earlier_budgets, self._job.budget):
            step = replace(self._job, budget=budget, model=model, keep=True)
            outputs, model = self._fit(self._problem.resource, step)
        return outputs

    def difference(self, plain: Any) -> str | None:
        """Return in words how going on differs from a plain fit, if it does."""
        try:
            is_equal = _are_equal(plain, self.in_steps())
        except Exception as error:
            return f"training that goes on raised {type(error).__name__}: {error}"
        # what no two plain fits have in common shows nothing
        if is_equal or not _are_equal(plain, self.in_one_go()):
            return None
        return "training that goes on predicts otherwise than one fit"

    def _fit(self, resource: Any, job: FoldJob) -> tuple[Any, Any]:
        train, test = self._rows
        estimator, params = resource.begin(self._problem.estimator, job)
        with self._limit():
            fit_and_score(estimator, params, self._problem, train, test, job)
        return self._seen.outputs, resource.end(estimator, job)


class _Outputs:
    """Stands in for the scorer, and keeps what the model says of the test rows."""

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer
        self.outputs: Any = None

    def __call__(self, estimator: Any, X: Any, *y: Any, **params: Any) -> float:
        for name in _OUTPUTS:
            if hasattr(estimator, name):
                self.outputs = getattr(estimator, name)(X)
                return 0.0
        self.outputs = self._scorer(estimator, X, *y, **params)
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
