"""Transformers that candidates share: the same results, for fewer fits."""

import functools
import gc
import pickle
import re
import warnings
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.decomposition import NMF, PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import (
    SelectFromModel,
    SelectKBest,
    f_classif,
    mutual_info_classif,
)
from sklearn.linear_model import Ridge, RidgeClassifier, SGDClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, StandardScaler
from sklearn.utils import all_estimators
from sklearn.utils.fixes import parse_version

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._evaluation.callbacks import FitEvents
from sklearn_hpo._evaluation.transformer_cache import (
    TransformerCache,
    cached_transformers,
)
from sklearn_hpo._evaluation.transformer_cache._packing import packed
from sklearn_hpo._evaluation.transformer_cache._store import Entry
from sklearn_hpo._execution.pickling import SharedFile
from sklearn_hpo._identity.fits import key_of
from sklearn_hpo._study.stopping import Stopping


def without_address(value):
    """Name a case alike in all processes, as tests that run side by side must."""
    return re.sub(" at 0x[0-9a-fA-F]+", "", str(value))


X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:150, :8].copy(), Y[:150]
COUNTS = np.floor(load_diabetes().data[:80, :6] * 100 + 20)
TARGETS = (load_diabetes().target[:80] > 130).astype(int)
PIPE = Pipeline(
    [
        ("scale", MaxAbsScaler()),
        ("nmf", NMF(2, init="random", random_state=0, max_iter=400, tol=1e-3)),
        ("last", RidgeClassifier()),
    ]
)
SPACE = {"nmf__n_components": [2, 3], "last__alpha": loguniform(1e-3, 1e3)}
fits = []


class Scribbler(RegressorMixin, BaseEstimator):
    """A linear model that leaves nothing of its training data."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y):
        self.model_ = Ridge(alpha=self.alpha, random_state=0).fit(X, y)
        numbers = X.data if hasattr(X, "indptr") else np.asarray(X)
        if numbers.flags.writeable:
            numbers[...] = 1e300
        return self

    def predict(self, X):
        return self.model_.predict(X)


class Counted(TransformerMixin, BaseEstimator):
    """A user's transformer."""

    def __init__(self, by=1.0):
        self.by = by

    def fit(self, X, y=None):
        fits.append(self.by)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X * self.by


def search(pipeline=PIPE, space=None, kind=BayesSearchCV, **settings):
    settings = {"cv": 3, "random_state": 0, **settings}
    if kind is not HyperbandSearchCV:
        settings.setdefault("n_iter", 9)
    return kind(pipeline, space or SPACE, **settings)


def instances():
    for name, cls in all_estimators(type_filter="transformer"):
        try:
            transformer = cls()
        except TypeError:
            continue
        yield pytest.param(transformer, id=name)
        if getattr(transformer, "max_iter", None) is not None:
            transformer.max_iter = 20
        if getattr(transformer, "random_state", 0) is None:
            seeded = clone(transformer).set_params(random_state=0)
            yield pytest.param(seeded, id=f"{name}-seeded")


def predictions(pipeline, alphas, transformer_cache):
    """Return what fits with different last steps predict, and the seconds saved."""
    found, saved = [], []
    np.random.seed(0)  # noqa: NPY002
    for alpha in alphas:
        twin = clone(pipeline).set_params(last__alpha=alpha)
        with cached_transformers(transformer_cache, twin, 0) as memory:
            twin.fit(COUNTS.copy(), TARGETS)
        assert twin.memory is None
        found += [twin.predict(COUNTS[::-1] + 1), twin.predict(COUNTS)]
        saved.append(memory.saved)
    return found, saved


@pytest.mark.parametrize("transformer", list(instances()))
@pytest.mark.filterwarnings("ignore")
def test_any_transformer_predicts_the_same_to_the_last_bit(transformer):
    pipeline = Pipeline(
        [("first", transformer), ("second", MaxAbsScaler()), ("last", Scribbler())]
    )
    alphas = [1.0, 0.1, 10.0, 1.0]
    try:
        expected, _ = predictions(pipeline, alphas, None)
    except Exception as error:
        pytest.skip(f"takes other data: {error!s:.60}")
    found, _ = predictions(pipeline, alphas, TransformerCache())
    assert_array_equal(found, expected)


