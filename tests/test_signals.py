"""Ctrl-C and SIGTERM, sent to a process of its own."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import joblib
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_validate

from sklearn_hpo import BayesSearchCV, HyperbandSearchCV, read_checkpoint
from sklearn_hpo._execution import signals as signals
from sklearn_hpo._execution.signals import Terminated, signals_raise

X, Y = load_iris(return_X_y=True)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

SCRIPT = """
    import os, signal, sys, time
    from pathlib import Path
    import joblib
    import numpy as np
    from scipy.stats import uniform
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn_hpo import BayesSearchCV

    folder, backend, n_jobs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    # a process of a shell's background is born deaf to it
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Slow(ClassifierMixin, BaseEstimator):
        def __init__(self, x=0.5, folder=folder):
            self.x = x
            self.folder = folder

        def fit(self, X, y):
            refit = len(X) == 90
            (self.folder / f"pid-{os.getpid()}").touch()
            if refit:
                (self.folder / "refit").touch()
                time.sleep(60 if (self.folder / "slow-refit").exists() else 0)
            elif len((self.folder / "search.jsonl").read_bytes().splitlines()) > 8:
                (self.folder / "stuck").touch()
                time.sleep(60)
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.zeros(len(X))

    X, y = np.zeros((90, 1)), np.arange(90) % 2
    search = BayesSearchCV(
        Slow(), {"x": uniform(0, 1)}, n_iter=1000, cv=2, n_jobs=n_jobs,
        random_state=0, optimizer="random", checkpoint=folder / "search.jsonl",
    )
    before = signal.getsignal(signal.SIGTERM)
    try:
        with joblib.parallel_config(backend):
            search.fit(X, y)
    finally:
        assert signal.getsignal(signal.SIGTERM) is before
        (folder / "results").write_text(str(hasattr(search, "cv_results_")))
    print(search.n_candidates_evaluated_, search.predict(X).sum())
"""


class Run:
    """A search in a process group of its own."""

    def __init__(self, folder, backend, n_jobs):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT)]
            + [str(folder), backend, str(n_jobs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "JOBLIB_TEMP_FOLDER": str(folder)},
        )

    def wait_for(self, name):
        end = time.monotonic() + 60
        while not (self.folder / name).exists():
            assert self.process.poll() is None, self.process.communicate()[1][-3000:]
            assert time.monotonic() < end, f"no {name}"
            time.sleep(0.01)

    def end(self, seconds=20):
        """Return what it has printed, after checking that it left nothing."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError(self.process.communicate()[1][-3000:]) from None
        pids = [int(p.name[4:]) for p in self.folder.glob("pid-*")]
        assert pids
        deadline = time.monotonic() + 5
        while any(map(alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(alive, pids))
        assert not list(self.folder.glob("sklearn_hpo_*"))
        # every line of the checkpoint is whole
        content = (self.folder / "search.jsonl").read_bytes()
        assert content.endswith(b"\n")
        history = read_checkpoint(self.folder / "search.jsonl")
        assert 8 <= sum(history["n_folds"]) == content.count(b"\n") - 1
        return out, err


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


SIGNALS = [signal.SIGINT, signal.SIGTERM]
NAMES = {signal.SIGINT: "KeyboardInterrupt()", signal.SIGTERM: "SIGTERM"}


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "n_jobs"), [("loky", 2), ("multiprocessing", 2)])
@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("group", [False, True])
def test_the_first_signal_keeps_what_is_done(backend, n_jobs, signum, group, tmp_path):
    run = Run(tmp_path, backend, n_jobs)
    run.wait_for("stuck")
    # a terminal sends it to the workers too
    (os.killpg if group else os.kill)(run.process.pid, signum)
    out, err = run.end()
    assert run.process.returncode == 0, err[-3000:]
    assert 3 <= int(out.split()[0]) <= 5
    assert f"interrupted ({NAMES[signum]})" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "n_jobs", "signum"),
    [
        ("loky", 1, signal.SIGTERM),
        ("loky", 2, signal.SIGTERM),
        ("loky", 2, signal.SIGINT),
        ("threading", 2, signal.SIGINT),
    ],
)
def test_the_second_signal_ends_the_refit(backend, n_jobs, signum, tmp_path):
    (tmp_path / "slow-refit").touch()
    run = Run(tmp_path, backend, n_jobs)
    run.wait_for("stuck")
    os.kill(run.process.pid, signum)
    run.wait_for("refit")
    os.kill(run.process.pid, signum)
    _, err = run.end()
    assert run.process.returncode == (143 if signum == signal.SIGTERM else -signum)
    assert f"interrupted ({NAMES[signum]})" in err
    assert (tmp_path / "results").read_text() == "True"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_the_second_signal_ends_the_end_too(backend, seconds, tmp_path):
    (tmp_path / "slow-refit").touch()
    run = Run(tmp_path, backend, 2)
    run.wait_for("stuck")
    os.kill(run.process.pid, signal.SIGINT)
    time.sleep(seconds)
    os.kill(run.process.pid, signal.SIGINT)
    while run.process.poll() is None and not (tmp_path / "refit").exists():
        time.sleep(0.01)
    if run.process.poll() is None:  # two signals that were still to be heard are one
        os.kill(run.process.pid, signal.SIGINT)
    _, err = run.end()
    assert run.process.returncode == -signal.SIGINT, err[-6000:]


