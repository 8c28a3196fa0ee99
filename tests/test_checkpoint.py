"""Checkpoints: what was evaluated is there in the morning."""

import copy
import io
import json
import math
import os
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import probes
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from scipy.stats import loguniform, randint, rv_discrete, rv_histogram, uniform
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

import sklearn_hpo._checkpoint.journal
import sklearn_hpo.search._base
from sklearn_hpo import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    read_checkpoint,
)
from sklearn_hpo._checkpoint.lines import from_json, to_json
from sklearn_hpo._identity.description import describe, hash_of

X, Y = load_iris(return_X_y=True)
FITS = []


class Probe(probes.GrowingProbe):
    """Scores by its parameters; may interrupt at a fit."""

    def __init__(self, x=0.5, n_estimators=9, warm_start=False):
        super().__init__(x, n_estimators, warm_start)

    def fit(self, X, y):
        if len(FITS) == STOP["at"]:
            raise KeyboardInterrupt
        FITS.append((self.x, self.n_estimators, len(X), float(X[:, 0].sum())))
        if self.x > 0.9:
            raise RuntimeError("too much")
        return super().fit(X, y)

    def score(self, X, y):
        return super().score(X, y) + X[:, 0].mean() / 100


STOP = {"at": None}


@pytest.fixture(autouse=True)
def _fresh():
    FITS.clear()
    STOP["at"] = None


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.jsonl"


SEARCHES = {
    "bayes": lambda **how: BayesSearchCV(
        Probe(), {"x": uniform(0, 1)}, n_iter=14, **how
    ),
    "evolution": lambda **how: EvolutionarySearchCV(
        Probe(), {"x": uniform(0, 1)}, n_iter=14, **how
    ),
    "racing": lambda **how: BayesSearchCV(
        Probe(), {"x": uniform(0, 1)}, n_iter=14, scheduler="racing", **how
    ),
    "halving": lambda **how: HyperbandSearchCV(
        Probe(), {"x": uniform(0, 1)}, optimizer="tpe", **how
    ),
    "hyperband": lambda **how: HyperbandSearchCV(
        Probe(), {"x": uniform(0, 1)}, scheduler="hyperband", **how
    ),
}


def make(name, **how):
    return SEARCHES[name](**{"cv": 3, "random_state": 0, "error_score": -9.0, **how})


def outcome(search):
    table = pd.DataFrame(search.cv_results_)
    return table.drop(columns=[c for c in table if "_time" in c])


def same(one, other):
    pd.testing.assert_frame_equal(outcome(one), outcome(other))
    assert one.best_params_ == other.best_params_


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("stop_at", [1, 10, 17])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:The search was interrupted:RuntimeWarning")
def test_an_interrupted_search_ends_as_if_it_had_not_been(name, stop_at, path):
    whole = make(name).fit(X, Y)
    fits_of_whole = Counter(FITS)
    FITS.clear()
    STOP["at"] = stop_at
    if stop_at == 1:
        with pytest.raises(KeyboardInterrupt):
            make(name, checkpoint=path, refit=False).fit(X, Y)
    else:
        make(name, checkpoint=path, refit=False).fit(X, Y)
    assert len(FITS) == stop_at
    STOP["at"] = None
    resumed = make(name, checkpoint=path).fit(X, Y)
    same(resumed, whole)
    fits = Counter(FITS)
    assert not fits_of_whole - fits
    # only models that had waited are trained again, once, in steps below the last
    repeated = fits - fits_of_whole
    assert not repeated or name in ("halving", "hyperband")
    for _, n_estimators, *_ in repeated:
        assert n_estimators < max(fitted[1] for fitted in fits)
    assert set(repeated.values()) <= {1}
    # a search that has ended is only read
    FITS.clear()
    again = make(name, checkpoint=path).fit(X, Y)
    same(again, whole)
    assert len(FITS) == 1


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_training_by_passes_ends_as_if_it_had_not_been_interrupted(share, path):
    def make_passes(**more):
        return HyperbandSearchCV(
            SGDClassifier(tol=None, max_iter=27, random_state=0),
            {"alpha": loguniform(1e-5, 1e-1)},
            optimizer="random",
            random_state=0,
            cv=3,
            **more,
        )

    whole = make_passes(checkpoint=path).fit(X, Y)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: round(share * len(lines))]))
    same(make_passes(checkpoint=path).fit(X, Y), whole)


