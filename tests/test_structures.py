"""Sequences, subsets and orders: laws, rows, searches."""

import itertools
import math
import pickle
from collections import Counter

import joblib
import numpy as np
import pandas as pd
import probes
import pytest
from asktell import asked, tell
from contracts import SPACES
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV
from sklearn_hpo._identity.description import describe
from sklearn_hpo.optimizers import Evolution, GaussianProcess, Sobol
from sklearn_hpo.search._points import complete_points
from sklearn_hpo.space import SearchSpace, lograndint, permutation, sequence, subset

X, Y = load_iris(return_X_y=True)
SEEDS = st.integers(0, 2**32 - 1)
SPACE = SPACES["structures"]


class Probe(probes.Probe):
    """Best at x = 0.3, two large layers, "a" and "c", and the rising order."""

    def __init__(
        self, x=0.5, layers=(8,), keep=("a",), order=(0,), n_estimators=9, warm_start=0
    ):
        super().__init__(x)
        self.layers = layers
        self.keep = keep
        self.order = order
        self.n_estimators = n_estimators
        self.warm_start = warm_start

    def score(self, X, y):
        wrong = len(set(self.keep) ^ {"a", "c"}) + abs(len(self.layers) - 2)
        small = sum(abs(math.log(n / 400)) for n in self.layers)
        late = sum(a > b for a, b in itertools.combinations(self.order, 2))
        return super().score(X, y) - wrong - small - late


# Laws.

LAWS = {
    "sequence": (
        sequence(["a", "b"], 1, 3),
        {t: 1 / 3 / 2**n for n in (1, 2, 3) for t in itertools.product("ab", repeat=n)},
    ),
    "sequence that may be empty": (sequence([7], 0, 1), {(): 0.5, (7,): 0.5}),
    "weighted": (
        sequence(stats.binom(1, 0.2), 2, 2),
        {(0, 0): 0.64, (0, 1): 0.16, (1, 0): 0.16, (1, 1): 0.04},
    ),
    "subset": (
        subset(range(4), 1, 3),
        {
            t: 1 / 3 / math.comb(4, n)
            for n in (1, 2, 3)
            for t in itertools.combinations(range(4), n)
        },
    ),
    "subset of one": (subset(["a"], 0), {(): 0.5, ("a",): 0.5}),
    "subset of a size": (
        subset(range(4), 2, 2),
        dict.fromkeys(itertools.combinations(range(4), 2), 1 / 6),
    ),
    "permutation": (
        permutation(["x", "y", "z"]),
        dict.fromkeys(itertools.permutations("xyz"), 1 / 6),
    ),
    "nested": (
        sequence(subset([1, 2]), 1, 2),
        {
            t: 0.5 * math.prod({1: 0.25, 2: 0.25, 3: 0.5}[sum(s)] for s in t)
            for n in (1, 2)
            for t in itertools.product([(1,), (2,), (1, 2)], repeat=n)
        },
    ),
}


def frozen(value):
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def check_law(values, law):
    counts = Counter(map(frozen, values))
    assert counts.keys() <= law.keys()
    n = sum(counts.values())
    expected = [n * p for p in law.values()]
    assert stats.chisquare([counts[k] for k in law], expected).pvalue > 1e-4


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng, int])
def test_draws_have_their_law(name, make):
    dist, law = LAWS[name]
    check_law(dist.rvs(size=3000, random_state=make(5)), law)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("seed", range(2))
def test_samples_of_a_space_have_the_same_law(name, seed):
    dist, law = LAWS[name]
    space = SearchSpace({"s": dist, "x": [1, 2]})
    rows = space.sample(3000, np.random.default_rng(seed))
    check_law([space.decode(row)["s"] for row in rows], law)


def test_even_spreads_have_the_law_too():
    space = SearchSpace({"s": subset(range(30), 1, 6)})
    optimizer = Sobol()
    optimizer.start(space, 600, 0)
    rows = asked(optimizer, 600)
    sizes = Counter(len(space.decode(row)["s"]) for row in rows)
    assert sorted(sizes) == [1, 2, 3, 4, 5, 6]
    assert min(sizes.values()) > 60


def test_draws_are_plain_and_reproducible():
    layers = sequence(randint(3, 99), 2, 2)
    draw = layers.rvs(random_state=0)
    assert type(draw) is tuple
    assert [type(n) for n in draw] == [int, int]
    assert layers.rvs(random_state=0) == draw
    assert type(subset([1, 2]).rvs()) is type(permutation([1, 2]).rvs()) is list
    assert layers.rvs(size=(2, 3), random_state=1).shape == (2, 3)
    est = DecisionTreeClassifier()
    assert permutation([est]).rvs()[0] is est


