"""What a study has found, as the attributes of a fitted search."""

import warnings

import numpy as np

from sklearn_hpo._sklearn_compat import (
    average_over_folds_run,
    check_refit,
    close_scores,
    format_results,
    rank_by_level,
    scorer_attribute,
    select_best_index,
    without_scores,
)
from sklearn_hpo.search._history import history
from sklearn_hpo.search._objectives import front, volumes
from sklearn_hpo.search._rungs import RungTable


class Results:
    """The results of a search whose study has ended.

    Attributes
    ----------
    attributes : dict of str to object
        Those of the fitted search that do not depend on which candidate is the best.
    evaluations : list of Evaluation
        The rows of ``cv_results_``.
    """

    def __init__(self, search, study, problem):
        self.search = search
        self.study = study
        self.problem = problem
        self.objectives = study.objectives
        self.evaluations = study.listed
        self.n_splits = len(problem.splits)
        own = [
            report.result
            for evaluation in self.evaluations
            for _, report in sorted(evaluation.own_reports.items())
        ]
        close_scores(own, search.scoring, search.error_score)
        self._results = [r for e in self.evaluations for r in self._of_all_folds(e)]
        self._rungs = None
        if study.scheduler.uses_rungs:
            self._rungs = RungTable(study, self.evaluations, problem)
        self._reached = None
        if self.objectives.several:
            reached = [self.objectives.values(e.results) for e in self.evaluations]
            self._reached = np.array(reached)
        self._warn_of_shortfalls()
        self.attributes = self._make_attributes()

    @property
    def _scores(self):
        return self._results[0]["test_scores"]

    @property
    def _several_scores(self):
        return isinstance(self._scores, dict)

    @property
    def _n_candidates(self):
        return len({e.trial.number for e in self.evaluations})

    def _of_all_folds(self, evaluation):
        """Return a trial's results; a fold that was not run has NaN for a score."""
        reports = evaluation.reports
        blank = without_scores(evaluation.results)
        folds = range(self.n_splits)
        return [reports[i].result if i in reports else blank for i in folds]

    def _warn_of_shortfalls(self):
        """Say in what the results are less than was planned."""
        shortfalls = [] if self._rungs is None else self._rungs.shortfalls()
        if self.study.cut_short_by is not None:
            shortfalls[:0] = [
                f"The search was interrupted ({self.study.cut_short_by!r}): it keeps "
                f"the {self._n_candidates} candidates evaluated so far."
            ]
        if shortfalls:
            warnings.warn(" ".join(shortfalls), RuntimeWarning, stacklevel=6)

    def _make_attributes(self):
        attributes = {
            "multimetric_": self._several_scores,
            "n_candidates_evaluated_": self._n_candidates,
            "scorer_": scorer_attribute(self.problem.scorer),
            "space_": self.study.tuner.space,
            # what it knows of every candidate is as much as `cv_results_`
            "_optimizer": self.study.tuner.optimizer.predictor,
            # parameters in ``cv_results_`` that the space does not have
            "_resource_names": set(),
        }
        if self._reached is not None:
            attributes["pareto_front_"] = front(self._reached)
        if self._rungs is not None:
            attributes |= self._rungs.attributes()
        attributes["cv_results_"] = self._make_cv_results()
        attributes["history_"] = self._make_history()
        return attributes

    def _make_cv_results(self):
        cut = {
            i: sorted(evaluation.reports)
            for i, evaluation in enumerate(self.evaluations)
            if len(evaluation.reports) < self.n_splits
        }
        rungs = self._rungs
        formatted = format_results(
            self.search,
            [rungs.params(e) if rungs else e.trial.params for e in self.evaluations],
            self.n_splits,
            self._results,
            cut=cut,
            more={} if rungs is None else rungs.columns(),
        )
        if rungs is not None:
            average_over_folds_run(formatted, cut)
            rank_by_level(formatted, formatted["iter"])
        return formatted

    def _make_history(self):
        study = self.study
        columns = history(
            study,
            self.problem.resource,
            self.objectives.metric,
            with_train_score=self.search.return_train_score,
            with_rungs=self._rungs is not None,
        )
        if self._rungs is not None:
            columns |= self._rungs.history_columns()
        optimizer = study.tuner.optimizer
        if self._reached is not None:
            begun = [
                self.objectives.values(e.results if e.settled else [])
                for e in study.trials
            ]
            columns["hypervolume"] = volumes(np.array(begun), optimizer.n_design)
        diversity = optimizer.diversity
        if diversity is not None:
            told = [row.tobytes() for row in optimizer.rows]
            # an interrupt while the optimizer is told leaves rows without one
            after = dict(zip(told, diversity, strict=False))
            columns["diversity"] = [
                after.get(e.trial.row.tobytes(), np.nan) for e in study.trials
            ]
        return columns

    def check_refit(self):
        """Raise unless `refit` says how the best of several scores is chosen."""
        if self.objectives.several:
            self.objectives.check_refit(self._scores)
        elif self._several_scores:
            check_refit(self.search, self._scores)

    def best_attributes(self):
        """Return the attributes that tell which candidate is the best."""
        refit, cv_results = self.search.refit, self.attributes["cv_results_"]
        metric = refit if self._several_scores else "score"
        index = select_best_index(self.search, metric, cv_results)
        attributes = {"best_index_": index}
        column = f"mean_test_{metric}"
        if not callable(refit) and column in cv_results:
            attributes["best_score_"] = cv_results[column][index]
        best = self.evaluations[index]
        if self._rungs is None:
            attributes["best_params_"] = cv_results["params"][index]
        else:
            attributes["best_params_"] = self._rungs.best_params(best)
        return attributes | {"_best_budget": best.budget}
