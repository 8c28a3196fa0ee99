"""Objectives of a search: functions of models, the knee, and BayesSearchCV's front."""

import itertools
import pickle
import warnings

import numpy as np
import pytest
from asktell import run
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform, norm, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    knee,
    read_checkpoint,
)
from sklearn_hpo._numerics import pareto
from sklearn_hpo._numerics.ehvi import Improvement
from sklearn_hpo._numerics.pareto import hypervolume
from sklearn_hpo.optimizers import Evolution, GaussianProcess, HypervolumeGP, Portfolio
from sklearn_hpo.optimizers._population import diversity
from sklearn_hpo.search._objectives import Objectives, volumes
from sklearn_hpo.space import SearchSpace

X, Y = load_iris(return_X_y=True)
SEARCHES = [BayesSearchCV, EvolutionarySearchCV]
SEEDS = st.integers(0, 2**32 - 1)


def few_leaves(estimator):
    return -estimator.get_n_leaves()


def few_pairs(estimator):
    if estimator.get_n_leaves() == 5:
        raise RuntimeError("five")
    return -(estimator.get_n_leaves() // 2)


def score(estimator):
    return 0.0


def no_number(estimator):
    return [1.0]


def search(cls=EvolutionarySearchCV, **more):
    return cls(
        **{
            "estimator": DecisionTreeClassifier(random_state=0),
            "param_distributions": {
                "max_leaf_nodes": randint(2, 20),
                "ccp_alpha": loguniform(1e-4, 1e-1),
            },
            "n_iter": 16,
            "cv": 3,
            "scoring": ["accuracy", "f1_macro"],
            "objectives": ["accuracy", few_leaves],
            "refit": knee(more.get("objectives") or ["accuracy", few_leaves]),
            "random_state": 0,
            **more,
        }
    )


def losses_of(results, *names):
    return -np.column_stack([results[f"mean_test_{name}"] for name in names])


def front_of(losses):
    def beaten(b):
        return any((a <= b).all() and (a < b).any() for a in losses)

    return [i for i, b in enumerate(losses) if not beaten(b)]


@pytest.mark.parametrize("cls", SEARCHES)
def test_a_function_of_the_model_is_a_score_like_any_other(cls):
    fitted = search(cls, return_train_score=True).fit(X, Y)
    results = fitted.cv_results_
    folds = [results[f"split{i}_test_few_leaves"] for i in range(3)]
    for row, params in enumerate(results["params"][:4]):
        for fold, (train, _) in enumerate(StratifiedKFold(3).split(X, Y)):
            model = clone(fitted.estimator).set_params(**params).fit(X[train], Y[train])
            assert folds[fold][row] == -model.get_n_leaves()
    assert_allclose(results["mean_test_few_leaves"], np.mean(folds, axis=0))
    assert results["rank_test_few_leaves"].min() == 1
    assert_array_equal(
        results["mean_train_few_leaves"], results["mean_test_few_leaves"]
    )
    losses = losses_of(results, "accuracy", "few_leaves")
    assert_array_equal(fitted.pareto_front_, front_of(losses))
    assert (np.diff(fitted.history_["hypervolume"]) >= 0).all()


@pytest.mark.parametrize("cls", SEARCHES)
def test_the_same_in_other_processes(cls):
    alone = search(cls, max_concurrent=2).fit(X, Y)
    spread = search(cls, max_concurrent=2, n_jobs=2).fit(X, Y)
    for name in ("mean_test_accuracy", "mean_test_few_leaves"):
        assert_array_equal(spread.cv_results_[name], alone.cv_results_[name])
    assert_array_equal(spread.pareto_front_, alone.pareto_front_)


def small_file(pipeline):
    return -len(pickle.dumps(pipeline))


def test_sharing_does_not_change_what_a_function_sees():
    how = {
        "estimator": make_pipeline(StandardScaler(), PCA(), SVC()),
        "param_distributions": {
            "pca__n_components": [2, 3],
            "svc__C": loguniform(1e-2, 1e2),
        },
        "objectives": ["accuracy", small_file],
    }
    shared = search(**how).fit(X, Y)
    alone = search(cache_transformers=False, **how).fit(X, Y)
    name = "mean_test_small_file"
    assert_array_equal(shared.cv_results_[name], alone.cv_results_[name])


def mean_of_accuracy(estimator, X, y):
    return estimator.score(X, y)


@pytest.mark.parametrize("cls", SEARCHES)
def test_weights_of_rows(cls):
    weights = np.linspace(0.1, 2, len(Y))
    fitted = search(cls).fit(X, Y, sample_weight=weights)
    row = fitted.best_index_
    leaves = []
    for train, _ in StratifiedKFold(3).split(X, Y):
        model = clone(fitted.estimator).set_params(**fitted.best_params_)
        model.fit(X[train], Y[train], sample_weight=weights[train])
        leaves.append(-model.get_n_leaves())
    assert fitted.cv_results_["mean_test_few_leaves"][row] == np.mean(leaves)
    how = {"scoring": mean_of_accuracy, "objectives": ["score", few_leaves]}
    plain = search(cls, **how)
    with warnings.catch_warnings():
        # scikit-learn tells that this function takes no weights
        warnings.filterwarnings("ignore", "The scoring score=")
        plain.fit(X, Y, sample_weight=weights)
    assert np.isfinite(plain.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_the_only_score_is_called_score(scoring):
    fitted = search(scoring=scoring, objectives=["score", few_leaves]).fit(X, Y)
    named = search(objectives=["accuracy", few_leaves]).fit(X, Y)
    assert fitted.cv_results_["params"] == named.cv_results_["params"]
    assert fitted.best_index_ == named.best_index_
    chosen = search(
        scoring=scoring, objectives=["score", few_leaves], refit="score"
    ).fit(X, Y)
    assert chosen.best_score_ == chosen.cv_results_["mean_test_score"].max()
    assert chosen.score(X, Y) == chosen.best_estimator_.score(X, Y)


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test")
def test_a_function_that_raises_costs_the_candidate():
    fitted = search(objectives=["accuracy", few_pairs]).fit(X, Y)
    failed = np.isnan(fitted.cv_results_["mean_test_few_pairs"])
    assert failed.any()
    assert not failed[fitted.pareto_front_].any()
    with pytest.raises(RuntimeError, match="five"):
        search(objectives=["accuracy", few_pairs], error_score="raise").fit(X, Y)


def test_a_function_must_return_a_number():
    with pytest.raises(ValueError, match="must return a number"):
        search(objectives=["accuracy", no_number]).fit(X, Y)


def test_what_cannot_be_sent_to_workers_is_refused():
    class Cursed:
        __name__ = "cursed"

        def __call__(self, estimator):
            return 0.0

        def __reduce__(self):
            raise TypeError("not this one")

        def __deepcopy__(self, memo):
            return self

    with pytest.raises(Exception, match=r"pickle|not this one"):
        search(objectives=["accuracy", Cursed()], n_jobs=2).fit(X, Y)


class NeverFitted(ClassifierMixin, BaseEstimator):
    def __init__(self, max_leaf_nodes=2, ccp_alpha=0.0):
        self.max_leaf_nodes = max_leaf_nodes
        self.ccp_alpha = ccp_alpha

    def fit(self, X, y):
        raise AssertionError


def clashing_name():
    def accuracy(estimator):
        return 0.0

    return accuracy


@pytest.mark.parametrize("cls", SEARCHES)
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"objectives": ["accuracy", lambda model: 0.0]}, "define it with def"),
        ({"objectives": ["accuracy", 3]}, "define it with def"),
        ({"objectives": ["f1_macro", clashing_name()]}, "function named 'accuracy'"),
        ({"scoring": None, "objectives": ["neg_fit_time", score]}, "named 'score'"),
        ({"objectives": ["accuracy", few_leaves, few_leaves]}, "more than once"),
        ({"objectives": ["score", few_leaves]}, "'score', which is none of"),
        ({"objectives": [few_leaves]}, "two or more"),
        ({"refit": True}, "which candidate of a front"),
        ({"refit": "roc_auc"}, "which candidate of a front"),
        ({"refit": knee(["accuracy", "few_trees"])}, "knee goes by 'few_trees'"),
        ({"objectives": None, "refit": True}, "refit"),
        ({"refit": "knee"}, "which candidate of a front.*knee"),
        ({"warm_start_from": [({"max_leaf_nodes": 3}, 0.5)]}, "several objectives"),
    ],
)
def test_wrong_settings_are_refused_before_any_fit(cls, more, message):
    with pytest.raises(ValueError, match=message):
        search(cls, estimator=NeverFitted(), error_score="raise", **more).fit(X, Y)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"scheduler": "racing"}, "scheduler='racing' compares"),
        ({"optimizer": "tpe"}, "TPE learns one objective"),
        (
            {"optimizer": GaussianProcess(acquisition="ucb")},
            "GaussianProcess learns one objective",
        ),
    ],
)
def test_what_bayes_refuses_with_objectives(more, message):
    with pytest.raises(ValueError, match=message):
        search(BayesSearchCV, estimator=NeverFitted(), **more).fit(X, Y)


