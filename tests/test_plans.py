"""Plans hold: what rungs cost, and what the lowest of them is judged on."""

import time
import warnings
from itertools import groupby

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from probes import GrowingProbe
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_classification
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.metrics import silhouette_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import BayesSearchCV, HyperbandSearchCV
from sklearn_hpo._evaluation.resources import Data, choose_resource, folds_of
from sklearn_hpo.schedulers import Hyperband
from sklearn_hpo.schedulers._plans import (
    halving_plan,
    hyperband_plan,
    rung_budgets,
    without_useless_rungs,
)

X, Y = make_classification(120, 5, random_state=0)
Y = np.sort(Y)  # so that neighbouring rows are of one class


def going_on(budget, before):
    return budget - before


def from_scratch(budget, before):
    return budget


def brackets_of(plan):
    return [list(rungs) for _, rungs in groupby(plan, lambda rung: rung.bracket)]


def cost_of(rungs, cost):
    below = [0.0, *(rung.budget for rung in rungs)]
    pairs = zip(rungs, below, strict=False)
    return sum(rung.n_trials * cost(rung.budget, before) for rung, before in pairs)


def is_useful(rungs, cost):
    sizes = [rung.n_trials for rung in rungs]
    return sizes == sorted(set(sizes), reverse=True) and cost_of(rungs, cost) <= sizes[
        0
    ] * (1 + 1e-9)


@pytest.mark.parametrize("cost", [going_on, from_scratch])
@pytest.mark.parametrize("factor", [1.1, 1.5, 2, 3, 4, 10])
def test_no_rung_is_useless_and_no_plan_costs_more_than_a_plain_search(cost, factor):
    plans = []
    for lowest in (0.9, 0.4, 1 / 9, 1 / 30):
        budgets = rung_budgets(lowest, 1, factor)
        plans += [
            halving_plan(n, budgets, factor, n_brackets)
            for n in (*range(1, 31), 81)
            for n_brackets in (1, 3)
        ]
        plans.append(hyperband_plan(budgets, factor))
    for plan in plans:
        kept = without_useless_rungs(plan, cost)
        for before, after in zip(brackets_of(plan), brackets_of(kept), strict=True):
            assert is_useful(after, cost)
            assert after[0].n_trials == before[0].n_trials
            assert after[-1].budget == 1.0
            assert [rung.level for rung in after] == list(range(len(after)))
            if is_useful(before, cost):
                assert after == before


@pytest.mark.filterwarnings("ignore:All candidates get all")
@pytest.mark.parametrize("scheduler", ["halving", "hyperband"])
@pytest.mark.parametrize("factor", [1.5, 2, 3])
@pytest.mark.parametrize("n", [1, 3, 4, 6, 20])
@pytest.mark.parametrize(
    ("estimator", "resource", "lowest"),
    [
        (SVC(), "folds", "auto"),
        (SVC(), "n_samples", 50),
        (SVC(), "max_iter", 100),
        (RandomForestClassifier(27), "auto", 1),
        (AdaBoostClassifier(n_estimators=27), "auto", 1),
    ],
    ids=["folds", "rows", "parameter", "iterations", "stages"],
)
def test_plan_costs_no_more_than_a_plain_search(
    estimator, resource, lowest, n, factor, scheduler
):
    search = HyperbandSearchCV(
        estimator,
        {"random_state": range(1000)},
        resource=resource,
        min_resources=lowest,
        max_resources=900 if resource == "max_iter" else "auto",
        factor=factor,
        n_candidates=n if scheduler == "halving" else "auto",
        scheduler=scheduler,
        optimizer="random",
        cv=StratifiedKFold(5),
    )
    plan = search.plan(X, Y)
    started = [
        n for n, k in zip(plan["n_candidates"], plan["rung"], strict=True) if k == 0
    ]
    assert sum(plan["cost"]) <= sum(started) * (1 + 1e-9)
    for before, after, k in zip(
        plan["n_candidates"], plan["n_candidates"][1:], plan["rung"][1:], strict=False
    ):
        assert k == 0 or after < before