@pytest.mark.parametrize("how", [{"n_estimators": 90}, {"resource": "n_samples"}])
def test_equal_shares_of_something_else_are_refused(how, path):
    def make_halving(n_estimators=9, resource="n_estimators"):
        return HyperbandSearchCV(
            Probe(n_estimators=n_estimators),
            {"x": uniform(0, 0.8)},
            resource=resource,
            n_candidates=4,
            cv=3,
            random_state=0,
            checkpoint=path,
        )

    make_halving().fit(X, Y)
    with pytest.raises(ValueError, match=r"another search: .*resource differ"):
        make_halving(**how).fit(X, Y)


def test_racing_or_not_each_fold_counts_once(path):
    raced = _small(path, scheduler="racing").fit(X, Y)
    whole = _small(path, n_iter=7).fit(X, Y)
    found = read_checkpoint(path)
    assert set(found["n_folds"]) <= {1, 2, 3}
    best = [found["score"][i] for i, n in enumerate(found["n_folds"]) if n == 3]
    assert max(best) == pytest.approx(whole.best_score_)
    assert raced.n_candidates_evaluated_ == 5


def test_a_longer_search_goes_on(path):
    short = _small(path, n_iter=8).fit(X, Y)
    FITS.clear()
    longer = _small(path, n_iter=12).fit(X, Y)
    assert longer.n_candidates_evaluated_ == 12
    assert longer.cv_results_["params"][:8] == short.cv_results_["params"]
    assert len(FITS) == 4 * 3 + 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_an_undefined_seed_is_that_of_the_file(path):
    first = make("bayes", random_state=None, checkpoint=path).fit(X, Y)
    again = make("bayes", random_state=None, checkpoint=path).fit(X, Y)
    same(first, again)


def test_the_start_is_built_once_from_the_seed_of_the_file(path, monkeypatch):
    """What a point leaves out is drawn from a seed that the file may replace."""
    module = sklearn_hpo.search._base
    seeds, original = [], module.make_start

    def noted(*args):
        start = original(*args)
        seeds.append(start.seed)
        return start

    monkeypatch.setattr(module, "make_start", noted)
    for _ in range(2):
        _small(path, n_iter=2, random_state=None).fit(X, Y)
    assert len(seeds) == 2
    assert seeds[0] == seeds[1]


def test_every_tear_of_the_last_line_heals(path):
    how = {"n_iter": 2, "cv": 2, "optimizer": "random", "refit": False}
    whole = _small(path, **how).fit(X, Y)
    content = path.read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(start, len(content) + 1):
        path.write_bytes(content[:end])
        FITS.clear()
        resumed = _small(path, **how).fit(X, Y)
        assert len(FITS) == (end < len(content))
        assert resumed.best_params_ == whole.best_params_
        for name in ("split0_test_score", "split1_test_score"):
            assert_array_equal(resumed.cv_results_[name], whole.cv_results_[name])
        lines = path.read_bytes().splitlines()
        assert len(lines) == 1 + 2 * 2
        assert all(map(json.loads, lines))


def _small(path, **how):
    how = {"cv": 3, "random_state": 0, "n_iter": 5, "refit": True, **how}
    return BayesSearchCV(Probe(), {"x": uniform(0, 0.9)}, checkpoint=path, **how)


@pytest.mark.parametrize("torn", [b"", b'{"sklearn_hpo checkpoint":2,"versions":{"p'])
def test_a_file_without_a_whole_line_is_a_new_one(torn, path):
    path.write_bytes(torn)
    fitted = _small(path).fit(X, Y)
    assert fitted.n_candidates_evaluated_ == 5
    assert len(read_checkpoint(path)["candidate"]) == 5