@pytest.mark.parametrize("cls", SEARCHES)
def test_the_knee_is_the_best(cls):
    fitted = search(cls).fit(X, Y)
    losses = losses_of(fitted.cv_results_, "accuracy", "few_leaves")
    low, high = (
        function(losses[fitted.pareto_front_], axis=0) for function in (np.min, np.max)
    )
    depth = ((losses - low) / (high - low)).sum(axis=1)
    assert fitted.best_index_ in fitted.pareto_front_
    assert depth[fitted.best_index_] == pytest.approx(depth[fitted.pareto_front_].min())
    assert fitted.best_params_ == fitted.cv_results_["params"][fitted.best_index_]
    assert not hasattr(fitted, "best_score_")
    with pytest.raises(ValueError, match=r"refit=knee\(.*\) does not say which"):
        fitted.score(X, Y)
    assert fitted.best_estimator_.get_n_leaves() <= 20


def never(estimator):
    raise RuntimeError("never")


@pytest.mark.filterwarnings("ignore")
def test_without_a_front_the_knee_is_one_that_can_be_fitted():
    class Picky(DecisionTreeClassifier):
        def fit(self, X, y):
            if self.max_leaf_nodes < 15:
                raise RuntimeError("few")
            return super().fit(X, y)

    fitted = search(
        estimator=Picky(),
        objectives=["accuracy", never],
        refit=knee(["accuracy", never]),
    ).fit(X, Y)
    assert len(fitted.pareto_front_) == 0
    assert fitted.best_params_["max_leaf_nodes"] >= 15
    assert fitted.predict(X).shape == Y.shape