def seconds_saved(*steps, X=X, y=Y, has_listeners=False, **params):
    """Return what the second of two fits is spared."""
    transformer_cache = TransformerCache()
    # else what is quick to fit is kept or not by the clock
    with mock.patch("time.thread_time", return_value=0.0):
        for _ in range(2):
            pipeline = clone(make_pipeline(*steps, Ridge()))
            with cached_transformers(
                transformer_cache, pipeline, 0, has_listeners=has_listeners
            ) as memory:
                pipeline.fit(X.copy(), y, **params)
    return memory.saved


def own_function(X):
    return X + 1


@functools.wraps(f_classif)
def disguised(X, y):
    return f_classif(X, y)


slow_pca = PCA(3, svd_solver="full")


@pytest.mark.parametrize(
    "transformer",
    [
        slow_pca,
        PCA(3, svd_solver="randomized", random_state=3),
        SelectKBest(f_classif, k=3),
        make_pipeline(StandardScaler(), slow_pca),
        FeatureUnion([("a", slow_pca), ("b", StandardScaler())]),
        ColumnTransformer([("a", slow_pca, slice(0, 5)), ("b", "drop", [6, 7])]),
        SelectFromModel(RandomForestClassifier(5, random_state=0)),
        StandardScaler().set_output(transform="pandas"),
        FunctionTransformer(np.log1p),
    ],
    ids=without_address,
)
def test_what_can_be_known_is_shared(transformer):
    assert seconds_saved(transformer) > 0


@pytest.mark.parametrize(
    "transformer",
    [
        Counted(),
        make_pipeline(Counted(), StandardScaler()),
        FunctionTransformer(own_function),
        FunctionTransformer(functools.partial(np.add, 1)),
        SelectKBest(disguised, k=3),
        SelectKBest(mutual_info_classif, k=3),
        PCA(3, svd_solver="randomized"),
        PCA(3, svd_solver="randomized", random_state=np.random.RandomState(0)),
        SelectFromModel(RandomForestClassifier(5), threshold=-np.inf),
        FeatureUnion([("a", slow_pca)], n_jobs=2),
        FeatureUnion([("a", slow_pca)], verbose=True),
        StandardScaler(copy=False),
        make_pipeline(StandardScaler(copy=False)),
        FunctionTransformer(),
    ],
    ids=without_address,
)
def test_what_can_not_be_known_is_not_shared(transformer):
    assert seconds_saved(transformer) == 0
    # nor is what follows it, unless it changes nothing
    passes = isinstance(transformer, FunctionTransformer) and transformer.func is None
    assert (seconds_saved(transformer, slow_pca) > 0) == passes


def test_routed_parameters_end_the_sharing():
    weights = np.ones(len(Y))
    assert seconds_saved(StandardScaler(), ridge__sample_weight=weights) > 0
    assert seconds_saved(StandardScaler(), standardscaler__sample_weight=weights) == 0


def test_a_seed_of_the_global_generator_means_the_same():
    """A fit that draws takes its numbers, and a later one still finds its own."""
    steps = [("a", PCA(3, svd_solver="randomized")), ("last", Scribbler())]
    expected, _ = predictions(Pipeline(steps), [1, 2, 3], None)
    found, saved = predictions(Pipeline(steps), [1, 2, 3], TransformerCache())
    assert_array_equal(found, expected)
    assert saved == [0, 0, 0]


@pytest.mark.parametrize("fold", [0, 1])
def test_equal_parameters_on_other_rows_are_not_equal(fold):
    transformer_cache = TransformerCache()
    for place in [(0, 90), (fold, 100)]:
        pipeline = make_pipeline(slow_pca, Ridge())
        with cached_transformers(transformer_cache, pipeline, place) as memory:
            pipeline.fit(X[: place[1]], Y[: place[1]])
        assert memory.saved == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (StandardScaler(with_std=True), StandardScaler(with_std=1)),
        (StandardScaler(), StandardScaler().set_output(transform="pandas")),
        (FunctionTransformer(np.log1p), FunctionTransformer(np.expm1)),
        (
            FunctionTransformer(np.add, kw_args={"x2": 0.0}),
            FunctionTransformer(np.add, kw_args={"x2": -0.0}),
        ),
    ],
)
def test_parameters_that_differ_in_type_or_sign_differ(one, other):
    assert key_of(one) == key_of(clone(one)) != key_of(other)


