"""By what a checkpoint knows its search: edited code, and a folder for many."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy import sparse
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import sklearn_hpo._identity.description
from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, read_checkpoint
from sklearn_hpo._checkpoint.lines import to_line
from sklearn_hpo._identity.description import describe, hash_of

X, Y = load_iris(return_X_y=True)

# A notebook: all that it defines is of __main__.
SCRIPT = '''
import functools, sys, enum
from collections import namedtuple
from dataclasses import dataclass, field
import joblib
import numpy as np
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.metrics import make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn_hpo import BayesSearchCV

FITS = 0
LEVEL = 3
LEVELS = (1, 2)
average = np.mean
score = 0.5  # has the name of a method, but is another thing
Pair = namedtuple("Pair", "a b")

class Color(enum.Enum):
    RED = 1

def helper(x):
    """Return more."""
    return x + 1

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

def twice(function):
    @functools.wraps(function)
    def run(*args):
        return 2 * function(*args) / 2
    return run

@twice
def metric(y, p, *, weight=1.0):
    table = {"a", "b", "c", "d"}
    class Local:
        level = 1
    assert "a" in table and even(LEVEL - 1) and 1 in LEVELS
    return weight * average([(lambda z: z.mean())(y == p)])

def factory(power):
    def change(X):
        return X * helper(power)
    return change

@dataclass
class Option:
    x: int = 1
    more: list = field(default_factory=list)

class Base(ClassifierMixin, BaseEstimator):
    def predict(self, X):
        return np.full(len(X), self.guess)

class Model(Base):
    shared = {"k": [1, 2]}

    def __init__(self, guess=0.5, option=None):
        self.guess = guess
        self.option = option

    @property
    def extra(self):
        return 1

    def fit(self, X, y):
        global FITS
        FITS += 1
        self.classes_ = np.unique(y)
        return self

    def transform(self, X):
        return super().transform(X)

class Shift(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return X

X, y = load_iris(return_X_y=True)
if __name__ == "__main__":
    score = np.random.rand()
    BayesSearchCV(
        make_pipeline(
            FunctionTransformer(factory(2)),
            FunctionTransformer(lambda X: X + 1),
            Shift(),
            Model(option=[Option(), Pair(1, 2), Color.RED]),
        ),
        {"model__guess": [0, 1, 2]}, n_iter=3, cv=2, random_state=0, refit=False,
        scoring=make_scorer(metric), checkpoint=path,
    ).fit(X, y)
'''


def _run(text, path):
    """Run a cell of a notebook; return the number of its fits."""
    cell = {"__name__": "__main__", "path": path}
    exec(compile(text, f"cell {path}", "exec"), cell)
    return cell["FITS"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The checkpoint of the script, from a process of its own."""
    path = tmp_path_factory.mktemp("written") / "search.jsonl"
    root = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": root}
    text = f"path = {str(path)!r}" + SCRIPT
    subprocess.run([sys.executable, "-c", text], check=True, env=env)
    return path.read_bytes()


SAME = {
    "lines": ("FITS = 0", "#\n" * 300 + "FITS = 0"),
    "docstring": ('"""Return more."""', '"""Return one more."""'),
    "comment": ("return x + 1", "# so it is\n    return x + 1"),
    "unused": ("LEVEL = 3", "LEVEL = 3\ndef other(x):\n    return x"),
}


@pytest.mark.parametrize("change", SAME)
def test_code_that_moved_is_the_same(change, written, tmp_path):
    path = tmp_path / "search.jsonl"
    path.write_bytes(written)
    old, new = SAME[change]
    assert SCRIPT.count(old) == 1
    assert _run(SCRIPT.replace(old, new), path) == 0


EDITED = {
    "factory.<locals>.change": ("return X * helper(power)", "return X - helper(power)"),
    "helper": ("return x + 1", "return x + 2"),
    "odd": ("n != 0 and", "n != 2 and"),
    "<lambda>": ("lambda X: X + 1", "lambda X: X + 3"),
    "Model.fit": ("self.classes_ = np.unique(y)", "self.classes_ = np.unique(y[:9])"),
    "Base.predict": ("self.guess)", "self.guess + 1)"),
    "Model": ('shared = {"k": [1, 2]}', 'shared = {"k": [1, 3]}'),
    "Model.extra": ("        return 1\n", "        return 2\n"),
    "Shift.transform": ("        return X\n", "        return X + 1\n"),
    "Shift": (
        "class Shift(TransformerMixin",
        "class Shift(ClassifierMixin",
    ),
    "Option": ("x: int = 1", "x: int = 1\n    def more_of(self): return 1"),
}
EDITED_PARTS = {
    "constant in a nested function": ("z: z.mean()", "z: z.mean() + 1"),
    "constant in a nested class": ("level = 1", "level = 2"),
    "set": ('"c", "d"}', '"c", "e"}'),
    "keyword default": ("weight=1.0", "weight=2.0"),
    "global": ("LEVEL = 3", "LEVEL = 5"),
    "global tuple": ("LEVELS = (1, 2)", "LEVELS = (1, 3)"),
    "another name of a function": ("average = np.mean", "average = np.median"),
    "decorator": ("2 * function", "4 * function"),
    "closure": ("factory(2)", "factory(3)"),
}