CHANGES = {
    "space": lambda path: BayesSearchCV(
        Probe(), {"x": uniform(0, 0.8)}, n_iter=5, cv=3, random_state=0, checkpoint=path
    ),
    "estimator": lambda path: _small(path).set_params(estimator__n_estimators=8),
    "scoring": lambda path: _small(path, scoring="accuracy"),
    "splits": lambda path: _small(path, cv=4),
    "random_state": lambda path: _small(path, random_state=1),
}


@pytest.mark.parametrize("part", CHANGES)
def test_another_search_is_refused_by_name(part, path):
    _small(path).fit(X, Y)
    FITS.clear()
    with pytest.raises(ValueError, match=f"another search: {part} differs"):
        CHANGES[part](path).fit(X, Y)
    assert FITS == []


def test_other_data_are_refused(path):
    _small(path, cv=KFold(3)).fit(X, Y)
    with pytest.raises(ValueError, match="data differs"):
        _small(path, cv=KFold(3)).fit(X + 1, Y)


def test_a_file_in_use_is_left_alone(path):
    fcntl = pytest.importorskip("fcntl")
    _small(path).fit(X, Y)
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RuntimeError, match="in use by another search"):
            _small(path).fit(X, Y)
    _small(path).fit(X, Y)


def test_a_parameter_may_be_called_number(path):
    class Named(Probe):
        def __init__(self, number="one"):
            super().__init__()
            self.number = number

    space = {"number": ["one", "two", "nan"]}
    BayesSearchCV(Named(), space, n_iter=3, checkpoint=path).fit(X, Y)
    found = [params["number"] for params in read_checkpoint(path)["params"]]
    assert found == space["number"]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"a note\n",
        b"[1]\n",
        b'{"a": 1}\n',
        b'{"a": 1}',
        b'{"format": 1',
        b'{"format":1,"nbformat":4}',
        b'{"format":',
        b"{",
        b'{"sklearn_hpo',
        b"PK\x03\x04",
    ],
)
def test_a_file_that_is_no_checkpoint_is_left_alone(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no checkpoint"):
        read_checkpoint(path)
    with pytest.raises(ValueError, match="no checkpoint"):
        _small(path).fit(X, Y)
    assert path.read_bytes() == content
    assert FITS == []


def test_damage_in_the_middle_is_named(path):
    _small(path).fit(X, Y)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"{oops\n", *lines[4:]]))
    with pytest.raises(ValueError, match="Line 4 of the checkpoint"):
        _small(path).fit(X, Y)


def test_no_folder_fails_before_any_fit(tmp_path):
    with pytest.raises(FileNotFoundError):
        _small(tmp_path / "missing" / "search.jsonl").fit(X, Y)
    assert FITS == []


def test_a_full_disk_costs_the_checkpoint_only(path, monkeypatch):
    reference = _small(None).fit(X, Y)
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sklearn_hpo._checkpoint.journal, "SYNC_SECONDS", 0.0)
    monkeypatch.setattr(sklearn_hpo._checkpoint.journal.os, "fsync", fsync)
    with pytest.warns(RuntimeWarning, match="No space left"):
        same(_small(path).fit(X, Y), reference)
    monkeypatch.undo()
    assert len(path.read_bytes().splitlines()) == 6
    same(_small(path).fit(X, Y), reference)


def helper(x):
    return x


def test_any_object_may_be_a_choice(path):
    pipe = Pipeline([("scale", None), ("clf", LogisticRegression(max_iter=500))])
    space = {
        "scale": [StandardScaler(), MinMaxScaler(), None],
        "clf__C": loguniform(1e-2, 1e2),
    }
    how = {"n_iter": 6, "random_state": 0, "cv": 3, "checkpoint": path}
    first = BayesSearchCV(pipe, space, **how).fit(X, Y)
    again = BayesSearchCV(pipe, space, **how).fit(X, Y)
    assert [str(p) for p in again.cv_results_["params"]] == [
        str(p) for p in first.cv_results_["params"]
    ]
    assert all(p["scale"] in space["scale"] for p in again.cv_results_["params"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5, None, "x"])
