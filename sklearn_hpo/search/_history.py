"""The history of a search: its public record."""

import math
from functools import cache

import numpy as np
from scipy.optimize import nnls

from sklearn_hpo._trial import best_so_far, guiding_score


def history(study, resource, metric, *, with_train_score, with_rungs):
    """Return the public `history_`: one entry an evaluation, in lists.

    `metric` is the score that guided the study, if there are several.
    """
    plan = study.scheduler.plan
    columns = {}
    n_resources = cache(resource.n_resources)  # one number for all of a rung
    rows = sorted(study.evaluations, key=lambda e: (e.rung, e.trial.number))
    complete = [e.score if e.status == "complete" else math.nan for e in rows]
    for e, best in zip(rows, best_so_far(complete), strict=True):
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

    Both are in evaluations with all of the resource, in the order of `history`. What it
    took to find out whether models may go on counts for the first evaluation.
    """
    planned, seconds = {}, {}
    cost = cache(resource.cost)
    for e in study.evaluations:
        before = e.earlier_budgets[-1] if e.earlier_budgets else 0.0
        planned[e] = cost(e.budget, before)
        seconds[e] = sum(r.end - r.start for r in e.own_reports.values())
    unit = _seconds_of_full(study, resource, planned, seconds)
    if study.evaluations:
        first = study.evaluations[0]
        planned[first] += study.jobs.check.cost
        seconds[first] += study.jobs.check.seconds
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

    Only those fits count whose end this process has seen.
    """
    return [
        report.warnings
        for evaluation in study.evaluations
        for _, report in sorted(evaluation.own_reports.items())
        if report.warnings is not None and not report.lost
    ]