class Subclass(Pipeline):
    """A pipeline that may do anything."""


@pytest.mark.parametrize(
    "pipeline",
    [
        Subclass([("a", slow_pca), ("b", Ridge())]),
        Pipeline([("a", slow_pca), ("b", Ridge())], memory=joblib.Memory(None)),
        Ridge(),
    ],
    ids=["subclass", "memory", "no pipeline"],
)
def test_pipelines_that_are_left_alone(pipeline):
    memory = getattr(pipeline, "memory", None)
    transformer_cache = TransformerCache()
    with cached_transformers(transformer_cache, pipeline, 0):
        assert getattr(pipeline, "memory", None) is memory
        pipeline.fit(X, Y)
    assert len(transformer_cache) == 0


# joblib complains when the disk is busy, by the clock.
@pytest.mark.filterwarnings("ignore:Persisting input arguments took:UserWarning")
def test_memory_of_the_user_is_used(tmp_path):
    fits.clear()
    pipeline = Pipeline(
        [("a", Counted()), ("last", Ridge())], memory=joblib.Memory(tmp_path, verbose=0)
    )
    search(pipeline, {"last__alpha": [1.0, 2.0, 3.0]}, refit=False).fit(X, Y)
    assert len(fits) == 3  # one a fold
    assert any(Path(tmp_path).rglob("*.pkl"))


@pytest.mark.parametrize(
    "output",
    [
        np.arange(60.0).reshape(12, 5)[:, :3],
        np.arange(60.0).reshape(12, 5)[::2, 1::2],
        np.asfortranarray(np.arange(60.0).reshape(12, 5)),
        np.asfortranarray(np.arange(60.0).reshape(12, 5))[:4],
        np.arange(60).reshape(3, 4, 5).transpose(1, 0, 2)[:2],
    ],
)
def test_layout_of_arrays_is_kept(output):
    """A sum over an array depends, in its last bits, on where its numbers lie."""
    blob = packed((output, Holder(output.T[:1].copy())), X, 10**6)
    found, holder = Entry(blob, 1.0, []).load()
    assert found.strides == output.strides
    assert found.flags.writeable
    assert_array_equal(found, output)
    assert_array_equal(holder.array, output.T[:1])


class Holder:
    """Stands in for a fitted transformer."""

    def __init__(self, array):
        self.array = array


FRAME = pd.DataFrame(X)
SPARSE = csr_matrix(X)


@pytest.mark.parametrize(
    ("output", "kept", "data"),
    [
        (X, None, X),
        (X[:, 2:5], None, X),
        (X.T, None, X),
        (FRAME.to_numpy(copy=False), None, FRAME),
        (csr_matrix((SPARSE.data, SPARSE.indices, SPARSE.indptr)), None, SPARSE),
        (COUNTS, COUNTS[:3], X),
        (COUNTS[:, :2], COUNTS, X),
    ],
)
def test_what_a_later_step_may_change_behind_is_not_kept(output, kept, data):
    assert packed((output, Holder(kept)), data, 10**6) == b""
    assert packed((output.copy(), Holder(kept)), data, 10**6) != b""


def test_output_that_is_kept_by_the_transformer_stays_the_same_object():
    out, holder = Entry(packed((COUNTS, Holder(COUNTS)), X, 10**6), 1.0, []).load()
    assert out is holder.array
    assert out is not COUNTS
    assert out.flags.writeable
    assert_array_equal(out, COUNTS)


def test_what_does_not_fit_is_not_copied():
    assert packed((COUNTS, Holder(None)), X, COUNTS.nbytes - 1) == b""


def test_entries_keep_to_the_bound():
    transformer_cache = TransformerCache(100_000)
    for number in range(40):
        transformer_cache.keep(number, Entry(bytes(12_000 + number), 1.0, []))
        assert 0 < transformer_cache.size <= transformer_cache.limit
    assert len(transformer_cache) == 6
    transformer_cache.keep("large", Entry(bytes(100_000), 1e9, []))
    assert transformer_cache.find("large") is None
    transformer_cache.clear()
    assert len(transformer_cache) == transformer_cache.size == 0


def test_folds_in_turn_are_found_though_not_all_fit():
    transformer_cache, found = TransformerCache(3 * 20_000), 0
    for number in range(100):
        key = number % 5
        if transformer_cache.find(key) is None:
            transformer_cache.keep(key, Entry(bytes(14_000), 1.0, []))
        else:
            found += 1
    assert found > 40


