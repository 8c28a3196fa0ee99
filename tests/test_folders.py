"""No temporary folder outlives its process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEAD = """
    import os, sys, tempfile, threading, time, warnings
    import joblib
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.datasets import make_classification
    from sklearn.linear_model import SGDClassifier
    from sklearn_hpo import BayesSearchCV, HyperbandSearchCV

    warnings.simplefilter("ignore")
    X, Y = make_classification(600, random_state=0)
    TEMP = tempfile.gettempdir()
"""

THREAD = """
    backend, kind, limit = sys.argv[1:]
    space = {"x": [0.001 * i for i in range(1, 200)]}

    # compiled code may abort the process if its thread is ended from outside
    class Slow(ClassifierMixin, BaseEstimator):
        def __init__(self, x=0.5, n_estimators=100, warm_start=False):
            self.x = x
            self.n_estimators = n_estimators
            self.warm_start = warm_start

        def fit(self, X, y):
            time.sleep(0.001 * self.n_estimators)
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.zeros(len(X), int)

    model = Slow()
    settings = {"n_jobs": 2, "fit_timeout": float(limit) or None}
    if kind == "bayes":
        search = BayesSearchCV(model, space, n_iter=150, optimizer="random", **settings)
    else:
        search = HyperbandSearchCV(
            model, space, optimizer="random", n_candidates=150, **settings
        )

    def run():
        with joblib.parallel_config(backend, temp_folder=TEMP):
            search.fit(X, Y)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not os.listdir(TEMP):
        time.sleep(0.05)
    time.sleep(2.0)
    assert thread.is_alive(), "the search was over before the test of its end began"
"""

FILES = """
    import resource

    held = []

    class Greedy(SGDClassifier):
        def fit(self, X, y):
            try:
                while True:
                    held.append(open(os.devnull))
            except OSError:
                return super().fit(X, y)

    def search():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        with joblib.parallel_config("threading"):
            BayesSearchCV(Greedy(), {"alpha": [0.1, 1.0]}, n_iter=2, n_jobs=2).fit(X, Y)
        while held:
            held.pop().close()
        return set(os.listdir(TEMP))

    first = search()
    assert len(first) == 1, first
    assert not first & search(), "the first folder is there after the second search"
"""

FORK = """
    from sklearn_hpo._execution.folders import make_folder

    folder = make_folder("shared_")
    child = os.fork()
    if not child:
        sys.exit()
    os.waitpid(child, 0)
    assert folder.exists(), "the child has removed what its parent works with"
"""


def left_behind(script, folder, *arguments):
    """Run a script to its end and return what it leaves in its temporary folder."""
    root = Path(__file__).resolve().parents[1]
    names = ("TMPDIR", "TMP", "TEMP", "JOBLIB_TEMP_FOLDER")
    there = {name: str(folder) for name in names}
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HEAD + script), *arguments],
        env={**os.environ, **there, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return os.listdir(folder)


@pytest.mark.parametrize("kind", ["bayes", "hyperband"])
@pytest.mark.parametrize(
    ("backend", "limit"), [("loky", 0), ("threading", 0), ("loky", 100)]
)
@pytest.mark.slow
def test_the_end_of_the_process_ends_a_search_in_a_thread(
    backend, kind, limit, tmp_path
):
    assert left_behind(THREAD, tmp_path, backend, kind, str(limit)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs a quota of files")
def test_folders_that_could_not_be_removed_are_tried_again(tmp_path):
    assert left_behind(FILES, tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
def test_the_end_of_a_child_removes_no_folder_of_its_parent(tmp_path):
    assert left_behind(FORK, tmp_path) == []