def test_distributions_are_values():
    assert repr(sequence(loguniform(1, 9), 0, 2.0)) == (
        "sequence(loguniform(1, 9), min_length=0, max_length=2)"
    )
    assert repr(subset(["a", "b"])) == (
        "subset(items=('a', 'b'), min_size=1, max_size=2)"
    )
    assert repr(permutation(np.arange(2))) == "permutation(items=(0, 1))"
    for dist in (sequence([1, 2], 1, 2), subset(range(3), 2), permutation(["ab"])):
        assert pickle.loads(pickle.dumps(dist)) == dist == clone(dist, safe=False)
    assert subset([1, 2], 1) != subset([1, 2], 2)
    assert type(permutation(np.arange(2)).items[0]) is int


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: sequence(3, 1, 2), TypeError, "a list or a distribution .* 3 of type"),
        (lambda: sequence("abc", 1, 2), TypeError, "got 'abc' of type str"),
        (lambda: sequence([], 1, 2), ValueError, "sequence needs .* empty list"),
        (lambda: sequence([1], 2, 1), ValueError, "min_length=2 and max_length=1"),
        (lambda: sequence([1], 0, 0), ValueError, "max_length >= 1"),
        (lambda: sequence([1], 1, 2.5), ValueError, "whole bounds, got max_length=2.5"),
        (lambda: sequence([1], "1", 2), TypeError, "numbers, got min_length='1'"),
        (lambda: subset([1, 2], -1), ValueError, "0 <= min_size"),
        (lambda: subset([1, 2], 1, 3), ValueError, "<= 2, the number of items"),
        (lambda: subset([1, 2, 1]), ValueError, "distinct items, got 1 twice"),
        (lambda: subset({1, 2}), TypeError, "subset needs a list .* type set"),
        (lambda: subset(np.ones((2, 2))), TypeError, "subset needs a list"),
        (lambda: permutation([]), ValueError, "permutation needs .* empty list"),
        (lambda: permutation(4), TypeError, "permutation needs a list"),
    ],
)
def test_bad_arguments(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_bad_elements_are_named_when_the_space_is_built():
    with pytest.raises(ValueError, match=r"'h' cannot be used: uniform\(0, inf\)"):
        SearchSpace({"h": sequence(uniform(0, np.inf), 1, 2)})


# Rows.


def structures():
    finite = st.sampled_from(
        [["a", "b"], [1, 10], [5], randint(2, 5), [None, 1.5, "x"]]
    )
    vast = [uniform(0, 2), lograndint(1, 9000), stats.norm(), stats.binom(10**6, 0.3)]
    element = st.one_of(finite, st.sampled_from(vast))
    items = st.integers(1, 5).map(lambda n: ["abc", 1, None, 2.5, (1, 2)][:n])
    subsets = items.flatmap(
        lambda given: st.tuples(
            st.integers(0, len(given)), st.integers(1, len(given))
        ).map(lambda ends: subset(given, min(ends), max(ends)))
    )
    flat = st.one_of(subsets, items.map(permutation))
    bounds = st.tuples(st.integers(0, 3), st.integers(1, 3)).map(sorted)
    sequences = st.builds(
        lambda e, b: sequence(e, *b), st.one_of(element, flat), bounds
    )
    return st.one_of(flat, sequences)


def spaces():
    plain = st.sampled_from([uniform(0, 1), [1, 2], ["p", "q", "r"]])
    branch = st.dictionaries(
        st.sampled_from("abc"), st.one_of(structures(), plain), min_size=1, max_size=3
    )
    return st.one_of(branch, st.lists(branch, min_size=1, max_size=3))


@settings(max_examples=150, deadline=None)
@given(spaces(), SEEDS)
def test_round_trip(given_space, seed):
    space = SearchSpace(given_space)
    rng = np.random.default_rng(seed)
    points = rng.choice([0.0, 0.25, 0.5, 1.0, np.nan], (10, space.n_columns))
    rows = np.vstack([space.sample(10, rng), space.from_unit(points)])
    assert space.from_unit(rows).tobytes() == rows.tobytes()
    candidates = {}
    for row in rows:
        params = space.decode(row)
        assert space.contains(params)
        again = space.encode(params)
        if len(space.active) == 1:
            np.testing.assert_allclose(again, row, atol=1e-9)
            discrete = [c.kind != "continuous" for c in space.columns]
            assert again[discrete].tobytes() == row[discrete].tobytes()
            # equal candidates have equal rows, and equal rows equal candidates
            assert candidates.setdefault(space.key(params), row.tobytes()) == (
                row.tobytes()
            )
    if len(space.active) == 1:
        assert len(set(candidates.values())) == len(candidates)


@settings(max_examples=100, deadline=None)
@given(spaces(), SEEDS)
def test_columns_say_what_rows_hold(given_space, seed):
    space = SearchSpace(given_space)
    rows = space.sample(300, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.isnan(rows).any(axis=0), space.conditional)
    for column, x in zip(space.columns, rows.T, strict=True):
        if column.centres is not None:
            assert np.isin(x[~np.isnan(x)], column.centres).all()
    for group in space.groups:
        assert group.columns.stop - group.columns.start > 1


@settings(max_examples=50, deadline=None)
@given(spaces())
def test_finite_spaces_are_listed(given_space):
    space = SearchSpace(given_space)
    if space.size > 3000:
        return
    listed = list(space)
    assert len(listed) == space.size == len(set(map(space.key, listed)))
    seen = {space.key(space.decode(space.encode(params))) for params in listed}
    assert seen == set(map(space.key, listed))


def test_an_order_is_no_subset():
    items = ["abc", 1]
    space = SearchSpace([{"b": subset(items, 0, 2)}, {"b": permutation(items)}])
    for params in space:
        assert space.decode(space.encode(params)) == params


def test_order_of_the_grid():
    def values(dist):
        return [params["s"] for params in SearchSpace({"s": dist})]

    assert values(sequence([2, 1], 0, 2)) == [
        (), (2,), (1,), (2, 2), (2, 1), (1, 2), (1, 1)
    ]  # fmt: skip
    assert values(subset(["c", "a", "b"], 1, 2)) == [
        ["c"], ["a"], ["b"], ["c", "a"], ["c", "b"], ["a", "b"]
    ]  # fmt: skip
    assert values(permutation([2, 1, 3])) == [
        list(order) for order in itertools.permutations([2, 1, 3])
    ]


def test_sizes_of_vast_spaces():
    assert SearchSpace({"s": permutation(range(9))}).size == math.factorial(9)
    assert SearchSpace({"s": subset(range(12), 2)}).size == 2**12 - 13
    for vast in (
        permutation(range(500)),
        subset(range(3000)),
        sequence(range(9999), 1, 99),
    ):
        assert SearchSpace({"s": vast}).size == math.inf


def test_columns_are_named_like_expressions():
    space = SearchSpace(
        {
            "h": sequence([8, 16], 1, 2),
            "k": subset(["u", "v"]),
            "o": permutation([5, 6]),
            "n": sequence(subset(["a", "b"]), 2, 2),
        }
    )
    assert [c.name for c in space.columns] == [
        "len(h)", "h[0]", "h[1]", "'u' in k", "'v' in k",
        "'a' in n[0]", "'b' in n[0]", "'a' in n[1]", "'b' in n[1]",
        "o.index(5)", "o.index(6)",
    ]  # fmt: skip
    kinds = [c.kind for c in space.columns]
    assert kinds == ["ordered"] * 3 + ["categorical"] * 6 + ["ordered"] * 2
    assert [g.kind for g in space.groups] == [
        "sequence", "subset", "sequence", "permutation"
    ]  # fmt: skip


def test_what_breaks_a_bound_is_mended_the_same_way():
    space = SearchSpace({"s": subset([*"abcde"], 2, 3)})
    decode = lambda u: space.decode(space.from_unit([u])[0])["s"]
    assert decode([0.9, 0.8, 0.7, 0.6, 0.55]) == ["a", "b", "c"]
    assert decode([0.1, 0.2, 0.3, 0.4, 0.45]) == ["d", "e"]
    assert decode([0.9, 0.9, 0.9, 0.9, 0.9]) == ["a", "b", "c"]
    assert decode([0.1, 0.9, 0.1, 0.8, 0.1]) == ["b", "d"]
    space = SearchSpace({"s": permutation([*"abc"])})
    assert space.decode(space.from_unit([[0.9, 0.2, 0.9]])[0])["s"] == ["b", "a", "c"]


def test_values_that_fit_and_values_that_do_not():
    space = SearchSpace(SPACE)
    inside = {"keep": ["c", "a"], "layers": [8, 512], "order": np.arange(4), "x": 0.5}
    params = space.decode(space.encode(inside))
    assert params == {
        "keep": ["a", "c"], "layers": (8, 512), "order": [0, 1, 2, 3], "x": 0.5
    }  # fmt: skip
    for name, value, message in [
        ("keep", [], r"a list of 1 to 3 items of \('a', 'b', 'c', 'd'\)"),
        ("keep", ["a", "a"], "a list of 1 to 3 items"),
        ("keep", "a", "a list of 1 to 3 items"),
        ("keep", ["z"], "a list of 1 to 3 items"),
        ("layers", 8, "a tuple of 1 to 3 values"),
        ("layers", (8,) * 4, "a tuple of 1 to 3 values"),
        ("layers", (7,), r"a tuple of 1 to 3 values, each one of range\(8, 513\)"),
        ("order", [0, 1, 2], r"a list of all items of \(0, 1, 2, 3\)"),
        ("order", [0, 1, 2, 2], "a list of all items"),
    ]:
        with pytest.raises(ValueError, match=f"parameter '{name}', which .*{message}"):
            space.encode({**inside, name: value})


def test_branches_share_equal_structures_only():
    def layers():
        return sequence(loguniform(1, 9), 1, 2)

    space = SearchSpace([{"h": layers(), "m": [1, 2]}, {"h": layers()}])
    assert [c.name for c in space.columns] == ["", "len(h)", "h[0]", "h[1]", "m"]
    assert space.active.tolist() == [[True] * 5, [True] * 4 + [False]]
    for other in (sequence(loguniform(1, 9), 1, 3), sequence(loguniform(1, 8), 1, 2)):
        assert len(SearchSpace([{"h": layers()}, {"h": other}]).groups) == 2
    assert (
        len(SearchSpace([{"s": subset([1, 2, 3])}, {"s": subset([1, 2])}]).groups) == 2
    )


# Searches.

SEARCHES = {
    **{f"bayes-{s}": (BayesSearchCV, {"optimizer": s}) for s in
       ("auto", "gp", "rbf", "forest", "tpe", "sobol", "random")},
    **{f"evolution-{a}": (EvolutionarySearchCV, {"optimizer": a}) for a in
       ("de", "lshade", "ga", "regularized", "cmaes")},
    "evolution-plain": (EvolutionarySearchCV, {"optimizer": Evolution(screening=None)}),
    **{f"halving-{o}": (HyperbandSearchCV, {"optimizer": o}) for o in
       ("gp", "tpe", "random", "sobol")},
}  # fmt: skip


def make(name, space=SPACE, **settings):
    cls, own = SEARCHES[name]
    if cls is not HyperbandSearchCV:
        settings = {"n_iter": 14, **settings}
    return cls(Probe(), space, cv=2, random_state=0, **{**own, **settings})


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_takes_structures(name):
    branches = [{**SPACE, "x": [0.3]}, {"layers": SPACE["layers"], "x": uniform(0, 1)}]
    for space in (SPACE, branches):
        fitted = make(name, space).fit(X, Y)
        checked = SearchSpace(space)
        candidates = fitted.cv_results_["params"]
        assert len(set(map(checked.key, candidates))) == len(candidates)
        for params in candidates:
            params.pop("n_estimators", None)  # the resource
            assert checked.contains(params)
        assert fitted.best_estimator_.layers == fitted.best_params_["layers"]


def test_a_box_around_the_best_of_many_rows_holds_candidates():
    space = SearchSpace(SPACE)
    optimizer = GaussianProcess(n_initial_points=900)
    optimizer.start(space, 2000, 0)
    rows = space.sample(1001, np.random.default_rng(0))
    tell(optimizer, rows, np.nansum((rows - 0.3) ** 2, axis=1))
    more = asked(optimizer, 3)
    np.testing.assert_array_equal(space.from_unit(more), more)
    assert len({row.tobytes() for row in np.vstack([more, rows])}) == 1004


@pytest.mark.parametrize("algorithm", ["de", "lshade", "ga", "regularized", "cmaes"])
def test_evolution_finds_more_than_draws_do(algorithm):
    settings = {"n_iter": 60, "optimizer": algorithm}
    found = [
        EvolutionarySearchCV(Probe(), SPACE, cv=2, random_state=s, **settings)
        .fit(X, Y)
        .best_score_
        for s in range(3)
    ]
    drawn = [
        make("bayes-random", n_iter=60).set_params(random_state=s).fit(X, Y).best_score_
        for s in range(3)
    ]
    assert np.median(found) > np.median(drawn)


def test_scikit_learns_searches_take_structures():
    candidates = list(ParameterSampler(SPACE, 20, random_state=0))
    assert all(map(SearchSpace(SPACE).contains, candidates))
    again = list(ParameterSampler(SPACE, 20, random_state=0))
    assert candidates == again
    search = RandomizedSearchCV(Probe(), SPACE, n_iter=5, cv=2, random_state=0)
    fitted = clone(search).fit(X, Y)
    assert len(fitted.cv_results_["param_order"]) == 5
    warm = BayesSearchCV(
        Probe(), SPACE, n_iter=6, cv=2, warm_start_from=fitted, random_state=0
    ).fit(X, Y)
    assert warm.cv_results_["params"][0] == fitted.best_params_


def test_real_estimators_take_what_is_drawn():
    select = ColumnTransformer([("all", "passthrough", [0, 1, 2, 3])])
    pipe = Pipeline([("select", select), ("model", MLPClassifier(max_iter=5))])
    space = {
        "select__transformers": subset(
            [(f"x{i}", "passthrough", [i]) for i in range(4)], min_size=2
        ),
        "model__hidden_layer_sizes": sequence(lograndint(2, 9), 1, 3),
    }
    search = EvolutionarySearchCV(pipe, space, n_iter=6, cv=2, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        fitted = search.fit(X, Y)
    best = fitted.best_estimator_
    n_columns = len(fitted.best_params_["select__transformers"])
    assert best.named_steps["model"].n_features_in_ == n_columns
    assert best.named_steps["model"].n_layers_ == 2 + len(
        fitted.best_params_["model__hidden_layer_sizes"]
    )


@pytest.mark.parametrize("name", ["bayes-auto", "evolution-de"])
def test_points_to_evaluate(name):
    whole = {"keep": ["b", "a"], "layers": [99], "order": (3, 2, 1, 0), "x": 0.123}
    part = {"layers": (8, 8)}
    fitted = make(name, initial_candidates=[whole, part]).fit(X, Y)
    first, second = fitted.cv_results_["params"][:2]
    assert first == {
        "keep": ["a", "b"], "layers": (99,), "order": [3, 2, 1, 0], "x": 0.123
    }  # fmt: skip
    assert second["layers"] == (8, 8)
    default = make(name, initial_candidates="default").fit(X, Y)
    assert default.cv_results_["params"][0]["layers"] == (8,)
    with pytest.raises(ValueError, match=r"initial_candidates\[0\].*'layers'"):
        make(name, initial_candidates=[{"layers": (7,)}]).fit(X, Y)


@pytest.mark.parametrize("name", ["bayes-auto", "evolution-ga", "halving-tpe"])
def test_a_checkpoint_knows_the_structures(name, tmp_path):
    path = tmp_path / "search.jsonl"
    whole = make(name).fit(X, Y)
    make(name, checkpoint=path).fit(X, Y)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))
    resumed = make(name, checkpoint=path).fit(X, Y)
    assert resumed.cv_results_["params"] == whole.cv_results_["params"]
    assert resumed.best_params_ == whole.best_params_
    for other in (
        {"keep": subset(["a", "b", "c", "d"], 1, 2)},
        {"layers": sequence(lograndint(8, 514), 1, 3)},
        {"order": permutation([0, 1, 3, 2])},
    ):
        with pytest.raises(ValueError, match="another search: space differs"):
            make(name, {**SPACE, **other}, checkpoint=path).fit(X, Y)


