"""A model that goes on is the model that one fit gives: estimators, options, resources.

Each case runs a whole search, and compares what the folds of its last rung predict with
fits of the same candidates by hand.
"""

import copy

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_hpo import HyperbandSearchCV
from sklearn_hpo.schedulers import Halving, _halving

X, Y = make_classification(160, 6, n_informative=4, flip_y=0.2, random_state=0)
ROWS = X
REAL = 3 * X[:, 0] + X[:, 1] ** 2
pytestmark = [
    pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated"),
    pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight"),
]
FOLDS = list(StratifiedKFold(2, shuffle=True, random_state=0).split(X, Y))


@pytest.fixture(autouse=True)
def _every_rung(monkeypatch):
    """Let three candidates climb all rungs; plans leave out what drops nobody."""
    monkeypatch.setattr(_halving, "without_useless_rungs", lambda plan, cost: plan)


def fingerprint(estimator, X, y=None):
    """Return one number that tells all predictions from others."""
    names = ("predict_proba", "decision_function", "predict")
    name = next(name for name in names if hasattr(estimator, name))
    out = np.asarray(getattr(estimator, name)(X), dtype=float).ravel()
    return float(out @ np.random.default_rng(0).uniform(1, 2, len(out)))


def search_and_compare(  # the whole property
    estimator, space, resource, data=None, n_jobs=None, rtol=1e-12, **params
):
    """Search, assert that the last rung is plain fits, and return the search."""
    X, y = data or (ROWS, Y)
    search = HyperbandSearchCV(
        estimator,
        space,
        n_candidates=3,
        scheduler=Halving(n_brackets=1),
        scoring=fingerprint,
        cv=FOLDS,
        n_jobs=n_jobs,
        random_state=0,
        error_score="raise",
    ).fit(X, y, **params)
    assert search.resource_ == resource
    results = search.cv_results_
    last = np.flatnonzero(results["iter"] == results["iter"].max())
    for row in last:
        for fold, (train, test) in enumerate(FOLDS):
            whole = copy.deepcopy(estimator).set_params(
                **clone_values(results["params"][row])
            )
            cut = {k: cut_rows(v, train, len(y)) for k, v in params.items()}
            whole.fit(rows(X, train), y[train], **cut)
            np.testing.assert_allclose(
                results[f"split{fold}_test_score"][row],
                fingerprint(whole, rows(X, test)),
                rtol=rtol,
            )
    return search


def clone_values(params):
    return {name: clone(value, safe=False) for name, value in params.items()}


def rows(X, index):
    return X.iloc[index] if hasattr(X, "iloc") else X[index]


def cut_rows(value, index, n):
    per_row = isinstance(value, np.ndarray) and len(value) == n
    return value[index] if per_row else value


def both(cases):
    """Each case in this process and in two others; the latter are slow to start."""
    return pytest.mark.parametrize(
        ("name", "n_jobs"),
        [(name, None) for name in cases]
        + [pytest.param(name, 2, marks=pytest.mark.slow) for name in cases],
    )