def test_a_refit_that_raises_leaves_the_whole_history():
    fitted = search(refit=never)
    with pytest.raises(RuntimeError, match="never"):
        fitted.fit(X, Y)
    assert {"hypervolume", "diversity"} <= set(fitted.history_)


def test_a_finished_search_may_choose_anew(tmp_path):
    how = {"checkpoint": tmp_path / "search.jsonl"}
    first = search(refit=False, **how).fit(X, Y)
    for refit in (knee(["accuracy", few_leaves]), "accuracy", "few_leaves"):
        again = search(refit=refit, estimator=DecisionTreeClassifier(random_state=0))
        again.set_params(**how).fit(X, Y)
        assert again.cv_results_["params"] == first.cv_results_["params"]
        assert again.best_params_ == search(refit=refit).fit(X, Y).best_params_


@pytest.mark.parametrize("k", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_volumes_are_those_of_the_rows_so_far(k, seed):
    rng = np.random.default_rng(seed)
    table = np.round(rng.normal(size=(25, k)), 1)
    table[rng.random(25) < 0.2] = np.nan
    table[0] = -1.0
    expected = [hypervolume(-_finite(table[: i + 1]), np.ones(k)) for i in range(25)]
    assert_allclose(volumes(table, 1), expected, atol=1e-12)


def _finite(table):
    return table[np.isfinite(table).all(axis=1)]


def smallest_good(results):
    good = results["mean_test_accuracy"] >= results["mean_test_accuracy"].max() - 0.05
    return int(np.argmax(np.where(good, results["mean_test_few_leaves"], -np.inf)))


def test_a_callable_chooses_among_all():
    fitted = search(refit=smallest_good).fit(X, Y)
    assert fitted.best_index_ == smallest_good(fitted.cv_results_)
    assert not hasattr(fitted, "best_score_")


@given(
    arrays(
        float,
        st.tuples(st.integers(1, 8), st.integers(2, 4)),
        elements=st.integers(0, 5),
    )
)
def test_knee_of_a_front_is_below_the_plane_of_its_best(losses):
    front = losses[front_of(losses)]
    row = pareto.knee(front)
    low, width = front.min(axis=0), np.ptp(front, axis=0)
    scaled = (front - low) / np.where(width > 0, width, 1)
    if losses.shape[1] == 2 or not width.all():
        assert scaled[row].sum() == pytest.approx(scaled.sum(axis=1).min())
    assert 0 <= row < len(front)


def test_knee_of_three_objectives_lies_below_their_own_plane():
    # the plane through the three is x + y + 2 z = 2 in units of the ranges
    corners = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5], [1.0, 1.0, 0.0]])
    rows = np.vstack([corners, [[0.6, 0.6, 0.35]], [[0.25, 0.85, 0.48]]])
    assert pareto.knee(rows) == 3
    assert pareto.knee(np.vstack([rows, [[0.7, 0.7, 0.1]]])) == 5