def _refusal(change, written, path):
    """Return why an edited script is refused."""
    path.write_bytes(written)
    assert SCRIPT.count(change[0]) == 1
    with pytest.raises(ValueError, match="another search: code of") as raised:
        _run(SCRIPT.replace(*change), path)
    assert path.read_bytes() == written
    return str(raised.value)


@pytest.mark.parametrize("name", EDITED)
def test_edited_code_is_named(name, written, tmp_path):
    text = _refusal(EDITED[name], written, tmp_path / "search.jsonl")
    # those that call it are as they were
    names = text.partition("code of ")[2].partition(" differ")[0].split(" and ")
    assert f"__main__.{name}" in names
    assert len(names) <= 2


@pytest.mark.parametrize("what", EDITED_PARTS)
def test_all_that_a_function_is_made_of_counts(what, written, tmp_path):
    text = _refusal(EDITED_PARTS[what], written, tmp_path / "search.jsonl")
    name = "factory.<locals>.change" if what == "closure" else "metric"
    assert f"code of __main__.{name} differs" in text


def test_another_python_can_not_tell(written, tmp_path):
    """Each has a bytecode of its own: this is said, and the search goes on."""
    path = tmp_path / "search.jsonl"
    header, *lines = written.splitlines(keepends=True)
    values = json.loads(header)
    values["versions"]["python"] = "3.2.1"
    values.pop("crc32")
    path.write_bytes(to_line(values) + b"".join(lines))
    edited = SCRIPT.replace("return x + 1", "return x + 2")
    with pytest.warns(RuntimeWarning, match="Whether __main__.helper was edited can't"):
        assert _run(edited, path) == 0


def test_a_function_may_change_its_own_state():
    def counting():
        n = 0

        def count():
            nonlocal n
            n += 1
            return n

        return count

    one, other = counting(), counting()
    one()
    codes = [{}, {}]
    for function, code in zip((one, other), codes, strict=True):
        describe(function, code)
    assert codes[0] == codes[1] != {}


def _probe(folder):
    """Return a model of a class that no worker can import."""

    class Probe(ClassifierMixin, BaseEstimator):
        """Writes down each fit, as workers share no lists."""

        def __init__(self, x=0.5, folder=None):
            self.x = x
            self.folder = folder

        def fit(self, X, y):
            with (Path(self.folder) / "fits").open("a") as file:
                file.write(f"{self.x}\n")
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.full(len(X), int(3 * self.x))

    return Probe(folder=folder)


def _nested(folder, n_jobs=1, **how):
    how = {"n_iter": 4, "random_state": 0, "optimizer": "random", **how}
    model = _probe(folder)
    search = BayesSearchCV(model, {"x": uniform()}, cv=2, refit=False, **how)
    # the scores of the outer folds need no model
    search.set_params(checkpoint=str(folder / "runs") + os.sep)
    found = cross_validate(
        search,
        X,
        Y,
        cv=KFold(3, shuffle=True, random_state=0),
        n_jobs=n_jobs,
        scoring=lambda search, *_: search.best_score_,
        return_estimator=True,
    )
    (folder / "fits").touch()
    n_fits = len((folder / "fits").read_text().splitlines())
    (folder / "fits").unlink()
    return found, n_fits


