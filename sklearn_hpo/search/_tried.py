"""Whether the resource pays: tried on the first candidate, before the study begins."""

import warnings
from dataclasses import replace

from sklearn_hpo._evaluation.resources import Data, Prices, choose_resource
from sklearn_hpo._study.check import check_going_on
from sklearn_hpo._study.evaluation import Check
from sklearn_hpo.search._rungs import budgets_of, check_cost, n_rungs_tried, write
from sklearn_hpo.search._task import make_setting

# By so much cheaper must another resource be before measured times choose it; those of
# fits that take no longer than this tell nothing, and are nothing to save.
_MUCH_CHEAPER, _LEAST_SECONDS = 1.5, 0.2


def tried(search, problem, scheduler, tuner, *, executor, journal, limit_folder):
    """Return what is left of the plan when the first candidate has been fitted.

    Models that can't go on begin anew on each rung, and a search with the resource
    "auto" that would be far cheaper with folds turns to them. Returns the problem, the
    scheduler, and what it took to find out.
    """
    budgets = budgets_of(scheduler.plan)
    may_go_on = problem.resource.continues and len(budgets) > 1
    trial = tuner.show_next() if may_go_on else None
    if trial is None:
        return problem, scheduler, Check()

    def by_folds():
        return _by_folds(search, problem, scheduler, tuner)

    def decide(result):
        resource = _measured(problem.resource, result, budgets)
        pays = _is_dear(search, resource, scheduler, by_folds, len(problem.splits))
        return {**result, "by_fold": pays}

    report = check_going_on(
        trial,
        budgets,
        decide,
        n_rungs=n_rungs_tried(search),
        executor=executor,
        journal=journal,
        limit_folder=limit_folder,
    )
    result, seconds = report.result, report.end - report.start
    resource = _measured(problem.resource, result, budgets)
    cost = check_cost(search, problem, scheduler)
    if resource.prices is not None:
        cost = resource.prices.measuring / len(problem.splits)
    if result["by_fold"]:
        each = _cost_of_each(scheduler.plan, resource)
        name = resource.name
        resource, scheduler = by_folds()
        if search.verbose > 0:
            least = _cost_of_each(scheduler.plan, resource)
            write(
                f"Turning to folds, as {name} saves too little: on the first "
                f"candidate, rungs cost {each:.2f} full evaluations for each "
                f"candidate, and rungs of folds {least:.2f}"
            )
    check = Check(result["difference"], seconds, cost)
    return replace(problem, resource=resource), scheduler, check


def _measured(resource, result, budgets):
    """Return a resource that goes on as far as it may, with the prices of that."""
    if result["difference"] is not None:
        resource = resource.plain()
    return replace(resource, prices=Prices.of(result, budgets))


def _is_dear(search, resource, scheduler, by_folds, n_splits):
    """Whether rungs of folds would be so much cheaper that no clock errs so far."""
    chosen = search.resource, search.min_resources, search.max_resources
    prices = resource.prices
    if chosen != ("auto",) * 3 or prices is None or n_splits < 2:
        return False
    if scheduler.says_n_candidates:  # of folds it would say another number
        return False
    if prices.whole < _LEAST_SECONDS:
        return False
    with warnings.catch_warnings():
        # what it would say of folds if they were chosen
        warnings.simplefilter("ignore", UserWarning)
        folds, other = by_folds()
    least = _cost_of_each(other.plan, folds)
    return _cost_of_each(scheduler.plan, resource) >= _MUCH_CHEAPER * least


def _by_folds(search, problem, scheduler, tuner):
    """Return folds as the resource, and a scheduler of as many candidates."""
    data = Data(
        problem.estimator, problem.X, problem.y, problem.splits, None, frozenset()
    )
    resource = choose_resource("folds", "auto", "auto", data)
    learns, n_splits = tuner.optimizer.learns, len(problem.splits)
    n_candidates = scheduler.n_candidates
    other = search._make_scheduler()
    other.start(
        make_setting(
            resource, tuner.space, n_splits, learns=learns, n_candidates=n_candidates
        )
    )
    return resource, other


def _cost_of_each(rungs, resource):
    """Return the mean cost of the candidates of a plan, in whole evaluations."""
    n, cost, below = 0, 0.0, 0.0
    for rung in rungs:
        n += 0 if rung.level else rung.n_trials
        cost += rung.n_trials * resource.cost(rung.budget, rung.level and below)
        below = rung.budget
    return cost / n
