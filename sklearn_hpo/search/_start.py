"""What a search begins with: candidates to evaluate first, results known before."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from sklearn_hpo._study.tuner import Tuner
from sklearn_hpo.search._points import complete_points, own_candidate, whole_grid

# Of an earlier search, the best candidates are evaluated first: this share of the
# budget, but no more than so many.
_EARLIER_SHARE, _MAX_EARLIER = 8, 3


@dataclass(frozen=True)
class Start:
    """What a study begins with.

    Attributes
    ----------
    first : list of dict
        Candidates to evaluate before all others.
    source : str
        Where they come from: "initial", or "estimator" for its own values.
    given_scores : tuple of (rows, losses)
        Results on the same folds and data, as good as evaluated.
    source_task : tuple of (rows, losses)
        Results of another study, which may mislead.
    seed : int
        Of the candidates.
    """

    first: list[dict[str, Any]]
    source: str
    given_scores: tuple[Any, Any]
    source_task: tuple[Any, Any]
    seed: int

    def tuner(self, space, optimizer, n_trials, *, n_objectives, journal):
        """Return what proposes the candidates, which may go on with an earlier run."""
        tuner = Tuner(
            space,
            n_trials,
            optimizer=optimizer,
            n_objectives=n_objectives,
            seed=self.seed,
            initial_candidates=self.first,
        )
        tuner.begin_with(
            initial_source=self.source,
            given_scores=self.given_scores,
            source_task=self.source_task,
            recorded={} if journal is None else journal.proposals,
        )
        return tuner


def make_start(search, space, metric, n_trials, seed, begins_with_own):
    """Return what the settings of a search say of its beginning.

    It has all candidates of the space, if `n_trials` cover them. Parameters that a
    point leaves out are drawn from `seed`.
    """
    known = known_scores(search.warm_start_from)
    rows, losses = inside(known, space, strict=True)
    # a search can only return what it has evaluated on its own folds
    first = [known[i][0] for i in np.argsort(losses, kind="stable")[:1]]
    first = complete_points(first, space, search.estimator, seed)
    first += complete_points(search.initial_candidates, space, search.estimator, seed)
    # what is to be evaluated is not known, if it has been named twice
    asked = {space.key(params) for params in first}
    kept = [space.key(space.decode(row)) not in asked for row in rows]
    given_scores = rows[kept], losses[kept]
    source_task = inside([], space)
    if search.warm_start_from is not None and not known:
        results = earlier_results(
            search.warm_start_from, _guides(search.scoring, metric), space
        )
        source_task = inside(results, space)
        n_best = min(max(1, n_trials // _EARLIER_SHARE), _MAX_EARLIER)
        first += map(space.decode, source_task[0][:n_best])
    by_key = {space.key(params): params for params in reversed(first)}
    first = list(reversed(by_key.values()))
    grid = whole_grid(search._given_space, space, n_trials)
    first += [params for params in grid if space.key(params) not in by_key]
    source = "initial"
    if not first and search.initial_candidates is None and begins_with_own:
        first, source = own_candidate(space, search.estimator, seed), "estimator"
    return Start(first, source, given_scores, source_task, seed)


def _guides(scoring, metric):
    """Return what the score that guides a search may be called, likeliest first."""
    names = [] if metric is None else [metric]
    if isinstance(scoring, list | tuple | set | dict):
        # `refit` may name no scorer, but a way to choose the best
        return names if metric in scoring else [*names, next(iter(scoring))]
    # another search may have had that scorer among several
    return [*names, "score", *([scoring] if isinstance(scoring, str) else [])]


def known_scores(source):
    """Return the pairs of candidates and scores in `warm_start_from`, if it is a list.

    Raises a ValueError if anything else is in it, or a score is not a finite number.
    """
    if not isinstance(source, list):
        return []
    for pair in source:
        is_pair = isinstance(pair, tuple) and len(pair) == 2
        if not (is_pair and isinstance(pair[0], dict) and np.isfinite(_float(pair[1]))):
            raise ValueError(
                f"warm_start_from holds {pair!r}; a known point is a pair of a dict of "
                "parameters and its score, a finite number."
            )
    return source


def check_known(search, scheduler):
    """Raise if known scores can't stand beside those that the search measures."""
    if not known_scores(search.warm_start_from):
        return
    if search.objectives is not None:
        raise ValueError(
            "warm_start_from holds known scores, but there are several objectives, "
            f"{search.objectives!r}: give the candidates in initial_candidates."
        )
    if scheduler.uses_rungs:
        raise ValueError(
            "warm_start_from holds known scores, but with scheduler="
            f"{search.scheduler!r} scores depend on what a candidate gets of the "
            "resource: give the candidates in initial_candidates."
        )


def _float(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def earlier_results(source, metrics, space):
    """Return candidates and finite scores of an earlier search, best first.

    `source` is a fitted search, or its ``cv_results_``; `metrics` are the names that
    the score may have, likeliest first. Of a search by halving each candidate stands
    once, with its score on the last rung, and higher rungs come first. Raises a
    ValueError if there are no candidates or no scores in it.
    """
    table = getattr(source, "cv_results_", source)
    names = [f"mean_test_{metric}" for metric in metrics]
    column = next((name for name in names if _has(table, name)), None)
    listed = _has(table, "params")
    if column is None or not listed:
        scores = [c for c in table if str(c).startswith("mean_test_")] if listed else []
        found = f" with the scores {scores}" if scores else ""
        raise ValueError(
            "warm_start_from should be a fitted search, or a table like cv_results_, "
            f"with the columns 'params' and {' or '.join(map(repr, names))}; "
            f"got {type(source).__name__}{found}."
        )
    params, scores = list(table["params"]), list(map(float, table[column]))
    amounts = list(table["n_resources"]) if _has(table, "n_resources") else None
    if amounts is None:
        found = [(p, score, 0) for p, score in zip(params, scores, strict=True)]
    else:
        found = _last_rungs(params, scores, amounts, space)
    finite = [entry for entry in found if np.isfinite(entry[1])]
    best_first = sorted(finite, key=lambda entry: (-entry[2], -entry[1]))
    return [(p, score) for p, score, _ in best_first]


def _last_rungs(params, scores, amounts, space):
    """Return each candidate without the resource, its last score and its amount."""
    last = {}
    for found, score, n_resources in zip(params, scores, amounts, strict=True):
        own = {
            name: value
            for name, value in found.items()
            if name in space.names
            or not (isinstance(value, Real) and value == n_resources)
        }
        key = space.key(own)
        if key not in last or n_resources >= last[key][2]:
            last[key] = own, score, n_resources
    return list(last.values())


def _has(table, name):
    try:
        return name in table
    except TypeError:
        return False


def inside(results, space, strict=False):
    """Return rows and losses of the results that lie in a space.

    If `strict`, all of them must, else one; a ValueError tells why one does not.
    """
    fitting = [pair for pair in results if strict or space.contains(pair[0])]
    if results and not fitting:
        space.encode(results[0][0])
    rows = np.array([space.encode(params) for params, _ in fitting])
    losses = -np.array([float(score) for _, score in fitting])
    return rows.reshape(len(fitting), space.n_columns), losses
