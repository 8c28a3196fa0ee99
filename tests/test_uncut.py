"""Ctrl-C and SIGTERM in the midst of what a search does for itself, by their counts."""

import os
import signal
import threading
from itertools import count

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import uniform
from sklearn.base import BaseEstimator

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._execution import signals as signals
from sklearn_hpo._execution.signals import Terminated, signals_raise, uncut
from sklearn_hpo._study.loop import Study
from sklearn_hpo._study.stopping import Stopping
from sklearn_hpo.optimizers import GaussianProcess, Told, _base
from sklearn_hpo.optimizers._evolutionary import EvolutionaryOptimizer
from sklearn_hpo.optimizers._population import Population
from sklearn_hpo.schedulers import _racing, _scores
from sklearn_hpo.search import _results

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

X, Y = np.arange(90.0)[:, None], np.arange(90) % 2
SPACE = {"a": uniform(), "b": uniform()}
SIGNALS = [signal.SIGINT, signal.SIGTERM]
CV = 3


@pytest.fixture(autouse=True)
def _nobody_else_handles_them():
    before = {s: signal.signal(s, default) for s, default in signals._DEFAULTS.items()}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)
    signals._heard.clear()


class Even(BaseEstimator):
    """Scores at once."""

    def __init__(self, a=0.5, b=0.5):
        self.a = a
        self.b = b

    def fit(self, X, y):
        return self

    def score(self, X, y):
        return -((self.a - 0.3) ** 2) - (self.b - 0.6) ** 2 + 1e-3 * X[0, 0]


def bayes(**how):
    return BayesSearchCV(Even(), SPACE, cv=CV, n_iter=16, random_state=0, **how)


def evolution(**how):
    return EvolutionarySearchCV(Even(), SPACE, cv=CV, n_iter=30, random_state=0, **how)


def halving(**how):
    how = {"resource": "n_samples", "min_resources": 30, **how}
    return HyperbandSearchCV(
        Even(), SPACE, cv=CV, n_candidates=18, random_state=0, **how
    )


def send_at(monkeypatch, owner, name, at, signum):
    """Let the `at`-th call of a function send a signal before it does anything."""
    function, numbers = getattr(owner, name), count(1)

    def sends(*args, **kwargs):
        if next(numbers) == at:
            signal.raise_signal(signum)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, sends)


FOLDS = {"resource": "folds", "min_resources": 1}
SOME = {"a": 0.1, "b": 0.7}


def asha():
    return halving(scheduler="asha", optimizer="random")


# what is cut, in which call, and how many evaluations have ended by then
PLACES = {
    "models told": (bayes, _base, "extended", 48, 4),
    "several told": (lambda: bayes(max_concurrent=3), _base, "extended", 48, 6),
    "settled": (bayes, Stopping, "settle", 9, 9),
    "raced": (lambda: bayes(scheduler="racing"), _racing, "_estimate", 5, 5),
    "population told": (evolution, Population, "admit", 17, 17),
    "rung told": (halving, _base, "extended", 58, 10),
    "rung settled": (halving, Stopping, "settle", 14, 14),
    "rung ranked": (halving, _scores.Scores, "add", 11, 11),
    "ranked alone": (asha, _scores.Scores, "add", 11, 11),
    "folds ranked": (lambda: halving(**FOLDS), _scores.Scores, "add", 11, 11),
}


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("place", PLACES)
def test_what_a_signal_comes_into_is_done_as_a_whole(place, signum, monkeypatch):
    make, owner, name, at, n_ended = PLACES[place]
    whole = make().fit(X, Y)
    studies = []
    run = Study.run

    def remembered(self):
        studies.append(self)
        run(self)

    monkeypatch.setattr(Study, "run", remembered)
    send_at(monkeypatch, owner, name, at, signum)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        fitted = make().fit(X, Y)
    (study,) = studies
    expected = scores_of(whole)
    found = scores_of(fitted)
    assert len(found) == len(study.settled) == n_ended < len(expected)
    assert found.items() <= expected.items()
    told = study.tuner.optimizer
    for optimizer in (told, *getattr(told, "_members", ())):
        assert len(optimizer.rows) == len(optimizer.losses) == n_ended
        assert len(optimizer.budgets) == len(optimizer.variances) == n_ended
    if isinstance(told, EvolutionaryOptimizer):
        assert np.isfinite(fitted.history_["diversity"][:n_ended]).all()
    assert {len(column) for column in fitted.history_.values()} == {
        len(study.evaluations)
    }


def scores_of(search):
    """Return mean scores by trial and rung."""
    columns = search.history_
    rungs = columns.get("rung", [0] * len(columns["candidate"]))
    scored = zip(
        columns["candidate"], rungs, columns["score"], columns["status"], strict=True
    )
    return {
        (trial, rung): score
        for trial, rung, score, status in scored
        if status != "incomplete"
    }


@pytest.mark.parametrize("at", [51, 52, 53, 54])
def test_an_interrupt_while_a_model_is_told_leaves_it_whole(at, monkeypatch):
    send_at(monkeypatch, _base, "extended", at, signal.SIGINT)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        fitted = bayes().fit(X, Y)
    results = fitted.cv_results_
    optimizer = GaussianProcess()
    optimizer.start(fitted.space_, 16, 0)
    rows = np.array([fitted.space_.encode(params) for params in results["params"]])
    optimizer.tell(Told.of(rows, -results["mean_test_score"]))
    mean, std = optimizer.predict(rows)
    assert_array_equal(fitted.predict_score(results["params"]), (-mean, std))


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_while_results_are_stored_loses_none(signum, monkeypatch):
    whole = bayes().fit(X, Y)
    search = bayes()
    send_at(monkeypatch, _results, "format_results", 1, signum)
    with pytest.raises((KeyboardInterrupt, Terminated)):
        search.fit(X, Y)
    assert search.history_["score"] == whole.history_["score"]
    assert_array_equal(
        search.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )
    assert search.predict_score(SOME) == whole.predict_score(SOME)


def test_signals_wait_for_the_end_of_the_outermost_block():
    done = []

    @uncut
    def do(number, *signums):
        for signum in signums:
            with uncut:
                signal.raise_signal(signum)
        done.append(number)

    with signals_raise():
        with pytest.raises(KeyboardInterrupt):
            do(1, signal.SIGINT)
        with pytest.raises(Terminated):
            do(2, signal.SIGINT, signal.SIGTERM)
        do(3)  # nothing is left of them
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert done == [1, 2, 3]
    for signum, default in signals._DEFAULTS.items():
        assert signal.getsignal(signum) is default


def test_a_block_of_another_thread_holds_nothing_back():
    entered, end = threading.Event(), threading.Event()

    def inside():
        with uncut:
            entered.set()
            end.wait()

    thread = threading.Thread(target=inside)
    with signals_raise():
        thread.start()
        entered.wait()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        end.set()
        thread.join()


def test_who_handles_ctrl_c_goes_on_to():
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    with signals_raise(), uncut:
        signal.raise_signal(signal.SIGINT)
        assert heard == [1]


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_child_that_is_forked_inside_a_block_hears_signals(signum):
    with signals_raise(), uncut:
        child = os.fork()
        if not child:
            try:
                signal.raise_signal(signum)
            except KeyboardInterrupt:
                os._exit(3)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    if signum == signal.SIGINT:
        assert os.waitstatus_to_exitcode(status) == 3
    else:
        assert os.waitstatus_to_exitcode(status) == -signum
