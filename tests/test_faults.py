"""What goes wrong in a search, and what is kept of it."""

import os
import re
import threading
import warnings
from contextlib import contextmanager

import joblib
import numpy as np
import probes
import pytest
import sklearn
from scipy.stats import uniform
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import Lasso
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.utils.fixes import parse_version

from sklearn_hpo import BayesSearchCV, HyperbandSearchCV
from sklearn_hpo._evaluation.fit_warnings import collected, show, sink, summary
from sklearn_hpo._execution.parallel import ParallelExecutor

X, Y = load_iris(return_X_y=True)
FITS = []


class Probe(probes.Probe):
    """Warns, and fails in the refit, as told."""

    def __init__(self, x=0.5, says=None, refits=True, extra=None):
        super().__init__(x)
        self.says = says
        self.refits = refits
        self.extra = extra

    def fit(self, X, y):
        FITS.append(self.x)
        if self.says is not None and self.x > 0.5:
            warnings.warn(self.says.format(self.x), ConvergenceWarning, stacklevel=1)
        if len(X) == 150 and not self.refits:
            raise RuntimeError("no refit")
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def _fresh():
    FITS.clear()


def search(estimator=None, kind=BayesSearchCV, **how):
    how = {"n_iter": 10, "cv": 2, "random_state": 0, "optimizer": "random", **how}
    return kind(estimator or Probe(), {"x": uniform(0, 1)}, **how)


# Warnings of fits


def n_above(fitted):
    return 2 * sum(p["x"] > 0.5 for p in fitted.cv_results_["params"])


FILTERS_TRAVEL = parse_version("1.7")
PLACES = [("loky", 1), ("loky", 2), ("threading", 2), ("multiprocessing", 2)]