@pytest.mark.parametrize("inside", [False, True])
def test_numbers_survive_json(value, inside):
    thing = {"a": value, "b": 1.0} if inside else value
    there = json.loads(json.dumps(to_json(thing), allow_nan=False))
    assert repr(from_json(there)) == repr(thing)


def test_descriptions_hold_no_addresses():
    class Thing:
        pass

    one, other = (
        describe([Thing(), helper, SVC(C=2.0)]),
        describe([Thing(), helper, SVC(C=2.0)]),
    )
    assert one == other
    assert describe(SVC(C=3.0)) not in one
    assert describe(uniform(0, 1)) != describe(uniform(0, 2))
    assert describe(np.arange(3)) != describe(np.arange(1, 4))


class Thing:
    """Something with attributes and nothing to show."""

    def __init__(self, value):
        self.value = value


def _frozen(scale):
    return make_pipeline(FrozenEstimator(StandardScaler().fit(X * scale)), SVC())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Thing(1), Thing(2)),
        (
            rv_discrete(values=([1, 2], [0.5, 0.5])),
            rv_discrete(values=([1, 3], [0.5, 0.5])),
        ),
        (
            rv_histogram(np.histogram([1, 2, 3], 3)),
            rv_histogram(np.histogram([1, 1, 3], 3)),
        ),
        (_frozen(1), _frozen(2)),
        (partial(helper, x=1), partial(helper, x=2)),
        (uniform, loguniform),
        ({"a", "b"}, {"a", "c"}),
        (str.lower, str.upper),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]})),
        (csr_matrix([[0, 1]]), csr_matrix([[1, 0]])),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_descriptions_tell_things_apart(one, other):
    assert describe(one) != describe(other)
    assert describe(one) == describe(copy.deepcopy(one))


def test_descriptions_are_those_of_other_processes():
    code = (
        "from sklearn_hpo._identity.description import describe\n"
        "print(describe({*'xyz'}))"
    )
    texts = {
        subprocess.check_output(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )
        for seed in range(4)
    }
    assert len(texts) == 1


def test_what_is_shared_is_described_once():
    thing = None
    for _ in range(60):
        thing = Thing([thing, thing])
    assert len(describe(thing)) < 20_000


def test_texts_take_no_more_than_they_are():
    texts = ["short"] * 2000 + ["x" * 100_000]
    tracemalloc.start()
    try:
        assert hash_of(texts) == hash_of(list(texts)) != hash_of(texts[1:])
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


class Counting:
    """A scorer that knows how often it was called."""

    def __init__(self):
        self.n = 0

    def __call__(self, estimator, X, y):
        self.n += 1
        return estimator.score(X, y)


def test_a_scorer_may_change_as_it_is_called(path):
    scorer = Counting()
    for n_iter in (2, 4):
        search = make("bayes", checkpoint=path, scoring=scorer, refit=False)
        search.set_params(n_iter=n_iter).fit(X, Y)
    assert scorer.n == 12


def test_what_holds_itself_is_described():
    thing = Thing([])
    thing.value.append(thing)
    assert "..." in describe(thing)


FRAME = pd.DataFrame(X, columns=list("abcd")).assign(e=lambda frame: frame["a"] * 2)
UNSORTED = csr_matrix(
    (np.arange(600.0), np.tile([3, 1, 2, 0], 150), np.arange(0, 601, 4)), (150, 4)
)


@pytest.mark.parametrize(
    ("data", "same_data"),
    [
        (X, np.asfortranarray(X)),
        (FRAME, FRAME.copy()),
        (FRAME, pd.read_csv(io.StringIO(FRAME.to_csv(index=False)))),
        (UNSORTED, UNSORTED.sorted_indices()),
        (UNSORTED, UNSORTED.tocsc()),
    ],
    ids=["order", "copy", "file", "sorted", "columns"],
)
def test_equal_data_are_the_same(data, same_data, path):
    search = BayesSearchCV(
        SVC(), {"C": loguniform(0.1, 10)}, n_iter=2, checkpoint=path, random_state=0
    )
    search.fit(data, Y)
    search.fit(same_data, Y)
    search.fit(data, list(Y))
    assert len(path.read_bytes().splitlines()) == 11
    with pytest.raises(ValueError, match="data differs"):
        search.fit(data * 2, Y)


