"""Several objectives of a search: what they are, their front and its volume."""

from collections import Counter
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.pareto import first_front, hypervolume, knee
from sklearn_hpo._sklearn_compat import named_scorers, scorer_attribute
from sklearn_hpo.search._base import SearchCV

TIMES = {"neg_fit_time": "fit_time", "neg_score_time": "score_time"}


class ObjectiveSearchCV(SearchCV):
    """Base of the searches that have `objectives`."""

    pareto_front_: NDArray[np.intp]

    @property
    def _goes_by_times(self):
        """Whether the seconds of fits or scores are objectives, so must be real."""
        return not TIMES.keys().isdisjoint(self.objectives or ())

    @property
    def _n_objectives(self):
        return len(self.objectives or [None])

    def _caches_transformers(self):
        # a shared transformer is equal, but need not be stored in as many bytes
        return super()._caches_transformers() and not any(
            map(callable, self.objectives or ())
        )

    def _get_scorers(self):
        if self.objectives is None:
            if self.refit == "knee" and not named(self.scoring):
                raise ValueError(
                    "refit='knee' looks for the knee of a front, so it needs "
                    "objectives, two or more; else leave refit True."
                )
            return super()._get_scorers()
        of_models = [f for f in self.objectives if callable(f)]
        more = {name_of(f): ModelScorer(f) for f in of_models}
        scorers = named_scorers(self, more)
        check_names(self, scorer_attribute(scorers), list(map(name_of, of_models)))
        self._check_refit(scorer_attribute(scorers))
        return scorers, self.refit

    def _check_refit(self, scores):
        if self.objectives is None:
            super()._check_refit(scores)
        elif not (self.refit is False or callable(self.refit)) and (
            self.refit is True or self.refit not in [*scores, "knee"]
        ):
            raise ValueError(
                f"refit={self.refit!r} does not say which candidate of a front is the "
                f"best: name one of the scores {list(scores)}, or 'knee', pass a "
                "callable that gets cv_results_ and returns an index, or False."
            )

    def _prepare(self, X, y, params):
        prepared = super()._prepare(X, y, params)
        if self.objectives is not None and any(
            isinstance(point, tuple) for point in self.initial_candidates or ()
        ):
            raise ValueError(
                "initial_candidates holds a known score, but there are several "
                f"objectives, {self.objectives!r}: leave the scores out."
            )
        return prepared

    def _make_objectives(self):
        if self.objectives is None:
            return None
        return partial(values, objectives=list(map(name_of, self.objectives)))

    def _close(self, study, problem):
        reached = study.objectives_of
        if reached is not None:
            self._reached = np.array([reached(e.results) for e in study.listed])
            self.pareto_front_ = front(self._reached)
        super()._close(study, problem)

    def _more_history(self, study, resource):
        reached = study.objectives_of
        if reached is None:
            return {}
        begun = [reached(e.results if e.settled else []) for e in study.trials]
        return {"hypervolume": volumes(np.array(begun), study.optimizer.n_design)}

    def _choose_best(self, refit_metric):
        if self.objectives is None or self.refit != "knee":
            return super()._choose_best(refit_metric)
        rows = self.pareto_front_
        if len(rows):
            return rows[knee(-self._reached[rows])]
        # nobody has all objectives: whoever has a score can be fitted, at least
        columns = [c for c in self.cv_results_ if c.startswith("mean_test_")]
        scores = np.column_stack([self.cv_results_[c] for c in columns])
        return int(np.isfinite(scores).sum(axis=1).argmax())


class ModelScorer:
    """A scorer that looks at the model only.

    Parameters
    ----------
    function : callable
        From a fitted estimator to a number.
    """

    def __init__(self, function):
        self.function = function

    def __call__(self, estimator, X, y=None, sample_weight=None):
        """Return what the function makes of the estimator."""
        return self.function(estimator)

    def _accept_sample_weight(self):
        """Say that weights are heeded: they do not change what a model is."""
        return True


