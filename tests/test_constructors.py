"""What users write to make a search: two names of the space, parameters told once."""

import inspect
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, randint
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    SearchCV,
    knee,
    read_checkpoint,
)

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


class LikeGridSearchCV(BayesSearchCV):
    def __init__(self, estimator, param_grid, *, cv=None):
        self.param_grid = param_grid
        super().__init__(estimator, param_grid, cv=cv, n_iter=4, random_state=0)


def test_a_subclass_may_have_the_constructor_of_grid_search():
    search = clone(LikeGridSearchCV(LOGISTIC, {"C": [0.1, 1.0]}, cv=3)).fit(X, Y)
    assert search.space_.size == 2
    assert search.set_params(param_grid={"C": [1.0]}).fit(X, Y).best_params_ == {"C": 1}


# Parameters that the searches have in common

# what makes a preset: these have defaults and choices of its own
OWN = {"optimizer", "scheduler", "n_iter", "resource", "min_resources", "max_resources"}


def signature(search_class):
    parameters = inspect.signature(search_class).parameters.values()
    return {p.name: (p.default, p.kind) for p in parameters}


@every_search
def test_common_parameters_follow_the_own_ones_with_equal_defaults(search_class):
    common, found = signature(SearchCV), signature(search_class)
    space = ["estimator", *NAMES]
    assert list(found)[:3] == list(common)[:3] == space
    shared = [name for name in common if name in found and name not in OWN]
    assert list(found)[-len(shared) + 3 :] == shared[3:]
    # a NaN is not equal to itself, but the same
    assert {name: repr(found[name]) for name in shared} == {
        name: repr(common[name]) for name in shared
    }


@every_search
def test_common_parameters_are_checked_in_one_place(search_class):
    common = SearchCV._parameter_constraints
    constraints = search_class._parameter_constraints
    assert all(constraints[name] is common[name] for name in common.keys() - OWN)
    assert set(signature(search_class)) <= set(constraints) | {"estimator"}


# A choice among several objectives


def few_leaves(estimator):
    return -estimator.get_n_leaves()


FRONT = {
    "params": [{"x": i} for i in range(6)],
    "mean_test_score": np.array([0.0, 9.0, 9.5, 10.0, np.nan, 4.0]),
    "mean_test_few_leaves": np.array([10.0, 9.0, 5.0, 0.0, 99.0, 1.0]),
    "mean_fit_time": np.array([1.0, 9.0, 8.0, 7.0, 0.0, 2.0]),
}


@pytest.mark.parametrize("objectives", [["score", "few_leaves"], [few_leaves, "score"]])
def test_the_knee_is_where_every_gain_costs_most(objectives):
    assert knee(objectives)(FRONT) == 1


def test_the_knee_of_times_looks_for_short_ones():
    assert knee(["score", "neg_fit_time"])(FRONT) == 5


def test_the_knee_is_among_those_with_most_of_the_resource():
    amounts = {"n_resources": np.array([1, 1, 3, 3, 9, 3])}
    assert knee(["score", "few_leaves"])({**FRONT, **amounts}) == 2


def test_without_a_front_the_knee_has_most_scores():
    never = {"mean_test_never": np.full(6, np.nan)}
    assert knee(["few_leaves", "never"])({**FRONT, **never}) == 0


def test_an_unknown_objective_of_the_knee_is_named():
    known = r"none of \['score', 'few_leaves', 'neg_fit_time', 'neg_score_time'\]"
    with pytest.raises(ValueError, match=f"'accuracy', which is {known}"):
        knee(["score", "accuracy"])(FRONT)


def test_a_search_goes_to_the_knee_of_its_front():
    settings = {"n_iter": 12, "cv": 3, "random_state": 0}
    objectives = ["score", few_leaves]
    search = BayesSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_leaf_nodes": randint(2, 20), "ccp_alpha": loguniform(1e-4, 1e-1)},
        objectives=objectives,
        refit=knee(objectives),
        **settings,
    )
    assert "knee(['score', 'few_leaves'])" in repr(search)
    twin = pickle.loads(pickle.dumps(clone(search)))
    assert twin.refit == search.refit
    assert twin.fit(X, Y).best_index_ == search.fit(X, Y).best_index_
    assert search.best_index_ in search.pareto_front_
