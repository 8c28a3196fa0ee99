"""HyperbandSearchCV: many candidates, and full fits only for those that earn them."""

import math
import numbers
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from sklearn_hpo._models import Models
from sklearn_hpo._resources import choose_resource
from sklearn_hpo._sklearn_compat import (
    Interval,
    StrOptions,
    average_over_folds_run,
)
from sklearn_hpo.optimizers import (
    BayesianOptimizer,
    RandomOptimizer,
    RungOptimizer,
    SobolOptimizer,
    TPEOptimizer,
)
from sklearn_hpo.schedulers import (
    ASHA,
    Halving,
    halving_plan,
    hyperband_plan,
    ladder,
)
from sklearn_hpo.search._base import SearchCV

# What learns from the losses, by its name.
_SURROGATES = {"tpe": TPEOptimizer, "gp": BayesianOptimizer}
# Candidates that get all of the resource, at least.
_N_FINALISTS = 3


class HyperbandSearchCV(SearchCV):
    """DOC"""

    _parameter_constraints = {
        **SearchCV._parameter_constraints,
        "resource": [str],
        "min_resources": [
            StrOptions({"auto"}),
            Interval(numbers.Real, 0, None, closed="neither"),
        ],
        "max_resources": [
            StrOptions({"auto"}),
            Interval(numbers.Real, 0, None, closed="neither"),
        ],
        "factor": [Interval(numbers.Real, 1, None, closed="neither")],
        "n_candidates": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "strategy": [StrOptions({"halving", "hyperband", "asha"})],
        "optimizer": [StrOptions({"random", "sobol", *_SURROGATES})],
        "n_brackets": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "model_dir": [str, Path, None],
    }
    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        resource="auto",
        min_resources="auto",
        max_resources="auto",
        factor=3,
        n_candidates="auto",
        strategy="halving",
        optimizer="random",
        n_brackets="auto",
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        points_to_evaluate=None,
        warm_start_from=None,
        max_time=None,
        max_concurrent="auto",
        deterministic=True,
        model_dir=None,
    ):
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.resource = resource
        self.min_resources = min_resources
        self.max_resources = max_resources
        self.factor = factor
        self.n_candidates = n_candidates
        self.strategy = strategy
        self.optimizer = optimizer
        self.n_brackets = n_brackets
        self.random_state = random_state
        self.points_to_evaluate = points_to_evaluate
        self.warm_start_from = warm_start_from
        self.max_time = max_time
        self.max_concurrent = max_concurrent
        self.deterministic = deterministic
        self.model_dir = model_dir

    def plan(self, X, y=None, **params):
        """Return what ``fit`` would run on such data, without fitting anything.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            As in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            As in ``fit``.
        **params : dict of str to object
            As in ``fit``.

        Returns
        -------
        plan : dict of list
            One entry a rung of a bracket: ``bracket``, ``rung``, ``resource``,
            ``n_candidates``, ``n_resources`` and ``cost``, what all its candidates use
            up, in evaluations with all of the resource. ``pandas.DataFrame`` takes it
            as it is.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sklearn_hpo import HyperbandSearchCV
        >>> search = HyperbandSearchCV(
        ...     RandomForestClassifier(), {"max_features": [1, 2, 3, 4]}
        ... )
        >>> plan = search.plan(*load_iris(return_X_y=True))
        >>> plan["n_candidates"], plan["n_resources"]
        """
        problem, _, scheduler = self._prepare(X, y, params)
        return self._describe(scheduler.plan, problem.resource)

    def _describe(self, stages, resource):
        columns = ["bracket", "rung", "resource", "n_candidates", "n_resources", "cost"]
        plan = {name: [] for name in columns}
        below = 0.0
        for stage in stages:
            paid = below if stage.rung and (resource.continues or resource.by_fold) else 0
            below = stage.budget
            entry = (
                stage.bracket,
                stage.rung,
                resource.name,
                stage.n_trials,
                resource.amount(stage.budget),
                stage.n_trials * (stage.budget - paid),
            )
            for name, value in zip(columns, entry, strict=True):
                plan[name].append(value)
        return plan

    def _make_resource(self, data):
        return choose_resource(
            self.resource, self.min_resources, self.max_resources, data
        )

    def _make_scheduler(self, resource):
        budgets = ladder(resource.minimum, resource.maximum, self.factor)
        if resource.whole:
            # rungs that round to the same amount are one
            amounts = {resource.amount(budget): budget for budget in budgets}
            budgets = tuple(amount / resource.maximum for amount in amounts)
        if self.strategy == "hyperband":
            if self.n_candidates != "auto":
                raise ValueError(
                    f"n_candidates={self.n_candidates} with strategy='hyperband', "
                    "whose brackets say how many candidates there are; leave it at "
                    "'auto', or set strategy='halving'."
                )
            plan = hyperband_plan(budgets, self.factor, self._n_brackets(len(budgets)))
            return Halving(plan, overlap=not self._learns)
        if self.n_brackets != "auto":
            raise ValueError(
                f"n_brackets={self.n_brackets} needs strategy='hyperband'; "
                f"{self.strategy!r} has one bracket."
            )
        n = self.n_candidates
        if n == "auto":
            n = _N_FINALISTS * math.ceil(self.factor ** (len(budgets) - 1) - 1e-9)
        if self.strategy == "halving":
            return Halving(halving_plan(n, budgets, self.factor))
        if self.deterministic:
            raise ValueError(
                "strategy='asha' promotes whoever is ahead when a worker is free, so "
                "its result depends on timing; set deterministic=False, or "
                "strategy='halving'."
            )
        n_rungs = max(1, math.floor(math.log(n / _N_FINALISTS, self.factor) + 1 + 1e-9))
        return ASHA(n, budgets[-n_rungs:], self.factor)

    def _n_brackets(self, n_rungs):
        if self.n_brackets == "auto":
            return n_rungs
        if self.n_brackets > n_rungs:
            raise ValueError(
                f"n_brackets={self.n_brackets} is more than the {n_rungs} rungs between "
                "min_resources and max_resources."
            )
        return self.n_brackets

    @property
    def _learns(self):
        """Whether candidates depend on scores."""
        return self.optimizer in _SURROGATES

    def _make_optimizer(self, n_trials):
        if self.optimizer == "random":
            return RandomOptimizer()
        if self.optimizer == "sobol":
            return SobolOptimizer()
        return RungOptimizer(partial(_SURROGATES[self.optimizer], n_trials, 1))

    def _rules(self, problem, n_workers, began):
        rules = super()._rules(problem, n_workers, began)
        # without a surrogate nothing depends on who ends first
        return replace(rules, deterministic=self.deterministic and self._learns)

    @contextmanager
    def _waiting_models(self, resource, executor):
        if not resource.continues:
            yield None
        elif self.model_dir is None:
            yield Models(executor.folder)
        else:
            with tempfile.TemporaryDirectory("", "models_", self.model_dir) as folder:
                yield Models(Path(folder))

    def _listed_params(self, evaluation, resource):
        amount = resource.amount(evaluation.budget)
        return {**evaluation.trial.params, **resource.params(amount)}

    def _more_results(self, study, evaluations, resource):
        stages = study.scheduler.plan
        budgets = sorted({stage.budget for stage in stages})
        self.max_resources_ = resource.amount(1.0)
        self.min_resources_ = resource.amount(budgets[0])
        self.resource_ = resource.name
        self.plan_ = self._describe(stages, resource)
        iters = [budgets.index(stages[e.stage].budget) for e in evaluations]
        self.n_iterations_ = 1 + max(iters)
        self.n_possible_iterations_ = len(budgets)
        n_first = sum(stage.n_trials for stage in stages if stage.rung == 0)
        self.n_required_iterations_ = 1 + math.floor(math.log(n_first, self.factor))
        self.n_candidates_ = [iters.count(i) for i in range(self.n_iterations_)]
        self.n_resources_ = [resource.amount(b) for b in budgets[: self.n_iterations_]]
        self.n_remaining_candidates_ = math.ceil(self.n_candidates_[-1] / self.factor)
        amounts = [resource.amount(e.budget) for e in evaluations]
        return {"iter": iters, "n_resources": amounts}

    def _choose_best(self, refit_metric):
        """Return the index of the best of those with the most of the resource."""
        if self.resource_ == "folds":
            cut = np.flatnonzero(self.cv_results_["n_resources"] < self.max_resources_)
            average_over_folds_run(self.cv_results_, self.n_splits_, cut)
        if callable(self.refit):
            return super()._choose_best(refit_metric)
        scores = self.cv_results_[f"mean_test_{refit_metric}"]
        iters = self.cv_results_["iter"]
        last = np.flatnonzero(iters == iters.max())
        if np.isnan(scores[last]).all():
            last = np.flatnonzero(iters == iters[~np.isnan(scores)].max())
        return int(last[np.nanargmax(scores[last])])

    def _best_params(self, best, resource):
        """Return the best candidate, with the iterations that it made use of."""
        reached = [report.reached for report in best.reports.values()]
        amount = resource.amount(best.budget)
        if all(n is not None and n < amount for n in reached):
            amount = math.ceil(np.mean(reached))
        return {**best.trial.params, **resource.params(amount)}
