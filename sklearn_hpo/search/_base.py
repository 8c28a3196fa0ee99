"""SearchCV: what every search does between scikit-learn's interface and the study."""

import math
import numbers
import sys
import time
import warnings
from abc import abstractmethod
from functools import partial

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, indexable
from sklearn.utils.validation import check_is_fitted

from sklearn_hpo._evaluate import Problem, evaluate
from sklearn_hpo._executor import open_executor
from sklearn_hpo._sklearn_compat import (
    BaseSearchCV,
    FitEvents,
    Interval,
    StrOptions,
    check_method_params,
    check_refit,
    close_scores,
    fit_context,
    format_results,
    get_scorers,
    num_samples,
    route_fit_params,
    scorer_attribute,
    select_best_index,
    split_mismatch,
    without_scores,
)
from sklearn_hpo._study import Rules, Study
from sklearn_hpo.search._points import check_names
from sklearn_hpo.search._warm import make_start
from sklearn_hpo.space import SearchSpace


class SearchCV(BaseSearchCV):
    """Base of the searches: a subclass says which optimizer and scheduler it uses.

    Parameters are documented in the subclasses.
    """

    _parameter_constraints = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list],
        "random_state": ["random_state"],
        "points_to_evaluate": [StrOptions({"default"}), list, None],
        "warm_start_from": "no_validation",  # checked where it is read
        "max_time": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "max_concurrent": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "deterministic": ["boolean"],
        "n_iter_no_change": [
            Interval(numbers.Integral, 1, None, closed="left"),
            None,
        ],
        "tol": [Interval(numbers.Real, 0, None, closed="left")],
    }

    @abstractmethod
    def _make_optimizer(self):
        """Return an Optimizer."""

    @abstractmethod
    def _make_scheduler(self, n_splits):
        """Return a Scheduler for candidates of `n_splits` folds."""

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Search, then refit the best candidate on all data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            Training data, in whatever form the estimator takes; a square matrix for
            precomputed kernels and distances.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets; None for unsupervised estimators.
        **params : dict of str to object
            Metadata for the estimator's ``fit``, the scorer and the splitter, such as
            ``sample_weight`` and ``groups``, passed on as scikit-learn's searches do.

        Returns
        -------
        object
            The search itself, fitted.

        Raises
        ------
        TypeError, ValueError
            Before any fit, if a parameter of the search or its space is wrong; after
            all of them, if every fit failed.
        """
        began = time.monotonic()
        scorers, _ = get_scorers(self)
        space = SearchSpace(self.param_distributions)
        check_names(space, self.estimator)
        X, y = indexable(X, y)
        params = check_method_params(X, params=params)
        routed = route_fit_params(self, params)
        events = FitEvents(self, X, y, params.get("sample_weight"))
        splits = self._split(X, y, routed.splitter.split)
        scheduler = self._make_scheduler(len(splits))
        problem = Problem(
            estimator=clone(self.estimator),
            X=X,
            y=y,
            splits=splits,
            scorer=scorers,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            n_candidates=_n_planned(space, scheduler),
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            verbose=self.verbose,
        )
        study = self._run(problem, space, scheduler, events, began)
        self._close(study, scorers)
        if self.refit:
            self._refit_best(problem, events)
        events.close()
        return self

    def _split(self, X, y, split_params):
        """Draw the folds, once for all candidates."""
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **split_params)
        splits = list(cv.split(X, y, **split_params))
        if not splits:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no "
                "candidates? An iterator can be used up only once: pass a splitter, or "
                "a list of (train, test) pairs."
            )
        if len(splits) != self.n_splits_:
            raise ValueError(split_mismatch(self.n_splits_, len(splits)))
        return splits

    def _run(self, problem, space, scheduler, events, began):
        """Run the study on the joblib backend that is active."""
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        n_splits, n_trials = len(problem.splits), problem.n_candidates
        metric = self.refit if isinstance(self.refit, str) else None
        start = make_start(self, space, metric, len(scheduler.plan), int(seed))
        if self.verbose > 0:
            _write(
                f"Fitting {n_splits} folds for each of {n_trials} candidates,"
                f" totalling {n_splits * n_trials} fits"
            )
        with (
            # worker threads enter and leave filters of their own in any order
            warnings.catch_warnings(),
            open_executor(evaluate, problem, self.n_jobs) as executor,
            events.searching(
                n_trials, n_splits, detach=not executor.in_caller
            ) as fold_events,
        ):
            study = Study(
                space,
                self._make_optimizer(),
                scheduler,
                seed=int(seed),
                n_splits=n_splits,
                score_of=partial(_mean_score, metric=metric),
                first=start.first,
                known=start.known,
                earlier=start.earlier,
                rules=self._rules(problem, executor.n_workers, began),
                fold_events=fold_events,
                announce=self._announce if self.verbose > 0 else None,
            )
            study.run(executor)
        return study

    def _rules(self, problem, n_workers, began):
        concurrent = self.max_concurrent
        if concurrent == "auto":
            # while the last folds of one candidate run, the next one fills idle workers
            ahead = math.ceil(n_workers / len(problem.splits))
            concurrent = 1 if n_workers == 1 else 1 + ahead
        n_train = np.mean([len(train) for train, _ in problem.splits])
        return Rules(
            max_concurrent=concurrent,
            deterministic=self.deterministic,
            deadline=math.inf if self.max_time is None else began + self.max_time,
            refit_factor=num_samples(problem.X) / n_train if self.refit else 0.0,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
        )

    def _announce(self, study, record):
        best = study.best
        is_best = record is best
        if self.verbose > 1 or is_best:
            _write(
                f"[{type(self).__name__}] candidate {record.trial.number + 1}: "
                f"mean score {record.score:.6g}, "
                f"best {best.score if best else math.nan:.6g}"
                + (f" with {record.trial.params}" if is_best else "")
            )

    def _close(self, study, scorers):
        """Turn the study into scikit-learn's attributes."""
        records = [record for record in study.listed if record.ended]
        close_scores(
            [result for record in records for result in record.results],
            self.scoring,
            self.error_score,
        )
        results = [
            result for record in records for result in self._of_all_folds(record)
        ]
        self.multimetric_ = isinstance(results[0]["test_scores"], dict)
        refit_metric = "score"
        if self.multimetric_:
            check_refit(self, results[0]["test_scores"])
            refit_metric = self.refit
        if study.cut_short_by is not None:
            warnings.warn(
                f"The search was interrupted ({study.cut_short_by!r:.500}): it keeps "
                f"the {len(records)} candidates evaluated so far.",
                RuntimeWarning,
                stacklevel=4,
            )
        candidates = [record.trial.params for record in records]
        self.cv_results_ = format_results(
            self,
            candidates,
            self.n_splits_,
            results,
            partial=any(record.status == "stopped" for record in records),
        )
        if self.refit or not self.multimetric_:
            self.best_index_ = select_best_index(self, refit_metric, self.cv_results_)
            if not callable(self.refit):
                self.best_score_ = self.cv_results_[f"mean_test_{refit_metric}"][
                    self.best_index_
                ]
            self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.scorer_ = scorer_attribute(scorers)
        self.space_ = study.space
        self._optimizer = study.optimizer
        self.n_trials_ = len(records)
        self.history_ = _history(study)

    def predict_score(self, params):
        """Return what the search expects candidates to score.

        This is the model that proposed the candidates, given all results of the search.

        .. versionadded:: 0.1

        Parameters
        ----------
        params : dict or list of dict
            One candidate of the space, or several.

        Returns
        -------
        mean : float or ndarray of shape (n_candidates,)
            Mean of the cross-validated score that guides the search.
        std : float or ndarray of shape (n_candidates,)
            Standard deviation of the model's belief about it.

        Raises
        ------
        NotFittedError
            If the search has not been fitted.
        ValueError
            If a candidate is outside the space.
        NotImplementedError
            If the surrogate has no such model.

        Examples
        --------
        >>> from scipy.stats import loguniform
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.svm import SVC
        >>> from sklearn_hpo import BayesSearchCV
        >>> space = {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}
        >>> search = BayesSearchCV(SVC(), space, n_iter=20, random_state=0)
        >>> search = search.fit(*load_iris(return_X_y=True))
        >>> mean, std = search.predict_score(search.best_params_)
        >>> bool(abs(mean - search.best_score_) < 0.05)
        True
        """
        check_is_fitted(self, "space_")
        several = not isinstance(params, dict)
        rows = [self.space_.encode(p) for p in (params if several else [params])]
        mean, std = self._optimizer.predict(np.array(rows))
        return (-mean, std) if several else (float(-mean[0]), float(std[0]))

    def _of_all_folds(self, record):
        """Return a trial's results; a fold that was not run has NaN for a score."""
        n_missing = self.n_splits_ - len(record.results)
        return record.results + [without_scores(record.results)] * n_missing

    def _refit_best(self, problem, events):
        self.best_estimator_ = clone(problem.estimator).set_params(
            **clone(self.best_params_, safe=False)
        )
        targets = () if problem.y is None else (problem.y,)
        with events.refitting(self.best_estimator_):
            began = time.time()
            self.best_estimator_.fit(problem.X, *targets, **problem.fit_params)
            self.refit_time_ = time.time() - began
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _write(line):
    sys.stdout.write(line + "\n")


def _n_planned(space, scheduler):
    return int(min(len(scheduler.plan), space.size))


def _mean_score(results, metric):
    """Return the mean over folds of the score that is maximised; NaN where undefined.

    Of several scores it is the one that `refit` names, else the first.
    """
    scores = []
    for result in results:
        score = result["test_scores"]
        if isinstance(score, dict):
            score = score.get(metric, next(iter(score.values())))
        scores.append(score)
    mean = float(np.mean(scores))
    return mean if math.isfinite(mean) else math.nan


def _history(study):
    """Return one entry a trial, in lists that `pandas.DataFrame` takes."""
    rows = []
    best = math.nan
    for record in study.records:
        if record.status == "complete":
            best = max(record.score, best) if best == best else record.score
        reports = record.reports.values()
        rows.append(
            {
                "trial": record.trial.number,
                "params": record.trial.params,
                "source": record.trial.source,
                "score": record.score,
                "status": record.status,
                "n_folds": len(record.reports),
                "best_score": best,
                "proposal_time": record.trial.proposal_time,
                "start": min((r.start for r in reports), default=math.nan),
                "end": max((r.end for r in reports), default=math.nan),
            }
        )
    return {name: [row[name] for row in rows] for name in rows[0]}
