"""Resources: what a share of the budget means, and training that goes on."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import (
    ElasticNet,
    LogisticRegression,
    Perceptron,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder
from sklearn.svm import SVC

from sklearn_hpo._evaluation.resources import Data, choose_resource
from sklearn_hpo._evaluation.resources._base import nested_order
from sklearn_hpo._trial import FoldJob
from sklearn_hpo.search._workers import own_filters

X, Y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
REAL = make_regression(120, 6, noise=5.0, random_state=0)[1]


def data_of(estimator, y=Y, searched=(), groups=None, n_splits=3, X=X):
    splits = list(StratifiedKFold(n_splits).split(X, y > np.median(y)))
    return Data(estimator, X, y, splits, groups, frozenset(searched))


def choose(estimator, name="auto", minimum="auto", maximum="auto", **how):
    return choose_resource(name, minimum, maximum, data_of(estimator, **how))


def climb(resource, estimator, y, budgets, params=None):
    """Fit a candidate rung by rung, as jobs do, and return the model."""
    model = None
    for budget in budgets:
        job = FoldJob(0, 0, params or {}, budget, model, keep=budget < 1.0)
        fitted, settings = resource.begin(estimator, job)
        fitted.set_params(**settings)
        with own_filters(resource):
            fitted.fit(X, y)
        model = resource.end(fitted, job)
        pickle.dumps(fitted)
    assert model is None
    return fitted


CONTINUED = {
    "forest": RandomForestClassifier(9, random_state=0),
    "extra trees": ExtraTreesRegressor(9, random_state=0),
    "bagging": BaggingClassifier(n_estimators=9, random_state=0),
    "boosting": GradientBoostingClassifier(
        n_estimators=9, subsample=0.5, random_state=0
    ),
    "boosting regressor": GradientBoostingRegressor(n_estimators=9, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=9, random_state=0),
    "histogram regressor": HistGradientBoostingRegressor(max_iter=9, random_state=0),
}


@pytest.mark.parametrize("name", CONTINUED)
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_trees_continue_as_if_never_interrupted(name, in_pipeline):
    estimator = CONTINUED[name]
    y = REAL if "regressor" in name or name == "extra trees" else Y
    if in_pipeline:
        estimator = make_pipeline(StandardScaler(), estimator)
    resource = choose(estimator, y=y)
    assert resource.continues
    fitted = climb(resource, estimator, y, (1 / 9, 1 / 3, 1.0))
    whole = clone(estimator).fit(X, y)
    assert_allclose(fitted.predict(X), whole.predict(X))
    if hasattr(whole, "predict_proba"):
        assert_allclose(fitted.predict_proba(X), whole.predict_proba(X))
    assert fitted.get_params()[resource.name] == 9


class TestPasses:
    """Estimators with partial_fit."""

    @pytest.mark.parametrize(
        "estimator",
        [
            SGDClassifier(max_iter=9, tol=None, shuffle=False),
            MLPClassifier((8,), max_iter=9, random_state=0),
            MLPRegressor(hidden_layer_sizes=(8,), max_iter=9, random_state=0),
        ],
        ids=lambda estimator: type(estimator).__name__,
    )
    def test_passes_in_parts_are_passes_in_one_go(self, estimator):
        y = REAL if isinstance(estimator, MLPRegressor) else Y
        resource = choose(estimator, y=y)
        assert resource.name == "partial_fit"
        parts = climb(resource, estimator, y, (1 / 9, 1 / 3, 1.0))
        whole = climb(resource, estimator, y, (1.0,))
        assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-9)
        assert parts.get_params()["max_iter"] == 9

    @pytest.mark.parametrize(
        ("estimator", "n_passes"),
        [
            (MLPClassifier((8,), max_iter=9, tol=0.0), 9),
            (MLPClassifier((8,), max_iter=90, tol=0.005, n_iter_no_change=3), (31, 89)),
            (
                MLPRegressor(hidden_layer_sizes=(8,), learning_rate_init=0.1, tol=1.0),
                (9, 199),
            ),
            (
                MLPClassifier(
                    (8,),
                    max_iter=300,
                    solver="sgd",
                    learning_rate="adaptive",
                    learning_rate_init=0.1,
                    tol=0.01,
                    n_iter_no_change=2,
                ),
                (20, 299),
            ),
        ],
        ids=["all passes", "tol", "regressor", "adaptive"],
    )
    def test_passes_of_a_network_are_its_fit(self, estimator, n_passes):
        y = REAL / 100 if isinstance(estimator, MLPRegressor) else Y
        estimator.set_params(random_state=0)
        fitted = climb(choose(estimator, y=y), estimator, y, (1 / 9, 1 / 3, 1.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
            whole = clone(estimator).fit(X, y)
        low, high = np.broadcast_to(n_passes, 2)
        assert low <= len(whole.loss_curve_) <= high
        assert_allclose(fitted.loss_curve_, whole.loss_curve_, rtol=1e-6)
        assert_allclose(fitted.predict(X), whole.predict(X), rtol=1e-6)

    @pytest.mark.parametrize(
        "estimator",
        [
            SGDClassifier(max_iter=9, tol=None, shuffle=False),
            SGDRegressor(max_iter=9, tol=None, shuffle=False),
            Perceptron(max_iter=9, tol=None, shuffle=False),
        ],
        ids=lambda estimator: type(estimator).__name__,
    )
    def test_passes_of_a_linear_model_are_its_fit(self, estimator):
        fitted = climb(choose(estimator), estimator, Y, (1 / 9, 1 / 3, 1.0))
        whole = clone(estimator).fit(X, Y)
        assert fitted.t_ == whole.t_
        assert_allclose(fitted.coef_, whole.coef_, rtol=1e-9)

    def test_passes_of_a_network_reorder_the_rows(self):
        estimator = MLPClassifier((8,), max_iter=9, batch_size=30, random_state=0)
        fitted = climb(choose(estimator), estimator, Y, (1 / 3, 1.0))
        by_hand = MLPClassifier((8,), max_iter=3, batch_size=30, random_state=0)
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            by_hand.fit(X, Y)
        by_hand.random_state = np.random.RandomState(0)
        for _ in range(6):
            by_hand.partial_fit(X, Y)
        assert_array_equal(fitted.loss_curve_, by_hand.loss_curve_)

    def test_refit_of_a_network_is_its_fit(self):
        estimator = MLPClassifier((8,), max_iter=9, batch_size=30, random_state=0)
        refitted = clone(estimator)
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            choose(estimator).fit(refitted, 1.0, (X, Y), {})
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            whole = clone(estimator).fit(X, Y)
        assert refitted.get_params() == estimator.get_params()
        assert_array_equal(refitted.loss_curve_, whole.loss_curve_)

    @pytest.mark.parametrize("budget", [1 / 3, 1.0])
    def test_refit_leaves_parameters_as_they_were(self, budget):
        for estimator in (
            SGDClassifier(max_iter=9, tol=None, random_state=0),
            HistGradientBoostingClassifier(max_iter=9, random_state=0),
        ):
            refitted = clone(estimator).set_params(max_iter=5)
            choose(estimator).fit(refitted, budget, (X, Y), {})
            assert refitted.get_params() == {**estimator.get_params(), "max_iter": 5}
            assert refitted.n_iter_ == 5

    def test_each_output_has_classes_of_its_own(self):
        many = np.column_stack([Y, Y > 0])
        estimator = MultiOutputClassifier(SGDClassifier(tol=None, random_state=0))
        splits = [(np.arange(80), np.arange(80, 120))]
        data = Data(estimator, X, many, splits, None, frozenset())
        resource = choose_resource("partial_fit", 1, 3, data)
        fitted = climb(resource, estimator, many, (1 / 3, 1.0))
        assert [list(e.classes_) for e in fitted.estimators_] == [[0, 1, 2], [0, 1]]

    def test_passes_refuse_other_pipelines(self):
        pipeline = OtherPipeline([("clf", SGDClassifier(tol=None))])
        with pytest.raises(ValueError, match="Pipeline of scikit-learn itself"):
            choose(pipeline, "partial_fit")

    def test_passes_refuse_early_stopping(self):
        estimator = MLPClassifier(max_iter=9, early_stopping=True)
        resource = choose(estimator, "partial_fit")
        with pytest.raises(ValueError, match="does not support early_stopping"):
            climb(resource, estimator, Y, (1 / 3, 1.0))

    def test_a_class_that_a_fold_lacks_is_known(self):
        estimator = SGDClassifier(loss="log_loss", max_iter=3, tol=None, random_state=0)
        resource = choose(estimator)
        job = FoldJob(0, 0, {}, 1.0)
        fitted, _ = resource.begin(estimator, job)
        fitted.fit(X[Y < 2], Y[Y < 2])
        assert fitted.predict_proba(X).shape == (len(X), 3)

    def test_fit_params_reach_every_pass(self):
        sgd = SGDClassifier(max_iter=4, tol=None, shuffle=False)
        estimator = make_pipeline(StandardScaler(), sgd)
        resource = choose(estimator)
        fitted, settings = resource.begin(estimator, FoldJob(0, 0, {}, 0.5))
        fitted.set_params(**settings)
        weights = np.where(Y == 0, 1.0, 0.1)
        fitted.fit(X, Y, sgdclassifier__sample_weight=weights)
        scaled = StandardScaler().fit_transform(X)
        by_hand = clone(sgd)
        for _ in range(2):
            by_hand.partial_fit(scaled, Y, np.unique(Y), weights)
        assert_allclose(fitted[-1].coef_, by_hand.coef_)


class Counting(TransformerMixin, BaseEstimator):
    """Counts its fits."""

    def fit(self, X, y=None):
        self.n_fits_ = getattr(self, "n_fits_", 0) + 1
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("routing", [False, True])
def test_transformers_are_fitted_once(routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        last = GradientBoostingClassifier(n_estimators=9, random_state=0)
        name = "gradientboostingclassifier__sample_weight"
        if routing:
            last.set_fit_request(sample_weight=True)
            name = "sample_weight"
        scaler = StandardScaler()
        if routing:
            scaler.set_fit_request(sample_weight=False)
        inner = make_pipeline(scaler, last)
        estimator = Pipeline([("count", Counting()), ("inner", inner)])
        resource = choose(estimator)
        weights = np.random.default_rng(0).random(len(X))
        params = {name if routing else f"inner__{name}": weights}
        model = None
        for budget in (1 / 9, 1 / 3, 1.0):
            job = FoldJob(0, 0, {}, budget, model, keep=budget < 1.0)
            fitted, settings = resource.begin(estimator, job)
            fitted.set_params(**settings)
            fitted.fit(X, Y, **params)
            model = resource.end(fitted, job)
        assert fitted["count"].n_fits_ == 1
        whole = clone(estimator).fit(X, Y, **params)
        assert_allclose(fitted.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("module", ["xgboost", "lightgbm"])
def test_boosters_continue(module):
    library = pytest.importorskip(module)
    make = library.XGBClassifier if module == "xgboost" else library.LGBMClassifier
    quiet = {} if module == "xgboost" else {"verbose": -1}
    estimator = make(n_estimators=9, random_state=0, n_jobs=1, **quiet)
    resource = choose(estimator)
    assert resource.continues
    fitted = climb(resource, estimator, Y, (1 / 9, 1 / 3, 1.0))
    whole = clone(estimator).fit(X, Y)
    assert_allclose(fitted.predict_proba(X), whole.predict_proba(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_warm_linear_model_gets_near_the_uninterrupted_one():
    estimator = LogisticRegression(max_iter=90, warm_start=False)
    resource = choose(estimator, "max_iter")
    assert resource.continues
    fitted = climb(resource, estimator, Y, (1 / 9, 1.0), params={"C": 0.5})
    whole = clone(estimator).set_params(C=0.5).fit(X, Y)
    assert_allclose(fitted.coef_, whole.coef_, atol=1e-2)
    assert fitted.max_iter == 90


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_one_fit_is_read_at_many_lengths(in_pipeline, monkeypatch):
    fits = []

    class Counted(AdaBoostClassifier):
        def fit(self, X, y, sample_weight=None):
            fits.append(self.n_estimators)
            return super().fit(X, y, sample_weight)

    estimator = Counted(n_estimators=9, random_state=0)
    if in_pipeline:
        estimator = make_pipeline(StandardScaler(), estimator)
    resource = choose(estimator)
    # all go on from the first rung, so that fits of 3 would be fits for nothing
    resource = resource.planned([(9, 1 / 9), (3, 1 / 3), (3, 1.0)])
    assert resource.cost(1 / 3, 1 / 9) == pytest.approx(1.0)
    assert resource.cost(1.0, 1 / 3) == 0.0
    model = None
    for n in (1, 3, 9):
        job = FoldJob(0, 0, {}, n / 9, model, keep=n < 9)
        fitted, settings = resource.begin(estimator, job)
        fitted.set_params(**settings)
        fitted.fit(X, Y)
        expected = AdaBoostClassifier(n_estimators=n, random_state=0)
        Z = StandardScaler().fit_transform(X) if in_pipeline else X
        expected = expected.fit(Z, Y)
        assert_allclose(fitted.predict_proba(X), expected.predict_proba(Z))
        assert fitted.score(X, Y) == expected.score(Z, Y)
        model = resource.end(fitted, job)
        assert fitted.get_params()[resource.name] == n
    assert fits == [1, 9]
    assert_allclose(fitted.predict(X), expected.predict(Z))


def test_early_stopping_tells_where_it_stopped():
    estimator = HistGradientBoostingClassifier(
        max_iter=300, early_stopping=True, n_iter_no_change=2, random_state=0
    )
    resource = choose(estimator)
    fitted, _ = resource.begin(estimator, FoldJob(0, 0, {}, 1.0))
    assert resource.n_iter_used(fitted.fit(X, Y)) == fitted.n_iter_ < 300


class OtherPipeline(Pipeline):
    """May resample rows, as those of other packages do."""


AUTO = {
    "forest": (RandomForestClassifier(), "n_estimators", 10, 100),
    "histogram": (HistGradientBoostingClassifier(), "max_iter", 11, 100),
    "mlp": (MLPClassifier(), "partial_fit", 22, 200),
    "mlp that stops early": (MLPClassifier(early_stopping=True), "folds", 1, 3),
    "boosting that stops early": (
        GradientBoostingClassifier(n_iter_no_change=3),
        "folds",
        1,
        3,
    ),
    "scores out of the bag": (BaggingClassifier(oob_score=True), "folds", 1, 3),
    "online learning": (LatentDirichletAllocation(), "folds", 1, 3),
    "another pipeline": (
        OtherPipeline([("scale", StandardScaler()), ("clf", RandomForestClassifier())]),
        "folds",
        1,
        3,
    ),
    "sgd": (SGDClassifier(tol=None), "partial_fit", 111, 1000),
    "sgd that stops by itself": (SGDClassifier(), "folds", 1, 3),
    "balanced sgd": (
        SGDClassifier(class_weight="balanced", tol=None),
        "folds",
        1,
        3,
    ),
    "elastic net": (ElasticNet(), "folds", 1, 3),
    "boosting with tol": (GradientBoostingClassifier(), "n_estimators", 11, 100),
    "liblinear": (LogisticRegression(solver="liblinear"), "folds", 1, 3),
    "svc": (SVC(), "folds", 1, 3),
    "ridge": (Ridge(), "folds", 1, 3),
    "bayes": (MultinomialNB(), "folds", 1, 3),
    "adaboost": (AdaBoostClassifier(), "n_estimators", 6, 50),
    "pipeline": (
        make_pipeline(StandardScaler(), RandomForestClassifier()),
        "randomforestclassifier__n_estimators",
        10,
        100,
    ),
    "cross-fitted": (
        make_pipeline(TargetEncoder(), RandomForestClassifier()),
        "folds",
        1,
        3,
    ),
}


@pytest.mark.parametrize("name", AUTO)
def test_automatic_choice(name):
    estimator, resource, minimum, maximum = AUTO[name]
    chosen = choose(estimator)
    assert (chosen.name, chosen.minimum, chosen.maximum) == (resource, minimum, maximum)


@pytest.mark.parametrize(
    ("estimator", "searched", "name"),
    [
        (RandomForestClassifier(), "n_estimators", "folds"),
        (SGDClassifier(tol=None), "class_weight", "folds"),
        (MLPClassifier(), "solver", "folds"),
        (LogisticRegression(tol=None, warm_start=True), "solver", "folds"),
        (MLPClassifier(), "early_stopping", "folds"),
        (BaggingClassifier(), "oob_score", "folds"),
        (Pipeline([("clf", RandomForestClassifier())]), "clf", "folds"),
        (RandomForestClassifier(), "max_depth", "n_estimators"),
    ],
)
def test_automatic_choice_minds_what_is_searched(estimator, searched, name):
    assert choose(estimator, searched=[searched]).name == name


def test_metadata_that_pipelines_transform_need_whole_fits():
    steps = [("scale", StandardScaler()), ("clf", RandomForestClassifier())]
    assert choose(Pipeline(steps)).name == "clf__n_estimators"
    assert choose(Pipeline(steps, transform_input=["X_val"])).name == "folds"
    assert choose(make_pipeline(NMF(), RandomForestClassifier())).name == "folds"


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (SVC(), "folds"),
        (RandomForestClassifier(), "n_estimators"),
        (SVC(), "n_samples"),
    ],
)
def test_counts_may_be_given_as_floats(estimator, name):
    resource = choose(estimator, name, minimum=2.0)
    amounts = [resource.n_resources(budget) for budget in (0.1, 0.37, 1.0)]
    assert all(isinstance(n_resources, int) for n_resources in amounts)


def test_a_parameter_by_name():
    resource = choose(SVC(max_iter=50), "max_iter", minimum=10)
    assert not resource.continues
    _, settings = resource.begin(SVC(), FoldJob(0, 0, {"C": 2.0}, 0.5))
    assert settings == {"C": 2.0, "max_iter": 25}
    share = choose(BaggingClassifier(max_samples=0.9), "max_samples", minimum=0.1)
    assert share.params(share.n_resources(0.5)) == {"max_samples": 0.45}


BAD = {
    "unknown": (SVC(), {"name": "n_trees"}, "nor a parameter of SVC"),
    "searched": (SVC(), {"name": "C", "searched": ["C"]}, "also searched"),
    "no number": (SVC(), {"name": "kernel"}, "max_resources must be given"),
    "no passes": (
        SVC(),
        {"name": "partial_fit"},
        "needs an estimator with partial_fit",
    ),
    "minimum above": (SVC(), {"name": "folds", "minimum": 4}, "more than the 3"),
    "too many rows": (SVC(), {"name": "n_samples", "maximum": 121}, "the 120 rows"),
    "other folds": (SVC(), {"name": "folds", "maximum": 2}, "must be the 3 folds"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_named(case):
    estimator, how, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        choose(estimator, **how)


def test_one_fold_and_few_rows_are_no_resource():
    data = data_of(SVC())
    one = replace(data, splits=data.splits[:1])
    resource = choose_resource("auto", "auto", "auto", one)
    assert "too few to save anything" in resource.why_alone
    with pytest.raises(ValueError, match="only one fold"):
        choose_resource("folds", "auto", "auto", one)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(20, 200))
def test_every_beginning_keeps_the_shares_of_the_classes(seed, n_classes, n):
    rng = np.random.default_rng(seed)
    y = rng.choice(n_classes, n, p=rng.dirichlet(np.ones(n_classes)))
    order = nested_order(n, y, None, rng)
    assert_array_equal(np.sort(order), np.arange(n))
    counts = np.bincount(y)
    for m in range(len(np.unique(y)), n):
        expected = counts * m / n
        assert (
            np.abs(np.bincount(y[order[:m]], minlength=len(counts)) - expected)
            <= np.count_nonzero(counts)
        ).all()
        assert (np.bincount(y[order[:m]], minlength=len(counts))[counts > 0] > 0).all()


def test_subsets_are_nested_and_sorted():
    resource = choose(SVC(), "n_samples", minimum=20)
    train = data_of(SVC()).splits[1][0]
    small, large, whole = (resource.rows(train, 1, b) for b in (0.2, 0.5, 1.0))
    assert set(small) < set(large) < set(whole)
    assert_array_equal(whole, train)
    assert_array_equal(large, np.sort(large))
    assert len(large) == 40


def test_groups_are_not_cut():
    groups = np.random.default_rng(0).integers(0, 12, len(X))
    splits = list(GroupKFold(3).split(X, Y, groups))
    data = Data(SVC(), X, Y, splits, groups, frozenset())
    resource = choose_resource("n_samples", 20, "auto", data)
    for fold, (train, _) in enumerate(splits):
        rows = resource.rows(train, fold, 0.3)
        assert len(rows) >= 24
        left = np.setdiff1d(train, rows)
        assert not set(groups[rows]) & set(groups[left])


def test_floor_of_rows():
    X, y = make_classification(9000, 40, random_state=0)
    assert choose(SVC(), "n_samples", X=X, y=y).minimum == 1000
    assert choose(SVC(), "n_samples", X=X[:3000], y=y[:3000]).minimum == 500
    assert choose(SVC(), "n_samples", X=X[:900, :3], y=y[:900]).minimum == 100