def test_what_took_longer_drives_out_what_did_not():
    transformer_cache = TransformerCache(3 * 20_000)
    for number in range(12):
        seconds = 10.0 if number > 8 else 0.1
        transformer_cache.keep(number, Entry(bytes(14_000), seconds, []))
    assert [transformer_cache.find(n) is not None for n in (9, 10, 11)] == [True] * 3


def test_what_nobody_asks_for_any_more_gives_way():
    transformer_cache = TransformerCache(3 * 20_000)
    for key in "abc":
        transformer_cache.keep(key, Entry(bytes(14_000), 1.0, []))
    for _ in range(12):
        transformer_cache.keep("new", Entry(bytes(14_000), 1.0, []))
    assert transformer_cache.find("new") is not None


# Whole searches


def assert_same(one, other):
    assert one.cv_results_["params"] == other.cv_results_["params"]
    names = [name for name in one.cv_results_ if re.match(r"(split|mean_t|rank)", name)]
    assert len(names) >= 5
    for name in names:
        assert_array_equal(one.cv_results_[name], other.cv_results_[name])


@pytest.fixture
def loads(monkeypatch):
    """The number of times that something was found, in this process."""
    found = []
    load = Entry.load
    monkeypatch.setattr(Entry, "load", lambda self: found.append(1) or load(self))
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {
            "return_train_score": True,
            "scoring": ["accuracy", "roc_auc"],
            "refit": "roc_auc",
        },
        {"scheduler": "racing"},
        {"kind": EvolutionarySearchCV},
        {"kind": HyperbandSearchCV, "resource": "n_samples", "min_resources": 50},
        {"kind": HyperbandSearchCV, "resource": "nmf__max_iter", "n_candidates": 6},
    ],
    ids=without_address,
)
@pytest.mark.filterwarnings("ignore:.*iteration:sklearn.exceptions.ConvergenceWarning")
def test_search_is_the_same(settings, loads):
    alone = search(cache_transformers=False, **settings).fit(X, Y)
    assert not loads
    shared = search(**settings).fit(X, Y)
    assert len(loads) > 10
    assert_same(shared, alone)
    assert shared.best_params_ == alone.best_params_
    assert_array_equal(shared.predict(X), alone.predict(X))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_search_of_workers_is_the_same(backend, loads):
    settings = {"max_concurrent": 2, "n_iter": 8}
    alone = search(cache_transformers=False, **settings).fit(X, Y)
    with joblib.parallel_config(backend):
        shared = search(n_jobs=2, **settings).fit(X, Y)
    assert_same(shared, alone)
    assert (len(loads) > 0) == (backend == "threading")


def test_models_that_go_on_are_the_same(loads):
    pipeline = Pipeline(
        [
            ("pca", PCA(3)),
            ("last", SGDClassifier(max_iter=27, tol=None, random_state=0)),
        ]
    )
    space = {"pca__n_components": [2, 3, 4], "last__alpha": loguniform(1e-5, 1e-1)}
    found = [
        search(
            pipeline,
            space,
            HyperbandSearchCV,
            n_candidates=9,
            optimizer="random",
            cache_transformers=share,
        ).fit(X, Y)
        for share in (False, True)
    ]
    assert found[0].resource_ == "partial_fit"
    assert_same(*found)
    assert loads


class Witness:
    """A scorer that looks at what it scores."""

    def __call__(self, estimator, X, y):
        assert estimator.memory is None
        assert clone(estimator).memory is None
        return estimator.score(X, y)


def test_neither_scorer_nor_result_sees_it(loads):
    fitted = search(scoring=Witness(), error_score="raise").fit(X, Y)
    assert loads
    assert fitted.best_estimator_.memory is None
    assert b"sklearn_hpo._evaluation.transformer_cache" not in pickle.dumps(fitted)
    assert len(pickle.dumps(fitted.best_estimator_)) < 10_000


@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_memory_is_free_after_the_search(backend):
    with joblib.parallel_config(backend, n_jobs=2):
        fitted = search().fit(X, Y)
    gc.collect()
    assert fitted.best_score_ > 0.5
    assert not [thing for thing in gc.get_objects() if type(thing) is Entry]


