"""Checkpoints that were changed, and disks and files that fail."""

import json
import os
import random
import re
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from zlib import crc32

import probes
import pytest
from scipy.stats import uniform
from sklearn.datasets import load_iris

import sklearn_hpo._checkpoint.journal
from sklearn_hpo import BayesSearchCV, read_checkpoint
from sklearn_hpo._checkpoint.lines import to_line

X, Y = load_iris(return_X_y=True)
DURING_FIT = []


class Probe(probes.Probe):
    """Scores by its parameters; something may happen during a fit."""

    def __init__(self, x=0.5, kind="a"):
        super().__init__(x)
        self.kind = kind

    def fit(self, X, y):
        if DURING_FIT:
            DURING_FIT.pop()()
        return super().fit(X, y)

    def score(self, X, y):
        return super().score(X, y) + X[:, 0].mean() / 100


@pytest.fixture(autouse=True)
def _fresh():
    DURING_FIT.clear()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.jsonl"


def _search(path):
    # the second branch has no x, so that rows have gaps
    space = [{"x": uniform(0, 1), "kind": ["a"]}, {"kind": ["b", "c"]}]
    return BayesSearchCV(
        Probe(),
        space,
        n_iter=5,
        cv=2,
        optimizer="random",
        refit=False,
        random_state=0,
        checkpoint=path,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A checkpoint, and the scores of its search."""
    path = tmp_path_factory.mktemp("whole") / "search.jsonl"
    search = _search(path).fit(X, Y)
    return path.read_bytes(), search.cv_results_["mean_test_score"].tolist()


VALUES = [
    *(None, True, -1, 0, 7, 0.5, -0.5, 1e308, 10**400, 2**60, "x", "", [], [1], {}),
    *({"number": "x"}, {"number": "nan"}, {"a": None}, [None] * 5, [[]], {"a": {}}),
]


def _flip(content, rng):
    place = rng.randrange(len(content))
    byte = bytes([rng.choice([rng.randrange(256), 10, 0, 255])])
    return content[:place] + byte + content[place + 1 :]


def _cut(content, rng):
    start, end = sorted(rng.choices(range(len(content) + 1), k=2))
    return content[:start] + content[end:]


INSERTED = [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5_000, b"\n", b"\0" * 512]


def _insert(content, rng):
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.choice(INSERTED) + content[place:]


def _shuffle(content, rng):
    lines = content.splitlines(keepends=True)
    one, other = rng.choices(range(len(lines)), k=2)
    what = rng.randrange(3)
    if what == 0:
        del lines[one]
    elif what == 1:
        lines.insert(other, lines[one])
    else:
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _retype(content, rng):
    """Put something else into a line, with the right checksum."""
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    values = json.loads(lines[place])
    del values["crc32"]
    inner = values
    key = rng.choice(list(inner))
    while isinstance(inner[key], dict | list) and inner[key] and rng.random() < 0.7:
        inner = inner[key]
        key = rng.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
    if rng.random() < 0.2:
        del inner[key]
    else:
        inner[key] = rng.choice(VALUES)
    lines[place] = to_line(values)
    return b"".join(lines)


def _nest(content, rng):
    """Let a line with the right checksum be nested deeply."""
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    values = json.loads(lines[place])
    del values["crc32"]
    inner = rng.choice([values, *(v for v in values.values() if isinstance(v, dict))])
    inner[rng.choice([*inner, "more"])] = "deep"
    n = rng.choice([5, 300, 900, 100_000])
    deep = b'{"a":' * n + b"0" + b"}" * n
    body = json.dumps(values).encode()[:-1].replace(b'"deep"', deep)
    lines[place] = body + b',"crc32":"%08x"}\n' % crc32(body)
    return b"".join(lines)


CHANGES = [_flip, _cut, _insert, _shuffle, _retype, _nest]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_named_or_changes_nothing(change, whole, path):
    _change_at_random(change, whole, path, n=25, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_many_changed_files(change, whole, path):
    _change_at_random(change, whole, path, n=400, seed=1)


def _change_at_random(change, whole, path, n, seed):
    content, scores = whole
    rng = random.Random(seed)
    for _ in range(n):
        changed = change(content, rng)
        path.write_bytes(changed)
        search = _search(path)
        error = _error_of(lambda: search.fit(X, Y))  # noqa: B023 (called at once)
        if error is None:
            found = search.cv_results_["mean_test_score"].tolist()
            # a number that was written with a right checksum is believed
            assert change is _retype or found == scores
        elif isinstance(error, RuntimeWarning):
            # a header with a right checksum may tell of other versions
            assert change in (_retype, _nest)
            assert "was written with" in str(error)
        else:
            named = "Line |another search|is no checkpoint|has format"
            assert re.search(named, str(error))
            assert path.read_bytes() == changed
        path.write_bytes(changed)
        _error_of(lambda: read_checkpoint(path))


def _error_of(function):
    """Return an error that names the file, if there is one."""
    try:
        function()
    except (ValueError, RuntimeWarning) as error:
        return error if "search.jsonl" in str(error) else pytest.fail(str(error))
    return None


def test_every_changed_byte_is_found(whole, path):
    content, _ = whole
    end = content.rindex(b"\n", 0, -1)
    for place in range(0, end, 37):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=str(path)):
            _search(path).fit(X, Y)
        assert path.read_bytes() == changed


def test_the_damaged_line_is_named(whole, path):
    lines = whole[0].splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[3].replace(b"0", b"1"), *lines[4:]]))
    with pytest.raises(ValueError, match=r"Line 4 of the checkpoint .*search\.jsonl"):
        _search(path).fit(X, Y)
    values = json.loads(lines[5])
    del values["crc32"]
    path.write_bytes(
        b"".join([*lines[:5], to_line({**values, "fold": "1"}), *lines[6:]])
    )
    with pytest.raises(ValueError, match=r"Line 6 .* 'fold' is missing or impossible"):
        read_checkpoint(path)


def test_the_format_of_another_version_is_named(whole, path):
    lines = whole[0].splitlines(keepends=True)
    values = json.loads(lines[0])
    del values["crc32"]
    path.write_bytes(to_line({**values, next(iter(values)): 99}))
    with pytest.raises(ValueError, match="has format 99, but this version reads"):
        _search(path).fit(X, Y)


@pytest.mark.parametrize("read", [False, True])
def test_a_pipe_is_not_opened(read, path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names")
    os.mkfifo(path)
    for place in (path, Path(os.devnull)):
        with pytest.raises(ValueError, match=f"{place} is no regular file"):
            read_checkpoint(place) if read else _search(place).fit(X, Y)


FULL = """
    import resource, sys
    from pathlib import Path
    from sklearn.datasets import load_iris
    from sklearn.svm import SVC
    from sklearn_hpo import BayesSearchCV
    path, limit = Path(sys.argv[1]), int(sys.argv[2])
    search = BayesSearchCV(SVC(), {"C": [1.0, 2.0]}, cv=2, checkpoint=path)
    # no file may grow beyond
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        search.fit(*load_iris(return_X_y=True))
    except OSError as error:
        print(error.filename == str(path), path.read_bytes())
    else:
        print(search.n_candidates_evaluated_)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
@pytest.mark.parametrize("limit", [0, 100, 1500])
def test_a_disk_that_is_full(limit, path):
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    if limit < 1500:  # not even the header
        assert done.stdout.strip() == "True b''"
        return
    assert done.stdout.strip() == "2"
    assert "can't be written" in done.stderr
    assert str(path) in done.stderr
    # nothing is left of the line that did not fit
    assert path.read_bytes().endswith(b"\n")
    assert len(read_checkpoint(path)["candidate"]) < 2


@pytest.mark.parametrize("moment", ["at once", "later"])
@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_file_that_vanishes_costs_the_checkpoint_only(how, moment, path, monkeypatch):
    if moment == "at once":
        monkeypatch.setattr(sklearn_hpo._checkpoint.journal, "SYNC_SECONDS", 0.0)
    other = path.with_name("other")
    act = {
        "removed": path.unlink,
        "moved": lambda: path.rename(other),
        "replaced": lambda: (path.rename(other), path.write_text("mine")),
    }
    DURING_FIT.append(act[how])
    with pytest.warns(RuntimeWarning, match="search goes on") as caught:
        search = _search(path).fit(X, Y)
    assert str(path) in str(caught[0].message)
    assert search.n_candidates_evaluated_ == 5
    assert path.exists() == (how == "replaced")
    assert how != "replaced" or path.read_text() == "mine"


def test_a_fit_may_change_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sklearn_hpo._checkpoint.journal, "SYNC_SECONDS", 0.0)
    DURING_FIT.append(lambda: os.chdir("/"))
    _search("search.jsonl").fit(X, Y)
    assert len(read_checkpoint(tmp_path / "search.jsonl")["candidate"]) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_child_of_a_fit_does_not_keep_the_file(path):
    children = []

    def fork():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads may run
            child = os.fork()
        if not child:
            time.sleep(600)
            os._exit(0)
        children.append(child)

    DURING_FIT.append(fork)
    try:
        first = _search(path).fit(X, Y)
        again = _search(path).fit(X, Y)
        assert again.cv_results_["params"] == first.cv_results_["params"]
        # also after a search that was refused
        DURING_FIT.append(fork)
        with pytest.raises(ValueError, match="another search"):
            _search(path).set_params(random_state=1).fit(X, Y)
        _search(path).fit(X, Y)
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)


def test_a_disk_without_locks_is_used(path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert _search(path).fit(X, Y).n_candidates_evaluated_ == 5
