"""What a search reports: warnings, ranks, columns, messages."""

import numbers
import warnings
from inspect import signature

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._sklearn_compat import Interval
from sklearn_hpo.optimizers import Evolution, GaussianProcess
from sklearn_hpo.schedulers import Halving

X, Y = load_iris(return_X_y=True)
SPACE = {"min_samples_leaf": list(range(1, 30))}
TREE = DecisionTreeClassifier(random_state=0)
SEARCHES = [
    (BayesSearchCV, {"n_iter": 6}),
    (BayesSearchCV, {"n_iter": 6, "scheduler": "racing"}),
    (EvolutionarySearchCV, {"n_iter": 6}),
    (HyperbandSearchCV, {"n_candidates": 6}),
]


def one_class_is_nan(estimator, X, y):
    return np.nan if len(set(y)) < 2 else estimator.score(X, y)


@pytest.mark.parametrize(("kind", "how"), SEARCHES)
def test_scores_that_are_not_finite_are_told_once(kind, how):
    search = kind(TREE, SPACE, cv=KFold(3), scoring=one_class_is_nan, **how)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, Y)
    told = [w for w in caught if "test scores are non-finite" in str(w.message)]
    assert len(told) == 1


@pytest.mark.parametrize(("kind", "how"), SEARCHES)
def test_folds_that_were_not_run_are_nothing_to_warn_of(kind, how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(TREE, SPACE, random_state=0, **how).fit(X, Y)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("strategy", ["halving", "hyperband"])
def test_the_best_row_ranks_first(strategy, seed):
    search = HyperbandSearchCV(
        TREE,
        SPACE,
        scheduler=strategy,
        scoring=["accuracy", "neg_log_loss"],
        refit="neg_log_loss",
        random_state=seed,
    ).fit(X, Y)
    results = search.cv_results_
    assert results["rank_test_neg_log_loss"][search.best_index_] == 1
    for name in search.scorer_:
        key = list(zip(results["iter"], results[f"mean_test_{name}"], strict=True))
        expected = [1 + sum(other > own for other in key) for own in key]
        assert_array_equal(results[f"rank_test_{name}"], expected)


def test_ranks_of_rows_that_failed_come_last():
    """On the first fold odd ones fail, on another one those that have gone on."""

    def picky(estimator, X, y):
        leaf = estimator.get_params()["min_samples_leaf"]
        is_first = (first == X).all(axis=1).any()
        return np.nan if leaf % (2 if is_first else 3) else estimator.score(X, y)

    first = X[149]
    folds = KFold(5, shuffle=True, random_state=0)
    folds = sorted(folds.split(X), key=lambda fold: 149 not in fold[1])
    search = HyperbandSearchCV(TREE, SPACE, cv=folds, scoring=picky, random_state=0)
    with pytest.warns(UserWarning, match="test scores are non-finite"):
        search.fit(X, Y)
    results = search.cv_results_
    failed = np.isnan(results["mean_test_score"])
    ranks = results["rank_test_score"]
    assert set(results["iter"][failed]) >= {0, 1}
    assert ranks[failed].min() > ranks[~failed].max()
    assert ranks[search.best_index_] == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_best_row_of_a_race_ranks_first(seed):
    search = BayesSearchCV(
        TREE, SPACE, n_iter=12, scheduler="racing", random_state=seed
    )
    search.fit(X, Y)
    assert "stopped" in search.history_["status"]
    assert search.cv_results_["rank_test_score"][search.best_index_] == 1


def test_one_rung_has_the_columns_of_several():
    search = HyperbandSearchCV(
        TREE,
        SPACE,
        min_resources=5,
        n_candidates=3,
        scheduler=Halving(n_brackets=1),
        random_state=0,
    )
    with pytest.warns(UserWarning, match="All candidates get all of folds"):
        search.fit(X, Y)
    assert search.history_["bracket"] == search.history_["rung"] == [0, 0, 0]
    assert search.history_["n_resources"] == [5, 5, 5]
    assert_array_equal(search.cv_results_["n_resources"], [5, 5, 5])
    assert_array_equal(search.cv_results_["iter"], [0, 0, 0])


@pytest.mark.parametrize(
    ("kind", "how"), [pair for pair in SEARCHES if pair[1].get("scheduler") != "racing"]
)
@pytest.mark.parametrize(
    "scoring",
    [["accuracy", "f1_macro"], lambda e, X, y: {"a": e.score(X, y), "b": 0.0}],
)
def test_a_callable_refit_names_no_score(kind, how, scoring):
    search = kind(TREE, SPACE, scoring=scoring, refit=lambda results: 0, **how)
    search.fit(X, Y)
    with pytest.raises(ValueError, match="does not say which of the scores"):
        search.score(X, Y)


@pytest.mark.parametrize(("kind", "how"), SEARCHES)
@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_a_class_is_no_estimator(kind, how, scoring):
    search = kind(SVC, {"C": [1, 2]}, scoring=scoring, **how)
    with pytest.raises(TypeError, match=r"Expected an estimator instance \(SVC\(\)\)"):
        search.fit(X, Y)


def complex_score(estimator, X, y):
    return estimator.score(X, y) + 2j


@pytest.mark.parametrize(("kind", "how"), SEARCHES)
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_of_a_complex_score_the_real_part_counts(kind, how):
    plain, odd = (
        kind(TREE, SPACE, scoring=scoring, random_state=0, **how).fit(X, Y)
        for scoring in (None, complex_score)
    )
    for column in ("mean_test_score", "std_test_score", "rank_test_score"):
        assert_array_equal(odd.cv_results_[column], plain.cv_results_[column])


def spellings(rows, n):
    mask = np.isin(np.arange(n), rows)
    slices = slice(rows[0], rows[-1] + 1, rows[1] - rows[0])
    return slices, mask, mask.tolist(), pd.Series(mask), rows.tolist(), pd.Index(rows)


SPLITS = [
    (np.arange(0, 150, 2), np.arange(1, 150, 2)),
    (np.arange(1, 150, 2), np.arange(0, 150, 2)),
    (np.arange(0, 150, 3), np.arange(1, 150, 3)),
]


@pytest.mark.parametrize("form", range(6))
@pytest.mark.parametrize(
    ("kind", "how"),
    [*SEARCHES, (HyperbandSearchCV, {"n_candidates": 6, "resource": "n_samples"})],
)
def test_splits_may_be_slices_masks_and_lists(kind, how, form, tmp_path):
    cv = [tuple(spellings(rows, 150)[form] for rows in split) for split in SPLITS]
    how = {"random_state": 0, **how}
    if "resource" in how:
        how["min_resources"] = 20
    plain = kind(TREE, SPACE, cv=SPLITS, **how).fit(X, Y)
    other = kind(TREE, SPACE, cv=cv, checkpoint=str(tmp_path / "run"), **how).fit(X, Y)
    assert other.cv_results_["params"] == plain.cv_results_["params"]
    assert_array_equal(
        other.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_slices_score_as_their_rows():
    cv = [(slice(0, 100), slice(50, 150))]
    search = BayesSearchCV(TREE, {"min_samples_leaf": [1, 5]}, cv=cv).fit(X, Y)
    rows = [(np.arange(100), np.arange(50, 150))]
    grid = GridSearchCV(TREE, {"min_samples_leaf": [1, 5]}, cv=rows).fit(X, Y)
    assert_array_equal(
        search.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"]
    )
    assert cross_val_score(TREE, X, Y, cv=rows)[0] == search.best_score_


# a valid value of each parameter that takes numbers
VALUES = {
    "n_iter": 9,
    "n_iter_no_change": 3,
    "tol": 0.5,
    "max_time": 100,
    "max_concurrent": 2,
    "fit_timeout": 50,
    "fit_memory_limit": 2**30,
    "min_resources": 2,
    "max_resources": 9,
    "factor": 2,
    "n_candidates": 6,
    "n_jobs": 1,
    "verbose": 0,
    "random_state": 3,
    "error_score": 0,
    "refit": True,
}
KINDS = [BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV]


def numeric_parameters(kind):
    constraints = kind._parameter_constraints
    for name in sorted(signature(kind).parameters.keys() & constraints.keys()):
        allowed = constraints[name]
        intervals = [a for a in allowed if isinstance(a, Interval)]
        if intervals or name in VALUES:
            whole = any(a.type is numbers.Integral for a in intervals)
            # of a resource, 2.0 is no whole number
            whole |= name in ("min_resources", "max_resources")
            yield name, whole or name in ("n_jobs", "verbose", "random_state", "refit")


def numpy_spellings(value, whole):
    if isinstance(value, bool):
        return [np.bool_(value)]
    kinds = [np.int64, np.uint8] if value == int(value) else []
    kinds += [] if whole else [np.float32, np.longdouble]
    return [kind(value) for kind in kinds if value < 2**7 or kind is np.int64]


@pytest.mark.parametrize("kind", KINDS)
def test_each_numeric_parameter_has_a_value_here(kind):
    assert {name for name, _ in numeric_parameters(kind)} <= set(VALUES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "whole"),
    [(kind, *pair) for kind in KINDS for pair in numeric_parameters(kind)],
)
def test_numpy_numbers_do_what_python_numbers_do(kind, name, whole):
    how = {"n_iter": 9} if kind is not HyperbandSearchCV else {"n_candidates": 6}
    if name.endswith("resources"):
        how |= {"resource": "max_leaf_nodes", "min_resources": 2, "max_resources": 9}
    if name.startswith("fit_"):
        how["n_jobs"] = 2
    space = {"max_depth": list(range(1, 30))}
    value = VALUES[name]
    found = []
    for given in (value, *numpy_spellings(value, whole)):
        search = kind(TREE, space, **{"random_state": 0, "cv": 3, **how, name: given})
        search.fit(X, Y)
        assert getattr(search, name) is given
        found.append((search.cv_results_["params"], search.best_index_))
        scores = search.cv_results_["mean_test_score"].tolist()
        found[-1] += (scores, str(getattr(search, "plan_", None)))
    assert all(other == found[0] for other in found[1:])


@pytest.mark.parametrize("optimizer", ["auto", GaussianProcess(n_initial_points=5)])
def test_a_numpy_number_of_candidates(optimizer):
    if optimizer != "auto":
        optimizer.set_params(n_initial_points=np.int64(5))
    numbers_of_numpy = {"n_iter": np.int64(6), "random_state": np.uint8(0)}
    search = BayesSearchCV(TREE, SPACE, optimizer=optimizer, **numbers_of_numpy)
    assert len(search.fit(X, Y).cv_results_["params"]) == 6


def test_a_plan_takes_numpy_numbers():
    values = {"factor": 2, "min_resources": 1, "n_candidates": 12}
    plain = HyperbandSearchCV(TREE, SPACE, **values).plan(X, Y)
    values = {name: np.uint8(value) for name, value in values.items()}
    assert HyperbandSearchCV(TREE, SPACE, **values).plan(X, Y) == plain


class Passes(SGDClassifier):
    """Remembers the classes that each pass was given."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.given_ = [*getattr(self, "given_", []), classes]
        return super().partial_fit(X, y, classes, sample_weight)


@pytest.mark.parametrize("step", ["", "passes__"])
def test_classes_given_to_fit(step):
    estimator = Passes(random_state=0)
    if step:
        estimator = make_pipeline(StandardScaler(), estimator)
    search = HyperbandSearchCV(
        estimator,
        {f"{step}alpha": [1e-5, 1e-4, 1e-3, 1e-2]},
        resource="partial_fit",
        max_resources=4,
        min_resources=1,
        factor=2,
        random_state=0,
    )
    plain = clone(search).fit(X, Y)
    scores = plain.cv_results_["mean_test_score"]
    search.fit(X, Y, **{f"{step}classes": [0, 1, 2]})
    assert_array_equal(search.cv_results_["mean_test_score"], scores)
    # one that the data do not have
    search.fit(X, Y, **{f"{step}classes": [0, 1, 2, 3]})
    best = search.best_estimator_[-1] if step else search.best_estimator_
    assert_array_equal(best.classes_, [0, 1, 2, 3])
    assert best.given_ == [[0, 1, 2, 3], None, None, None]


@pytest.mark.parametrize(
    ("kind", "how", "known"),
    [
        (BayesSearchCV, {"n_iter": 5}, True),
        (BayesSearchCV, {"n_iter": 5, "optimizer": "tpe"}, False),
        (BayesSearchCV, {"n_iter": 5, "optimizer": "random"}, False),
        (BayesSearchCV, {"n_iter": 5, "optimizer": "rbf"}, True),
        (EvolutionarySearchCV, {"n_iter": 5}, True),
        (EvolutionarySearchCV, {"n_iter": 5, "optimizer": "ga"}, True),
        (EvolutionarySearchCV, {"n_iter": 5, "optimizer": "lshade"}, True),
        (EvolutionarySearchCV, {"n_iter": 5, "optimizer": "regularized"}, True),
        (EvolutionarySearchCV, {"n_iter": 5, "optimizer": "cmaes"}, False),
        (
            EvolutionarySearchCV,
            {"n_iter": 5, "optimizer": Evolution(screening=None)},
            False,
        ),
        (
            EvolutionarySearchCV,
            {"n_iter": 5, "objectives": ["score", "neg_fit_time"], "refit": "score"},
            False,
        ),
        (HyperbandSearchCV, {"n_candidates": 5, "optimizer": "random"}, False),
        (HyperbandSearchCV, {"n_candidates": 9, "optimizer": "gp"}, True),
    ],
)
def test_scores_are_predicted_where_a_model_does(kind, how, known):
    search = kind(TREE, SPACE, random_state=0, **how)
    assert not hasattr(search, "predict_score")
    search.fit(X, Y)
    assert hasattr(search, "predict_score") == known
    if known:
        mean, std = search.predict_score(search.best_params_)
        assert mean == pytest.approx(search.best_score_, abs=0.05)
        assert std >= 0.0