@pytest.mark.parametrize(("k", "n"), [(2, 2), (2, 24), (3, 10), (4, 24), (5, 24)])
def test_reference_directions_are_the_lattice(k, n):
    directions = pareto.reference_directions(k, n)
    assert len(directions) <= n
    assert_allclose(directions.sum(axis=1), 1.0)
    assert len(np.unique(directions, axis=0)) == len(directions)
    p = round(1 / directions[directions > 0].min())
    lattice = [
        row for row in itertools.product(range(p + 1), repeat=k) if sum(row) == p
    ]
    outer = directions[(directions == 0).any(axis=1)] if k > 3 else directions
    for row in outer:
        assert tuple(row) in {tuple(np.array(point) / p) for point in lattice} or k > 3


def niches_by_hand(losses, directions):
    """Return the order of rows, one comparison at a time; all are one front."""
    moved = losses - losses.min(axis=0)
    moved = moved / np.where(moved.max(axis=0) > 0, moved.max(axis=0), 1)
    niche, distance = [], []
    for row in moved:
        gaps = []
        for way in directions:
            along = row @ way / (way @ way)
            gaps.append(np.linalg.norm(row - along * way))
        niche.append(int(np.argmin(gaps)))
        distance.append(min(gaps))
    depth = [
        sum(
            niche[j] == niche[i] and distance[j] < distance[i]
            for j in range(len(moved))
        )
        for i in range(len(moved))
    ]
    return sorted(range(len(moved)), key=lambda i: (depth[i], distance[i]))