def _line(path, points):
    """Search a line that starts at some points; return it and the number of fits."""
    FITS.clear()
    search = BayesSearchCV(
        Probe(), {"x": uniform(0, 1)}, n_iter=4, cv=2, random_state=0, checkpoint=path
    )
    search.set_params(initial_candidates=points, refit=False)
    return search.fit(X, Y), len(FITS)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_number_may_stand_for_another_candidate(path):
    """Points come and go: scores stay with the candidates that they are of."""
    one, other = {"x": 0.1}, {"x": 0.7}
    truth = {}
    for points in ([one], [other], [other, one]):
        fitted, _ = _line(None, points)
        params = [p["x"] for p in fitted.cv_results_["params"]]
        scores = fitted.cv_results_["mean_test_score"]
        truth.update(zip(params, scores, strict=True))
    fits = []
    for points in ([one], [other], [other], [one], [other, one], None, None):
        fitted, n = _line(path, points)
        fits.append(n)
        params = [p["x"] for p in fitted.cv_results_["params"]]
        assert len(set(params)) == len(params) == fitted.n_candidates_evaluated_
        assert max(fitted.history_["score"]) == fitted.best_score_
        for x, score in zip(params, fitted.cv_results_["mean_test_score"], strict=True):
            assert truth.setdefault(x, score) == score
    assert fits[2] == fits[3] == fits[6] == 0
    history = read_checkpoint(path)
    assert set(history["n_folds"]) == {2}
    for params, score in zip(history["params"], history["score"], strict=True):
        assert truth[params["x"]] == score


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_more_points_of_an_earlier_search_keep_the_others(path):
    earlier = make("bayes", random_state=5).fit(X, Y)
    for n_iter in (10, 20):
        fitted = make("bayes", warm_start_from=earlier, checkpoint=path)
        fitted.set_params(n_iter=n_iter).fit(X, Y)
        found = {p["x"] for p in fitted.cv_results_["params"]}
        assert len(found) == fitted.n_candidates_evaluated_ == n_iter


def test_drawn_parts_of_points_are_those_of_the_file(path):
    # fits above 0.9 fail
    space = {"x": uniform(0, 0.9), "n_estimators": randint(1, 1000)}
    points = [{"x": 0.3}, {"n_estimators": 7}]
    runs = [
        BayesSearchCV(Probe(), space, n_iter=4, checkpoint=path, refit=False, cv=2)
        .set_params(initial_candidates=points)
        .fit(X, Y)
        for _ in range(2)
    ]
    assert runs[0].cv_results_["params"] == runs[1].cv_results_["params"]
    assert len(FITS) == 8


class Sleeper(Probe):
    """Takes a second for each iteration."""

    def fit(self, X, y):
        time.sleep(self.n_estimators)
        return super().fit(X, y)


def test_the_night_between_two_runs_is_not_counted(path, clock):
    search = BayesSearchCV(
        Sleeper(n_estimators=1), {"x": uniform(0, 0.9)}, n_iter=10, random_state=0
    )
    search.set_params(cv=3, checkpoint=path, refit=False, max_time=20)
    STOP["at"] = 2
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    clock.sleep(10_000)
    STOP["at"] = None
    assert 5 <= search.fit(X, Y).n_candidates_evaluated_ <= 7