DEPTHS = {"max_depth": [2, 3, 4]}
OURS = {
    "forest": (RandomForestClassifier(27, random_state=0), DEPTHS),
    "extra trees": (ExtraTreesRegressor(27, random_state=0), DEPTHS),
    "isolation": (
        IsolationForest(n_estimators=27, random_state=0),
        {"max_samples": [40, 60]},
    ),
    "bagging": (
        BaggingClassifier(n_estimators=27, random_state=0),
        {"max_features": [0.4, 0.7, 1.0]},
    ),
    "boosting": (
        GradientBoostingClassifier(n_estimators=27, subsample=0.6, random_state=0),
        DEPTHS,
    ),
    "boosting of quantiles": (
        GradientBoostingRegressor(loss="quantile", n_estimators=27, random_state=0),
        DEPTHS,
    ),
    "histogram": (
        HistGradientBoostingClassifier(max_iter=27, max_features=0.5, random_state=0),
        DEPTHS,
    ),
    "histogram that stops": (
        HistGradientBoostingRegressor(
            max_iter=27, early_stopping=True, n_iter_no_change=2, random_state=0
        ),
        DEPTHS,
    ),
    "adaboost": (
        AdaBoostClassifier(n_estimators=27, random_state=0),
        {"learning_rate": [0.3, 0.6, 1.0]},
    ),
    "adaboost regressor": (
        AdaBoostRegressor(n_estimators=27, random_state=0),
        {"learning_rate": [0.3, 0.6, 1.0]},
    ),
    "network": (
        MLPClassifier((6,), max_iter=27, shuffle=False, random_state=0),
        {"alpha": [1e-4, 1e-2, 1.0]},
    ),
    "network regressor": (
        MLPRegressor(
            hidden_layer_sizes=(6,), max_iter=27, shuffle=False, random_state=0
        ),
        {"alpha": [1e-4, 1e-2, 1.0]},
    ),
    "sgd": (
        SGDClassifier(max_iter=27, tol=None, shuffle=False),
        {"alpha": [1e-4, 1e-3, 1e-2]},
    ),
    "sgd regressor": (
        SGDRegressor(max_iter=27, tol=None, shuffle=False),
        {"alpha": [1e-4, 1e-3, 1e-2]},
    ),
    "averaged sgd": (
        SGDClassifier(max_iter=27, tol=None, shuffle=False, average=True),
        {"alpha": [1e-4, 1e-3, 1e-2]},
    ),
}
RESOURCES = {"histogram": "max_iter", "network": "partial_fit", "sgd": "partial_fit"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@both(OURS)
def test_scikit_learn(name, n_jobs):
    estimator, space = OURS[name]
    resource = RESOURCES.get(name.split()[0], "n_estimators")
    if name == "averaged sgd":
        resource = "folds"
    is_real = "regressor" in type(estimator).__name__.lower()
    # passes sum in another order than one fit
    rtol = 1e-7 if resource == "partial_fit" else 1e-12
    data = (X, REAL if is_real else Y)
    search_and_compare(estimator, space, resource, data, n_jobs, rtol)
    if not is_real and resource == "n_estimators" and n_jobs is None:
        piped = {f"last__{name}": values for name, values in space.items()}
        pipeline = Pipeline([("scale", StandardScaler()), ("last", estimator)])
        search_and_compare(pipeline, piped, f"last__{resource}", data, n_jobs, rtol)


# Options beside 27 rounds, what fit is given, and the resource that is right.
LIGHTGBM = {
    "plain": ({}, {}, "n_estimators"),
    "weights": ({}, {"sample_weight": np.linspace(0.1, 1, len(X))}, "n_estimators"),
    "another name": ({"num_iterations": 27}, {}, "num_iterations"),
    "yet another name": ({"max_iter": 27}, {}, "max_iter"),
    "two names": ({"num_trees": 27, "num_rounds": 27}, {}, "folds"),
    "patience": ({"early_stopping_round": 3}, {"eval_set": [(X, Y)]}, "folds"),
    "patience of sklearn": ({"n_iter_no_change": 3}, {"eval_set": [(X, Y)]}, "folds"),
    "evaluated only": ({}, {"eval_set": [(X, Y)]}, "n_estimators"),
    "start": ({}, {"init_score": np.linspace(-1, 1, len(X))}, "folds"),
    "one-sided": ({"data_sample_strategy": "goss"}, {}, "folds"),
    "one-sided, as of old": ({"boosting_type": "goss"}, {}, "folds"),
    "dropout": ({"boosting": "dart"}, {}, "folds"),
    "paid once": ({"cegb_penalty_feature_coupled": [3.0] * 6}, {}, "folds"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@both(LIGHTGBM)
def test_lightgbm(name, n_jobs):
    library = pytest.importorskip("lightgbm")
    options, params, resource = LIGHTGBM[name]
    if not name.endswith("name") and name != "two names":
        options = {"n_estimators": 27, **options}
    estimator = library.LGBMClassifier(n_jobs=1, verbose=-1, **options)
    space = {"num_leaves": [3, 5, 8]}
    found = search_and_compare(estimator, space, resource, n_jobs=n_jobs, **params)
    if resource != "folds":
        assert found.best_estimator_.booster_.num_trees() == 27


@pytest.mark.filterwarnings("ignore:Only training set found")
def test_lightgbm_callbacks_that_only_write_go_on():
    library = pytest.importorskip("lightgbm")
    estimator = library.LGBMClassifier(n_estimators=27, n_jobs=1, verbose=-1)
    space = {"num_leaves": [3, 5, 8]}
    for callback, resource in (
        (library.log_evaluation(0), "n_estimators"),
        (library.early_stopping(3, verbose=False), "folds"),
        (library.reset_parameter(learning_rate=decaying), "folds"),
    ):
        given = {"callbacks": [callback], "eval_set": [(X, Y)]}
        search_and_compare(estimator, space, resource, **given)


@pytest.mark.parametrize("resource", ["n_estimators", "num_trees"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_name_of_the_rounds_is_a_resource(resource):
    library = pytest.importorskip("lightgbm")
    search = HyperbandSearchCV(
        library.LGBMClassifier(num_iterations=27, n_jobs=1, verbose=-1),
        {"num_leaves": [3, 5, 8]},
        resource=resource,
        random_state=0,
    ).fit(X, Y)
    assert search.resource_ == "num_iterations"
    assert search.best_estimator_.booster_.num_trees() == 27


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_searched_name_of_the_rounds_is_no_resource():
    library = pytest.importorskip("lightgbm")
    estimator = library.LGBMClassifier(n_jobs=1, verbose=-1)
    search_and_compare(estimator, {"num_iterations": [5, 9, 27]}, "folds")


def decaying(i):
    return 0.3 * 0.9**i


XGBOOST = {
    "plain": ({}, {}, "n_estimators"),
    "margin": ({}, {"base_margin": np.linspace(-1, 1, len(X))}, "n_estimators"),
    "evaluated only": ({}, {"eval_set": [(X, Y)], "verbose": False}, "n_estimators"),
    "constraint": ({"monotone_constraints": (1, 0, 0, 0, 0, 0)}, {}, "n_estimators"),
    "patience": (
        {"early_stopping_rounds": 3},
        {"eval_set": [(X, Y)], "verbose": False},
        "folds",
    ),
    "linear": ({"booster": "gblinear", "updater": "coord_descent"}, {}, "folds"),
    "dropout": ({"booster": "dart", "rate_drop": 0.3}, {}, "folds"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@both(XGBOOST)
def test_xgboost(name, n_jobs):
    library = pytest.importorskip("xgboost")
    options, params, resource = XGBOOST[name]
    estimator = library.XGBClassifier(n_estimators=27, n_jobs=1, **options)
    # its sums are of single precision
    search_and_compare(
        estimator, {"reg_lambda": [0.1, 1, 9]}, resource, None, n_jobs, 1e-6, **params
    )


def test_xgboost_callbacks_names_and_kinds():
    library = pytest.importorskip("xgboost")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    make, few = library.XGBClassifier, {"n_estimators": 27, "n_jobs": 1}
    schedule = library.callback.LearningRateScheduler(decaying)
    search_and_compare(make(callbacks=[schedule], **few), DEPTHS, "folds", rtol=1e-6)
    named = make(monotone_constraints={"a": 1}, **few)
    search_and_compare(named, DEPTHS, "folds", (frame, Y), rtol=1e-6)
    space = {"booster": ["gbtree", "dart"], "max_depth": [2, 3]}
    search_and_compare(make(**few), space, "folds", rtol=1e-6)
    forest = library.XGBRFClassifier(random_state=0, **few)
    search_and_compare(forest, DEPTHS, "folds", rtol=1e-6)


EXACT = {"learning_rate": 0.1, "bootstrap_type": "No", "random_strength": 0}
CATBOOST = {
    "exact": ({"n_estimators": 27, **EXACT}, {}, "n_estimators"),
    "another name": ({"num_trees": 27, **EXACT}, {}, "num_trees"),
    "weights": (
        {"iterations": 27, **EXACT},
        {"sample_weight": np.linspace(0.1, 1, len(X))},
        "iterations",
    ),
    "categories": ({"iterations": 27, "cat_features": [0], **EXACT}, {}, "iterations"),
    "by default": ({"n_estimators": 27}, {}, "folds"),
    "rate by rounds": ({"iterations": 27, **EXACT, "learning_rate": None}, {}, "folds"),
    "ordered": ({"iterations": 27, **EXACT, "boosting_type": "Ordered"}, {}, "folds"),
    "columns": ({"iterations": 27, **EXACT, "rsm": 0.5}, {}, "folds"),
    "shrunk": ({"iterations": 27, **EXACT, "model_shrink_rate": 0.1}, {}, "folds"),
    "start": (
        {"iterations": 27, **EXACT},
        {"baseline": np.linspace(-1, 1, len(X))},
        "folds",
    ),
    "best of an evaluation": (
        {"iterations": 27, "od_wait": 3, **EXACT},
        {"eval_set": (X[:40], 1 - Y[:40])},
        "folds",
    ),
}


def catboost_classifier(**options):
    library = pytest.importorskip("catboost")
    quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
    return library.CatBoostClassifier(**options, **quiet)


@both(CATBOOST)
def test_catboost(name, n_jobs):
    options, params, resource = CATBOOST[name]
    data = X.astype(object)
    data[:, 0] = np.char.mod("%d", X[:, 0])
    data = (data if "cat_features" in options else X, Y)
    estimator, space = catboost_classifier(**options), {"depth": [2, 3, 4]}
    # a model that goes on begins with what the earlier one predicts, summed by tree
    found = search_and_compare(estimator, space, resource, data, n_jobs, **params)
    assert found.best_estimator_.tree_count_ == 27 or "eval_set" in params


def test_catboost_in_a_pipeline():
    last = catboost_classifier(iterations=27, **EXACT)
    pipeline = Pipeline([("scale", StandardScaler()), ("last", last)])
    search_and_compare(pipeline, {"last__depth": [2, 3, 4]}, "last__iterations")


def test_plain_fits_with_catboost_iterations_by_name():
    search = HyperbandSearchCV(
        catboost_classifier(),
        {"depth": [2, 3]},
        resource="iterations",
        max_resources=9,
        scoring=fingerprint,
        cv=FOLDS,
        error_score="raise",
    ).fit(X, Y)
    best, (train, test) = search.best_params_, FOLDS[0]
    whole = catboost_classifier(**best).fit(X[train], Y[train])
    score = search.cv_results_["split0_test_score"][search.best_index_]
    assert score == fingerprint(whole, X[test])
    assert best["iterations"] == search.best_estimator_.tree_count_ == 9


def skorch_classifier(**options):
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    options = {"train_split": None, "module__n_hidden": 5, "lr": 0.1, **options}
    return skorch.NeuralNetClassifier(
        seeded_network(torch), max_epochs=9, batch_size=32, verbose=0, **options
    )


def seeded_network(torch):
    class Seeded(torch.nn.Sequential):
        def __init__(self, n_hidden=5):
            torch.manual_seed(0)
            super().__init__(
                torch.nn.Linear(6, n_hidden),
                torch.nn.ReLU(),
                torch.nn.Dropout(0.2),
                torch.nn.Linear(n_hidden, 2),
                torch.nn.Softmax(dim=1),
            )

    return Seeded


# skorch can't pickle a class that was defined here in a worker: trained anew there
@pytest.mark.filterwarnings("ignore:A fitted model can't be kept")
@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_skorch_draws_what_one_fit_draws(n_jobs, in_pipeline):
    torch = pytest.importorskip("torch")
    # the order of rows and what is dropped come from torch's own generator
    net = skorch_classifier(
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=1e-3,
        iterator_train__shuffle=True,
    )
    space, data, prefix = {"module__n_hidden": [3, 5, 8]}, (X.astype("f"), Y), ""
    if in_pipeline:
        net, prefix = Pipeline([("scale", StandardScaler()), ("net", net)]), "net__"
        space = {"net__module__n_hidden": [3, 5, 8]}
    found = search_and_compare(net, space, f"{prefix}max_epochs", data, n_jobs)
    last = found.best_estimator_[-1] if in_pipeline else found.best_estimator_
    assert len(last.history) == found.best_params_[f"{prefix}max_epochs"] == 9


def test_skorch_callbacks_and_passes():
    pytest.importorskip("skorch")
    from skorch.callbacks import EarlyStopping, EpochScoring, LRScheduler
    from skorch.dataset import ValidSplit

    space, data = {"module__n_hidden": [3, 5, 8]}, (X.astype("f"), Y)
    for callback, resource in (
        (EpochScoring("accuracy"), "max_epochs"),
        (EarlyStopping(monitor="train_loss", patience=2), "folds"),
        (LRScheduler("StepLR", step_size=2), "folds"),
    ):
        net = skorch_classifier(callbacks=[callback], iterator_train__shuffle=True)
        search_and_compare(net, space, resource, data)
    net = skorch_classifier(train_split=ValidSplit(0.3))
    assert search_of(net, space).plan(*data)["resource"][0] == "folds"
    # one call of partial_fit does max_epochs of them
    plan = search_of(skorch_classifier(), space, resource="partial_fit").plan(*data)
    assert (plan["resource"][0], plan["n_resources"]) == ("max_epochs", [1, 3, 9])


def search_of(estimator, space, **options):
    return HyperbandSearchCV(estimator, space, cv=FOLDS, random_state=0, **options)


class OutOfFold(TransformerMixin, BaseEstimator):
    """Encodes rows by the target of the others in training, by all of them later."""

    def fit(self, X, y):
        self.total_, self.n_ = y.sum(), len(y)
        return self

    def transform(self, X):
        return np.column_stack([X, np.full(len(X), self.total_ / self.n_)])

    def fit_transform(self, X, y):
        self.fit(X, y)
        return np.column_stack([X, (self.total_ - y) / (self.n_ - 1)])


class Shifted(TransformerMixin, BaseEstimator):
    """Does the same to all rows, and says how often it is fitted."""

    n_fits = 0

    def fit(self, X, y=None):
        type(self).n_fits += 1
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.mean_


LAST = {
    "forest": lambda: RandomForestClassifier(27, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=27, random_state=0),
    "lightgbm": lambda: pytest.importorskip("lightgbm").LGBMClassifier(
        n_estimators=27, n_jobs=1, verbose=-1, min_child_samples=5
    ),
    "catboost": lambda: catboost_classifier(iterations=27, **EXACT),
    "adaboost": lambda: AdaBoostClassifier(n_estimators=27, random_state=0),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@both(LAST)
def test_training_rows_of_another_form(name, n_jobs):
    last = LAST[name]()
    pipeline = Pipeline([("encode", OutOfFold()), ("last", last)])
    values = [2, 3, 4] if name == "forest" else [0.05, 0.1, 0.3]
    rate = (
        "learning_rate" if len(values) and isinstance(values[0], float) else "max_depth"
    )
    rounds = "iterations" if name == "catboost" else "n_estimators"
    space = {f"last__{rate}": values}
    search_and_compare(pipeline, space, f"last__{rounds}", None, n_jobs)
    nested = Pipeline([("scale", StandardScaler()), ("inner", pipeline)])
    space = {f"inner__last__{rate}": values}
    search_and_compare(nested, space, f"inner__last__{rounds}", None, n_jobs)


def test_transformers_that_are_searched_may_set_rows_apart():
    pipeline = Pipeline(
        [
            ("encode", StandardScaler()),
            ("last", RandomForestClassifier(27, random_state=0)),
        ]
    )
    choices = [StandardScaler(), OutOfFold(), Shifted()]
    search_and_compare(pipeline, {"encode": choices}, "last__n_estimators")
    assert not any(name.endswith("_") for choice in choices for name in vars(choice))


def test_transformers_of_the_user_that_treat_all_rows_alike_are_fitted_once():
    Shifted.n_fits = 0
    pipeline = Pipeline(
        [("shift", Shifted()), ("last", RandomForestClassifier(27, random_state=0))]
    )
    search = search_of(pipeline, {"last__max_depth": [2, 3, 4]}, refit=False).fit(X, Y)
    assert len(search.n_resources_) == 2
    # that models may go on is seen on one fold, in steps and in one fit
    assert Shifted.n_fits == 3 * len(FOLDS) + 2


@pytest.mark.filterwarnings("ignore:.*no_silent_downcasting. is deprecated")
@pytest.mark.parametrize(
    "name",
    [
        "CatBoostEncoder",
        "JamesSteinEncoder",
        "LeaveOneOutEncoder",
        "TargetEncoder",
        "WOEEncoder",
    ],
)
@pytest.mark.parametrize("random", [False, True])
def test_category_encoders(name, random):
    library = pytest.importorskip("category_encoders")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["a"] = np.char.mod("%d", 2 * X[:, 0])
    encoder = getattr(library, name)(cols=["a"])
    if random and "sigma" in encoder.get_params():
        encoder.set_params(sigma=0.1, random_state=0)
    if random and "randomized" in encoder.get_params():
        encoder.set_params(randomized=True)
    pipeline = Pipeline(
        [("encode", encoder), ("last", RandomForestClassifier(27, random_state=0))]
    )
    space = {"last__max_depth": [2, 3, 4]}
    search_and_compare(pipeline, space, "last__n_estimators", (frame, Y))


RARE = (X[:, 0] > np.quantile(X[:, 0], 0.8)).astype(int)


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("BalancedBaggingClassifier", "n_estimators"),
        ("BalancedRandomForestClassifier", "folds"),
        ("EasyEnsembleClassifier", "n_estimators"),
        ("RUSBoostClassifier", "n_estimators"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_imbalanced_learn(name, resource):
    library = pytest.importorskip("imblearn")
    pytest.importorskip("imblearn.ensemble")
    estimator = getattr(library.ensemble, name)(n_estimators=9, random_state=0)
    space = {"sampling_strategy": [0.7, 0.8, 1.0]}
    search_and_compare(estimator, space, resource, (X, RARE))


def test_pipelines_that_resample_are_fitted_anew():
    library = pytest.importorskip("imblearn.pipeline")
    from imblearn.over_sampling import RandomOverSampler

    pipeline = library.make_pipeline(
        RandomOverSampler(random_state=0), RandomForestClassifier(9, random_state=0)
    )
    space = {"randomforestclassifier__max_depth": [2, 3, 4]}
    search_and_compare(pipeline, space, "folds", (X, RARE))


def test_subclasses_go_on_if_they_fit_as_their_base_does():
    lightgbm = pytest.importorskip("lightgbm")

    class Renamed(lightgbm.LGBMClassifier):
        pass

    class Halved(lightgbm.LGBMClassifier):
        def fit(self, X, y, **params):
            return super().fit(X[::2], y[::2], **params)

    few, space = {"n_jobs": 1, "verbose": -1}, {"num_leaves": [3, 5, 8]}
    search_and_compare(Renamed(n_estimators=27, **few), space, "n_estimators")
    search_and_compare(Halved(n_estimators=27, **few), space, "folds")
    stopping = Renamed(n_estimators=27, early_stopping_round=2, **few)
    plan = search_of(stopping, space).plan(X, Y)
    assert plan["resource"][0] == "folds"


class ScaledNetwork(MLPClassifier):
    def fit(self, X, y):
        return super().fit(X / 9, y)

    def predict_proba(self, X):
        return super().predict_proba(X / 9)


class FlippedBoosting(AdaBoostClassifier):
    def predict(self, X):
        return 1 - super().predict(X)


class StumpsFirst(RandomForestClassifier):
    def fit(self, X, y):
        return super().fit(X[::-1], y[::-1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "estimator",
    [
        ScaledNetwork((6,), max_iter=9, random_state=0),
        FlippedBoosting(n_estimators=9, random_state=0),
        StumpsFirst(9, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_subclasses_that_fit_or_predict_otherwise_get_plain_fits(estimator):
    name = next(
        n for n in ("alpha", "max_depth", "learning_rate") if hasattr(estimator, n)
    )
    values = {"alpha": [0.1, 1.0, 9.0], "max_depth": [2, 3, 4]}
    space = {name: values.get(name, [0.3, 0.6, 1.0])}
    search_and_compare(estimator, space, "folds")


def test_boosting_that_is_watched_gets_plain_fits():
    estimator = GradientBoostingClassifier(n_estimators=27, random_state=0)
    search_and_compare(estimator, DEPTHS, "folds", monitor=StopAt(5))


class StopAt:
    def __init__(self, n):
        self.n = n

    def __call__(self, i, estimator, environment):
        return i >= self.n