def name_of(objective):
    """Return the name under which an objective stands in ``cv_results_``.

    Parameters
    ----------
    objective : str or callable
        As the user gave it.

    Returns
    -------
    name : str
        The objective, or its ``__name__``.

    Raises
    ------
    ValueError
        If it has no name.
    """
    name = getattr(objective, "__name__", objective)
    if not isinstance(name, str) or name == "<lambda>":
        raise ValueError(
            f"objectives holds {objective!r}, which has no name for cv_results_: "
            "define it with def."
        )
    return name


def check_names(search, scorers, of_models):
    """Raise unless objectives can be told apart and found.

    Parameters
    ----------
    search : ObjectiveSearchCV
        With `objectives`, as the user gave them.
    scorers : dict of callable
        By name; those of models take the place of others.
    of_models : list of str
        Names of the objectives that are callables.

    Raises
    ------
    ValueError
        If they are fewer than two, repeat one another, take the name of a score, or
        are unknown.
    """
    names = list(map(name_of, search.objectives))
    known = [*scorers, *TIMES]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"objectives holds {unknown[0]!r}, which is none of {known}: the names of "
            "scoring ('score' where it has none), and two times."
        )
    taken = [*TIMES, *(search.scoring if named(search.scoring) else ["score"])]
    clashing = [name for name in of_models if name in taken]
    if clashing:
        raise ValueError(
            f"objectives holds a function named {clashing[0]!r}, but that is the name "
            "of a score or of a time: rename it."
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"objectives holds {repeated[0]!r} more than once.")
    if len(names) < 2:
        raise ValueError(
            f"objectives={search.objectives!r} must hold two or more; for a single one "
            "leave it None and name it in refit."
        )


def named(scoring):
    """Return whether `scoring` gives each score a name."""
    return isinstance(scoring, list | tuple | dict | set)


def values(results, objectives):
    """Return what a candidate reaches in each objective, to be maximised.

    Parameters
    ----------
    results : list of dict
        Of its folds.
    objectives : list of str
        Names of scores, and of times with "neg_" before them.

    Returns
    -------
    values : ndarray of shape (n_objectives,)
        Means over folds; all NaN if a fit failed, a mean is not finite, or there are no
        results. (A fit that fails soon would be the best of all in time.)
    """
    if not results or any(result["fit_error"] is not None for result in results):
        return np.full(len(objectives), np.nan)
    table = [[_value(result, name) for name in objectives] for result in results]
    means = np.mean(table, axis=0)
    return means if np.isfinite(means).all() else np.full(len(objectives), np.nan)


def _value(result, name):
    scores = result["test_scores"]
    return scores[name] if name in scores else -result[TIMES[name]]


def front(table):
    """Return the numbers of the rows that no other dominates.

    Parameters
    ----------
    table : ndarray of shape (n, n_objectives)
        To be maximised; NaN for failures.

    Returns
    -------
    rows : ndarray of shape (n_front,), int
        In ascending order.
    """
    whole = np.flatnonzero(np.isfinite(table).all(axis=1))
    return whole[first_front(-table[whole])]


def volumes(table, n_first):
    """Return the hypervolume of the first row, of the first two, and so on.

    Parameters
    ----------
    table : ndarray of shape (n, n_objectives)
        To be maximised; NaN for failures.
    n_first : int
        How many of the rows set the reference point: the worst of them in each
        objective; of all rows, if those failed.

    Returns
    -------
    volumes : list of float
        Of the front against that point.
    """
    losses = -table[np.isfinite(table).all(axis=1)]
    opening = -table[:n_first]
    opening = opening[np.isfinite(opening).all(axis=1)]
    reference = (opening if len(opening) else losses).max(axis=0, initial=-np.inf)
    kept, volume, found = np.empty((0, table.shape[1])), 0.0, []
    for row in -table:
        if (row < reference).all() and not (kept <= row).all(axis=1).any():
            # its own box, without what the others share of it
            shared = hypervolume(np.maximum(kept, row), reference)
            volume += max(0.0, float(np.prod(reference - row)) - shared)
            kept = np.vstack([kept[~(row <= kept).all(axis=1)], row])
        found.append(volume)
    return found
