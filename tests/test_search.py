"""BayesSearchCV as its users meet it."""

import contextlib
import os
import re
import signal
import threading
import time
from decimal import Decimal
from fractions import Fraction

import joblib
import numpy as np
import pandas as pd
import probes
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, norm, randint, uniform
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.fixes import parse_version

from sklearn_hpo import BayesSearchCV
from sklearn_hpo.search._points import complete_points
from sklearn_hpo.space import SearchSpace, sequence

X, Y = load_iris(return_X_y=True)
SVC_SPACE = {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}
ITERATIONS = []


class Probe(probes.Probe):
    """Scores by its parameter; may fail, sleep or be interrupted."""

    def __init__(
        self, x=0.5, fail_above=1.0, die_above=1.0, seconds=0.0, interrupt_at=None
    ):
        super().__init__(x)
        self.die_above = die_above
        self.fail_above = fail_above
        self.seconds = seconds
        self.interrupt_at = interrupt_at

    def fit(self, X, y):
        ITERATIONS.append(self.x)
        if self.x > self.die_above:
            os._exit(1)
        if self.x > self.fail_above:
            raise RuntimeError(f"x is {self.x}")
        if len(ITERATIONS) == self.interrupt_at:
            raise KeyboardInterrupt
        time.sleep(self.seconds)
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def _no_iterations():
    ITERATIONS.clear()


def search(estimator=None, space=None, **settings):
    settings = {"n_iter": 12, "cv": 3, "random_state": 0, **settings}
    return BayesSearchCV(
        Probe() if estimator is None else estimator,
        {"x": uniform(0, 1)} if space is None else space,
        **settings,
    )


def results(fitted):
    return fitted.cv_results_["params"], fitted.cv_results_["mean_test_score"].tolist()


def test_beats_random_search_on_the_same_budget():
    scores = {"auto": [], "random": []}
    for surrogate, best in scores.items():
        for seed in range(5):
            fitted = search(optimizer=surrogate, random_state=seed, n_iter=15)
            best.append(-fitted.fit(X, Y).best_score_)
    assert np.median(scores["auto"]) < 0.1 * np.median(scores["random"])


@pytest.mark.parametrize("surrogate", ["gp", "rbf", "forest", "tpe"])
def test_each_surrogate_learns(surrogate):
    fitted = {
        name: [
            search(optimizer=name, n_iter=25, random_state=seed).fit(X, Y)
            for seed in range(7)
        ]
        for name in (surrogate, "random")
    }
    sources = fitted[surrogate][0].history_["source"]
    assert set(sources) == {"estimator", "design", surrogate}
    ours, drawn = (
        np.median([-f.best_score_ for f in fits]) for fits in fitted.values()
    )
    assert ours < 0.2 * drawn


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_same_result_for_any_number_of_workers(backend):
    reference = search(SVC(), SVC_SPACE, max_concurrent=4).fit(X, Y)
    for n_jobs in (2, 4):
        with joblib.parallel_config(backend):
            fitted = search(SVC(), SVC_SPACE, max_concurrent=4, n_jobs=n_jobs)
            assert results(fitted.fit(X, Y)) == results(reference)


def test_n_jobs_comes_from_the_context(monkeypatch):
    two_fits = threading.Barrier(2)
    monkeypatch.setattr(Probe, "score", lambda *_: two_fits.wait(timeout=30))
    with joblib.parallel_config("threading", n_jobs=2):
        fitted = search(n_iter=4, error_score="raise", refit=False).fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 4


def test_fit_twice_gives_the_same_for_an_int_seed():
    fitted = search()
    assert results(fitted.fit(X, Y)) == results(fitted.fit(X, Y))


def test_random_state_instance_is_consumed():
    rng = np.random.RandomState(0)
    fitted = search(random_state=rng, optimizer="random")
    assert results(fitted.fit(X, Y)) != results(fitted.fit(X, Y))


