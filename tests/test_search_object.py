"""A search as an object: its twins, its faces, and the user's things around it."""

import copy
import os
import pickle
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, learning_curve, validation_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_info

from sklearn_hpo import BayesSearchCV

# scikit-learn 1.6 with the newest SciPy
pytestmark = pytest.mark.filterwarnings("ignore:.*`disp` and `iprint`")

X, Y = load_iris(return_X_y=True)
X = scale(X)
LOGISTIC = LogisticRegression(max_iter=1000)
SPACE = {"C": loguniform(1e-2, 1e2)}


def bayes(estimator=LOGISTIC, space=SPACE, **settings):
    settings = {"n_iter": 4, "cv": 3, "random_state": 0, **settings}
    return BayesSearchCV(estimator, space, **settings)


def outcome(search):
    scores = search.cv_results_["mean_test_score"]
    return search.cv_results_["params"], scores.tolist(), search.best_index_


@pytest.mark.parametrize("twin_of", [clone, copy.deepcopy, copy.copy])
def test_twins_find_the_same(twin_of):
    search = bayes(initial_candidates=[{"C": 1.0}], random_state=3)
    twin = twin_of(search)
    expected = search.get_params(deep=False)
    for name, value in twin.get_params(deep=False).items():
        if name not in ("estimator", "param_distributions", "error_score"):
            assert value == expected[name], name
    assert outcome(twin.fit(X, Y)) == outcome(search.fit(X, Y))


def test_clone_of_a_fitted_search_is_unfitted():
    fitted = bayes().fit(X, Y)
    assert not [name for name in vars(clone(fitted)) if name.endswith("_")]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_duplicates_of_a_fitted_search_keep_everything(duplicate):
    search = bayes().fit(X, Y)
    twin = duplicate(search)
    if isinstance(twin, bytes):
        twin = pickle.loads(twin)
    assert vars(twin).keys() == vars(search).keys()
    assert outcome(twin) == outcome(search)
    assert twin.history_ == search.history_
    assert_array_equal(twin.predict_proba(X), search.predict_proba(X))
    assert outcome(twin.fit(X, Y)) == outcome(search)


def test_an_unfitted_search_survives_pickling():
    search = bayes()
    twin = pickle.loads(pickle.dumps(search))
    assert outcome(twin.fit(X, Y)) == outcome(search.fit(X, Y))


def test_nested_parameters():
    search = bayes(
        make_pipeline(StandardScaler(), clone(LOGISTIC)),
        {"logisticregression__C": loguniform(1e-2, 1e2)},
    )
    search.set_params(
        n_iter=2,
        estimator__logisticregression__fit_intercept=False,
        estimator__standardscaler="passthrough",
    ).fit(X, Y)
    assert search.n_candidates_evaluated_ == 2
    assert search.best_estimator_[0] == "passthrough"
    assert_array_equal(search.best_estimator_[-1].intercept_, 0)
    with pytest.raises(ValueError, match="Invalid parameter 'n_iters'"):
        search.set_params(n_iters=2)


def test_html_shows_what_the_search_holds():
    search = bayes(make_pipeline(StandardScaler(), LOGISTIC), {"standardscaler": [1]})
    search.set_params(param_distributions={"logisticregression__C": [0.1, 1.0]})
    unfitted = estimator_html_repr(search)
    fitted = estimator_html_repr(search.fit(X, Y))
    for html in (unfitted, fitted, search._repr_mimebundle_()["text/html"]):
        assert "BayesSearchCV" in html
        assert "StandardScaler" in html
    assert "best_estimator_" not in unfitted
    assert "best_estimator_" in fitted
    assert "Not fitted" in unfitted
    assert "<span>Fitted</span>" in fitted
    with sklearn.config_context(display="text"):
        assert list(search._repr_mimebundle_()) == ["text/plain"]
    assert "n_iter=4" in repr(search)
    assert "max_time" not in repr(search)  # left as it was


