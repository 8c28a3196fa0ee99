"""What users write to make a search: two names of the space, parameters told once."""

import inspect
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from sklearn_hpo import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    read_checkpoint,
)
from sklearn_hpo.search._base import SearchCV

# scikit-learn 1.6 with the newest SciPy
pytestmark = pytest.mark.filterwarnings("ignore:.*`disp` and `iprint`")

X, Y = load_iris(return_X_y=True)
LOGISTIC = LogisticRegression(max_iter=1000)
SPACE = {"C": loguniform(1e-2, 1e2)}
NAMES = ["param_distributions", "param_grid"]
SETTINGS = {
    BayesSearchCV: {"n_iter": 4},
    HyperbandSearchCV: {"n_candidates": 9},
    EvolutionarySearchCV: {"n_iter": 4},
}
every_search = pytest.mark.parametrize("search_class", list(SETTINGS))


def make(search_class, **space):
    return search_class(
        LOGISTIC, cv=3, random_state=0, **SETTINGS[search_class], **space
    )


def outcome(search):
    scores = search.cv_results_["mean_test_score"].tolist()
    return search.cv_results_["params"], scores, search.best_params_


# The two names of the space


@every_search
def test_both_names_mean_the_same_space(search_class):
    one, other = (make(search_class, **{name: SPACE}).fit(X, Y) for name in NAMES)
    assert outcome(one) == outcome(other)


@every_search
@pytest.mark.parametrize(
    ("space", "found"),
    [({}, "not neither"), (dict.fromkeys(NAMES, SPACE), "not both")],
)
def test_exactly_one_name_is_given(search_class, space, found):
    search = make(search_class, **space)
    with pytest.raises(ValueError, match=f"give one of both, {found}"):
        search.fit(X, Y)


@every_search
def test_the_second_argument_is_the_space_of_random_search(search_class):
    search = search_class(LOGISTIC, SPACE)
    assert search.param_distributions is SPACE
    assert search.param_grid is None


@every_search
@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_space_is_refused_under_its_name(search_class, name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        make(search_class, **{name: 3}).fit(X, Y)


@every_search
@pytest.mark.parametrize("name", NAMES)
def test_a_search_keeps_the_name_that_it_was_given(search_class, name):
    search = make(search_class, **{name: SPACE})
    (other,) = set(NAMES) - {name}
    params = clone(search).get_params(deep=False)
    assert params[name].keys() == SPACE.keys()
    assert params[other] is None
    assert f"{name}={{" in repr(search).replace(" ", "")
    assert other not in repr(search)
    twin = pickle.loads(pickle.dumps(search))
    assert outcome(twin.fit(X, Y)) == outcome(search.fit(X, Y))


def test_the_name_may_change():
    search = make(BayesSearchCV, param_distributions=SPACE)
    search.set_params(param_grid={"C": [0.1, 1.0]})
    with pytest.raises(ValueError, match="give one of both, not both"):
        search.fit(X, Y)
    search.set_params(param_distributions=None).fit(X, Y)
    assert search.space_.size == 2


@every_search
def test_nested_cross_validation_by_either_name(search_class):
    scores = [
        cross_val_score(make(search_class, **{name: SPACE}), X, Y, cv=2)
        for name in NAMES
    ]
    assert_array_equal(*scores)
    assert np.min(scores) > 0.8


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_checkpoint_knows_its_search_under_either_name(tmp_path, is_folder):
    path = tmp_path if is_folder else tmp_path / "search.jsonl"
    searches = [
        make(BayesSearchCV, checkpoint=path, **{name: SPACE}).fit(X, Y)
        for name in NAMES
    ]
    assert outcome(searches[0]) == outcome(searches[1])
    (file,) = tmp_path.iterdir()
    starts = read_checkpoint(file)["start"]
    assert len(starts) == 4
    assert searches[1].history_["start"] == searches[0].history_["start"]


# Parameters that the searches have in common


def signature(search_class):
    parameters = inspect.signature(search_class).parameters.values()
    return {p.name: (p.default, p.kind) for p in parameters}


@every_search
def test_common_parameters_follow_the_own_ones_with_equal_defaults(search_class):
    common, found = signature(SearchCV), signature(search_class)
    space = ["estimator", *NAMES]
    assert list(found)[:3] == list(common)[:3] == space
    shared = [name for name in common if name in found]
    assert list(found)[-len(shared) + 3 :] == shared[3:]
    # a NaN is not equal to itself, but the same
    assert {name: repr(found[name]) for name in shared} == {
        name: repr(common[name]) for name in shared
    }


@every_search
def test_common_parameters_are_checked_in_one_place(search_class):
    common = SearchCV._parameter_constraints
    constraints = search_class._parameter_constraints
    assert all(constraints[name] is common[name] for name in common)
    assert set(signature(search_class)) <= set(constraints) | {"estimator"}
