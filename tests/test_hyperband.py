"""HyperbandSearchCV as its users meet it."""

import os
import pickle
import signal
import threading
import time
import warnings

import joblib
import numpy as np
import pandas as pd
import probes
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.fixes import parse_version

from sklearn_hpo import HyperbandSearchCV
from sklearn_hpo._study.paused import PausedModels
from sklearn_hpo._trial import FoldJob, FoldResult
from sklearn_hpo.schedulers import Halving, Racing

X, Y = load_iris(return_X_y=True)
SVC_SPACE = {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}
# what the Probe has done: candidate, iterations of this call
WORK = []


class Probe(probes.GrowingProbe):
    """Learns by iterations that go on; better with more of them, best at x = 0.3."""

    def __init__(self, x=0.5, n_estimators=27, warm_start=False, act=None):
        super().__init__(x, n_estimators, warm_start)
        self.act = act

    def fit(self, X, y):
        WORK.append((self.x, self.n_left))
        if self.act is not None:
            self.act(self)
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def _no_work():
    WORK.clear()


def search(estimator=None, space=None, **settings):
    settings = {
        "cv": 3,
        "random_state": 0,
        "max_concurrent": 2,
        "optimizer": "random",
        **settings,
    }
    return HyperbandSearchCV(
        Probe() if estimator is None else estimator,
        {"x": uniform(0, 1)} if space is None else space,
        **settings,
    )


def iterations():
    return sum(n for _, n in WORK)


@pytest.mark.parametrize("scheduler", ["halving", "hyperband"])
@pytest.mark.parametrize("optimizer", ["random", "tpe", "gp"])
def test_what_is_spent_is_the_plan(scheduler, optimizer):
    fitted = search(
        scheduler=scheduler, optimizer=optimizer, refit=False, min_resources=1
    )
    plan = fitted.plan(X, Y)
    assert WORK == []
    fitted.fit(X, Y)
    assert fitted.plan_ == plan
    assert iterations() == pytest.approx(3 * 27 * sum(plan["cost"]))
    ran = pd.DataFrame(fitted.history_).groupby(["bracket", "rung"], sort=True)
    assert ran.size().tolist() == plan["n_candidates"]
    assert ran["n_resources"].first().tolist() == plan["n_resources"]


@pytest.mark.parametrize("scheduler", ["halving", "hyperband"])
@pytest.mark.parametrize("optimizer", ["random", "sobol", "tpe"])
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_same_result_for_any_number_of_workers(scheduler, optimizer, backend):
    settings = {"scheduler": scheduler, "optimizer": optimizer}
    reference = search(**settings).fit(X, Y)
    with joblib.parallel_config(backend):
        fitted = search(n_jobs=3, **settings).fit(X, Y)
    assert fitted.cv_results_["params"] == reference.cv_results_["params"]
    for name in ("mean_test_score", "iter", "n_resources"):
        assert_array_equal(fitted.cv_results_[name], reference.cv_results_[name])
    assert fitted.best_params_ == reference.best_params_
    assert fitted.history_["candidate"] == reference.history_["candidate"]


def test_a_candidate_that_goes_on_pays_for_what_is_added():
    fitted = search(refit=False).fit(X, Y)
    by_candidate = pd.DataFrame(WORK, columns=["x", "n"]).groupby("x")["n"].sum()
    most = pd.DataFrame(fitted.history_).groupby("candidate")["n_resources"].max()
    spent = 3 * most
    # on one fold, whether it may go on: in steps, and in one go with 9 and with all
    spent[0] += 27 + 9 + 27
    assert sorted(by_candidate) == sorted(spent)