def test_history_is_a_frame():
    search = bayes(n_iter=6).fit(X, Y)
    frame = pd.DataFrame(search.history_)
    assert len(frame) == 6
    assert_array_equal(frame["score"], search.cv_results_["mean_test_score"])
    assert_array_equal(frame["best_score"], frame["score"].cummax())
    assert (frame["end"] >= frame["start"]).all()
    table = pd.DataFrame(search.cv_results_)
    assert table.loc[table["rank_test_score"] == 1, "params"].iloc[0] == (
        search.best_params_
    )


@pytest.mark.parametrize("kind", ["learning", "validation"])
def test_curve_displays(kind):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from sklearn.model_selection import LearningCurveDisplay, ValidationCurveDisplay

    if kind == "learning":
        display_class, curve = LearningCurveDisplay, learning_curve
        settings = {"train_sizes": [0.5, 1.0], "shuffle": True, "random_state": 0}
    else:
        display_class, curve = ValidationCurveDisplay, validation_curve
        settings = {"param_name": "n_iter", "param_range": [1, 3]}
    display = display_class.from_estimator(bayes(), X, Y, cv=3, **settings)
    train, test = curve(bayes(), X, Y, cv=3, **settings)[-2:]
    drawn = [line.get_ydata() for line in display.lines_]
    pyplot.close(display.figure_)
    assert_array_equal(drawn, [train.mean(axis=1), test.mean(axis=1)])
    assert np.min(drawn) > 0.8


# What belongs to the user


def surroundings():
    """Return what a fit must leave as it found it, beside its arguments."""
    return {
        "numpy": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "random": random.getstate(),
        "warnings": list(warnings.filters),
        "threads": [
            (pool["filepath"], pool["num_threads"]) for pool in threadpool_info()
        ],
        "environment": dict(os.environ),
        "config": sklearn.get_config(),
        "numpy errors": np.geterr(),
        "files": sorted(os.listdir()),
    }


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_nothing_of_the_users_changes(backend):
    scaler = StandardScaler()
    steps = make_pipeline(scaler, DecisionTreeClassifier(random_state=0))
    space = {
        "standardscaler": [scaler, PCA(2), "passthrough"],
        "decisiontreeclassifier__max_depth": [1, 2, 3, 4],
        "decisiontreeclassifier__min_impurity_decrease": uniform(0, 0.1),
    }
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    data = X.copy(), Y.copy()
    points = [{"decisiontreeclassifier__max_depth": 2}]
    search = bayes(steps, space, cv=cv, initial_candidates=points, n_iter=6)
    held = search.get_params(deep=True)
    held_choices = {name: list(v) for name, v in space.items() if type(v) is list}
    cv_state, law = dict(vars(cv)), pickle.dumps(space[max(space)])
    with parallel_config(backend, n_jobs=1 if backend == "sequential" else 2):
        before = surroundings()
        search.fit(*data)
        after = surroundings()
    search.predict(data[0])

    for name, value in after.items():
        assert value == before[name], name
    for name, value in search.get_params(deep=True).items():
        assert value is held[name], name
    assert search.estimator is steps
    assert not [name for name in vars(scaler) if name.endswith("_")]
    with pytest.raises(sklearn.exceptions.NotFittedError):
        check_is_fitted(steps[-1])
    for name, choices in held_choices.items():
        assert all(a is b for a, b in zip(space[name], choices, strict=True))
    assert points == [{"decisiontreeclassifier__max_depth": 2}]
    assert vars(cv) == cv_state
    assert pickle.dumps(space[max(space)]) == law
    assert_array_equal(data[0], X)
    assert_array_equal(data[1], Y)


def test_read_only_data():
    frozen_X, frozen_Y = X.copy(), Y.copy()
    frozen_X.flags.writeable = frozen_Y.flags.writeable = False
    assert outcome(bayes().fit(frozen_X, frozen_Y)) == outcome(bayes().fit(X, Y))


def test_global_seed_has_no_part_in_a_seeded_search():
    outcomes = []
    state = np.random.get_state()  # noqa: NPY002
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        outcomes.append(outcome(bayes().fit(X, Y)))
    np.random.set_state(state)  # noqa: NPY002
    assert outcomes[0] == outcomes[1]