@pytest.mark.parametrize("top", [1, 2, 3, 5, 8, 9, 10, 15, 26, 27, 80, 81, 243, 244])
@pytest.mark.parametrize("eta", [2, 3, 4])
def test_hyperband_has_the_brackets_of_the_paper(top, eta):
    s_max = max(s for s in range(10) if eta**s <= top)
    search = HyperbandSearchCV(
        RandomForestClassifier(top),
        {"max_depth": range(1, 1000)},
        scheduler="hyperband",
        factor=eta,
        min_resources=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = search.plan(X, Y)
    assert max(plan["bracket"]) == s_max
    lowest = min(plan["n_resources"])
    assert lowest == round(top / eta**s_max)


# what the lowest rung is judged on

GROUPS = np.repeat(np.arange(24), 5)
SPLITTERS = {
    "five": (KFold(5), 1),
    "stratified": (StratifiedKFold(5), 1),
    "three": (KFold(3), 1),
    "ten": (KFold(10), 2),
    "repeated": (RepeatedKFold(n_splits=5, n_repeats=3, random_state=0), 1),
    "shuffled": (ShuffleSplit(20, test_size=0.25, random_state=0), 1),
    "one row": (LeaveOneOut(), 24),
    "one group": (LeaveOneGroupOut(), 5),
    "groups": (GroupKFold(5), 1),
    "stratified groups": (StratifiedGroupKFold(5), 1),
    "time": (TimeSeriesSplit(5), 1),
    "time, short": (TimeSeriesSplit(20, test_size=2), 4),
}


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
@pytest.mark.parametrize("case", SPLITTERS)
def test_lowest_rung_has_a_share_of_the_rows_as_of_five_folds(case):
    splitter, expected = SPLITTERS[case]
    splits = list(splitter.split(X, Y, GROUPS))
    search = HyperbandSearchCV(SVC(), {"C": range(1, 99)}, cv=splitter, n_candidates=9)
    plan = search.plan(X, Y, groups=GROUPS)
    assert plan["resource"][0] == "folds"
    assert min(plan["n_resources"]) == expected
    folds = folds_of(splits, len(X), Y)
    first = [splits[fold][1] for fold in folds.order[:expected]]
    tested = np.unique(np.concatenate([test for _, test in splits]))
    share = len(np.unique(np.concatenate(first))) / len(tested)
    assert 0.13 < share < 0.35
    assert sorted(folds.order) == list(range(len(splits)))
    if expected == 1 and "time" not in case:
        assert folds.order == tuple(range(len(splits)))


@pytest.mark.parametrize("splitter", [LeaveOneOut(), KFold(40)])
def test_first_of_many_folds_show_all_classes(splitter):
    folds = folds_of(list(splitter.split(X)), len(X), Y)
    splits = list(splitter.split(X))
    first = [splits[fold][1] for fold in folds.order[: folds.minimum]]
    assert_allclose(Y[np.concatenate(first)].mean(), Y.mean(), atol=0.1)
    # after each further fold, to within one of them
    classes = np.array([np.round(Y[splits[fold][1]].mean()) for fold in folds.order])
    expected = classes.mean() * np.arange(1, len(splits) + 1)
    assert (np.abs(np.cumsum(classes) - expected) <= 1).all()


def test_pairs_left_out_are_counted_by_their_rows():
    splits = list(LeavePOut(2).split(X[:30]))
    folds = folds_of(splits, 30)
    first = [splits[fold][1] for fold in folds.order[: folds.minimum]]
    assert 4 <= len(np.unique(first)) <= 8


def test_many_folds_do_not_mean_many_candidates():
    search = HyperbandSearchCV(SVC(), {"C": range(1, 10**4)}, cv=LeaveOneOut())
    plan = search.plan(X, Y)
    of_five = HyperbandSearchCV(SVC(), {"C": range(1, 10**4)}, cv=5).plan(X, Y)
    assert sum(plan["n_candidates"]) == sum(of_five["n_candidates"])


FORMS = {
    "lists": lambda rows: list(map(int, rows)),
    "masks": lambda rows: np.isin(np.arange(len(X)), rows),
    "arrays": np.asarray,
}


@pytest.mark.parametrize("form", FORMS)
def test_large_test_sets_come_before_tiny_ones(form):
    sizes = np.repeat(np.arange(4), [2, 6, 72, 40])
    splits = [tuple(map(FORMS[form], fold)) for fold in PredefinedSplit(sizes).split()]
    search = HyperbandSearchCV(SVC(), {"C": range(1, 99)}, cv=splits)
    folds = search._prepare(X, Y, {})[1].resource
    assert folds.order == (2, 3, 1, 0)
    assert folds.minimum == 1
    # the largest test set leaves the least to train on
    trained = np.array([48, 80, 114, 118])
    paid = [folds.cost(k / 4, (k - 1) / 4) for k in range(1, 5)]
    assert_allclose(paid, trained / trained.sum())


FORWARD = {
    "growing": TimeSeriesSplit(5),
    "gap": TimeSeriesSplit(4, gap=3),
    "rolling": TimeSeriesSplit(5, max_train_size=20),
    "listed backwards": list(TimeSeriesSplit(5).split(X))[::-1],
    "rows in no order": [
        tuple(np.random.default_rng(0).permutation(len(X))[rows] for rows in fold)
        for fold in TimeSeriesSplit(5).split(X)
    ],
}


@pytest.mark.parametrize("case", FORWARD)
@pytest.mark.parametrize("optimizer", ["random", "gp"])
@pytest.mark.parametrize("scheduler", ["halving", "hyperband", "asha"])
def test_most_recent_folds_come_first(case, optimizer, scheduler):
    cv = FORWARD[case]
    splits = cv if isinstance(cv, list) else list(cv.split(X))
    y = X[:, 0] + 0.5 * X[:, 1]
    search = HyperbandSearchCV(
        Ridge(),
        {"alpha": np.geomspace(1e-3, 1e3, 50).tolist()},
        cv=cv if not isinstance(cv, list) else iter(splits),
        n_candidates="auto" if scheduler == "hyperband" else 9,
        scheduler=scheduler,
        optimizer=optimizer,
        resource="folds",
        random_state=0,
    )
    plan = HyperbandSearchCV(**{**search.get_params(deep=False), "cv": splits})
    plan = plan.plan(X, y)
    search.fit(X, y)
    results = search.cv_results_
    n = len(splits)
    scores = np.array([results[f"split{i}_test_score"] for i in range(n)]).T
    newest = splits[0][0] if case == "listed backwards" else splits[-1][0]
    latest = 0 if case == "listed backwards" else n - 1
    assert len(newest) == max(len(train) for train, _ in splits)
    order = range(n) if latest == 0 else range(n)[::-1]
    for row, n_run in enumerate(results["n_resources"]):
        ran = sorted(list(order)[:n_run])
        assert_array_equal(np.flatnonzero(np.isfinite(scores[row])), ran)
        # in the columns of the splitter, as plain fits would score
        whole = cross_val_score(Ridge(**results["params"][row]), X, y, cv=splits)
        assert_allclose(scores[row][ran], whole[ran])
        assert results["mean_test_score"][row] == pytest.approx(whole[ran].mean())
    trained = np.cumsum([len(splits[fold][0]) for fold in order])
    if scheduler == "halving":
        first = plan["n_candidates"][0] * trained[plan["n_resources"][0] - 1]
        assert plan["cost"][0] == pytest.approx(first / trained[-1])


def test_racing_begins_with_the_most_recent_fold():
    y = X[:, 0] + np.random.default_rng(0).normal(size=len(X))
    search = BayesSearchCV(
        Ridge(),
        {"alpha": np.geomspace(1e-3, 1e6, 50).tolist()},
        cv=TimeSeriesSplit(6),
        n_iter=15,
        scheduler="racing",
        random_state=0,
    ).fit(X, y)
    results = search.cv_results_
    scores = np.array([results[f"split{i}_test_score"] for i in range(6)]).T
    runs = np.isfinite(scores)
    assert not runs.all()
    # no older fold without the more recent ones
    assert (np.diff(runs.astype(int), axis=1) >= 0).all()
    whole = cross_val_score(Ridge(**search.best_params_), X, y, cv=TimeSeriesSplit(6))
    assert_allclose(scores[search.best_index_], whole)


def test_races_of_single_rows_go_by_several_at_a_time():
    search = BayesSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": list(range(1, 60))},
        cv=LeaveOneOut(),
        n_iter=20,
        scheduler="racing",
        random_state=0,
    ).fit(X, Y)
    assert min(search.history_["n_folds"]) >= 6
    assert np.isfinite(search.best_score_)