def test_best_is_of_the_last_rung():
    fitted = search().fit(X, Y)
    results = pd.DataFrame(fitted.cv_results_)
    last = results[results["iter"] == results["iter"].max()]
    assert fitted.best_index_ == last["mean_test_score"].idxmax()
    assert fitted.best_params_["n_estimators"] == 27
    assert fitted.best_estimator_.done_ == 27
    assert abs(fitted.best_params_["x"] - 0.3) < 0.1
    assert len(last) >= 3
    assert fitted.n_resources_ == [3, 9, 27]
    assert fitted.n_candidates_ == results.groupby("iter").size().tolist()
    assert fitted.n_iterations_ == fitted.n_possible_iterations_ == 3
    assert fitted.max_resources_ == 27


@pytest.mark.parametrize("optimizer", ["gp", "tpe"])
def test_later_candidates_are_nearer_to_the_best_than_draws(optimizer):
    def distance(optimizer, seed):
        # one bracket: all of them start on the rung that is learned from
        how = {"n_candidates": 45, "scheduler": Halving(n_brackets=1), "refit": False}
        fitted = search(optimizer=optimizer, random_state=seed, **how).fit(X, Y)
        history = pd.DataFrame(fitted.history_)
        started = [p["x"] for p in history["params"][history["rung"] == 0]]
        return np.median(np.abs(np.array(started[10:]) - 0.3))

    ours, drawn = (
        np.median([distance(name, seed) for seed in range(5)])
        for name in (optimizer, "random")
    )
    assert ours < 0.5 * drawn


def test_learning_curves():
    fitted = search(return_train_score=True).fit(X, Y)
    history = pd.DataFrame(fitted.history_)
    for _, curve in history.groupby("candidate"):
        assert curve["n_resources"].is_monotonic_increasing
        assert curve["score"].is_monotonic_increasing
        assert_allclose(curve["score"], curve["train_score"])
        assert (curve["status"].iloc[:-1] == "promoted").all()
        assert curve["status"].iloc[-1] in ("complete", "stopped")


def test_few_models_wait(monkeypatch):
    keepers = []

    class Noted(PausedModels):
        def __init__(self, folder=None):
            super().__init__(folder)
            keepers.append(self)

    monkeypatch.setattr("sklearn_hpo.search._workers.PausedModels", Noted)
    fitted = search(n_candidates=30).fit(X, Y)
    n_promoted = fitted.n_candidates_[1]
    # those that may go on, and the one that is being evaluated, on each fold
    assert keepers[0].n_peak <= 3 * (n_promoted + 1)
    assert not keepers[0]._waiting


SEEN = []


class Listing:
    """Counts the models in a folder at each fit."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, probe):
        SEEN.append(len(list(self.folder.glob("*/*"))))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_models_wait_in_a_folder_and_leave_it(tmp_path, n_jobs):
    estimator = Probe(act=Listing(tmp_path))
    with joblib.parallel_config(temp_folder=str(tmp_path)):
        fitted = search(estimator, n_jobs=n_jobs).fit(X, Y)
    reference = search().fit(X, Y)
    assert fitted.best_params_["x"] == reference.best_params_["x"]
    assert list(tmp_path.iterdir()) == []
    if n_jobs == 1:
        assert max(SEEN) > 1


class DieOnce:
    """Kills the first worker that takes a model further."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, probe):
        died = self.folder / "died"
        if hasattr(probe, "done_") and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def test_models_outlive_the_worker_that_has_them(tmp_path):
    fitted = search(Probe(act=DieOnce(tmp_path)), n_jobs=2, refit=False).fit(X, Y)
    assert (tmp_path / "died").exists()
    reference = search(refit=False).fit(X, Y)
    for name in ("n_resources", "mean_test_score"):
        assert_array_equal(fitted.cv_results_[name], reference.cv_results_[name])


def test_a_model_is_there_until_its_successor_is(tmp_path):
    models = PausedModels(tmp_path)
    for budget in (1 / 9, 1 / 3):
        job = models.check_out(FoldJob(0, 0, {}, budget))
        job.keep.write_text("a model")
        models.check_in(FoldResult(0, 0, {}, 0.0, 1.0, model=job.keep))
    last = models.check_out(FoldJob(0, 0, {}, 1.0))
    assert last.model.exists()
    assert last.keep is False
    models.check_in(FoldResult(0, 0, {}, 0.0, 1.0))
    assert list(tmp_path.iterdir()) == []