def test_workers_begin_with_nothing(tmp_path):
    transformer_cache = TransformerCache(10**6)
    transformer_cache.keep("key", Entry(b"blob", 1.0, []))
    found = SharedFile.write(transformer_cache, tmp_path).read()
    assert (found.limit, len(found)) == (10**6, 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"cache_transformers": False},
        {"refit": lambda results: 0},
        {
            "kind": EvolutionarySearchCV,
            "objectives": ["accuracy", "neg_fit_time"],
            "scoring": ["accuracy"],
            "refit": "accuracy",
        },
    ],
    ids=without_address,
)
def test_where_times_are_goals_nothing_is_shared(settings, loads):
    search(**settings).fit(X, Y)
    assert not loads


def test_memory_of_fits_is_not_limited_and_shared():
    fitted = search(fit_memory_limit=10**9, n_jobs=2, refit=False)
    _, problem, *_ = fitted._prepare(X, Y, {})
    assert problem.transformer_cache is None


def test_values_that_are_no_bool_are_refused():
    with pytest.raises(ValueError, match="cache_transformers"):
        search(cache_transformers="auto").fit(X, Y)


def test_error_of_a_transformer_is_the_same():
    space = {"nmf__n_components": [-1], "last__alpha": [0.1, 1.0, 10.0]}
    for share in (False, True):
        with pytest.raises(ValueError, match="'n_components' parameter of NMF must"):
            search(space=space, cache_transformers=share, error_score="raise").fit(X, Y)
        with pytest.raises(ValueError, match="9 fits failed with the following error"):
            search(space=space, cache_transformers=share).fit(X, Y)


def test_warnings_of_a_shared_fit_are_given_each_time(loads):
    pipeline = clone(PIPE).set_params(nmf__max_iter=1)
    counts = []
    for share in (False, True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search(pipeline, cache_transformers=share, refit=False).fit(X, Y)
        counts.append(sorted(str(w.message) for w in caught))
    assert loads
    assert any("raised in 27 of 27 fits" in text for text in counts[0])
    assert counts[0] == counts[1]


def test_filters_of_warnings_see_the_module_of_a_shared_fit(loads):
    pipeline = clone(PIPE).set_params(nmf__max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module="sklearn.decomposition")
        search(pipeline, error_score="raise").fit(X, Y)
    assert loads


def test_seconds_saved_count_where_a_whole_fit_is_meant(tmp_path):
    """The refit shares nothing, so that its time is foreseen from a fit alone."""
    path = tmp_path / "file.jsonl"
    fitted = search(checkpoint=path)
    space, problem, *parts = fitted._prepare(X, Y, {})
    events = FitEvents(fitted, X, Y)
    study, _ = fitted._run(problem, space, *parts, Stopping(), events)
    saved = [r.saved for e in study.trials for r in e.reports.values()]
    assert np.mean(np.array(saved) > 0) > 0.5
    times = [r.result["fit_time"] for r in study.trials[-1].reports.values()]
    assert study.trials[-1].fit_seconds > np.mean(times)
    again = search(checkpoint=path)
    space, problem, *parts = again._prepare(X, Y, {})
    events = FitEvents(again, X, Y)
    study, _ = again._run(problem, space, *parts, Stopping(), events)
    assert [r.saved for e in study.trials for r in e.reports.values()] == saved


class Tasks:
    """Notes the tasks of a search."""

    def __init__(self):
        self.begun = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="callbacks came with scikit-learn 1.9",
)
@pytest.mark.parametrize("where", ["search", "pipeline"])
@pytest.mark.filterwarnings("ignore:.*does not support callbacks")
def test_callbacks_see_the_same_tasks(where, loads):
    seen = []
    for share in (False, True):
        callback, pipeline = Tasks(), clone(PIPE)
        fitted = search(pipeline, cache_transformers=share)
        if where == "search":
            callback.max_propagation_depth = None
            fitted.set_callbacks(callback)
        else:
            pipeline.set_callbacks(callback)
        fitted.fit(X, Y)
        seen.append(callback.begun)
    assert loads
    assert seen[0] == seen[1]
    assert any("fit-transform-nmf" in name for name in seen[0])


def test_a_pipeline_that_prints_prints_of_every_fit(capsys):
    search(clone(PIPE).set_params(verbose=True), n_iter=3, refit=False).fit(X, Y)
    assert capsys.readouterr().out.count("Processing nmf") == 9