def test_descriptions_name_the_distribution_inside():
    assert describe(sequence(uniform(0, 2), 1, 2)) == (
        "sequence(element=uniform(0, 2), min_length=1, max_length=2)"
    )
    assert describe(lograndint(1, 5)) == "lograndint(low=1, high=5)"


@pytest.mark.parametrize("name", ["bayes-gp", "evolution-de", "evolution-ga"])
def test_same_result_for_any_number_of_workers(name):
    reference = make(name, max_concurrent=3).fit(X, Y)
    with joblib.parallel_config("threading"):
        fitted = make(name, max_concurrent=3, n_jobs=3).fit(X, Y)
    assert fitted.cv_results_["params"] == reference.cv_results_["params"]


def test_results_make_a_table():
    table = pd.DataFrame(make("evolution-de").fit(X, Y).cv_results_)
    assert set(map(len, table["param_order"])) == {4}
    assert set(map(type, table["param_layers"])) == {tuple}


def test_given_numbers_of_a_sequence_stay_as_they_are():
    space = SearchSpace({"t": sequence(loguniform(1e-5, 1e2), 1, 3)})
    for value in ((0.1, 0.3), [0.1, 0.3], np.array([0.1, 0.3])):
        assert complete_points([{"t": value}], space, None, 0) == [{"t": (0.1, 0.3)}]
