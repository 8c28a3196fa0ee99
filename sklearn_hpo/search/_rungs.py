"""What a search that shares out a resource tells of its rungs."""

import math
import sys

import numpy as np

from sklearn_hpo.search._history import costs

_COLUMNS = ("bracket", "rung", "resource", "n_candidates", "n_resources", "cost")


def budgets_of(rungs):
    """Return the budgets of a plan, in ascending order."""
    return tuple(sorted({rung.budget for rung in rungs}))


def plan_by_rule(search, problem, scheduler):
    """Return the plan of a search whose costs have not been measured."""
    cost = check_cost(search, problem, scheduler)
    return describe_plan(scheduler.plan, problem.resource, cost)


def describe_plan(rungs, resource, cost_of_check):
    """Return the public `plan_`: one entry a rung of a bracket."""
    plan = {name: [] for name in _COLUMNS}
    below = 0.0
    for rung in rungs:
        cost = resource.cost(rung.budget, below if rung.level else 0.0)
        below = rung.budget
        entry = (
            rung.bracket,
            rung.level,
            resource.name,
            rung.n_trials,
            resource.n_resources(rung.budget),
            rung.n_trials * cost,
        )
        for name, value in zip(_COLUMNS, entry, strict=True):
            plan[name].append(value)
    plan["cost"][0] += cost_of_check
    return plan


def check_cost(search, problem, scheduler):
    """Return the cost of the trial of whether models may go on."""
    resource, budgets = problem.resource, budgets_of(scheduler.plan)
    if not resource.continues or len(budgets) == 1:
        return 0.0
    # on one fold: in steps, and in one go with the second and the last of them
    tried = budgets[: n_rungs_tried(search)]
    steps = zip(tried, [0.0, *tried], strict=False)
    in_one_go = sum({tried[1], tried[-1]})
    cost = sum(resource.cost(*step) for step in steps) + in_one_go
    return cost / len(problem.splits)


def n_rungs_tried(search):
    """Return how many rungs to try on the first candidate; None for all.

    No more than models need to show that they may go on, if a longer fit could come too
    late or be ended.
    """
    limits = search.max_time, search.fit_timeout, search.fit_memory_limit
    return None if limits == (None,) * 3 else 2


def overture(search, problem, scheduler):
    """Return what is said before the first fit."""
    plan = plan_by_rule(search, problem, scheduler)
    columns = ("bracket", "n_candidates", "n_resources")
    text = "; ".join(
        f"bracket {bracket}: {n} with {n_resources}"
        for bracket, n, n_resources in zip(*(plan[c] for c in columns), strict=True)
    )
    return (
        f"Sharing out {problem.resource.name} over {len(problem.splits)} folds "
        f"({text}), as costly as {sum(plan['cost']):.1f} full evaluations"
    )


def write(line):
    """Tell the user, who set `verbose`."""
    sys.stdout.write(line + "\n")


class RungTable:
    """The evaluations of a study as rows that tell how much each of them had."""

    def __init__(self, study, evaluations, problem):
        self.study = study
        self.evaluations = evaluations
        self.problem = problem
        self.resource = problem.resource
        self.plan = study.scheduler.plan
        # a scheduler of the user's may have none
        self.factor = getattr(study.scheduler, "factor", None)
        self.budgets = budgets_of(self.plan)
        self.levels = [
            self.budgets.index(self.plan[e.rung].budget) for e in evaluations
        ]

    def params(self, evaluation):
        """Return the parameters that ``cv_results_`` shows."""
        more = self.resource.params(self.resource.n_resources(evaluation.budget))
        params = evaluation.trial.params
        return {**params, **more} if more else params  # a dict takes much memory

    def best_params(self, best):
        """Return the best candidate, with the iterations that it made use of."""
        n_iter_used = [report.n_iter_used for report in best.reports.values()]
        n_resources = self.resource.n_resources(best.budget)
        if all(n is not None and n < n_resources for n in n_iter_used):
            n_resources = math.ceil(np.mean(n_iter_used))
        return {**best.trial.params, **self.resource.params(n_resources)}

    def columns(self):
        """Return further columns of ``cv_results_``."""
        amounts = [self.resource.n_resources(e.budget) for e in self.evaluations]
        return {"iter": self.levels, "n_resources": amounts}

    def attributes(self):
        """Return what the search tells as scikit-learn's halving does, and its plan."""
        amounts = [self.resource.n_resources(budget) for budget in self.budgets]
        n_levels = 1 + max(self.levels)
        n_candidates = [self.levels.count(i) for i in range(n_levels)]
        of_factor = {}
        if self.factor is not None:
            n_first = sum(rung.n_trials for rung in self.plan if rung.level == 0)
            required = 1 + math.floor(math.log(n_first, self.factor))
            of_factor = {
                "n_required_iterations_": required,
                "n_remaining_candidates_": math.ceil(n_candidates[-1] / self.factor),
            }
        return {
            **of_factor,
            "max_resources_": self.resource.n_resources(1.0),
            "min_resources_": amounts[0],
            "resource_": self.resource.name,
            "plan_": describe_plan(
                self.plan, self.resource, self.study.jobs.check.cost
            ),
            "n_iterations_": n_levels,
            "n_possible_iterations_": len(self.budgets),
            "n_candidates_": n_candidates,
            "n_resources_": amounts[:n_levels],
            "_resource_names": set(self.resource.params(self.resource.maximum)),
        }

    def history_columns(self):
        """Return further columns of ``history_``."""
        return costs(self.study, self.resource)

    def shortfalls(self):
        """Say what did not go on, and if no candidate got all of the resource."""
        found = []
        difference = self.study.jobs.check.difference
        if difference is not None and not self.resource.by_fold:
            found.append(
                f"{type(self.problem.estimator).__name__} does not go on training by "
                f"{self.resource.name!r}, so each rung was a fit of its own, which "
                f"takes longer than planned: on the first candidate, {difference}."
            )
        scored = [e.budget for e in self.evaluations if math.isfinite(e.score)]
        if scored and not any(e.status == "complete" for e in self.evaluations):
            found.append(
                f"No candidate has a score with all of {self.resource.name!r}, "
                f"{self.resource.n_resources(1.0):g}: the best one has had "
                f"{self.resource.n_resources(max(scored)):g}."
            )
        return found