@pytest.mark.parametrize("seed", range(10))
def test_niches_as_by_hand(seed):
    rng = np.random.default_rng(seed)
    # the extreme rows are the axes themselves, so the intercepts are the worst values
    rows = np.abs(rng.normal(size=(12, 3)))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    losses = np.vstack([np.eye(3), rows]) * [1.0, 10.0, 0.1]
    directions = pareto.reference_directions(3, 10)
    order = pareto.niched_order(losses, directions)
    assert order.tolist() == niches_by_hand(losses, directions)


@settings(max_examples=50, deadline=None)
@given(arrays(float, (7, 3), elements=st.integers(0, 4)))
def test_niches_come_after_fronts_and_failures_last(losses):
    failed = np.vstack([np.full((2, 3), np.inf), losses])
    order = pareto.niched_order(failed, pareto.reference_directions(3, 10))
    assert sorted(order) == list(range(9))
    assert set(order[-2:]) == {0, 1}
    assert (np.diff(pareto.non_dominated_rank(failed)[order]) >= 0).all()


@pytest.mark.parametrize(("k", "seed"), [(2, 0), (2, 1), (3, 2)])
def test_improvement_is_the_mean_growth_of_the_volume(k, seed):
    rng = np.random.default_rng(seed)
    losses = np.abs(rng.normal(size=(6, k)))
    losses /= np.linalg.norm(losses, axis=1)[:, None]
    mean, std = rng.uniform(0.2, 0.9, (5, k)), rng.uniform(0.05, 0.3, (5, k))
    found = []
    for turn in range(20):
        improvement = Improvement(losses, np.random.default_rng(turn))
        found.append(np.exp(improvement.value(mean, std)))
    reference = improvement.reference
    before, growth = hypervolume(losses, reference), []
    for middle, width in zip(mean, std, strict=True):
        draws = middle + width * norm.ppf(rng.random((1000, k)))
        after = [hypervolume(np.vstack([losses, d]), reference) for d in draws]
        growth.append(np.mean(after) - before)
    share = np.mean(found, axis=0)
    # up to a constant, and to the errors of both integrals
    assert_allclose(share / share.sum(), growth / np.sum(growth), atol=0.03)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("far", [0.0, 3.0])
def test_improvement_has_the_gradient_of_its_value(k, far):
    rng = np.random.default_rng(k)
    losses = rng.random((8, k))
    improvement = Improvement(losses, rng)
    mean, std = far + rng.random((4, k)), rng.uniform(0.1, 0.5, (4, k))
    value, by_mean, by_std = improvement.gradient(mean, std)
    assert_allclose(value, improvement.value(mean, std), rtol=1e-6)
    step = 1e-5
    for j in range(k):
        shift = step * np.eye(k)[j]
        for slope, ends in (
            (by_mean, [(mean + shift, std), (mean - shift, std)]),
            (by_std, [(mean, std + shift), (mean, std - shift)]),
        ):
            up, down = (improvement.gradient(*end)[0] for end in ends)
            assert_allclose(slope[:, j], (up - down) / (2 * step), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "losses", [np.zeros((3, 2)), np.ones((1, 3)), [[0, 1], [1, 1]]]
)
def test_improvement_of_a_flat_front(losses):
    losses = np.array(losses, dtype=float)
    improvement = Improvement(losses, np.random.default_rng(0))
    assert (improvement.reference > losses.min(axis=0)).all()
    mean = losses[:1] - [[0.5], [-2.0]]
    value = improvement.value(mean, np.full_like(mean, 0.1))
    assert np.isfinite(value).all()
    assert value[0] > value[1]


def zdt2(rows):
    g = 1 + 9 * rows[:, 1:].mean(axis=1)
    return np.column_stack([rows[:, 0], g * (1 - (rows[:, 0] / g) ** 2)])


