"""BayesSearchCV inside of scikit-learn's utilities, and these inside of it."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV, SelectFromModel, SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import BayesSearchCV

# scikit-learn 1.6 with the newest SciPy
pytestmark = pytest.mark.filterwarnings("ignore:.*`disp` and `iprint`")

X, Y = load_iris(return_X_y=True)  # in the order of the classes
X = scale(X)
X2, Y2 = X[50:], Y[50:] == 2
XR, YR = (part[:120] for part in load_diabetes(return_X_y=True))
LABELS = np.column_stack([X2[:, 0] > 0.5, X2[:, 2] > 0.6, Y2]).astype(int)
TARGETS = np.column_stack([YR, XR[:, 2] + 0.1 * YR])
WEIGHTS = np.where(np.arange(150) % 2, 0.05, 2.0)
SPACE = {"C": loguniform(1e-2, 1e2)}
GRID = {"C": [0.01, 0.1, 10.0]}
LOGISTIC = LogisticRegression(max_iter=1000)


def bayes(estimator=LOGISTIC, space=SPACE, **settings):
    settings = {"n_iter": 4, "cv": 3, "random_state": 0, **settings}
    return BayesSearchCV(estimator, space, **settings)


def ridge(search_type):
    return search_type(Ridge(), {"alpha": [0.01, 0.1, 1.0]}, cv=3)


def logistic(search_type):
    return search_type(LOGISTIC, GRID, cv=3)


def scores(search_type):
    return cross_val_score(logistic(search_type), X, Y, cv=4)


def probabilities(search_type):
    return cross_val_predict(logistic(search_type), X, Y, method="predict_proba")


def curve(search_type):
    settings = {"train_sizes": [0.4, 1.0], "shuffle": True, "random_state": 0}
    return learning_curve(logistic(search_type), X, Y, cv=3, **settings)[1:3]


def curve_of_a_nested_parameter(search_type):
    return validation_curve(
        logistic(search_type),
        X2,
        Y2,
        param_name="estimator__fit_intercept",
        param_range=[True, False],
        cv=3,
    )


def permutations(search_type):
    score, permuted, p = permutation_test_score(
        logistic(search_type), X2, Y2, cv=3, n_permutations=4
    )
    return [score, *permuted, p]


def stacked(search_type):
    models = [("search", logistic(search_type)), ("nb", GaussianNB())]
    return StackingClassifier(models, LOGISTIC, cv=3).fit(X, Y).predict_proba(X)


def stacked_on_top(search_type):
    models = [("tree", DecisionTreeClassifier(random_state=0)), ("nb", GaussianNB())]
    stack = StackingClassifier(models, logistic(search_type), cv=3)
    return stack.fit(X, Y).predict_proba(X)


def voted(search_type):
    models = [("search", logistic(search_type)), ("nb", GaussianNB())]
    return VotingClassifier(models, voting="soft").fit(X, Y).predict_proba(X)


def tuned_threshold(search_type):
    model = TunedThresholdClassifierCV(logistic(search_type), cv=3).fit(X2, Y2)
    return [model.best_threshold_, *model.predict(X2)]


def fixed_threshold(search_type):
    model = FixedThresholdClassifier(logistic(search_type), threshold=0.8)
    return model.fit(X2, Y2).predict(X2)


def calibrated(search_type):
    model = CalibratedClassifierCV(logistic(search_type), cv=3)
    return model.fit(X, Y).predict_proba(X)


def many_outputs(search_type):
    return MultiOutputRegressor(ridge(search_type)).fit(XR, TARGETS).predict(XR)


def classifier_chain(search_type):
    return ClassifierChain(logistic(search_type)).fit(X2, LABELS).predict_proba(X2)


def one_vs_rest(search_type):
    return OneVsRestClassifier(logistic(search_type)).fit(X, Y).predict_proba(X)


def one_vs_one(search_type):
    return OneVsOneClassifier(logistic(search_type)).fit(X, Y).decision_function(X)


def bagged(search_type):
    model = BaggingClassifier(logistic(search_type), n_estimators=3, random_state=0)
    return model.fit(X, Y).predict_proba(X)


def eliminated(search_type):
    getter = "best_estimator_.coef_"
    model = RFECV(logistic(search_type), cv=3, importance_getter=getter).fit(X, Y)
    return [*model.ranking_, *model.cv_results_["mean_test_score"]]


def selected(search_type):
    getter = "best_estimator_.coef_"
    model = SelectFromModel(logistic(search_type), importance_getter=getter)
    return model.fit_transform(X, Y)


def transformed_target(search_type):
    model = TransformedTargetRegressor(
        ridge(search_type), func=np.log1p, inverse_func=np.expm1
    )
    return model.fit(XR, YR).predict(XR)


def last_step(search_type):
    return make_pipeline(StandardScaler(), logistic(search_type)).fit(X, Y).predict(X)


def frozen(search_type):
    fitted = FrozenEstimator(logistic(search_type).fit(X[::2], Y[::2]))
    return CalibratedClassifierCV(fitted, cv=3).fit(X[1::2], Y[1::2]).predict_proba(X)


def grid_over_the_search(search_type):
    search = GridSearchCV(
        logistic(search_type), {"estimator__fit_intercept": [True, False]}, cv=3
    ).fit(X, Y)
    return search.cv_results_["mean_test_score"]


COMPANY = [
    scores,
    probabilities,
    curve,
    curve_of_a_nested_parameter,
    permutations,
    stacked,
    stacked_on_top,
    voted,
    tuned_threshold,
    fixed_threshold,
    calibrated,
    many_outputs,
    classifier_chain,
    one_vs_rest,
    one_vs_one,
    bagged,
    eliminated,
    selected,
    transformed_target,
    last_step,
    frozen,
    grid_over_the_search,
]


@pytest.mark.parametrize("use", COMPANY, ids=lambda use: use.__name__)
def test_in_the_place_of_grid_search(use):
    # on a small grid both evaluate the same candidates: all around must come out equal
    for ours, theirs in zip(use(BayesSearchCV), use(GridSearchCV), strict=True):
        assert_array_equal(ours, theirs)


# With spaces that only a search of ours learns from


def test_cross_validation_is_stratified_as_for_a_classifier():
    # without strata each fold of the sorted classes misses the class it is tested on
    assert cross_val_score(bayes(), X, Y, cv=3).min() > 0.9
    assert_array_equal(cross_val_score(bayes(cv=2), X, Y, cv=KFold(3)), 0)


def test_cross_validate_returns_searches_that_saw_their_fold_only():
    results = cross_validate(
        bayes(), X, Y, cv=3, return_estimator=True, return_indices=True
    )
    train_rows = results["indices"]["train"]
    for search, train in zip(results["estimator"], train_rows, strict=True):
        alone = bayes().fit(X[train], Y[train])
        assert search.n_candidates_evaluated_ == 4
        assert search.best_params_ == alone.best_params_
        assert_array_equal(search.best_estimator_.coef_, alone.best_estimator_.coef_)
    n_distinct = len({s.best_estimator_.coef_.tobytes() for s in results["estimator"]})
    assert n_distinct == 3


def test_halving_gives_the_search_more_candidates():
    halving = HalvingGridSearchCV(
        bayes(),
        {"estimator__fit_intercept": [True, False], "optimizer": ["gp", "random"]},
        resource="n_iter",
        min_resources=2,
        max_resources=8,
        factor=2,
        cv=3,
        random_state=0,
    ).fit(X, Y)
    assert halving.n_resources_ == [2, 4, 8]
    assert halving.best_estimator_.n_candidates_evaluated_ == 8


def test_search_of_a_search():
    inner = bayes(cv=2)
    steps = make_pipeline(SelectKBest(), inner)
    outer = bayes(steps, {"selectkbest__k": [1, 2, 3]}).fit(X, Y)
    best_inner = outer.best_estimator_[-1]
    assert outer.n_candidates_evaluated_ == 3
    assert best_inner.n_candidates_evaluated_ == 4
    assert best_inner.n_features_in_ == outer.best_params_["selectkbest__k"]
    assert_array_equal(outer.predict(X), outer.best_estimator_.predict(X))
    assert not hasattr(inner, "best_params_")


@pytest.mark.parametrize(
    ("steps", "space"),
    [
        (
            make_pipeline(RFECV(LOGISTIC, cv=2), KNeighborsClassifier()),
            {
                "rfecv__estimator__C": loguniform(1e-2, 1e2),
                "kneighborsclassifier__n_neighbors": range(1, 30),
            },
        ),
        (
            make_pipeline(SelectFromModel(LOGISTIC), KNeighborsClassifier()),
            {
                "selectfrommodel__estimator__C": loguniform(1e-2, 1e2),
                "selectfrommodel__threshold": uniform(0, 0.4),
                "kneighborsclassifier__weights": ["uniform", "distance"],
            },
        ),
        (
            make_pipeline("passthrough", LOGISTIC),
            {
                "passthrough": [None, StandardScaler(), PCA(3)],
                "logisticregression__C": loguniform(1e-2, 1e2),
            },
        ),
        (
            CalibratedClassifierCV(LOGISTIC, cv=2),
            {"method": ["sigmoid", "isotonic"], "estimator__C": loguniform(1e-2, 1e2)},
        ),
        (
            StackingClassifier(
                [("nb", GaussianNB()), ("lr", LOGISTIC)], LOGISTIC, cv=2
            ),
            {"lr__C": loguniform(1e-2, 1e2), "nb__var_smoothing": loguniform(1e-9, 1)},
        ),
    ],
    ids=["RFECV", "SelectFromModel", "steps as choices", "calibrated", "stacked"],
)
def test_search_over_composed_estimators(steps, space):
    search = bayes(steps, space, n_iter=5).fit(X, Y)
    assert search.best_score_ > 0.85
    # the oracle: scikit-learn's own evaluation of the best candidate
    best = clone(steps).set_params(**search.best_params_)
    assert_allclose(
        search.best_score_, cross_val_score(best, X, Y, cv=3).mean(), rtol=1e-12
    )
    assert_array_equal(search.predict(X), best.fit(X, Y).predict(X))


def test_mixed_columns_of_a_frame():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame["size"] = pd.Categorical(np.where(X[:, 0] > 0, "large", "small"))
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["c", "d"]),
            ("names", OneHotEncoder(), ["size"]),
        ]
    )
    search = bayes(
        make_pipeline(columns, LOGISTIC),
        {
            "logisticregression__C": loguniform(1e-2, 1e2),
            "columntransformer__numbers__with_std": [True, False],
            "columntransformer__names__drop": [None, "first"],
        },
    ).fit(frame, pd.Series(Y).map({0: "x", 1: "y", 2: "z"}))
    assert list(search.feature_names_in_) == list(frame)
    assert list(search.classes_) == ["x", "y", "z"]
    assert search.best_score_ > 0.9


class Recorder(TransformerMixin, BaseEstimator):
    """Keeps the weights that it was fitted with."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y=None, sample_weight=None):
        self.weights_ = sample_weight
        return self

    def transform(self, X):
        return X + self.shift


