"""Several objectives of a search: what they are, their front and its volume."""

from collections import Counter

import numpy as np

from sklearn_hpo._numerics.pareto import first_front, hypervolume
from sklearn_hpo._sklearn_compat import named_scorers, scorer_attribute
from sklearn_hpo._trial import mean_score

TIMES = {"neg_fit_time": "fit_time", "neg_score_time": "score_time"}


class Objectives:
    """What a search maximises: one score, or several goals at once.

    Held by a search that is being fitted; of the search it keeps three parameters.
    """

    def __init__(self, search):
        self.given = search.objectives
        self.refit = search.refit
        self.scoring = search.scoring
        # the score that guides the search, where there are several
        self.metric = self.refit if isinstance(self.refit, str) else None

    @property
    def several(self):
        """Whether the optimizer learns more than one number of each candidate."""
        return self.given is not None

    def __len__(self):
        return len(self.given) if self.several else 1

    @property
    def names(self):
        """The names under which they stand in ``cv_results_``, if several."""
        return list(map(name_of, self.given or ()))

    @property
    def need_all_of_fits(self):
        """Whether times or sizes of models matter, so fits may not share anything."""
        # a shared transformer is equal, but need not be stored in as many bytes
        by_times = getattr(self.refit, "goes_by_times", callable(self.refit))
        return by_times or any(
            callable(objective) or objective in TIMES for objective in self.given or ()
        )

    def scorers(self, search):
        """Return what scores the held-out folds, or None for scikit-learn's own way."""
        if not self.several:
            return None
        of_models = {name_of(f): ModelScorer(f) for f in self.given if callable(f)}
        scorers = named_scorers(search, of_models)
        self._check_names(scorer_attribute(scorers), list(of_models))
        self.check_refit(scorer_attribute(scorers))
        return scorers

    def check_refit(self, scores):
        """Raise unless `refit` says which candidate of a front is the best."""
        if hasattr(self.refit, "check"):  # a knee
            self.refit.check(scores)
        if not (self.refit is False or callable(self.refit)) and (
            self.refit is True or self.refit not in scores
        ):
            raise ValueError(
                f"refit={self.refit!r} does not say which candidate of a front is the "
                f"best: name one of the scores {list(scores)}, pass a callable that "
                "gets cv_results_ and returns an index, such as knee([...]), or False."
            )

    def score(self, results):
        """Return the score that guides the search, of the results of folds."""
        return mean_score(results, self.metric)

    def values(self, results):
        """Return what a candidate reaches in each objective, to be maximised, if any.

        That are means over folds; all are NaN if a fit failed, a mean is not finite, or
        there are no results. (A fit that fails soon would be the best of all in time.)
        """
        if not self.several:
            return None
        nothing = np.full(len(self), np.nan)
        if not results or any(result["fit_error"] is not None for result in results):
            return nothing
        table = [[_value(result, name) for name in self.names] for result in results]
        means = np.mean(table, axis=0)
        return means if np.isfinite(means).all() else nothing

    def _check_names(self, scorers, of_models):
        """Raise unless objectives can be told apart and found.

        `scorers` are by name, with those of models in the place of others.
        """
        names = self.names
        known = [*scorers, *TIMES]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"objectives holds {unknown[0]!r}, which is none of {known}: the names "
                "of scoring ('score' where it has none), and two times."
            )
        taken = [*TIMES, *(self.scoring if named(self.scoring) else ["score"])]
        clashing = [name for name in of_models if name in taken]
        if clashing:
            raise ValueError(
                f"objectives holds a function named {clashing[0]!r}, but that is the "
                "name of a score or of a time: rename it."
            )
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise ValueError(f"objectives holds {repeated[0]!r} more than once.")
        if len(names) < 2:
            raise ValueError(
                f"objectives={self.given!r} must hold two or more; for a single one "
                "leave it None and name it in refit."
            )


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

    That is the string, or the ``__name__`` of a callable; a lambda has none.
    """
    name = getattr(objective, "__name__", objective)
    if not isinstance(name, str) or name == "<lambda>":
        raise ValueError(
            f"objectives holds {objective!r}, which has no name for cv_results_: "
            "define it with def."
        )
    return name


def named(scoring):
    """Return whether `scoring` gives each score a name."""
    return isinstance(scoring, list | tuple | dict | set)


def _value(result, name):
    scores = result["test_scores"]
    return scores[name] if name in scores else -result[TIMES[name]]


def front(table):
    """Return the numbers of the rows that no other dominates, in ascending order.

    `table` is to be maximised, with NaN for failures.
    """
    whole = np.flatnonzero(np.isfinite(table).all(axis=1))
    return whole[first_front(-table[whole])]


def volumes(table, n_first):
    """Return the hypervolume of the first row, of the first two, and so on.

    `table` is to be maximised, with NaN for failures. The reference point is the worst
    of the first `n_first` rows in each objective; of all rows, if those failed.
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
