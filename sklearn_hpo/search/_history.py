"""The history of a search: its public record, and the score that it goes by."""

import math

import numpy as np


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
    columns = {}
    best = math.nan
    for e in sorted(study.evaluations, key=lambda e: (e.stage, e.trial.number)):
        if e.status == "complete":
            best = max(e.score, best) if best == best else e.score
        reports = e.reports.values()
        row = {
            "trial": e.trial.number,
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
            row["bracket"] = plan[e.stage].bracket
            row["rung"] = plan[e.stage].rung
            row["n_resources"] = resource.amount(e.budget)
        if with_train_score:
            train = [guiding_score(r.result["train_scores"], metric) for r in reports]
            row["train_score"] = float(np.mean(train)) if train else math.nan
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


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