def test_metadata_reach_a_step_through_cross_validation_and_search():
    def fit_all(search_type, weights):
        steps = make_pipeline(
            Recorder().set_fit_request(sample_weight=True),
            clone(LOGISTIC).set_fit_request(sample_weight=True),
        )
        space = {"logisticregression__C": GRID["C"]}
        accuracy = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        return cross_validate(
            search_type(steps, space, cv=3, scoring=accuracy),
            X,
            Y,
            scoring=accuracy,
            params={"sample_weight": weights},
            return_estimator=True,
            return_indices=True,
        )

    with sklearn.config_context(enable_metadata_routing=True):
        theirs = fit_all(GridSearchCV, WEIGHTS)
        ours = fit_all(BayesSearchCV, WEIGHTS)
        plain = fit_all(BayesSearchCV, np.ones(150))
    train_rows = ours["indices"]["train"]
    for search, train in zip(ours["estimator"], train_rows, strict=True):
        assert_array_equal(search.best_estimator_[0].weights_, WEIGHTS[train])
    coefs = [
        np.array([search.best_estimator_[-1].coef_ for search in results["estimator"]])
        for results in (ours, theirs, plain)
    ]
    assert_array_equal(coefs[0], coefs[1])
    assert not np.allclose(coefs[0], coefs[2])


def test_pandas_output_of_a_search_that_transforms():
    pca = PCA(random_state=0).set_output(transform="pandas")
    search = bayes(pca, {"n_components": [1, 2, 3]}).fit(X)
    out = search.transform(X)
    assert list(out) == [f"pca{i}" for i in range(out.shape[1])]
    assert_array_equal(out, search.best_estimator_.transform(X))
    with sklearn.config_context(transform_output="pandas"):
        steps = make_pipeline(StandardScaler(), PCA(random_state=0))
        search = bayes(steps, {"pca__n_components": [1, 2]}).fit(X)
        assert next(iter(search.transform(X))) == "pca0"
