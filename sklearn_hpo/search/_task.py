"""What a search has to do, from the arguments of ``fit``: checked, and split once."""

from dataclasses import replace

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._evaluation.evaluate import Problem
from sklearn_hpo._evaluation.resources import Data
from sklearn_hpo._evaluation.transformer_cache import TransformerCache
from sklearn_hpo._execution.limits import Limits
from sklearn_hpo._sklearn_compat import (
    check_method_params,
    num_samples,
    route_fit_params,
    split_mismatch,
)
from sklearn_hpo.schedulers import Setting
from sklearn_hpo.search._objectives import Objectives


def make_task(search, scorers, names, X, y, params):
    """Return the problem and what its resource may be made of, by names of parameters.

    The problem has no resource before there is a plan for one, see `planned`.
    """
    X, y = indexable(X, y)
    params = check_method_params(X, params=params)
    routed = route_fit_params(search, params)
    splits = _split(search, X, y, routed.splitter.split)
    groups = routed.splitter.split.get("groups")
    fit_params = routed.estimator.fit
    # what is kept would count as memory of the fit that keeps it
    limited = search.fit_memory_limit is not None
    spoilt = limited or Objectives(search).need_all_of_fits
    problem = Problem(
        estimator=copy_unfitted(search.estimator),
        X=X,
        y=y,
        splits=splits,
        scorer=scorers,
        fit_params=fit_params,
        score_params=routed.scorer.score,
        n_candidates=0,
        return_train_score=search.return_train_score,
        error_score=search.error_score,
        verbose=search.verbose,
        limits=Limits(search.fit_timeout, search.fit_memory_limit),
        transformer_cache=(
            TransformerCache() if search.cache_transformers and not spoilt else None
        ),
    )
    data = Data(search.estimator, X, y, splits, groups, frozenset(names), fit_params)
    return problem, data


def make_setting(resource, space, n_splits, *, learns, n_candidates):
    """Return what a scheduler has to plan for."""
    return Setting(
        n_candidates=n_candidates,
        n_points=space.size,
        minimum=resource.minimum,
        maximum=resource.maximum,
        whole=resource.whole,
        cost=resource.cost,
        n_splits=n_splits,
        learns=learns,
        resource=resource.name,
        why_alone=resource.why_alone,
    )


def planned(problem, resource, scheduler, space):
    """Return the problem with a resource that is shared out by a plan."""
    amounts = [(rung.n_trials, rung.budget) for rung in scheduler.plan]
    return replace(
        problem,
        resource=resource.planned(amounts),
        n_candidates=int(min(scheduler.n_candidates, space.size)),
    )


def _split(search, X, y, split_params):
    """Draw the folds, once for all candidates."""
    cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
    n_splits = cv.get_n_splits(X, y, **split_params)
    splits = list(cv.split(X, y, **split_params))
    if not splits:
        raise ValueError(
            "No fits were performed. Was the CV iterator empty? Were there no "
            "candidates? An iterator can be used up only once: pass a splitter, or "
            "a list of (train, test) pairs."
        )
    if len(splits) != n_splits:
        raise ValueError(split_mismatch(n_splits, len(splits)))
    # they may be lists, ranges, masks or slices
    numbers_of = np.arange(num_samples(X))
    return [(numbers_of[train], numbers_of[test]) for train, test in splits]