@pytest.mark.parametrize("seed", [0, None])
def test_the_folds_of_a_nested_search_have_a_file_each(seed, tmp_path):
    first, n_fits = _nested(tmp_path, n_jobs=2, random_state=seed)
    assert np.isfinite(first["test_score"]).all()
    assert n_fits == 3 * 4 * 2
    files = sorted((tmp_path / "runs").iterdir())
    assert len(files) == 3
    assert all(len(read_checkpoint(file)["candidate"]) == 4 for file in files)
    again, n_fits = _nested(tmp_path, random_state=seed)
    assert n_fits == 0
    assert list(again["test_score"]) == list(first["test_score"])
    # stopped in the midst of one, it goes on there
    lines = files[1].read_bytes().splitlines(keepends=True)
    files[1].write_bytes(b"".join(lines[:5]))
    again, n_fits = _nested(tmp_path, random_state=seed, n_jobs=2)
    assert n_fits == 4
    assert list(again["test_score"]) == list(first["test_score"])
    assert sorted((tmp_path / "runs").iterdir()) == files


def test_settings_that_make_another_search_have_another_file(tmp_path):
    def fit(search):
        search.set_params(cv=2, refit=False, checkpoint=tmp_path, random_state=0)
        return search.fit(X, Y).n_candidates_evaluated_

    space = {"C": uniform(0.1, 1)}
    fit(BayesSearchCV(SVC(), space, n_iter=3))
    assert fit(BayesSearchCV(SVC(), space, n_iter=5)) == 5
    assert len(list(tmp_path.iterdir())) == 1
    fit(BayesSearchCV(SVC(), space, n_iter=3, optimizer="random"))
    fit(EvolutionarySearchCV(SVC(), space, n_iter=3))
    fit(BayesSearchCV(SVC(), {"C": uniform(0.1, 2)}, n_iter=3))
    fit(BayesSearchCV(SVC(gamma=1.0), space, n_iter=3))
    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_is_made_only_if_it_is_named_so(tmp_path):
    def search(path):
        search = BayesSearchCV(SVC(), {"C": uniform(0.1, 1)}, n_iter=2, cv=2)
        return search.set_params(checkpoint=path).fit(X, Y)

    search(f"{tmp_path}/new/runs/")
    search(f"{tmp_path}/plain")
    assert (tmp_path / "plain").is_file()
    (file,) = (tmp_path / "new" / "runs").iterdir()
    assert file.name.startswith("BayesSearchCV-")
    with pytest.raises(ValueError, match=rf"one checkpoint for each .*{file.name}"):
        read_checkpoint(file.parent)
    with pytest.raises(FileExistsError, match="plain"):
        search(f"{tmp_path}/plain/")


def test_one_file_for_many_searches_proposes_a_folder(tmp_path):
    search = BayesSearchCV(SVC(), {"C": uniform(0.1, 1)}, n_iter=2, cv=2)
    search.set_params(checkpoint=tmp_path / "one.jsonl")
    with pytest.warns(FitFailedWarning, match='another search.*checkpoint="runs/"'):
        found = cross_validate(search, X, Y, cv=3)
    assert list(np.isnan(found["test_score"])) == [False, True, True]


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray], ids=["C", "F"])
def test_a_large_array_is_not_copied_to_be_known(make, monkeypatch):
    monkeypatch.setattr(sklearn_hpo._identity.description, "_BLOCK", 2**16)
    data = make(np.random.default_rng(0).random((20_000, 20)))
    text, peak = _peak(data)
    assert peak < data.nbytes / 4
    assert text == hash_of(np.array(data, order="C"))
    data[-1, -1] += 1
    assert hash_of(data) != text


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("type_", ["array", "matrix"])
def test_a_sparse_matrix_is_not_copied_to_be_known(kind, type_):
    data = sparse.random(20_000, 500, 0.01, kind, random_state=0)
    data = getattr(sparse, f"{kind}_{type_}")(data)
    text, peak = _peak(data)
    assert peak < 1_200_000 / 3  # 100,000 numbers, with their places
    for other in ("csr", "csc", "lil"):
        assert hash_of(data.asformat(other)) == text
    data.data[-1] += 1
    assert hash_of(data) != text


def _peak(data):
    """Return the hash of data, and the most bytes that it took to get it."""
    hash_of(data[:2])
    tracemalloc.start()
    try:
        return hash_of(data), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_data_are_looked_at_where_nobody_asks(monkeypatch):
    def refuse(*_):
        raise AssertionError("a fingerprint was taken")

    monkeypatch.setattr(joblib, "hash", refuse)
    model = make_pipeline(StandardScaler(with_mean=False), SVC())
    search = BayesSearchCV(model, {"svc__C": uniform(0.1, 1)}, n_iter=2, cv=2)
    search.fit(sparse.csr_matrix(X), Y)  # transformers are shared
    with pytest.raises(AssertionError, match="fingerprint"):
        search.set_params(checkpoint="never.jsonl").fit(X, Y)