def test_models_of_a_notebook_go_on():
    class Local(Probe):
        """Of no module that a worker could import."""

    fitted = search(Local(), n_jobs=2).fit(X, Y)
    assert fitted.best_params_ == search().fit(X, Y).best_params_


def test_asha_needs_leave_to_depend_on_timing():
    with pytest.raises(ValueError, match="leave deterministic at 'auto'"):
        search(scheduler="asha", deterministic=True).fit(X, Y)
    fitted = search(scheduler="asha", n_jobs=2).fit(X, Y)
    assert fitted.n_candidates_[0] == 27
    assert fitted.n_candidates_[-1] >= 3
    assert fitted.best_params_["n_estimators"] == 27


def test_folds_are_a_resource():
    fitted = search(SVC(), SVC_SPACE, cv=5).fit(X, Y)
    assert fitted.resource_ == "folds"
    assert fitted.n_resources_ == [1, 2, 5]
    results = fitted.cv_results_
    splits = np.array([results[f"split{i}_test_score"] for i in range(5)]).T
    assert_array_equal(np.isfinite(splits).sum(axis=1), results["n_resources"])
    assert_allclose(results["mean_test_score"], np.nanmean(splits, axis=1))
    assert_allclose(results["std_test_score"], np.nanstd(splits, axis=1), atol=1e-12)
    order = np.lexsort([-results["mean_test_score"], -results["n_resources"]])
    assert results["rank_test_score"][order[0]] == 1
    assert (np.diff(results["rank_test_score"][order]) >= 0).all()
    # folds are those of the candidate's earlier rungs
    whole = [i for i, n in enumerate(results["n_resources"]) if n == 5]
    again = cross_val_score(SVC(**results["params"][whole[0]]), X, Y, cv=5)
    assert_allclose(splits[whole[0]], again)


def test_rows_are_a_resource():
    X, y = make_classification(900, 5, random_state=0)
    fitted = search(SVC(), SVC_SPACE, resource="n_samples").fit(X, y)
    assert fitted.n_resources_ == [100, 300, 900]
    best = cross_val_score(fitted.best_estimator_, X, y, cv=3).mean()
    assert fitted.best_score_ == pytest.approx(best)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_partial_fit_of_the_refit():
    estimator = make_pipeline(
        StandardScaler(), MLPClassifier((6,), max_iter=18, random_state=0)
    )
    space = {"mlpclassifier__alpha": loguniform(1e-5, 1e-1)}
    fitted = search(estimator, space).fit(X, Y)
    assert fitted.resource_ == "partial_fit"
    assert fitted.best_params_["mlpclassifier__max_iter"] == 18
    assert fitted.best_estimator_[-1].t_ == 18 * len(X)
    assert not {"fit"} & set(vars(fitted.best_estimator_[-1]))
    again = clone(fitted.best_estimator_).fit(X, Y)
    assert_allclose(again.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        (
            RandomForestClassifier(n_estimators=18, random_state=0),
            {"max_features": uniform(0.1, 0.9), "min_samples_leaf": randint(1, 20)},
        ),
        (
            HistGradientBoostingClassifier(max_iter=18, random_state=0),
            {"learning_rate": loguniform(1e-2, 1), "max_leaf_nodes": randint(2, 20)},
        ),
        (
            make_pipeline(
                StandardScaler(),
                SGDClassifier(max_iter=18, tol=None, random_state=0),
            ),
            {"sgdclassifier__alpha": loguniform(1e-6, 1e1)},
        ),
    ],
    ids=["forest", "boosting", "sgd"],
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scores_of_the_last_rung_are_those_of_whole_fits(estimator, space, n_jobs):
    fitted = search(estimator, space, n_candidates=9, n_jobs=n_jobs).fit(X, Y)
    best = clone(estimator).set_params(**fitted.best_params_)
    if fitted.resource_ != "partial_fit":
        scores = cross_val_score(best, X, Y, cv=3)
        assert fitted.best_score_ == pytest.approx(scores.mean())
    assert fitted.best_estimator_.score(X, Y) > 0.9