@pytest.mark.parametrize(("n_pending", "least"), [(0, 11.2), (3, 11.1)])
def test_processes_find_the_front_of_few_evaluations(n_pending, least):
    # the whole front has 11.43 with this reference
    space = SearchSpace({f"x{i}": uniform(0, 1) for i in range(4)})
    for optimizer in (HypervolumeGP(), Portfolio()):
        volumes = []
        for seed in range(7):
            run(optimizer, space, zdt2, 40, seed, n_pending, n_objectives=2)
            volumes.append(hypervolume(zdt2(optimizer.rows), np.array([1.1, 11.0])))
        assert np.mean(volumes) > least
    draws = np.random.default_rng(0).random((40, 4))
    assert hypervolume(zdt2(draws), np.array([1.1, 11.0])) < 10.5


@pytest.mark.parametrize(
    ("surrogate", "sources"), [("auto", {"gp", "de"}), ("gp", {"gp"})]
)
def test_who_proposes(surrogate, sources):
    fitted = search(BayesSearchCV, optimizer=surrogate).fit(X, Y)
    assert set(fitted.history_["source"]) == {"design", *sources}


def test_three_objectives_are_for_niches():
    three = ["accuracy", few_leaves, "neg_fit_time"]
    fitted = search(objectives=three).fit(X, Y)
    assert "nsga3" in fitted.history_["source"]


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        (["accuracy", "neg_fit_time"], True),
        (["accuracy", few_leaves], True),
        (["accuracy", "f1_macro"], False),
    ],
)
def test_who_looks_at_times_or_models_shares_nothing(objectives, expected):
    assert Objectives(search(objectives=objectives)).need_all_of_fits is expected


def by_hand(rows, categorical):
    total = []
    for a, b in itertools.combinations(rows, 2):
        for x, y, is_choice in zip(a, b, categorical, strict=True):
            if np.isnan(x) or np.isnan(y):
                total.append(float(np.isnan(x) != np.isnan(y)))
            else:
                total.append(float(x != y) if is_choice else abs(x - y))
    return np.mean(total)


@given(SEEDS, st.integers(2, 6))
def test_diversity_is_the_mean_distance(seed, n):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 4, (n, 5)) / 4
    rows[rng.random((n, 5)) < 0.3] = np.nan
    categorical = rng.random(5) < 0.5
    assert diversity(rows, categorical) == pytest.approx(by_hand(rows, categorical))


@pytest.mark.parametrize("objectives", [None, ["accuracy", few_leaves]])
def test_diversity_is_that_of_the_population(objectives, tmp_path):
    more = {
        "objectives": objectives,
        "refit": "accuracy",
        "optimizer": Evolution(population_size=6),
        "checkpoint": tmp_path / "search.jsonl",
    }
    fitted = search(**more).fit(X, Y)
    found = fitted.history_["diversity"]
    rows = np.array([fitted.space_.encode(p) for p in fitted.history_["params"]])
    assert found[0] == 0.0
    for n in (2, 6):
        assert found[n - 1] == pytest.approx(by_hand(rows[:n], [False, False]))
    assert all(0.0 < distance < 1.0 for distance in found[1:])
    lines = more["checkpoint"].read_text().splitlines(keepends=True)
    more["checkpoint"].write_text("".join(lines[:20]))
    assert search(**more).fit(X, Y).history_["diversity"] == found


@pytest.mark.parametrize("cls", SEARCHES)
def test_a_checkpoint_is_of_its_objectives(cls, tmp_path):
    path = tmp_path / "search.jsonl"
    whole = search(cls, checkpoint=path).fit(X, Y)
    assert len(read_checkpoint(path)["score"]) == 16
    again = search(cls, checkpoint=path).fit(X, Y)
    assert_array_equal(again.pareto_front_, whole.pareto_front_)
    for other in (["f1_macro", few_leaves], ["accuracy", "f1_macro"], None):
        changed = search(cls, checkpoint=path, objectives=other, refit="accuracy")
        with pytest.raises(ValueError, match="objectives"):
            changed.fit(X, Y)


def test_hyperband_has_no_objectives():
    assert "objectives" not in HyperbandSearchCV._get_param_names()
