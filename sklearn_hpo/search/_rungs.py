"""What a search that shares out a resource tells of its rungs."""

import math

import numpy as np

from sklearn_hpo.search._history import costs

_COLUMNS = ("bracket", "rung", "resource", "n_candidates", "n_resources", "cost")


def describe_plan(rungs, resource, n_splits):
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
    plan["cost"][0] += check_cost(rungs, resource, n_splits)
    return plan


def check_cost(rungs, resource, n_splits):
    """Return the cost of the trial of whether models may go on."""
    budgets = sorted({rung.budget for rung in rungs})
    if not resource.continues or len(budgets) == 1:
        return 0.0
    # on one fold: in steps and in one go
    low, high = budgets[:2]
    tried = resource.cost(low, 0.0) + resource.cost(high, low) + high
    return tried / n_splits


def overture(rungs, resource, n_splits):
    """Return what is said before the first fit."""
    plan = describe_plan(rungs, resource, n_splits)
    columns = ("bracket", "n_candidates", "n_resources")
    text = "; ".join(
        f"bracket {bracket}: {n} with {n_resources}"
        for bracket, n, n_resources in zip(*(plan[c] for c in columns), strict=True)
    )
    return (
        f"Sharing out {resource.name} over {n_splits} folds "
        f"({text}), as costly as {sum(plan['cost']):.1f} full evaluations"
    )


class RungTable:
    """The evaluations of a study as rows that tell how much of the resource they had.

    `factor` is that by which the scheduler thins candidates out.
    """

    def __init__(self, study, evaluations, problem, factor):
        self.study = study
        self.evaluations = evaluations
        self.problem = problem
        self.resource = problem.resource
        self.plan = study.scheduler.plan
        self.factor = factor
        self.budgets = sorted({rung.budget for rung in self.plan})
        self.levels = [
            self.budgets.index(self.plan[e.rung].budget) for e in evaluations
        ]

    def params(self, evaluation):
        """Return the parameters that ``cv_results_`` shows."""
        n_resources = self.resource.n_resources(evaluation.budget)
        return {**evaluation.trial.params, **self.resource.params(n_resources)}

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
        n_splits = len(self.problem.splits)
        amounts = [self.resource.n_resources(budget) for budget in self.budgets]
        n_levels = 1 + max(self.levels)
        n_candidates = [self.levels.count(i) for i in range(n_levels)]
        n_first = sum(rung.n_trials for rung in self.plan if rung.level == 0)
        return {
            "max_resources_": self.resource.n_resources(1.0),
            "min_resources_": amounts[0],
            "resource_": self.resource.name,
            "plan_": describe_plan(self.plan, self.resource, n_splits),
            "n_iterations_": n_levels,
            "n_possible_iterations_": len(self.budgets),
            "n_required_iterations_": 1 + math.floor(math.log(n_first, self.factor)),
            "n_candidates_": n_candidates,
            "n_resources_": amounts[:n_levels],
            "n_remaining_candidates_": math.ceil(n_candidates[-1] / self.factor),
            "_resource_names": set(self.resource.params(self.resource.maximum)),
        }

    def history_columns(self):
        """Return further columns of ``history_``."""
        n_splits = len(self.problem.splits)
        checked = check_cost(self.plan, self.resource, n_splits)
        return costs(self.study, self.resource, checked)

    def shortfalls(self):
        """Say what did not go on, and if no candidate got all of the resource."""
        found = []
        if self.study.jobs.difference is not None:
            found.append(
                f"{type(self.problem.estimator).__name__} does not go on training by "
                f"{self.resource.name!r}, so each rung was a fit of its own, which "
                "takes longer than planned: on the first candidate, "
                f"{self.study.jobs.difference}."
            )
        scored = [e.budget for e in self.evaluations if math.isfinite(e.score)]
        if scored and not any(e.status == "complete" for e in self.evaluations):
            found.append(
                f"No candidate has a score with all of {self.resource.name!r}, "
                f"{self.resource.n_resources(1.0):g}: the best one has had "
                f"{self.resource.n_resources(max(scored)):g}."
            )
        return found