def test_early_stopping_gives_the_iterations_used():
    X, y = make_classification(400, 5, flip_y=0.3, random_state=0)
    estimator = HistGradientBoostingClassifier(
        max_iter=200, early_stopping=True, n_iter_no_change=3, random_state=0
    )
    fitted = search(estimator, {"learning_rate": uniform(0.3, 0.5)}).fit(X, y)
    assert fitted.best_params_["max_iter"] < 200
    assert fitted.best_estimator_.n_iter_ <= fitted.best_params_["max_iter"]


def test_several_scores():
    scoring = ["accuracy", "neg_log_loss"]
    estimator = RandomForestClassifier(n_estimators=9, random_state=0)
    space = {"max_depth": randint(1, 9), "max_features": uniform(0.2, 0.8)}
    fitted = search(estimator, space, scoring=scoring, refit="neg_log_loss").fit(X, Y)
    results = fitted.cv_results_
    last = np.flatnonzero(results["iter"] == results["iter"].max())
    best = last[np.argmax(results["mean_test_neg_log_loss"][last])]
    assert fitted.best_index_ == best
    assert fitted.best_score_ == results["mean_test_neg_log_loss"][best]
    chosen = search(estimator, space, scoring=scoring, refit=lambda results: 5)
    assert chosen.fit(X, Y).best_index_ == 5
    n = chosen.cv_results_["n_resources"][5]
    assert chosen.best_estimator_.n_estimators == n


def test_nested_cross_validation_and_pickling():
    fitted = search(SVC(), SVC_SPACE)
    assert cross_val_score(fitted, X, Y, cv=3).mean() > 0.9
    fitted.fit(X, Y)
    twin = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(twin.predict(X), fitted.predict(X))
    assert_frame_equal(pd.DataFrame(twin.history_), pd.DataFrame(fitted.history_))


def test_metadata_reaches_the_fits():
    groups = np.arange(len(X)) % 7
    weights = np.where(Y == 0, 0.0, 1.0)
    estimator = RandomForestClassifier(n_estimators=9, random_state=0)
    fitted = search(
        estimator,
        {"max_depth": randint(2, 9)},
        cv=sklearn.model_selection.GroupKFold(3),
    )
    fitted.fit(X, Y, groups=groups, sample_weight=weights)
    assert not (fitted.predict(X) == 0).any()


def failing(probe):
    if probe.x > 0.6:
        raise RuntimeError(f"x is {probe.x}")