@pytest.mark.parametrize(("backend", "n_jobs"), PLACES)
def test_a_warning_of_many_fits_is_shown_once_with_their_number(backend, n_jobs):
    if backend == "threading" and parse_version(sklearn.__version__) < FILTERS_TRAVEL:
        pytest.skip("threads may count too few before scikit-learn 1.7")
    with (
        joblib.parallel_config(backend),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("default")
        fitted = search(Probe(says="x is {} now"), n_jobs=n_jobs).fit(X, Y)
    [warning] = caught
    text = str(warning.message)
    note = f"(raised in {n_above(fitted)} of 20 fits, with other numbers in some)"
    assert re.fullmatch(r"x is 0\.\d+ now " + re.escape(note), text)
    assert warning.filename == __file__
    assert 0 < n_above(fitted) < 20


@pytest.mark.parametrize(("backend", "n_jobs"), PLACES)
def test_an_error_filter_makes_a_warning_a_failed_fit(backend, n_jobs):
    if n_jobs > 1 and parse_version(sklearn.__version__) < FILTERS_TRAVEL:
        pytest.skip("workers get the filters from scikit-learn 1.7 on")
    with joblib.parallel_config(backend), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("ignore", FitFailedWarning)
        fitted = search(Probe(says="no"), n_jobs=n_jobs, error_score=-9.0)
        fitted.fit(X, Y)
    x = np.array([p["x"] for p in fitted.cv_results_["params"]])
    assert ((fitted.cv_results_["mean_test_score"] == -9.0) == (x > 0.5)).all()


@pytest.mark.parametrize(("backend", "n_jobs"), PLACES)
@pytest.mark.parametrize(
    "how",
    [
        {"category": ConvergenceWarning},
        {"message": "x is .* now"},
        {"module": __name__.replace(".", r"\.")},
    ],
)
def test_filters_of_the_user_ignore(backend, n_jobs, how):
    with joblib.parallel_config(backend), warnings.catch_warnings():
        warnings.filterwarnings("ignore", **how)
        search(Probe(says="x is {} now"), n_jobs=n_jobs).fit(X, Y)


def test_warnings_as_errors_cost_no_results():
    estimator = Probe()
    fitted = search(estimator, scoring=lambda e, X, y: np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="non-finite"):
            fitted.fit(X, Y)
    assert len(fitted.cv_results_["params"]) == len(fitted.history_["candidate"]) == 10


def test_a_warning_in_the_caller_is_not_taken_for_a_fit():
    # such as that of a disk that is full, while threads fit
    with pytest.warns(UserWarning, match="^here$"), sink():
        warnings.warn("here", UserWarning, stacklevel=1)


def test_threads_count_their_own():
    barrier = threading.Barrier(4)
    found = {}

    def fit(number):
        with collected() as raised:
            for _ in range(3):
                barrier.wait()
                warnings.warn(f"thread {number}", UserWarning, stacklevel=1)
        found[number] = [text for _, text, _, _ in raised]

    with warnings.catch_warnings(), sink():
        warnings.simplefilter("always")
        threads = [threading.Thread(target=fit, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {i: [f"thread {i}"] for i in range(4)}


def test_many_texts_of_one_line_are_cut():
    fits = [((UserWarning, f"column {chr(97 + i)}", "a.py", 1),) for i in range(26)]
    texts = [text for _, text, _, _ in summary([*fits, ()])]
    assert len(texts) == 6
    assert texts[0] == "column a (raised in 1 of 27 fits)"
    assert texts[-1] == "column f (raised in 21 of 27 fits, with other words in some)"


class Odd(UserWarning):
    def __init__(self, *, thing):
        super().__init__(thing)


def test_any_category_can_be_shown():
    with pytest.warns(UserWarning, match="^text$"):
        show([(Odd, "text", "a.py", 1)])


def test_warnings_of_a_search_inside_a_fit_are_counted_by_it():
    inner = search(Probe(says="no end"), n_iter=5)

    class Outer(Probe):
        def fit(self, X, y):
            inner.fit(X, y)
            return super().fit(X, y)

    with pytest.warns(ConvergenceWarning) as caught:
        search(Outer(), n_iter=3, refit=False).fit(X, Y)
    [warning] = caught
    assert str(warning.message).startswith("no end (raised in")
    assert str(warning.message).endswith("10 fits) (raised in 6 of 6 fits)")


def test_convergence_of_a_real_estimator():
    space = {"alpha": uniform(1e-6, 1e-5)}
    fitted = BayesSearchCV(Lasso(max_iter=2), space, n_iter=8, cv=5, random_state=0)
    with pytest.warns(ConvergenceWarning) as caught:
        fitted.set_params(refit=False).fit(X, X @ [1.0, 2.0, 3.0, 4.0])
    assert len(caught) == 1
    assert "(raised in 40 of 40 fits, with other numbers" in str(caught[0].message)


# Refits


@pytest.mark.parametrize("kind", [BayesSearchCV, HyperbandSearchCV])
def test_a_failed_refit_leaves_the_results(kind):
    # a rung of folds fits all rows but those of one fold, so that only a refit has all
    fitted = kind(Probe(refits=False), {"x": uniform(0, 1)}, cv=3, random_state=0)
    if kind is HyperbandSearchCV:
        fitted.set_params(resource="folds")
    with pytest.raises(RuntimeError, match="no refit"):
        fitted.fit(X, Y)
    best = np.nanargmax(fitted.cv_results_["mean_test_score"])
    assert fitted.best_params_["x"] == fitted.cv_results_["params"][best]["x"]
    assert fitted.best_score_ == fitted.cv_results_["mean_test_score"][best]
    assert fitted.n_candidates_evaluated_ == len(set(fitted.history_["candidate"]))
    # as GridSearchCV, all but what it does not keep at all
    grid = GridSearchCV(Probe(refits=False), {"x": [0.2, 0.3]}, cv=2)
    with pytest.raises(RuntimeError, match="no refit"):
        grid.fit(X, Y)
    public = {name for name in vars(grid) if name.endswith("_")}
    assert public <= set(vars(fitted)) | {"refit_time_"}


def test_a_wrong_refit_leaves_the_results():
    def choose(results):
        raise KeyError("mean_test_accuracy")

    fitted = search(refit=choose)
    with pytest.raises(KeyError):
        fitted.fit(X, Y)
    assert len(fitted.cv_results_["params"]) == len(fitted.history_["candidate"]) == 10
    fitted = search(scoring=lambda e, X, y: {"a": 1.0, "b": 2.0}, refit="c")
    with pytest.raises(ValueError, match="refit"):
        fitted.fit(X, Y)
    assert len(fitted.cv_results_["mean_test_a"]) == 10


# Callbacks


class Failing:
    """Fails at one hook, of tasks of one name, the first time or after some."""

    def __init__(self, hook, task, after=0):
        self.hook = hook
        self.task = task
        self.after = after

    def setup(self, estimator, context):
        """Nothing to do."""

    def teardown(self, estimator, context):
        """Nothing to do."""

    def on_fit_task_begin(self, estimator, context):
        self._fail("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._fail("end", context)

    def _fail(self, hook, context):
        mine = hook == self.hook and context.task_name == self.task
        if mine and context.task_id >= self.after:
            raise ZeroDivisionError(f"{self.task} {context.task_id}")


CALLBACKS = parse_version(sklearn.__version__) >= parse_version("1.9")
needs_callbacks = pytest.mark.skipif(
    not CALLBACKS, reason="callbacks came with scikit-learn 1.9"
)
FOLD = "candidate-split-evaluation"


@needs_callbacks
@pytest.mark.parametrize("hook", ["begin", "end"])
@pytest.mark.parametrize(("backend", "n_jobs"), PLACES)
def test_an_error_of_a_callback_keeps_what_is_done(backend, n_jobs, hook):
    fitted = search(n_jobs=n_jobs).set_callbacks(Failing(hook, FOLD, after=11))
    with (
        joblib.parallel_config(backend),
        pytest.warns(RuntimeWarning, match="callback raised an error") as caught,
    ):
        fitted.fit(X, Y)
    [warning] = caught
    assert warning.filename == __file__
    text = str(warning.message)
    assert re.search(r"line \d+, in _fail\n", text)
    assert re.search(r"ZeroDivisionError: candidate-split-evaluation 1\d\n", text)
    assert f"it keeps the {fitted.n_candidates_evaluated_} candidates" in text
    # the fit that was announced has its score
    assert fitted.n_candidates_evaluated_ in ((6,) if n_jobs == 1 else (5, 6))
    assert np.isfinite(fitted.cv_results_["mean_test_score"]).all()
    assert fitted.best_estimator_.x == fitted.best_params_["x"]


@needs_callbacks
@pytest.mark.parametrize("hook", ["begin", "end"])
def test_an_error_of_a_callback_with_nothing_done_is_raised(hook):
    with pytest.raises(RuntimeError, match=r"(?s)callback raised.*ZeroDivisionError"):
        search().set_callbacks(Failing(hook, FOLD)).fit(X, Y)


@needs_callbacks
@pytest.mark.parametrize("task", ["fit", "search"])
def test_an_error_of_a_callback_before_the_first_fit_is_raised(task):
    with pytest.raises(ZeroDivisionError):
        search().set_callbacks(Failing("begin", task)).fit(X, Y)
    assert FITS == []


@needs_callbacks
@pytest.mark.parametrize(
    ("hook", "task"),
    [
        ("end", "search"),
        ("begin", "refit-with-best-params"),
        ("end", "refit-with-best-params"),
        ("end", "fit"),
    ],
)
def test_an_error_of_a_callback_after_the_last_fit_costs_nothing(hook, task):
    with pytest.warns(RuntimeWarning, match=rf"(?s)results are whole.*Error: {task}"):
        fitted = search().set_callbacks(Failing(hook, task)).fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 10
    assert fitted.predict(X).shape == (150,)


@needs_callbacks
def test_an_error_of_a_callback_between_rungs_keeps_what_is_done():
    fitted = HyperbandSearchCV(
        Probe(), {"x": uniform(0, 1)}, resource="n_samples", cv=2, random_state=0
    ).set_callbacks(Failing("begin", "halving-iteration", after=2))
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError: halving-iteration 2"):
        fitted.fit(X, Y)
    assert fitted.n_candidates_evaluated_ > 1
    assert fitted.predict(X).shape == (150,)


# What cannot be sent


class Unpicklable:
    def __init__(self):
        self.lock = threading.Lock()

    def __deepcopy__(self, memo):
        return self  # or no search could clone what holds it

    def __call__(self, estimator, X, y):
        return 0.0


class Unreadable(Unpicklable):
    def __getstate__(self):
        return {"a": 1}

    def __setstate__(self, state):
        raise AttributeError("not here")


class Silent(Failing):
    def __init__(self, extra):
        super().__init__("never", "")
        self.extra = extra


class Split(KFold):
    def __init__(self, extra):
        super().__init__(2)
        self.extra = extra


# a splitter and fit parameters of the search travel only if a callback asks for them
PARTS = {
    "estimator": lambda bad: search(Probe(extra=bad)),
    "scorer": lambda bad: search(scoring=bad),
    "list of 'extra'": lambda bad: BayesSearchCV(
        Probe(), {"extra": [1, 2, bad]}, n_iter=3, cv=2
    ),
    "fit_params": lambda bad: search(),
    "callback Silent": lambda bad: search().set_callbacks(Silent(bad)),
    "cv": lambda bad: search(cv=Split(bad)).set_callbacks(Silent(1)),
}


class Weighted(Probe):
    def fit(self, X, y, thing=None):
        return super().fit(X, y)


@contextmanager
def backend_of(name):
    if name != "dask":
        with joblib.parallel_config(name):
            yield
        return
    distributed = pytest.importorskip("distributed")
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(processes=False, **how) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(name),
    ):
        yield


@pytest.mark.parametrize(
    "backend",
    ["loky", "multiprocessing", pytest.param("dask", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("bad", [Unpicklable, Unreadable])
def test_what_cannot_be_sent_is_named(backend, part, bad):
    if part in ("callback Silent", "cv") and not CALLBACKS:
        pytest.skip("callbacks came with scikit-learn 1.9")
    made = PARTS[part](bad()).set_params(n_jobs=2, refit=False)
    params = {}
    if part == "fit_params":
        made.set_params(estimator=Weighted())
        params["thing"] = bad()
    # neither threads nor the caller itself need copies
    with joblib.parallel_config("threading"):
        made.fit(X, Y, **params)
    made.set_params(n_jobs=1).fit(X, Y, **params)
    FITS.clear()
    made.set_params(n_jobs=2)
    verb = "sent to" if bad is Unpicklable else "rebuilt in"
    expected = rf"The {part}.* of the search can't be {verb} worker processes \("
    with backend_of(backend), pytest.raises(TypeError, match=expected):
        made.fit(X, Y, **params)
    assert FITS == []


class Homesick:
    """Can be read where it was made only."""

    def __init__(self, pid=None):
        self.pid = os.getpid() if pid is None else pid

    def __call__(self, estimator, X, y):
        return 0.0

    def __setstate__(self, state):
        if state["pid"] != os.getpid():
            raise AttributeError("not here")
        vars(self).update(state)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
@pytest.mark.parametrize("part", ["scoring", "list"])
def test_what_a_worker_cannot_read_ends_the_search(backend, part, monkeypatch):
    sent, send = [], ParallelExecutor._send
    monkeypatch.setattr(
        ParallelExecutor, "_send", lambda self, job: sent.append(job) or send(self, job)
    )
    how = {"n_jobs": 2, "cv": 2, "n_iter": 4}
    if part == "scoring":
        made = search(scoring=Homesick(), **how)
    else:
        made = BayesSearchCV(Probe(), {"extra": [Homesick() for _ in "abcd"]}, **how)
    with (
        joblib.parallel_config(backend),
        pytest.raises(RuntimeError, match=r"can't read.*AttributeError: not here"),
    ):
        made.fit(X, Y)
    assert len(sent) == 2  # one a worker: neither is tried again, and no third follows
