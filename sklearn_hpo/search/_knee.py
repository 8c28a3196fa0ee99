"""knee: a `refit` that chooses among candidates that are good at several things."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_hpo._numerics import pareto
from sklearn_hpo.search._objectives import TIMES, name_of
from sklearn_hpo.search._types import GivenObjectives


def knee(objectives: GivenObjectives) -> Callable[[dict[str, Any]], int]:
    """Return a `refit` that takes the candidate from where every gain costs most.

    Of the candidates that no other one beats in all objectives, it is the one farthest
    below the plane through the best ones of each objective, in ranges of that front
    [1]_ [2]_. It suits every search that has ``cv_results_``, those of scikit-learn
    included, with `objectives` or without.

    .. versionadded:: 0.1

    Parameters
    ----------
    objectives : list of str or callable
        Two or more, all to be maximised: names of scores, ``"score"`` where `scoring`
        has none; functions that stand among the `objectives` of the search; and
        ``"neg_fit_time"`` and ``"neg_score_time"``.

    Returns
    -------
    callable
        From ``cv_results_`` to the row of the best candidate. Of a search that shares
        out a resource it is among those that got most of it. If nobody has all
        objectives, it is who has most scores.

    See Also
    --------
    BayesSearchCV : Its `objectives` look for the front.

    References
    ----------
    .. [1] I. Das, "On characterizing the 'knee' of the Pareto curve based on
       normal-boundary intersection", Structural Optimization 18, 1999.
    .. [2] J. Branke, K. Deb, H. Dierolf and M. Osswald, "Finding knees in
       multi-objective optimization", PPSN VIII, 2004.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_hpo import knee
    >>> def few_leaves(estimator, X, y):
    ...     return -estimator.get_n_leaves()
    >>> search = GridSearchCV(
    ...     DecisionTreeClassifier(random_state=0),
    ...     {"max_leaf_nodes": [2, 3, 4, 8, 16]},
    ...     scoring={"accuracy": "accuracy", "few_leaves": few_leaves},
    ...     refit=knee(["accuracy", "few_leaves"]),
    ... ).fit(*load_iris(return_X_y=True))
    >>> search.best_params_
    {'max_leaf_nodes': 3}
    """
    return _Knee(objectives)


@dataclass(frozen=True, repr=False)
class _Knee:
    """What `knee` returns: picklable, and equal where the objectives are."""

    objectives: GivenObjectives

    def __repr__(self):
        return f"knee({list(map(name_of, self.objectives))})"

    @property
    def goes_by_times(self):
        """Whether it looks at how long fits took."""
        return not TIMES.keys().isdisjoint(map(name_of, self.objectives))

    def check(self, scores):
        """Raise unless such scores, by their names, and times are all it goes by."""
        for name in map(name_of, self.objectives):
            if name not in scores and name not in TIMES:
                raise _unknown(name, scores)

    def __call__(self, results):
        """Return the row of the best candidate."""
        names = list(map(name_of, self.objectives))
        table = np.column_stack([_column(results, name) for name in names])
        if "n_resources" in results:
            amounts = np.asarray(results["n_resources"], dtype=np.float64)
            with_scores = amounts[np.isfinite(table).all(axis=1)]
            table[amounts < with_scores.max(initial=-np.inf)] = np.nan
        whole = np.flatnonzero(np.isfinite(table).all(axis=1))
        if not len(whole):
            # nobody has all of them: whoever has a score can be fitted, at least
            scores = [results[c] for c in results if c.startswith("mean_test_")]
            return int(np.isfinite(np.column_stack(scores)).sum(axis=1).argmax())
        front = whole[pareto.first_front(-table[whole])]
        return int(front[pareto.knee(-table[front])])


def _column(results, name):
    """Return the values of an objective, to be maximised."""
    if f"mean_test_{name}" in results:
        return np.array(results[f"mean_test_{name}"], dtype=np.float64)
    if name in TIMES:
        return -np.array(results[f"mean_{TIMES[name]}"], dtype=np.float64)
    scores = [c.removeprefix("mean_test_") for c in results if c.startswith("mean_te")]
    raise _unknown(name, scores)


def _unknown(name, scores):
    return ValueError(
        f"knee goes by {name!r}, which is none of {[*scores, *TIMES]}, the scores and "
        "times in cv_results_."
    )