class Signalled(ClassifierMixin, BaseEstimator):
    """Sends a signal to its own process at the fit of that number."""

    n_fits = 0

    def __init__(self, x=0.5, at=5, signum=signal.SIGTERM):
        self.x = x
        self.at = at
        self.signum = signum

    def fit(self, X, y):
        Signalled.n_fits += 1
        if Signalled.n_fits == self.at:
            signal.raise_signal(self.signum)
        self.classes_ = [0, 1, 2]
        return self

    def predict(self, X):
        return [0] * len(X)


@pytest.fixture
def _sigterm_kills():
    Signalled.n_fits = 0
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)
    signals._heard.clear()


def search(at, **how):
    space = {"x": uniform(0, 1)}
    return BayesSearchCV(Signalled(at=at), space, cv=2, n_iter=6, **how)


@pytest.mark.usefixtures("_sigterm_kills")
def test_sigterm_refits_the_best_so_far():
    with pytest.warns(RuntimeWarning, match=r"interrupted \(SIGTERM\): it keeps the 2"):
        fitted = search(5).fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 2
    assert fitted.best_estimator_.x == fitted.best_params_["x"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.usefixtures("_sigterm_kills")
@pytest.mark.parametrize("at", [1, 13])
def test_sigterm_before_and_after_the_search_ends_the_process(at):
    # the first fit of all, and the refit
    with pytest.raises(SystemExit) as caught:
        search(at).fit(X, Y)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.usefixtures("_sigterm_kills")
def test_a_handler_of_the_user_stays():
    heard = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    assert search(5).fit(X, Y).n_candidates_evaluated_ == 6
    assert heard == [1]


@pytest.mark.usefixtures("_sigterm_kills")
def test_other_threads_leave_the_handler_alone():
    seen = []

    def inside():
        with signals_raise():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


@pytest.mark.usefixtures("_sigterm_kills")
@pytest.mark.parametrize("pause", [0.0, 0.05])  # before and after it is set up
def test_a_forked_child_dies_of_sigterm(pause):
    with signals_raise():
        child = os.fork()
        if not child:
            sum(range(10**9))  # a handler in Python would run too late
            os._exit(0)
        time.sleep(pause)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM


@pytest.mark.usefixtures("_sigterm_kills")
def test_a_search_inside_a_fit_leaves_the_signal_to_the_outer_one():
    class Nested(Signalled):
        def fit(self, X, y):
            inner = search(self.at)
            self.inner_ = inner.fit(X, y)
            self.classes_ = [0, 1, 2]
            return self

    outer = BayesSearchCV(
        Nested(at=13 * 4 + 6), {"x": uniform(0, 1)}, cv=2, n_iter=4, refit=False
    )
    with pytest.warns(RuntimeWarning, match=r"\(SIGTERM\): it keeps the 2 cand"):
        outer.fit(X, Y)
    assert Signalled.n_fits == 13 * 4 + 6


@pytest.mark.usefixtures("_sigterm_kills")
def test_terminated_names_itself():
    with pytest.raises(Terminated) as caught, signals_raise():
        signal.raise_signal(signal.SIGTERM)
    assert repr(caught.value) == "SIGTERM"


@pytest.mark.usefixtures("_sigterm_kills")
@pytest.mark.parametrize("where", ["here", "thread", "cross_validate"])
def test_after_sigterm_no_other_search_begins(where):
    with pytest.warns(RuntimeWarning, match=r"interrupted \(SIGTERM\)"):
        first = search(5).fit(X, Y)
    n_fits = Signalled.n_fits
    caught = []

    def later():
        try:
            if where == "cross_validate":
                cross_validate(search(0), X, Y, error_score=0.0)
            else:
                search(0).fit(X, Y)
        except SystemExit as error:
            caught.append(error.code)

    if where == "thread":
        thread = threading.Thread(target=later)
        thread.start()
        thread.join()
    else:
        later()
    assert caught == [143]
    assert Signalled.n_fits == n_fits
    assert set(first.predict(X)) == {0}  # as before


@pytest.mark.usefixtures("_sigterm_kills")
def test_cross_validation_ends_with_the_search_that_heard_sigterm():
    with (
        pytest.warns(RuntimeWarning, match=r"interrupted \(SIGTERM\)"),
        pytest.raises(SystemExit) as caught,
    ):
        cross_validate(search(5), X, Y, error_score=0.0)
    assert caught.value.code == 143
    assert Signalled.n_fits == 6  # with the refit of the one that heard it


@pytest.mark.usefixtures("_sigterm_kills")
def test_the_refit_of_an_outer_search_may_search():
    """It belongs to the search that heard the signal."""

    class Nested(Signalled):
        def fit(self, X, y):
            search(self.at).fit(X, y)
            self.classes_ = [0, 1, 2]
            return self

    outer = BayesSearchCV(Nested(at=13 * 2 + 6), {"x": uniform(0, 1)}, cv=2, n_iter=4)
    with pytest.warns(RuntimeWarning, match=r"\(SIGTERM\): it keeps the 1 cand"):
        outer.fit(X, Y)
    assert Signalled.n_fits == 13 * 2 + 6 + 13
    assert hasattr(outer, "best_estimator_")


@pytest.mark.usefixtures("_sigterm_kills")
def test_who_handles_sigterm_after_the_search_takes_over():
    with pytest.warns(RuntimeWarning, match=r"interrupted \(SIGTERM\)"):
        search(5).fit(X, Y)
    signal.signal(signal.SIGTERM, lambda *_: None)
    assert search(0).fit(X, Y).n_candidates_evaluated_ == 6


@pytest.mark.slow
def test_a_program_that_goes_on_searching_ends_with_143(tmp_path):
    script = """
        import signal, sys
        import numpy as np
        from sklearn_hpo import BayesSearchCV
        sys.path.insert(0, sys.argv[1])
        from test_signals import Signalled, search
        X, y = np.zeros((90, 1)), np.arange(90) % 2
        first = search(5).fit(X, y)
        print(first.n_candidates_evaluated_, Signalled.n_fits, flush=True)
        search(0).fit(X, y)
        print("too late")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert run.returncode == 143, run.stderr
    assert run.stdout.split() == ["2", "6"]


def test_terminated_crosses_processes():
    copy = pickle.loads(pickle.dumps(Terminated()))
    assert isinstance(copy, Terminated)
    assert copy.code == 143


class Interrupted(Signalled):
    """Fails, or not, before Ctrl-C comes."""

    def fit(self, X, y):
        super().fit(X, y)
        if self.x > 2:
            raise ValueError("x is too large")
        return self


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "racing", "rungs"])
def test_an_interrupt_before_there_is_anything_says_so(kind, n_jobs):
    Signalled.n_fits = 0
    estimator = Interrupted(at=2, signum=signal.SIGINT)
    space = {"x": uniform(0, 1)}
    how = {"cv": 5, "n_jobs": n_jobs, "random_state": 0}
    if kind == "rungs":
        outcome = HyperbandSearchCV(estimator, space, resource="n_samples", **how)
    else:
        outcome = BayesSearchCV(
            estimator,
            space,
            n_iter=6,
            scheduler="racing" if kind == "racing" else "full",
            **how,
        )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            joblib.parallel_config("threading"),
            pytest.raises(KeyboardInterrupt, match="nothing to keep") as caught,
        ):
            outcome.fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, before)
    # no traceback from inside of the fits
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert not hasattr(outcome, "cv_results_")


def test_an_interrupt_after_failures_shows_the_first():
    Signalled.n_fits = 0
    estimator = Interrupted(at=5, signum=signal.SIGINT)
    how = {"cv": 2, "n_iter": 6, "random_state": 0}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt, match=r"failed, .* ValueError: x is too"):
            BayesSearchCV(estimator, {"x": uniform(3, 1)}, **how).fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, before)