# rows of data that are not independent


def resource_of(splits, groups=None, estimator=None, minimum=30):
    estimator = Ridge() if estimator is None else estimator
    data = Data(estimator, X, Y, splits, groups, frozenset())
    return choose_resource("n_samples", minimum, "auto", data)


@pytest.mark.parametrize("budget", [0.25, 0.5, 1.0])
def test_rows_of_a_time_series_are_the_most_recent_ones(budget):
    splits = list(TimeSeriesSplit(5).split(X))
    resource = resource_of(splits)
    largest = max(len(train) for train, _ in splits)
    for fold, (train, _) in enumerate(splits):
        rows = resource.rows(train, fold, budget)
        # as many in each fold, as far as it has them
        n = min(len(train), round(budget * largest))
        assert_array_equal(rows, train[len(train) - n :])
    used = [len(resource.rows(t, i, budget)) for i, (t, _) in enumerate(splits)]
    total = sum(len(train) for train, _ in splits)
    assert resource.cost(budget, 0.0) == pytest.approx(sum(used) / total)


PAIRS = 2 * (np.arange(len(X)) // 10) + np.arange(len(X)) % 2  # they take turns


@pytest.mark.parametrize("groups", [GROUPS, PAIRS], ids=["blocks", "pairs"])
def test_rows_of_groups_in_time_are_the_most_recent_groups(groups):
    splits = list(TimeSeriesSplit(5).split(X))
    resource = resource_of(splits, groups=groups)
    for fold, (train, _) in enumerate(splits):
        rows = resource.rows(train, fold, 0.15)
        assert len(rows) == 15
        used = set(groups[rows])
        others = set(groups[train]) - used
        assert_array_equal(rows, train[np.isin(groups[train], list(used))])
        ends = {group: np.flatnonzero(groups == group).max() for group in used | others}
        assert not others or min(map(ends.get, used)) > max(map(ends.get, others))


@pytest.mark.parametrize(
    "splitter", [GroupKFold(4), StratifiedGroupKFold(4), LeaveOneGroupOut()]
)
def test_rows_of_groups_are_whole_groups(splitter):
    splits = list(splitter.split(X, Y, GROUPS))
    resource = resource_of(splits, groups=GROUPS)
    for fold, (train, _) in enumerate(splits):
        rows = resource.rows(train, fold, 0.25)
        assert len(rows) < len(train)
        assert not set(GROUPS[rows]) & set(GROUPS[np.setdiff1d(train, rows)])


def test_rows_of_time_without_order_are_refused():
    with pytest.raises(ValueError, match="sort X and y by time, or set resource"):
        resource_of(FORWARD["rows in no order"])


# one fold

ONE = {
    "shuffled": lambda: ShuffleSplit(1, random_state=0),
    "predefined": lambda: PredefinedSplit([-1] * 100 + [0] * 20),
    "list": lambda: [(np.arange(0, 120, 2), np.arange(1, 120, 2))],
    "generator": lambda: iter([(np.arange(0, 120, 2), np.arange(1, 120, 2))]),
}


@pytest.mark.parametrize("case", ONE)
@pytest.mark.parametrize("scheduler", ["halving", "hyperband", "asha"])
@pytest.mark.parametrize("optimizer", ["random", "gp"])
def test_one_small_fold_is_searched_plainly(case, scheduler, optimizer):
    space = {"n_neighbors": [1, 5, 20]}
    search = HyperbandSearchCV(
        KNeighborsClassifier(),
        space,
        cv=ONE[case](),
        scheduler=Hyperband(n_brackets=3) if scheduler == "hyperband" else scheduler,
        optimizer=optimizer,
        n_candidates="auto" if scheduler == "hyperband" else 3,
    )
    message = "nothing is saved, as KNeighborsClassifier .* one fold.* too few"
    with pytest.warns(UserWarning, match=message):
        search.fit(X, Y)
    grid = GridSearchCV(KNeighborsClassifier(), space, cv=ONE[case]()).fit(X, Y)
    assert search.best_score_ == grid.best_score_
    assert sorted(search.cv_results_["mean_test_score"]) == sorted(
        grid.cv_results_["mean_test_score"]
    )


def test_one_fold_of_many_rows_is_searched_by_rows():
    X = np.random.default_rng(0).normal(size=(10_000, 2))
    search = HyperbandSearchCV(
        DummyRegressor(), {"quantile": [0.1, 0.2, 0.3] * 3}, cv=ShuffleSplit(1)
    )
    assert set(search.plan(X, X[:, 0])["resource"]) == {"n_samples"}
    few = HyperbandSearchCV(**{**search.get_params(deep=False), "min_resources": 30})
    # who gives their number knows how many rows will do
    assert set(few.plan(X[:500], X[:500, 0])["resource"]) == {"n_samples"}


@pytest.mark.parametrize(
    ("estimator", "space", "n_test"),
    [
        (DBSCAN(), {"eps": [0.05, 0.2]}, 10_000),
        (DBSCAN(), {"eps": [0.05, 0.2]}, 100),  # it says nothing of other rows
        (DummyRegressor(), {"quantile": [0.1, 0.2]}, 10_000),
    ],
)
def test_what_is_scored_on_its_own_rows_gets_all_of_them(estimator, space, n_test):
    X = np.random.default_rng(0).normal(size=(10_000, 2))
    rows = np.arange(len(X))
    cv = [(rows if n_test == len(X) else rows[:-n_test], rows[-n_test:])]

    def score(estimator, X, y=None):
        return silhouette_score(X, estimator.labels_, sample_size=200, random_state=0)

    search = HyperbandSearchCV(estimator, space, cv=cv, scoring=score, refit=False)
    with pytest.warns(UserWarning, match="scored on rows that it is fitted on"):
        plan = search.plan(X)
    assert plan["n_resources"] == [1]


class Two(ClassifierMixin, BaseEstimator):
    """Knows several outputs."""

    def __init__(self, x=1):
        self.x = x

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros((X.shape[0], 2), int)

    def score(self, X, y):
        return self.x


def test_several_outputs_have_no_classes_to_spread():
    y = np.column_stack([Y, Y])
    search = HyperbandSearchCV(
        Two(), {"x": list(range(9))}, cv=LeaveOneOut(), optimizer="random"
    ).fit(X, y)
    assert search.best_params_ == {"x": 8}
    assert search.n_resources_[0] == 24


class Sleeper(GrowingProbe):
    """Its fits take `fixed` seconds, and `each` more for each iteration."""

    def __init__(
        self, n_estimators=27, warm_start=False, x=0.5, fixed=0.01, each=0.001
    ):
        super().__init__(x, n_estimators, warm_start)
        self.fixed = fixed
        self.each = each

    def fit(self, X, y):
        time.sleep(self.fixed + self.each * self.n_left)
        return super().fit(X, y)

    def score(self, X, y):
        return self.x + self.done_ / 1e6


@pytest.mark.parametrize("scheduler", ["halving", "hyperband"])
@pytest.mark.parametrize("resource", ["auto", "max_leaf_nodes", "folds", "n_samples"])
def test_history_tells_what_each_evaluation_was_planned_to_cost(resource, scheduler):
    model = RandomForestClassifier(27, random_state=0)
    if resource == "max_leaf_nodes":  # begins anew on each rung
        model = DecisionTreeClassifier(max_leaf_nodes=27)
    space = {"min_impurity_decrease": uniform(0, 0.1)}
    search = HyperbandSearchCV(
        model,
        space,
        resource=resource,
        min_resources=12 if resource == "n_samples" else "auto",
        scheduler=scheduler,
        random_state=0,
    ).fit(X, Y)
    history = pd.DataFrame(search.history_)
    planned = history.groupby(["bracket", "rung"])["planned_cost"].sum()
    assert_allclose(planned, search.plan_["cost"])
    assert (history["paid_cost"] > 0).all()


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_each_rung_repeats_is_paid(n_jobs):
    """A plain fit takes 127 ms; on each rung 100 ms are paid anew."""
    search = HyperbandSearchCV(
        Sleeper(fixed=0.1),
        {"x": uniform()},
        min_resources=3,
        n_candidates=9,
        optimizer="random",
        cv=2,
        n_jobs=n_jobs,
        random_state=0,
    )
    with joblib.parallel_config("threading"):
        search.fit(X, Y)
    history = pd.DataFrame(search.history_).iloc[1:]  # the first pays for the trial
    paid = history.groupby("rung")["paid_cost"].mean()
    assert_allclose(paid, [0.103 / 0.127, 0.106 / 0.127, 0.118 / 0.127], rtol=0.25)
    assert search.history_["paid_cost"][0] > 2


def test_folds_are_paid_once():
    search = HyperbandSearchCV(
        Sleeper(fixed=0.05),
        {"x": uniform()},
        resource="folds",
        n_candidates=9,
        optimizer="random",
        cv=6,
        random_state=0,
    ).fit(X, Y)
    costs = pd.DataFrame(search.history_).groupby("rung").median(numeric_only=True)
    assert len(costs) == 3
    assert_allclose(costs["paid_cost"], costs["planned_cost"], rtol=0.2)


def test_costs_are_counted_in_average_candidates():
    """Those that get all of it take longer than the others would."""

    class Lengthy(Sleeper):
        def fit(self, X, y):
            self.each = 0.001 + 0.02 * self.x**6
            return super().fit(X, y)

    search = HyperbandSearchCV(
        Lengthy(fixed=0.0),
        {"x": uniform()},
        min_resources=9,
        n_candidates=18,
        optimizer="random",
        cv=2,
        random_state=0,
    ).fit(X, Y)
    history = pd.DataFrame(search.history_).iloc[1:]  # the first pays for the trial
    paid = history["paid_cost"][history["rung"] == 0]
    assert paid.mean() == pytest.approx(1 / 3, rel=0.2)


def test_paid_cost_is_undefined_if_no_candidate_got_all_of_the_resource():
    class Refuses(Sleeper):
        def fit(self, X, y):
            if self.n_estimators == 27:
                raise ValueError("too many")
            return super().fit(X, y)

    search = HyperbandSearchCV(
        Refuses(fixed=0), {"x": uniform()}, n_candidates=9, cv=2, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, Y)
    assert np.isnan(search.history_["paid_cost"]).all()
