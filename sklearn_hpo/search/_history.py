"""The history of a search: its public record, and the score that it goes by."""

import math
from functools import cache

import numpy as np
from scipy.optimize import nnls


def mean_score(results, metric):
    """Return the mean over folds of the score that is maximised; NaN where undefined.

    Parameters
    ----------
    results : list of dict
        Of the folds of a candidate.
    metric : str or None
        Of several scores the one to take; the first if this is none of them.

    Returns
    -------
    score : float
        NaN if the score of a fold is not finite.
    """
    mean = float(np.mean([guiding_score(r["test_scores"], metric) for r in results]))
    return mean if math.isfinite(mean) else math.nan


def guiding_score(score, metric):
    """Return the score that a search goes by.

    Parameters
    ----------
    score : float or dict of float
        Of one fold.
    metric : str or None
        Which one of several to take; the first if this is none of them.

    Returns
    -------
    score : float
        The one.
    """
    if isinstance(score, dict):
        return score.get(metric, next(iter(score.values())))
    return score


def history(study, resource, metric, *, with_train_score, with_rungs):
    """Return one entry an evaluation, in lists that `pandas.DataFrame` takes.

    Parameters
    ----------
    study : Study
        That has ended.
    resource : Resource
        That it shared out.
    metric : str or None
        The score that guided it, if there are several.
    with_train_score : bool
        Whether training folds were scored.
    with_rungs : bool
        Whether to tell the bracket, the rung and its resource.

    Returns
    -------
    columns : dict of list
        The public `history_`.
    """
    plan = study.scheduler.plan
    n_resources = cache(resource.n_resources)  # one number for all of a rung
    columns = {}
    best = math.nan
    for e in sorted(study.evaluations, key=lambda e: (e.rung, e.trial.number)):
        if e.status == "complete":
            best = max(e.score, best) if best == best else e.score
        reports = e.reports.values()
        row = {
            "candidate": e.trial.number,
            "params": e.trial.params,
            "source": e.trial.source,
            "score": e.score,
            "status": e.status,
            "n_folds": len(reports),
            "best_score": best,
            "proposal_time": e.trial.proposal_time,
            "start": min((r.start for r in reports), default=math.nan),
            "end": max((r.end for r in reports), default=math.nan),
        }
        if with_rungs:
            row["bracket"] = plan[e.rung].bracket
            row["rung"] = plan[e.rung].level
            row["n_resources"] = n_resources(e.budget)
        if with_train_score:
            train = [guiding_score(r.result["train_scores"], metric) for r in reports]
            row["train_score"] = float(np.mean(train)) if train else math.nan
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


def costs(study, resource):
    """Return what each evaluation was planned to cost, and what it did.

    Parameters
    ----------
    study : Study
        That has ended.
    resource : Resource
        That it shared out.

    Returns
    -------
    columns : dict of list
        ``planned_cost`` and ``paid_cost``, in evaluations with all of the resource, in
        the order of `history`.
    """
    planned, seconds, counted = {}, {}, set()
    cost = cache(resource.cost)
    for e in study.evaluations:
        before = e.earlier_budgets[-1] if e.earlier_budgets else 0.0
        planned[e] = cost(e.budget, before)
        # a rung of more folds repeats the reports of the one before
        added = [r for r in e.reports.values() if id(r) not in counted]
        counted.update(map(id, added))
        seconds[e] = sum(r.end - r.start for r in added)
    unit = _seconds_of_full(study, resource, planned, seconds)
    if study.evaluations:
        first = study.evaluations[0]
        planned[first] += study.check.cost
        seconds[first] += study.check.seconds
    rows = sorted(study.evaluations, key=lambda e: (e.rung, e.trial.number))
    return {
        "planned_cost": [planned[e] for e in rows],
        "paid_cost": [seconds[e] / unit if unit > 0 else math.nan for e in rows],
    }


def _seconds_of_full(study, resource, planned, seconds):
    """Return the mean seconds of an evaluation with all of the resource in one go."""
    complete = [e for e in study.evaluations if e.status == "complete"]
    if not complete:
        return math.nan
    full = _seconds_of_complete(study, resource, complete, planned, seconds)
    # who got so far may take longer than the others: as much as on its first rung
    begun, firsts = {}, {}
    for e in study.evaluations:
        if not e.earlier_budgets and e.status != "failed":
            begun.setdefault(e.rung, []).append(seconds[e])
            firsts[e.trial.number] = e
    own = [firsts[e.trial.number] for e in complete]
    usual = sum(float(np.mean(begun[e.rung])) for e in own)
    return full * usual / max(sum(seconds[e] for e in own), 1e-9)


def _seconds_of_complete(study, resource, complete, planned, seconds):
    """Return the mean seconds of those that got all of it, if fitted in one go."""
    if not resource.continues and not resource.by_fold:
        return float(np.mean([seconds[e] for e in complete]))
    trials = {e.trial.number for e in complete}
    parts = [e for e in study.evaluations if e.trial.number in trials]
    if resource.by_fold:
        return sum(seconds[e] for e in parts) / len(complete)
    # some of the time of a rung is repeated on each: it counts once
    design = [[1.0, planned[e]] for e in parts]
    (fixed, slope), _ = nnls(np.array(design), np.array([seconds[e] for e in parts]))
    return float(fixed + slope)


def warnings_of_fits(study):
    """Return what each fit warned of, in the order of candidates and folds.

    Parameters
    ----------
    study : Study
        That has ended.

    Returns
    -------
    warned : list of tuple
        One entry a fit that this process has seen the end of.
    """
    reports = [
        evaluation.reports[fold]
        for evaluation in study.evaluations
        for fold in sorted(evaluation.reports)
    ]
    # a rung of more folds repeats the reports of the one before
    distinct = {id(report): report for report in reports}.values()
    return [
        report.warnings
        for report in distinct
        if report.warnings is not None and not report.lost
    ]
