"""What a search reports: warnings, ranks, columns, messages."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV

X, Y = load_iris(return_X_y=True)
SPACE = {"min_samples_leaf": list(range(1, 30))}
TREE = DecisionTreeClassifier(random_state=0)
SEARCHES = [
    (BayesSearchCV, {"n_iter": 6}),
    (BayesSearchCV, {"n_iter": 6, "racing": True}),
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
        strategy=strategy,
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
    def picky(estimator, X, y):
        leaf = estimator.get_params()["min_samples_leaf"]
        return np.nan if leaf % 2 else estimator.score(X, y)

    search = HyperbandSearchCV(TREE, SPACE, scoring=picky, random_state=0)
    with pytest.warns(UserWarning, match="test scores are non-finite"):
        search.fit(X, Y)
    results = search.cv_results_
    failed = np.isnan(results["mean_test_score"])
    ranks = results["rank_test_score"]
    assert failed.any()
    assert ranks[failed].min() > ranks[~failed].max()
    assert ranks[search.best_index_] == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_best_row_of_a_race_ranks_first(seed):
    search = BayesSearchCV(TREE, SPACE, n_iter=12, racing=True, random_state=seed)
    search.fit(X, Y)
    assert "stopped" in search.history_["status"]
    assert search.cv_results_["rank_test_score"][search.best_index_] == 1


def test_one_rung_has_the_columns_of_several():
    search = HyperbandSearchCV(
        TREE, SPACE, min_resources=5, n_candidates=3, n_brackets=1, random_state=0
    )
    with pytest.warns(UserWarning, match="All candidates get all of folds"):
        search.fit(X, Y)
    assert search.history_["bracket"] == search.history_["rung"] == [0, 0, 0]
    assert search.history_["n_resources"] == [5, 5, 5]
    assert_array_equal(search.cv_results_["n_resources"], [5, 5, 5])
    assert_array_equal(search.cv_results_["iter"], [0, 0, 0])


@pytest.mark.parametrize(
    ("kind", "how"), [pair for pair in SEARCHES if "racing" not in pair[1]]
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