def test_a_third_of_the_candidates_raise():
    with (
        pytest.warns(FitFailedWarning, match="fits failed out of a total of 90"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        fitted = search(Probe(fail_above=0.67), n_iter=30).fit(X, Y)
    failed = np.isnan(fitted.cv_results_["mean_test_score"])
    assert 0 < failed.sum() < 15
    xs = np.array([p["x"] for p in results(fitted)[0]])
    assert_array_equal(failed, xs > 0.67)
    # of searches by as many draws, one in nine comes this near
    assert fitted.best_params_["x"] == pytest.approx(0.3, abs=2e-3)
    assert fitted.history_["status"].count("failed") == failed.sum()


def test_all_candidates_raise():
    with pytest.raises(ValueError, match=r"(?s)All the 36 fits failed.*x is 0\.") as e:
        search(Probe(fail_above=-1.0)).fit(X, Y)
    assert "RuntimeError" in str(e.value)


def test_folds_are_drawn_once():
    cv = KFold(3, shuffle=True)  # other folds at each call of split
    fitted = search(SVC(), {"C": [1.0, 1.0]}, cv=cv, n_iter=4).fit(X, Y)
    scores = [fitted.cv_results_[f"split{i}_test_score"] for i in range(3)]
    assert all(a == b for a, b in scores)
    assert len(fitted.history_["candidate"]) == 1


def test_iterator_of_folds_is_enough():
    assert (
        search(SVC(), SVC_SPACE, cv=KFold(3).split(X)).fit(X, Y).n_candidates_evaluated_
        == 12
    )


def test_no_candidate_twice():
    space = {"x": randint(0, 60), "seconds": [0, 0.001]}
    params = (
        search(Probe(fail_above=99, die_above=99), space, n_iter=100)
        .fit(X, Y)
        .cv_results_["params"]
    )
    assert len({str(p) for p in params}) == 100


def test_values_are_plain_python():
    space = {"C": norm(5, 0.1), "degree": randint(1, 5), "kernel": np.array(["rbf"])}
    params = search(SVC(), space, n_iter=3).fit(X, Y).cv_results_["params"]
    assert {type(v) for p in params for v in p.values()} <= {float, int, str, np.str_}


@pytest.mark.parametrize(
    ("given", "meant"),
    [(2.0, 2), ((10, 20), (10, 20)), (("l1", "l2"), ("l1", "l2"))],
)
def test_points_are_of_their_branch(given, meant):
    branches = [{"x": uniform(0, 1)}, {"x": [meant, (10,)], "y": [1, 2]}]
    point = {"x": given, "y": 2}
    (found,) = complete_points([point], SearchSpace(branches), Probe(), 0)
    assert repr(found) == repr({"x": meant, "y": 2})


def test_points_may_hold_sequences_of_sequences():
    space = SearchSpace({"x": sequence(sequence(uniform(0, 1), 1, 2), 1, 2)})
    (found,) = complete_points([{"x": [[0.5], (0.25, 1)]}], space, Probe(), 0)
    assert found == {"x": ((0.5,), (0.25, 1.0))}


@pytest.mark.parametrize("number", [Fraction, Decimal, np.longdouble, int])
def test_scores_may_be_any_number(number, tmp_path):
    def score(estimator, X, y):
        return number(round(100 * estimator.x))

    how = {"scoring": score, "checkpoint": tmp_path / "search.jsonl"}
    fitted = search(return_train_score=True, **how).fit(X, Y)
    expected = [round(100 * params["x"]) for params in fitted.cv_results_["params"]]
    for name in ("mean_test_score", "mean_train_score"):
        assert_array_equal(fitted.cv_results_[name], expected)


class NeverFits(Probe):
    def fit(self, X, y):
        raise RuntimeError("never")


@pytest.mark.parametrize("cls", [BayesSearchCV, GridSearchCV])
def test_failed_fits_of_repeated_candidates_are_counted_as_in_a_grid(cls):
    with pytest.raises(ValueError, match="All the 9 fits failed"):
        cls(NeverFits(), {"x": [0.5, 0.5, 0.7]}, cv=3).fit(X, Y)


def test_points_to_evaluate_come_first():
    points = [{"C": 3.3, "gamma": 0.1}, {"C": 1}]
    fitted = search(SVC(), SVC_SPACE, initial_candidates=points).fit(X, Y)
    first, second = fitted.cv_results_["params"][:2]
    assert first == points[0]
    assert second["C"] == 1
    assert 1e-4 <= second["gamma"] <= 1e1


def test_default_point_is_the_estimator_itself():
    estimator = make_pipeline(StandardScaler(), SVC(C=7.0))
    space = {"svc__C": loguniform(0.1, 10), "svc__gamma": loguniform(0.01, 1)}
    fitted = search(estimator, space, initial_candidates="default").fit(X, Y)
    assert fitted.cv_results_["params"][0]["svc__C"] == 7.0

    branches = [
        {"kernel": ["linear"], "C": [1, 10]},
        {"kernel": ["rbf"], "C": [0.5, 1.0], "gamma": ["auto", "scale"]},
    ]
    fitted = search(SVC(), branches, n_iter=2, initial_candidates="default").fit(X, Y)
    expected = {"kernel": "rbf", "C": 1.0, "gamma": "scale"}
    assert fitted.cv_results_["params"][0] == expected


def test_max_time_counts_the_refit_in(clock):
    began = clock.now
    fitted = search(Probe(seconds=5), n_iter=1000, max_time=150).fit(X, Y)
    assert 120 < clock.now - began <= 150
    assert fitted.refit_time_ == 5
    assert hasattr(fitted, "best_estimator_")


def test_n_iter_no_change():
    fitted = search(n_iter=1000, n_iter_no_change=10, tol=1e-4).fit(X, Y)
    assert 10 < fitted.n_candidates_evaluated_ < 100


def test_history():
    fitted = search().fit(X, Y)
    frame = pd.DataFrame(fitted.history_)
    assert_array_equal(frame["candidate"], range(12))
    assert_array_equal(frame["score"], fitted.cv_results_["mean_test_score"])
    assert_array_equal(frame["best_score"], np.maximum.accumulate(frame["score"]))
    assert (frame["status"] == "complete").all()
    assert (frame["start"] <= frame["end"]).all()
    assert list(frame["source"]) == ["estimator", *["design"] * 3, *["gp", "rbf"] * 4]
    assert (frame["proposal_time"] >= 0).all()
    assert fitted.space_.size == np.inf
    assert fitted.n_candidates_evaluated_ == 12


def test_verbose_tells_the_best_so_far(capsys):
    search(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Fitting 3 folds for each of 12 candidates, totalling 36 fits"
    bests = [float(re.search(r"best (\S+) with", line)[1]) for line in lines[1:]]
    assert bests == sorted(bests)
    assert len(set(bests)) == len(bests) < 12


def test_interrupt_refits_the_best_so_far():
    estimator = Probe(interrupt_at=17)
    with pytest.warns(
        RuntimeWarning,
        match=r"interrupted \(KeyboardInterrupt\(\)\): it keeps the 5 candidates",
    ):
        fitted = search(estimator).fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 5
    assert len(fitted.cv_results_["params"]) == 5
    assert fitted.history_["status"][-1] == "incomplete"
    assert fitted.best_estimator_.x == fitted.best_params_["x"]
    assert fitted.predict(X).shape == (150,)


@pytest.fixture
def _ctrl_c():
    """Let SIGINT interrupt, which a background job of a shell is born deaf to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_interrupt_with_workers(backend):
    with contextlib.ExitStack() as stack:
        stack.enter_context(joblib.parallel_config(backend))
        # the first fit starts the workers, which may take seconds
        fitted = search(Probe(seconds=0.03), n_iter=1000, n_jobs=2)
        fitted.set_params(n_iter=2).fit(X, Y)
        pause = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
        pause.start()
        with pytest.warns(RuntimeWarning, match="interrupted"):
            fitted.set_params(n_iter=1000).fit(X, Y)
    assert 1 <= fitted.n_candidates_evaluated_ < 100
    assert hasattr(fitted, "best_estimator_")
    assert search(Probe(), n_jobs=2).fit(X, Y).n_candidates_evaluated_ == 12


def test_a_candidate_that_kills_workers_costs_itself_only():
    estimator = Probe(die_above=0.9)
    with pytest.warns(FitFailedWarning, match="TerminatedWorkerError"):
        fitted = search(
            estimator, n_iter=20, n_jobs=2, optimizer="random", error_score=-9.0
        ).fit(X, Y)
    deadly = np.array([p["x"] > 0.9 for p in fitted.cv_results_["params"]])
    scores = fitted.cv_results_["mean_test_score"]
    assert 1 <= deadly.sum() <= 5
    assert (scores[deadly] == -9.0).all()
    assert (scores[~deadly] > -1.0).all()
    assert fitted.n_candidates_evaluated_ == 20


def test_parallel_search_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    big = np.tile(X, (200, 40))
    search(Ridge(), {"alpha": [1.0, 2.0, 3.0]}, n_jobs=2).fit(big, np.tile(Y, 200))
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("sklearn_hpo")]


BAD_SETTINGS = {
    "n_iter": 0,
    "optimizer": "no such",
    "scheduler": "halving",
    "initial_candidates": "best",
    "max_time": -1,
    "max_concurrent": 0,
    "n_iter_no_change": 0,
    "tol": -0.1,
    "random_state": "seed",
    "error_score": "ignore",
}


@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS.items())
def test_bad_settings_fail_before_any_fit(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of BayesSearchCV"):
        search(**{name: value}).fit(X, Y)
    assert not ITERATIONS


BAD_INPUT = {
    "nearest name": ({"space": {"X": [1]}}, ValueError, "did you mean 'x'"),
    "empty list": ({"space": {"x": []}}, ValueError, "'x'"),
    "a value, no list": ({"space": {"x": 1.0}}, TypeError, "'x'"),
    "a string": ({"space": {"x": "auto"}}, TypeError, "'x'"),
    "nan bounds": ({"space": {"x": uniform(0, np.nan)}}, ValueError, "'x'"),
    "not a dict": ({"space": ["x"]}, TypeError, "dict"),
    "point outside": (
        {"initial_candidates": [{"x": 0.5}, {"x": 2.0}]},
        ValueError,
        r"initial_candidates\[1\].*2\.0.*'x'",
    ),
    "point of a wrong name": (
        {"initial_candidates": [{"y": 0.5}]},
        ValueError,
        r"initial_candidates\[0\].*'y'",
    ),
    "point no dict": ({"initial_candidates": [0.5]}, TypeError, "is 0.5; a point"),
    "several scores": (
        {"scoring": ["accuracy", "f1_macro"]},
        ValueError,
        "refit must be set to a scorer key",
    ),
    "no folds": ({"cv": []}, ValueError, "No fits were performed"),
    "race of two folds": (
        {"scheduler": "racing", "cv": 2},
        ValueError,
        "at least 3 folds",
    ),
    "race for no score": (
        {"scheduler": "racing", "scoring": ["accuracy"], "refit": False},
        ValueError,
        "needs one score",
    ),
}


@pytest.mark.parametrize(
    ("settings", "error", "match"), BAD_INPUT.values(), ids=BAD_INPUT
)
def test_bad_input_fails_before_any_fit(settings, error, match):
    with pytest.raises(error, match=match):
        search(**settings).fit(X, Y)
    assert not ITERATIONS


def test_texts_of_numpy_are_texts():
    space = {"kernel": np.array(["rbf", "linear"]), "C": loguniform(0.1, 10)}
    earlier = RandomizedSearchCV(SVC(), space, n_iter=3, random_state=0).fit(X, Y)
    how = {"initial_candidates": [earlier.best_params_], "warm_start_from": earlier}
    fitted = search(SVC(), space, n_iter=2, **how).fit(X, Y)
    assert fitted.cv_results_["params"][0] == earlier.best_params_


def test_names_that_another_parameter_makes_valid():
    pipeline = Pipeline([("scale", StandardScaler()), ("model", SVC())])
    space = [
        {"model": [SVC()], "model__gamma": loguniform(1e-3, 1)},
        {"model": [LogisticRegression()], "model__C": loguniform(0.1, 10)},
    ]
    fitted = search(pipeline, space, n_iter=8).fit(X, Y)
    assert {type(p["model"]) for p in results(fitted)[0]} == {SVC, LogisticRegression}
    space[0]["model__gama"] = [1]
    with pytest.raises(ValueError, match="refused: Invalid parameter 'gama'"):
        search(pipeline, space).fit(X, Y)
    # valid for the estimator as it is, but not for what the same dict puts there
    space[0].pop("model__gama")
    space[1]["model__gamma"] = [1]
    with pytest.raises(ValueError, match="refused: Invalid parameter 'gamma'"):
        search(pipeline, space).fit(X, Y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_parameters_that_only_some_choices_take(n_jobs):
    pipeline = Pipeline([("scale", StandardScaler()), ("model", SVC())])
    space = {
        "model": [SVC(), LogisticRegression()],
        "model__gamma": loguniform(1e-3, 1),
    }
    fitted = search(pipeline, space, n_jobs=n_jobs, return_train_score=True)
    with (
        pytest.warns(FitFailedWarning, match="Invalid parameter 'gamma'"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        fitted.fit(X, Y)
    for params, score in zip(*results(fitted), strict=True):
        assert np.isnan(score) == isinstance(params["model"], LogisticRegression)
    with pytest.raises(ValueError, match="Invalid parameter 'gamma'"):
        fitted.set_params(error_score="raise").fit(X, Y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_metric_of_refit_guides_the_search(n_jobs):
    def scores(estimator, X, y):
        return {"first": -((estimator.x - 0.9) ** 2), "second": estimator.score(X, y)}

    fitted = search(scoring=scores, refit="second", n_iter=20, n_jobs=n_jobs).fit(X, Y)
    assert fitted.best_params_["x"] == pytest.approx(0.3, abs=0.01)
    fitted = search(scoring=scores, refit=False, n_iter=20).fit(X, Y)
    xs = [p["x"] for p in fitted.cv_results_["params"]]
    assert min(abs(np.array(xs) - 0.9)) < 0.01


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_racing_saves_fits_and_keeps_the_best(n_jobs):
    space = {"svc__C": loguniform(1e-3, 1e3), "svc__gamma": loguniform(1e-4, 1e1)}
    pipeline = make_pipeline(StandardScaler(), SVC())
    settings = {"n_iter": 20, "cv": 5, "optimizer": "random", "n_jobs": n_jobs}
    whole = search(pipeline, space, **settings).fit(X, Y)
    raced = search(pipeline, space, scheduler="racing", **settings).fit(X, Y)
    n_folds = np.array(raced.history_["n_folds"])
    status = np.array(raced.history_["status"])
    assert n_folds.sum() < 0.7 * 100
    assert raced.best_score_ >= whole.best_score_ - 0.01
    assert_array_equal(status == "complete", n_folds == 5)
    assert set(status) == {"complete", "stopped"}
    splits = np.array([raced.cv_results_[f"split{i}_test_score"] for i in range(5)])
    assert_array_equal(np.isfinite(splits).sum(axis=0), n_folds)
    assert_array_equal(np.isnan(raced.cv_results_["mean_test_score"]), n_folds < 5)
    assert np.isfinite(raced.cv_results_["mean_fit_time"]).all()
    assert n_folds[raced.best_index_] == 5
    ranks = raced.cv_results_["rank_test_score"]
    assert ranks[n_folds == 5].max() < ranks[n_folds < 5].min()


def test_racing_does_not_depend_on_timing():
    settings = {"scheduler": "racing", "max_concurrent": 3, "cv": 5}
    reference = search(SVC(), SVC_SPACE, **settings).fit(X, Y)
    for n_jobs in (2, 4):
        fitted = search(SVC(), SVC_SPACE, n_jobs=n_jobs, **settings).fit(X, Y)
        assert fitted.history_["n_folds"] == reference.history_["n_folds"]
        assert fitted.history_["params"] == reference.history_["params"]


class StopAfter:
    """A callback that asks to stop at the first fit of a candidate."""

    def __init__(self, trial):
        self.trial = trial
        self.ended = []

    def setup(self, estimator, context):
        self.ended.append("setup")

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do."""

    def on_fit_task_end(self, estimator, context):
        self.ended.append((context.task_name, context.task_id))
        n_splits = 3
        is_fold = context.task_name == "candidate-split-evaluation"
        return is_fold and context.task_id // n_splits >= self.trial


needs_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="callbacks came with scikit-learn 1.9",
)


@needs_callbacks
def test_callback_stops_the_search():
    callback = StopAfter(4)
    fitted = search().set_callbacks(callback).fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 5
    folds = [i for name, i in callback.ended[1:-1] if "candidate" in name]
    assert folds == list(range(15))
    assert callback.ended[0] == "setup"
    assert [name for name, _ in callback.ended[-4:-1]] == [
        "search",
        "refit-with-best-params",
        "fit",
    ]
    assert callback.ended[-1] == "teardown"


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_hear_of_the_one_candidate_that_is_completed_late(n_jobs):
    callback = StopAfter(100)
    fitted = search(max_time=1e-6, n_jobs=n_jobs).set_callbacks(callback)
    with joblib.parallel_config("threading"):
        fitted.fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 1
    assert np.isfinite(fitted.best_score_)


@needs_callbacks
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_callback_stops_the_search_of_workers(backend):
    with joblib.parallel_config(backend):
        fitted = search(n_jobs=2, max_concurrent=3).set_callbacks(StopAfter(4))
        fitted.fit(X, Y)
    assert 5 <= fitted.n_candidates_evaluated_ <= 7
    assert set(fitted.history_["status"]) == {"complete"}


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar(n_jobs, capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    callback = ProgressBar(max_propagation_depth=0)
    search(n_jobs=n_jobs).set_callbacks(callback).fit(X, Y)
    shown = capsys.readouterr().out
    assert re.search(r"BayesSearchCV - search.*100%", shown)