def test_failed_candidates_do_not_go_on():
    fitted = search(Probe(act=failing))
    with (
        pytest.warns(sklearn.exceptions.FitFailedWarning),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        fitted.fit(X, Y)
    history = pd.DataFrame(fitted.history_)
    failed = history[[p["x"] > 0.6 for p in history["params"]]]
    assert (failed["status"] == "failed").all()
    assert (failed["rung"] == 0).all()
    assert fitted.best_params_["x"] < 0.6


def nap(probe):
    _, iterations = WORK[-1]
    time.sleep(1 + iterations)


@pytest.mark.parametrize("max_time", [400, 700, 1200])
@pytest.mark.parametrize("scheduler", ["halving", "hyperband"])
def test_max_time_leaves_time_for_all_rungs(scheduler, max_time, clock):
    fitted = search(
        Probe(act=nap),
        max_time=max_time,
        n_candidates="auto",
        scheduler=scheduler,
        min_resources=1,
    )
    began = clock.now
    fitted.fit(X, Y)
    # not so much that the last bracket would be late; how long it takes is a guess
    assert 0.5 < (clock.now - began) / max_time < 1.1
    assert fitted.n_resources_[-1] == 27
    assert fitted.best_params_["n_estimators"] == 27


@pytest.mark.parametrize("scoring", [None, "roc_auc_ovr", ["accuracy", "f1_macro"]])
def test_stages_of_one_fit_are_scored_as_fits_are(scoring):
    space = {"learning_rate": [0.01, 0.1, 0.5, 1.0]}
    refit = scoring[0] if isinstance(scoring, list) else True
    how = {"scoring": scoring, "refit": refit, "cv": 3}
    boosting = AdaBoostClassifier(n_estimators=27, random_state=0)
    fitted = search(boosting, space, **how).fit(X, Y)
    assert fitted.n_resources_[-1] == 27
    name = f"mean_test_{refit}" if isinstance(scoring, list) else "mean_test_score"
    grid = GridSearchCV(boosting, space, **how).fit(X, Y)
    expected = dict(zip(space["learning_rate"], grid.cv_results_[name], strict=True))
    for i, params in enumerate(fitted.cv_results_["params"]):
        if params["n_estimators"] == 27:
            found = fitted.cv_results_[name][i]
            assert found == pytest.approx(expected[params["learning_rate"]])


def test_a_plan_of_one_rung_is_a_plan():
    how = {"scheduler": "asha", "n_candidates": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = search(**how).fit(X, Y)
    assert len(fitted.cv_results_["params"]) == 3


def test_planning_is_no_fitting():
    planned = search()
    planned.plan(X, Y)
    with pytest.raises(NotFittedError):
        planned.predict(X)
    assert not [name for name in vars(planned) if name.endswith("_")]


@pytest.mark.parametrize(
    "how", [{"scheduler": "hyperbnd"}, {"n_candidates": -3}, {"optimizer": "best"}]
)
def test_a_plan_is_checked_like_a_fit(how):
    with pytest.raises(ValueError, match=next(iter(how))):
        search(**how).plan(X, Y)


def test_predicted_scores_of_the_rows_of_the_results():
    forest = RandomForestClassifier(n_estimators=9, random_state=0)
    space = {"max_depth": randint(1, 9), "min_samples_leaf": randint(1, 50)}
    how = {"optimizer": "gp", "n_candidates": 9, "resource": "n_estimators"}
    fitted = search(forest, space, **how).fit(X, Y)
    assert "n_estimators" in fitted.best_params_
    mean, _ = fitted.predict_score(fitted.cv_results_["params"])
    of_best, _ = fitted.predict_score(fitted.best_params_)
    assert mean[fitted.best_index_] == pytest.approx(of_best)
    with pytest.raises(ValueError, match="max_features"):
        fitted.predict_score({**fitted.best_params_, "max_features": 1})


@pytest.mark.parametrize("factor", [3, 1.5])
def test_boosting_that_has_stopped_stays_as_it_is(factor):
    rows, labels = make_classification(600, 5, flip_y=0.3, random_state=0)
    boosting = HistGradientBoostingClassifier(
        max_iter=200, early_stopping=True, n_iter_no_change=3, random_state=0
    )
    how = {"scoring": "neg_log_loss", "factor": factor, "cv": KFold(3)}
    space = {"learning_rate": [0.3, 0.4, 0.5, 0.6]}
    results = search(boosting, space, **how).fit(rows, labels).cv_results_
    for row in np.flatnonzero(results["iter"] == results["iter"].max()):
        plain = clone(boosting).set_params(**results["params"][row])
        scores = cross_val_score(
            plain, rows, labels, cv=KFold(3), scoring="neg_log_loss"
        )
        assert results["mean_test_score"][row] == pytest.approx(scores.mean())


class FailsOnSecondFold(Probe):
    def fit(self, X, y):
        if self.x > 0.5 and X[0, 0] == 0 and 10 not in X[:, 0]:
            raise RuntimeError("second fold")
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test")
def test_a_failed_fold_leaves_no_mean():
    rows, labels = np.arange(60.0)[:, None], np.arange(60) % 2
    how = {"resource": "folds", "min_resources": 2, "cv": KFold(6)}
    fitted = search(FailsOnSecondFold(), {"x": [0.1, 0.2, 0.3, 0.8, 0.9]}, **how)
    results = fitted.fit(rows, labels).cv_results_
    failed = np.array([params["x"] > 0.5 for params in results["params"]])
    assert_array_equal(np.isnan(results["mean_test_score"]), failed)
    assert results["rank_test_score"][failed].min() > (~failed).sum()


@pytest.mark.filterwarnings("ignore:One or more of the test")
def test_failed_fits_are_counted_once():
    rows, labels = np.arange(60.0)[:, None], np.arange(60) % 2
    how = {"resource": "folds", "min_resources": 2, "cv": KFold(6), "error_score": -9.0}
    fitted = search(FailsOnSecondFold(), {"x": [0.1, 0.2, 0.3, 0.8, 0.9]}, **how)
    with pytest.warns(FitFailedWarning, match=r"\n2 fits failed out of a total of "):
        fitted.fit(rows, labels)


@pytest.mark.parametrize("form", [list, lambda rows: np.isin(np.arange(150), rows)])
def test_rows_of_folds_may_be_lists_or_masks(form):
    folds = [
        (form(train), form(test))
        for train, test in KFold(3, shuffle=True, random_state=0).split(X)
    ]
    how = {"resource": "n_samples", "min_resources": 60}
    mine = search(SVC(), SVC_SPACE, cv=folds, **how).fit(X, Y)
    usual = KFold(3, shuffle=True, random_state=0)
    same = search(SVC(), SVC_SPACE, cv=usual, **how).fit(X, Y)
    assert_array_equal(
        mine.cv_results_["mean_test_score"], same.cv_results_["mean_test_score"]
    )


@pytest.mark.parametrize("form", [list, np.array, pd.Series])
def test_texts_have_no_features(form):
    texts = form([f"word{i % 7} other{i % 3}" for i in range(900)])
    labels = np.arange(900) % 2
    pipe = make_pipeline(CountVectorizer(), LogisticRegression())
    space = {"logisticregression__C": list(range(1, 10))}
    planned = search(pipe, space, resource="n_samples")
    assert min(planned.plan(texts, labels)["n_resources"]) <= 100


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_networks_do_not_warn_of_short_fits(n_jobs):
    network = MLPClassifier((4,), max_iter=27, tol=0.0, random_state=0)
    fitted = search(network, {"alpha": loguniform(1e-5, 1)}, n_candidates=6)
    fitted.set_params(n_jobs=n_jobs, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fitted.fit(X, Y).resource_ == "partial_fit"


class Locked(Probe):
    """Can't be pickled any more once it is fitted."""

    def fit(self, X, y):
        self.lock_ = threading.Lock()
        return super().fit(X, y)


def test_models_that_cannot_be_kept_are_trained_anew(tmp_path):
    reference = search().fit(X, Y)
    with (
        joblib.parallel_config(temp_folder=str(tmp_path)),
        pytest.warns(RuntimeWarning, match="can't be kept.*trained anew") as caught,
    ):
        fitted = search(Locked(), refit=False).fit(X, Y)
    assert len(caught) == 1
    assert_array_equal(
        fitted.cv_results_["mean_test_score"], reference.cv_results_["mean_test_score"]
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scoring", [None, "two"])
def test_scores_that_are_all_undefined(scoring):
    def undefined(estimator, X, y):
        return {"a": np.nan, "b": np.nan} if scoring else np.nan

    how = {"scoring": undefined, "refit": "a" if scoring else True}
    with pytest.warns(UserWarning, match="non-finite"):
        fitted = search(**how).fit(X, Y)
    assert np.isnan(fitted.best_score_)
    assert fitted.best_index_ == 0


class InterruptAt:
    """Interrupts one of the fits."""

    def __init__(self, number):
        self.number = number

    def __call__(self, probe):
        if len(WORK) == self.number:
            raise KeyboardInterrupt


@pytest.mark.parametrize("number", [20, 85, 110])
def test_interrupt_refits_the_best_of_the_highest_rung(number):
    with pytest.warns(RuntimeWarning, match="interrupted"):
        fitted = search(Probe(act=InterruptAt(number))).fit(X, Y)
    results = pd.DataFrame(fitted.cv_results_)
    last = results[results["iter"] == results["iter"].max()]
    assert fitted.best_index_ == last["mean_test_score"].idxmax()
    n = last["n_resources"].iloc[0]
    assert fitted.best_params_["n_estimators"] == fitted.best_estimator_.done_ == n


def test_a_small_space_is_used_up():
    fitted = search(space={"x": [0.1, 0.3, 0.5, 0.7]}).fit(X, Y)
    assert fitted.n_candidates_ == [4]
    assert fitted.best_params_["x"] == 0.3


def test_given_points_start_first():
    points = [{"x": 0.31}, {"x": 0.9}]
    fitted = search(initial_candidates=points).fit(X, Y)
    assert [p["x"] for p in fitted.history_["params"][:2]] == [0.31, 0.9]
    assert fitted.history_["source"][:2] == ["initial", "initial"]


BAD = {
    "minimum above maximum": ({"min_resources": 28}, "more than the 27"),
    "searched": ({"resource": "x"}, "also searched"),
    "candidates of hyperband": (
        {"scheduler": "hyperband", "n_candidates": 5},
        "n_candidates=5 with Hyperband",
    ),
    "factor of two": (
        {"factor": 2, "scheduler": Halving(factor=4)},
        "both say how few go on",
    ),
    "resource without rungs": (
        {"scheduler": "racing", "min_resources": 9},
        "'scheduler' parameter",
    ),
    "race of iterations": (
        {"scheduler": Racing(), "resource": "n_estimators"},
        "fold by fold, so resource='n_estimators' has no use",
    ),
    "unknown resource": ({"resource": "trees"}, "nor a parameter"),
    "factor": ({"factor": 1}, "factor"),
    "one fold": (
        {"resource": "folds", "cv": [(np.arange(99), np.arange(99, 150))]},
        "only one fold",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_fails_before_any_fit(case):
    settings, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        search(**settings).fit(X, Y)
    assert WORK == []


def test_a_single_rung_is_told():
    with pytest.warns(UserWarning, match="All candidates get all of n_estimators"):
        plan = search(min_resources=20).plan(X, Y)
    assert plan["n_resources"] == [27]


def test_verbose_tells_the_plan(capsys):
    search(verbose=1).fit(X, Y)
    out = capsys.readouterr().out
    assert "bracket 0: 27 with 3; bracket 0: 11 with 9; bracket 0: 6 with 27" in out
    assert "best" in out


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="callbacks came with scikit-learn 1.9",
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_rung_is_a_task(n_jobs):
    tasks = []

    class Notes:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "halving-iteration":
                tasks.append(context.task_id)

    fitted = search(n_jobs=n_jobs)
    fitted.set_callbacks(Notes())
    with joblib.parallel_config("threading"):
        fitted.fit(X, Y)
    assert tasks == [0, 1, 2]


def test_folds_drawn_once():
    class Splitter(KFold):
        n_calls = 0

        def split(self, *args, **kwargs):
            type(self).n_calls += 1
            return super().split(*args, **kwargs)

    search(SVC(), SVC_SPACE, cv=Splitter(3)).fit(X, Y)
    assert Splitter.n_calls == 1