def test_a_resumed_halving_knows_its_pace(path, clock):
    search = HyperbandSearchCV(
        Sleeper(), {"x": uniform(0, 0.9)}, resource="n_estimators", random_state=0
    )
    search.set_params(min_resources=1, max_resources=27, n_candidates=27, cv=2)
    search.set_params(checkpoint=path, refit=False, optimizer="random")
    # all rungs but the last one, and the fits that show whether models may go on: four
    # steps, and the second and the last in one go
    STOP["at"] = 6 + 2 * (27 + 11 + 6)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        search.fit(X, Y)
    assert search.n_candidates_ == [27, 11, 6]
    STOP["at"] = None
    search.set_params(max_time=20).fit(X, Y)
    # there is no time for any of them, but without one there is no result
    assert search.n_candidates_ == [27, 11, 6, 1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize(
    "search",
    [
        make("racing"),
        HyperbandSearchCV(Probe(), {"x": uniform(0, 0.9)}, resource="folds", cv=5),
    ],
    ids=["racing", "folds"],
)
def test_reading_counts_all_folds_of_a_candidate(search, path):
    fitted = search.set_params(checkpoint=path, cv=KFold(5)).fit(X, Y)
    history = read_checkpoint(path)
    assert history["best_score"][-1] == pytest.approx(fitted.best_score_, abs=1e-12)
    assert max(history["n_folds"]) == 5
    assert max(history["budget"]) == 1.0


def test_reading_gives_numbers(path):
    space = {"x": [math.nan, math.inf, np.int64(3), np.float32(0.5), np.True_]}
    search = BayesSearchCV(Probe(), space, n_iter=5, cv=2, scoring=lambda *_: 0.0)
    with pytest.warns(sklearn.exceptions.FitFailedWarning):
        search.set_params(checkpoint=path, refit=False, error_score=0).fit(X, Y)
    values = [params["x"] for params in read_checkpoint(path)["params"]]
    assert sorted(map(repr, values)) == ["0.5", "3", "True", "inf", "nan"]


def test_reading_before_the_first_fit_ends(path):
    STOP["at"] = 0
    with pytest.raises(KeyboardInterrupt):
        make("bayes", checkpoint=path).fit(X, Y)
    assert read_checkpoint(path)["best_score"] == []


def test_reading_while_it_runs(path):
    _small(path).fit(X, Y)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:8]) + lines[8][:20])
    history = read_checkpoint(path)
    assert history["candidate"] == [0, 1, 2]
    assert history["n_folds"] == [3, 3, 1]
    assert history["best_score"][1] == max(history["score"][:2])
    with pytest.raises(FileNotFoundError):
        read_checkpoint(path.with_name("other"))


SCRIPT = """
    import os, signal, sys, time
    import numpy as np
    from scipy.stats import loguniform
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier
    from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV

    X, y = load_iris(return_X_y=True)
    space = {"ccp_alpha": loguniform(1e-4, 1), "min_samples_leaf": [1, 2, 3, 5, 8]}
    how = {"random_state": 0, "cv": 3}

    def make(name, path):
        tree = DecisionTreeClassifier(random_state=0)
        if name == "bayes":
            return BayesSearchCV(tree, space, n_iter=20, checkpoint=path, **how)
        if name == "evolutionary":
            return EvolutionarySearchCV(tree, space, n_iter=20, checkpoint=path, **how)
        return HyperbandSearchCV(
            tree, space, n_candidates=30, optimizer="tpe", checkpoint=path, **how
        )

    rng = np.random.default_rng(0)
    for name in ("bayes", "hyperband", "evolutionary"):
        reference = make(name, None).fit(X, y)
        began = time.monotonic()
        make(name, sys.argv[1] + name).fit(X, y)
        seconds = time.monotonic() - began
        for moment in range(int(sys.argv[2])):
            path = f"{sys.argv[1]}{name}{moment}"
            child = os.fork()
            if not child:
                make(name, path).fit(X, y)
                os._exit(0)
            time.sleep(rng.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            resumed = make(name, path).fit(X, y)
            assert resumed.cv_results_["params"] == reference.cv_results_["params"]
            np.testing.assert_array_equal(
                resumed.cv_results_["mean_test_score"],
                reference.cv_results_["mean_test_score"],
            )
            assert resumed.best_params_ == reference.best_params_
            whole = open(sys.argv[1] + name).read().count("\\n")
            assert open(path).read().count("\\n") == whole
    print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of a process")
def test_killed_at_any_moment(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / "ck"), "20"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
