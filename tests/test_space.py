"""Rows and candidates of search spaces: round trips, laws, errors."""

import itertools
import math
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import ParameterGrid, ParameterSampler, RandomizedSearchCV
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo.space import SearchSpace, lograndint

CONTINUOUS = {
    "uniform": stats.uniform(-1, 3),
    "loguniform": stats.loguniform(1e-4, 1e3),
    "norm": stats.norm(2, 3),
    "expon": stats.expon(scale=0.1),
    "beta": stats.beta(2, 3),
    "truncnorm": stats.truncnorm(-1, 2),
    "cauchy": stats.cauchy(),
    "histogram": stats.rv_histogram(np.histogram([1, 2, 2, 3, 5.0], bins=4)),
    "unfrozen": stats.uniform,
}
DISCRETE = {
    "randint": stats.randint(-3, 9),
    "wide randint": stats.randint(0, 2**31 - 1),
    "lograndint": lograndint(1, 200),
    "long lograndint": lograndint(5, 20_000),
    "wide lograndint": lograndint(2, 10**6),
    "binom": stats.binom(30, 0.2),
    "wide binom": stats.binom(10**6, 0.3),
    "poisson": stats.poisson(3),
    "geom": stats.geom(0.1),
    "skellam": stats.skellam(10, 3),
    "sample": stats.rv_discrete(values=([1, 5, 9], [0.2, 0.3, 0.5])),
}
SCIPY = {**CONTINUOUS, **DISCRETE}


class Draws:
    """A distribution of which nothing but draws is known."""

    def __init__(self, draw):
        self.draw = draw

    def rvs(self, random_state=None):
        return self.draw(random_state)


def draw_float(rng):
    return rng.gamma(2.0)


def draw_int(rng):
    return int(rng.poisson(2))


def draw_many_ints(rng):
    return int(10 ** rng.uniform(2, 8))


def draw_layers(rng):
    return tuple([8] * rng.randint(1, 4))


def choices():
    value = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.floats(-3, 3),
        st.just(math.nan),
        st.text("ab", max_size=2),
        st.tuples(st.integers(0, 2), st.integers(0, 2)),
        st.lists(st.integers(0, 2), max_size=2),
        st.sampled_from([len, Ridge, Ridge(), Ridge(2.0), np.arange(3)]),
    )
    return st.lists(value, min_size=1, max_size=5)


def parameters():
    numbers = st.lists(st.floats(-9, 9), min_size=1, max_size=6, unique=True)
    return st.one_of(
        choices(),
        numbers.map(sorted),
        numbers.map(np.array),
        st.integers(1, 6000).map(range),
        st.sampled_from(list(SCIPY.values())),
        st.builds(lambda a, w: stats.randint(a, a + w), st.just(3), st.integers(1, 9)),
    )


def branches():
    branch = st.dictionaries(st.sampled_from("abcd"), parameters(), max_size=4)
    return st.one_of(branch, st.lists(branch, min_size=1, max_size=4))


@settings(max_examples=150, deadline=None)
@given(branches(), st.integers(0, 2**32 - 1))
def test_round_trip(given_space, seed):
    space = SearchSpace(given_space)
    for row in space.sample(5, np.random.default_rng(seed)):
        assert space.from_unit(row[None])[0].tobytes() == row.tobytes()
        params = space.decode(row)
        again = space.encode(params)
        back = space.decode(again)
        assert list(params) == sorted(params)
        assert params.keys() == back.keys()
        for name, value in params.items():
            if isinstance(value, float) and math.isfinite(value):
                assert back[name] == pytest.approx(value, rel=1e-6, abs=1e-9)
            else:
                assert space.key({name: value}) == space.key({name: back[name]})
        if len(space.active) == 1:
            np.testing.assert_allclose(again, row, atol=1e-6)
            discrete = [c.kind != "continuous" for c in space.columns]
            assert again[discrete].tobytes() == row[discrete].tobytes()


@settings(max_examples=100, deadline=None)
@given(branches(), st.integers(0, 2**32 - 1))
def test_rows_follow_columns_and_activity(given_space, seed):
    space = SearchSpace(given_space)
    U = np.random.default_rng(seed).random((20, space.n_columns))
    rows = space.from_unit(U)
    assert rows.shape == U.shape
    for column, coordinates in zip(space.columns, rows.T, strict=True):
        coordinates = coordinates[~np.isnan(coordinates)]
        if column.n_levels:
            assert (np.diff(column.centres) > 0).all()
            assert len(column.centres) == column.n_levels
            assert np.isin(coordinates, column.centres).all()
        else:
            assert column.centres is None
    if len(space.active) > 1:
        branch = np.searchsorted(space.columns[0].centres, rows[:, 0])
        assert space.columns[0].name == ""
        np.testing.assert_array_equal(~np.isnan(rows), space.active[branch])
        rows[np.isnan(rows)] = 0.25  # must not matter
        np.testing.assert_array_equal(
            np.isnan(space.from_unit(rows)), ~space.active[branch]
        )
    else:
        assert not np.isnan(rows).any()


@pytest.mark.parametrize("corner", [0.0, 1.0, -0.0, np.nan])
@pytest.mark.parametrize("name", SCIPY)
def test_corners_decode_to_values_of_the_support(name, corner):
    space = SearchSpace({"x": SCIPY[name], "y": [0, 1]})
    row = space.from_unit(np.full((1, 2), corner))[0]
    value = space.decode(row)["x"]
    assert type(value) is (float if name in CONTINUOUS else int)
    assert math.isfinite(value)
    assert not np.signbit(row).any()
    low, high = SCIPY[name].support()
    assert low <= value <= high


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_coordinates_are_probabilities(name):
    dist = CONTINUOUS[name]
    space = SearchSpace({"x": dist})
    (column,) = space.columns
    assert (column.kind, column.n_levels) == ("continuous", 0)
    for u in (0.01, 0.37, 0.5, 0.99):
        x = space.decode([u])["x"]
        assert x == pytest.approx(dist.ppf(u), rel=1e-9, abs=1e-12)
        assert space.encode({"x": x})[0] == pytest.approx(u)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_coordinates_are_centres_of_cells(name):
    dist = DISCRETE[name]
    space = SearchSpace({"x": dist})
    assert space.columns[0].kind == "ordered"
    for k in map(int, dist.ppf([0.1, 0.5, 0.93])):
        row = space.encode({"x": k})
        centre = (dist.cdf(k) + dist.cdf(k - 1)) / 2
        assert row[0] == pytest.approx(centre, abs=1e-9)
        assert space.decode(row)["x"] == k


def frequencies(values):
    return dict(zip(*np.unique(values, return_counts=True), strict=True))


@pytest.mark.parametrize("name", SCIPY)
def test_sample_has_the_law_of_the_distribution(name):
    dist = SCIPY[name]
    space = SearchSpace({"x": dist, "y": [0, 1]})
    rows = space.sample(2000, np.random.default_rng(3))
    x = np.array([space.decode(row)["x"] for row in rows])
    theirs = dist.rvs(size=2000, random_state=np.random.RandomState(3))
    assert stats.ks_2samp(x, theirs).pvalue > 1e-3
    if name in CONTINUOUS:
        assert stats.kstest(x, dist.cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "given_space",
    [
        {"a": [1, 1, 2, "x"], "b": stats.randint(0, 2)},
        [{"a": [0]}, {"a": [1, 2, 3]}],
        [{"a": [0]}, {"a": [1, 2], "b": [3, 4]}, {}],
        [{"a": [0]}, {"a": [1, 2, 3], "b": stats.randint(0, 2)}],
        [{"a": stats.randint(0, 2)}, {"a": [5]}, {"a": stats.randint(0, 2), "b": [1]}],
    ],
)
def test_sample_has_the_law_of_parameter_sampler(given_space):
    space = SearchSpace(given_space)
    n = 3000
    ours = map(space.decode, space.sample(n, np.random.default_rng(0)))
    dicts = [given_space] if isinstance(given_space, dict) else given_space
    if any(hasattr(v, "rvs") for choices in dicts for v in choices.values()):
        theirs = ParameterSampler(given_space, n, random_state=0)
    else:  # there, ParameterSampler draws from the grid without replacement
        grid = list(ParameterGrid(given_space))
        theirs = [grid[i] for i in np.random.default_rng(1).integers(len(grid), size=n)]
    # As text, NumPy's integers first made Python's.
    ours, theirs = (
        [str([(k, np.array(v).item()) for k, v in p.items()]) for p in candidates]
        for candidates in (ours, theirs)
    )
    a, b = frequencies(ours), frequencies(theirs)
    assert a.keys() == b.keys()
    table = [[a[key] for key in a], [b[key] for key in a]]
    assert stats.chi2_contingency(table).pvalue > 1e-3


GRIDS = [
    {},
    {"a": [3, 1, 2], "b": ["x", None]},
    {"b": (1.5,), "a": np.array([1, 2])},
    [{"k": ["linear"]}, {"k": ["rbf"], "g": [1, 10]}, {}],
    {"z": range(3), "y": [len, (1, 2), True]},
]


@pytest.mark.parametrize("grid", GRIDS)
def test_iteration_is_that_of_parameter_grid(grid):
    space = SearchSpace(grid)
    candidates = list(space)
    assert candidates == list(ParameterGrid(grid))
    assert space.size == len(candidates)
    assert all(space.contains(params) for params in candidates)


def test_iteration_drops_duplicates():
    grid = [{"a": [1, 2, 1], "b": [0, 0]}, {"b": [0, 3], "a": [2]}, {"b": [0]}]
    space = SearchSpace(grid)
    expected = [{"a": 1, "b": 0}, {"a": 2, "b": 0}, {"a": 2, "b": 3}, {"b": 0}]
    assert list(space) == expected
    assert space.size == 4


def test_size_of_distributions():
    assert SearchSpace({"a": stats.randint(2, 7), "b": [1, 2]}).size == 10
    assert SearchSpace({"a": lograndint(1, 10**6)}).size == 10**6 - 1
    assert [p["a"] for p in SearchSpace({"a": stats.randint(2, 5)})] == [2, 3, 4]
    for endless in (stats.uniform(), stats.poisson(3)):
        space = SearchSpace([{"a": [1]}, {"a": endless}])
        assert space.size == math.inf
        with pytest.raises(ValueError, match=r"infinitely many candidates.*'a'"):
            iter(space)


def test_many_overlapping_candidates_are_counted_per_dict():
    assert SearchSpace([{"a": range(8000)}, {"a": range(8000)}]).size == 16000


def test_kinds_of_columns():
    space = SearchSpace(
        {
            "decreasing": [100, 10.0, 1],
            "duplicated": [1, 1, 2],
            "flags": [False, True],
            "integers": range(2, 5),
            "mixed": [1, None],
            "shuffled": [1, 3, 2],
            "single": [7],
            "single_draw": stats.randint(4, 5),
            "vast": np.arange(5000),
            "words": ["a", "b"],
        }
    )
    kinds = {c.name: (c.kind, c.n_levels) for c in space.columns}
    assert kinds == {
        "decreasing": ("ordered", 3),
        "duplicated": ("ordered", 2),
        "flags": ("categorical", 2),
        "integers": ("ordered", 3),
        "mixed": ("categorical", 2),
        "shuffled": ("categorical", 3),
        "vast": ("ordered", 0),
        "words": ("categorical", 2),
    }
    assert space.columns[1].centres == pytest.approx([1 / 3, 5 / 6])
    params = space.decode(space.sample(1, np.random.default_rng(0))[0])
    assert (params["single"], params["single_draw"]) == (7, 4)


def test_branches_share_equal_parameters_only():
    space = SearchSpace(
        [
            {"a": stats.loguniform(1, 10), "b": [1, 2], "c": stats.randint(0, 9)},
            {"a": stats.loguniform(1, b=10), "b": [1, 2.0], "c": stats.randint(0, 9)},
            {"a": stats.loguniform(1, 11), "b": [1, 2], "d": ["only"]},
        ]
    )
    assert [c.name for c in space.columns] == ["", "a", "a", "b", "b", "c"]
    np.testing.assert_array_equal(
        space.active, [[1, 1, 0, 1, 0, 1], [1, 1, 0, 0, 1, 1], [1, 0, 1, 1, 0, 0]]
    )
    assert space.names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (stats.geom(0.9), stats.geom(0.90001)),
        (stats.randint(0, 10**6), stats.randint(0, 10**6 + 1)),
        (lograndint(1, 10**5), lograndint(1, 10**5 + 1)),
        (stats.norm(0, 1), stats.norm(1e-9, 1)),
        ([1, 2], [1, True + 1.0]),
        (Draws(draw_int), Draws(draw_float)),
    ],
)
def test_unequal_distributions_are_not_shared(one, other):
    assert SearchSpace([{"a": one}, {"a": other}]).n_columns == 3
    assert (
        SearchSpace([{"a": one}, {"a": pickle.loads(pickle.dumps(one))}]).n_columns == 2
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_lists_of_numpy_scalars_are_ordered_like_their_arrays(sign):
    values = sign * np.logspace(-2, 2, 5)
    (of_list,) = SearchSpace({"a": list(values)}).columns
    (of_array,) = SearchSpace({"a": values}).columns
    assert of_list.kind == of_array.kind == "ordered"


def test_lists_give_back_the_very_objects():
    values = [Ridge(), Ridge(2.0), len, (1, [2]), np.arange(3), np.float64(2), object()]
    space = SearchSpace({"a": values})
    for value in values:
        assert space.decode(space.encode({"a": value}))["a"] is value
    assert space.decode(space.encode({"a": clone(values[1])}))["a"] is values[1]
    assert space.decode(space.encode({"a": 2.0}))["a"] is values[5]


@pytest.mark.parametrize(
    "array",
    [np.array([0.5, 1.5]), np.array([1, 2]), np.array(["a", "b"]), [True, False]],
)
def test_arrays_decode_to_python_scalars(array):
    for params in SearchSpace({"a": array}):
        assert type(params["a"]) in (float, int, str, bool)


def test_series_and_object_arrays_are_lists():
    space = SearchSpace({"a": pd.Series([3, 4], index=[7, 8])})
    assert [p["a"] for p in space] == [3, 4]
    est = Ridge()
    array = np.array([None, est], dtype=object)
    assert [p["a"] for p in SearchSpace({"a": array})] == [None, est]


def test_numbers_of_another_type_are_found():
    space = SearchSpace({"a": [1, 10, "x"], "b": stats.randint(0, 5), "c": range(4)})
    row = space.encode({"a": np.float64(10), "b": np.int64(3), "c": 2.0})
    assert space.decode(row) == {"a": 10, "b": 3, "c": 2}
    assert type(space.decode(row)["b"]) is int
    assert not space.contains({"a": True, "b": 3, "c": 2})


def test_first_branch_that_fits_is_taken():
    space = SearchSpace([{"a": [1, 2]}, {"a": [2, 3, 1.0]}, {"b": [1]}])
    branch = [space.encode({"a": a})[0] for a in (1, 2, 3, 1.0, 3.0)]
    assert branch == [space.columns[0].centres[i] for i in (0, 0, 1, 1, 1)]


def test_empty_dict_is_one_candidate():
    space = SearchSpace({})
    rows = space.sample(3, np.random.default_rng(0))
    assert (rows.shape, space.size, list(space)) == ((3, 0), 1, [{}])
    assert space.decode(rows[0]) == {}
    assert space.encode({}).shape == (0,)


@pytest.mark.parametrize(
    ("draw", "kind", "example"),
    [
        (draw_float, "continuous", 1.5),
        (draw_int, "ordered", 2),
        (draw_many_ints, "ordered", 123456),
        (draw_layers, "categorical", (8, 8)),
    ],
)
def test_draws_alone_make_a_distribution(draw, kind, example):
    space = SearchSpace({"x": Draws(draw), "y": [0, 1]})
    assert space.columns[0].kind == kind
    assert space.decode(space.encode({"x": example, "y": 0}))["x"] == pytest.approx(
        example
    )
    rng = np.random.default_rng(1)
    ours = [space.decode(row)["x"] for row in space.sample(1000, rng)]
    state = np.random.RandomState(2)
    theirs = [draw(state) for _ in range(1000)]
    if kind == "categorical":
        ours, theirs = list(map(len, ours)), list(map(len, theirs))
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


@pytest.mark.parametrize(
    "dist",
    [stats.poisson(1e6), stats.zipf(1.2), stats.zipf(1.01), stats.randint(0, 2**62)],
)
def test_very_long_tails_end_soon(dist):
    space = SearchSpace({"x": dist})
    rows = space.sample(500, np.random.default_rng(0))
    assert space.from_unit(rows).tobytes() == rows.tobytes()
    ours = [float(space.decode(row)["x"]) for row in rows]
    theirs = dist.rvs(size=500, random_state=np.random.RandomState(1)).astype(float)
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


def test_values_off_the_integers():
    dist = stats.rv_discrete(values=([1.5, 5, 9.25], [0.2, 0.3, 0.5]))
    space = SearchSpace({"x": dist})
    values = [p["x"] for p in space]
    assert values == [1.5, 5, 9.25]
    assert [space.decode(space.encode({"x": x}))["x"] for x in values] == values
    assert space.columns[0].centres == pytest.approx([0.1, 0.35, 0.75])


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (0, TypeError, "should be a dict or a list, got: 0 of type int"),
        ([], ValueError, "should hold a dict, got an empty list"),
        ([{"foo": [0]}, 0], TypeError, r"Parameter .* is not a dict \(0\)"),
        ("abc", TypeError, r"is not a dict \('a'\)"),
        ({"C": 1.0}, TypeError, "'C' needs to be a list or a numpy array, but got 1.0"),
        ({"C": "1,2"}, TypeError, "'C' needs to be a list .* got '1,2' .of type str"),
        ({"C": b"12"}, TypeError, "'C' needs to be a list"),
        ({"C": {1, 2}}, TypeError, "'C' needs to be a list .*of type set"),
        ({"C": {1: 2}}, TypeError, "'C' needs to be a list .*of type dict"),
        ({"C": None}, TypeError, "'C' needs to be a list .*wrapped in a list with one"),
        ([{"C": [1]}, {"C": 2}], TypeError, r"'C' needs .*dict 1 of the list\)"),
        ({"C": []}, ValueError, r"'C' need to be a non-empty sequence, got: \[\]"),
        ({"C": np.ones((3, 2))}, ValueError, r"'C' should be one-dim.*shape \(3, 2\)"),
        ({"C": np.array(1)}, ValueError, r"'C' should be one-dimensional.*shape \(\)"),
        ({1: [2]}, TypeError, "names should be str, got 1 of type int"),
        (
            {"C": stats.uniform(0, np.inf)},
            ValueError,
            r"'C'.*uniform\(0, inf\): NaN or",
        ),
        (
            {"C": stats.norm(loc=np.nan)},
            ValueError,
            r"norm\(loc=nan\): NaN or infinite",
        ),
        (
            {"C": stats.loguniform(0, 1)},
            ValueError,
            "NaN or infinite quantiles; bounds",
        ),
        ({"C": stats.uniform(0, -1)}, ValueError, "scales positive"),
        (
            {"C": stats.randint(5, 5)},
            ValueError,
            "bounds should be finite and in order",
        ),
        ({"C": stats.randint(0, np.inf)}, ValueError, r"'C'.*randint\(0, inf\)"),
        ({"C": stats.poisson(np.nan)}, ValueError, "NaN or infinite"),
        ({"C": stats.loguniform}, TypeError, "'C' cannot be used.*missing"),
        ({"C": Draws(lambda rng: math.nan)}, ValueError, "'C'.*NaN or infinite"),
        ({"C": Draws(lambda: 1)}, TypeError, "'C' cannot be used.*Draws"),
    ],
)
def test_bad_spaces(bad, kind, message):
    with pytest.raises(kind, match=re.compile(message, re.DOTALL)):
        SearchSpace(bad)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"C": 100, "k": "a"}, r"^100 is outside .*'C', which takes a number in \[1.0"),
        ({"C": math.nan, "k": "a"}, "^nan is outside .*'C'"),
        ({"C": "2", "k": "a"}, "^'2' is outside .*'C'"),
        ({"C": True, "k": "a"}, "^True is outside .*'C'"),
        ({"C": 2, "k": "c"}, r"^'c' is outside .*'k', which takes one of \['a', 'b'\]"),
        ({"z": 0.5, "n": 1, "w": 5, "r": 0}, "^0.5 is outside .*'z'.*whole"),
        ({"z": 1.5, "n": 1, "w": 5, "r": 0}, "^1.5 is outside .*'z'.*whole"),
        ({"z": 10**6, "n": 1, "w": 5, "r": 0}, "'z'.* between 1 and 999999"),
        ({"z": 1, "n": 30.0, "w": 5, "r": 0}, "'n', .* between -6.3.* and 6.3.* tails"),
        ({"z": 1, "n": 1, "w": 9, "r": 0}, r"'w', which takes one of range\(2, 9\)"),
        ({"z": 1, "n": 1, "w": 5, "r": 0.5}, "'r', which takes one of range"),
        ({"C": 2}, r"missing \['k'\], unknown \[\]"),
        ({"C": 2, "k": "a", "x": 1}, r"missing \[\], unknown \['x'\]"),
    ],
)
def test_candidates_outside(params, message):
    space = SearchSpace(
        [
            {"C": stats.loguniform(1, 10), "k": ["a", "b"]},
            {
                "z": lograndint(1, 10**6),
                "n": stats.norm(),
                "w": stats.randint(2, 9),
                "r": range(3),
            },
        ]
    )
    with pytest.raises(ValueError, match=message):
        space.encode(params)
    assert not space.contains(params)


def test_check_names():
    valid = ["svc", "svc__C", "svc__gamma", "scale"]
    SearchSpace({"svc__C": [1]}).check_names(valid)
    SearchSpace({"svc": [1], "svc__depth": [1]}).check_names(valid)
    with pytest.raises(ValueError, match=r"'svc__c' .*did you mean 'svc__C'"):
        SearchSpace([{"svc__C": [1]}, {"svc__c": [1]}]).check_names(valid)
    with pytest.raises(ValueError, match=r"'q' .*valid names are \['scale', 'svc'"):
        SearchSpace({"q": [1]}).check_names(valid)


def test_key_tells_candidates_apart():
    fitted = Ridge().fit([[1.0], [2.0]], [1.0, 3.0])
    shared = object.__new__(type("Odd", (), {"__hash__": None}))
    values = [
        1, 1.0, True, "1", None, math.nan, math.inf, (1,), (1.0,), [1], {1}, {"a": 1},
        {"a": True}, np.arange(2), np.arange(2.0), np.arange(2).reshape(1, 2), Ridge(),
        Ridge(2.0), Ridge(True), fitted, LogisticRegression(), Ridge, len, shared,
        np.array([1, None], dtype=object), np.array([True, None], dtype=object),
        object.__new__(type("Odd", (), {"__hash__": None})),
    ]  # fmt: skip
    key = SearchSpace({}).key
    keys = [key({"a": value}) for value in values]
    for (i, one), (j, other) in itertools.combinations(enumerate(keys), 2):
        assert one != other, (values[i], values[j])
    assert len(set(keys)) == len(keys)
    equal = [
        (1, np.int32(1)), (1.0, np.float64(1)), (True, np.bool_(True)),
        (math.nan, float("nan")), (math.nan, np.float32("nan")),
        ((1, [math.nan]), (1, [float("nan")])), (np.arange(2), np.arange(2)),
        (Ridge(2.0), clone(Ridge(2.0))), ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (shared, shared), (frozenset("ab"), frozenset("ba")),
        (np.array([1, None], dtype=object), np.array([1, None], dtype=object)),
    ]  # fmt: skip
    for one, other in equal:
        assert key({"a": one}) == key({"a": other})
        assert hash(key({"a": one})) == hash(key({"a": other}))
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1}) != key({"a": 2, "b": 1})


def test_pickled_space_is_the_same_space():
    space = SearchSpace(
        [
            {"a": SCIPY["norm"], "b": [Ridge(), np.arange(2), {1: 2}]},
            {**SCIPY, "draws": Draws(draw_float)},
        ]
    )
    copy = pickle.loads(pickle.dumps(space))
    rows = space.sample(20, np.random.default_rng(5))
    assert copy.from_unit(rows).tobytes() == rows.tobytes()
    for row in rows:
        params = copy.decode(row)
        assert copy.key(params) == copy.key(space.decode(row))
        assert copy.contains(params)


@pytest.mark.parametrize(
    ("low", "high"), [(1, 2), (1, 50), (7, 300), (10**6, 10**6 + 9)]
)
def test_lograndint_is_a_distribution(low, high):
    dist = lograndint(low, high)
    k = np.arange(low - 2, high + 2)
    mass = dist.pmf(k)
    assert mass.sum() == pytest.approx(1)
    assert (mass[[0, 1, -2, -1]] == 0).all()
    np.testing.assert_allclose(np.cumsum(mass), dist.cdf(k), atol=1e-12)
    inside = k[2:-2]
    # The mass of k is the integral of 1/x over its unit interval.
    np.testing.assert_allclose(
        mass[2:-2], np.log1p(1 / (inside - 0.5)) / np.log((high - 0.5) / (low - 0.5)),
        rtol=1e-6,
    )  # fmt: skip
    np.testing.assert_array_equal(dist.ppf(dist.cdf(inside)), inside)
    np.testing.assert_array_equal(dist.ppf([0, 1]), dist.support())
    assert np.isnan(dist.ppf([-0.1, 1.1, np.nan])).all()
    assert dist.pmf(low + 0.5) == 0


def test_lograndint_draws():
    dist = lograndint(1, 6)
    for source in (0, np.random.RandomState(0), np.random.default_rng(0)):
        draws = dist.rvs(size=(50, 40), random_state=source)
        assert draws.shape == (50, 40)
        counts = np.bincount(draws.ravel(), minlength=6)[1:]
        assert stats.chisquare(counts, 2000 * dist.pmf(np.arange(1, 6))).pvalue > 1e-3
    assert type(dist.rvs()) is int
    assert dist.rvs(random_state=3) == dist.rvs(random_state=3)
    assert repr(dist) == "lograndint(low=1, high=6)"
    assert dist == lograndint(1, np.int64(6)) != lograndint(1, 7)
    assert hash(dist) == hash(lograndint(1.0, 6))


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0, 5, ValueError),
        (5, 5, ValueError),
        (1, 2.5, ValueError),
        (1, math.nan, ValueError),
        (1, math.inf, ValueError),
        ("1", 5, TypeError),
        (True, 5, TypeError),
    ],
)
def test_lograndint_refuses(low, high, kind):
    with pytest.raises(kind, match="lograndint needs"):
        lograndint(low, high)


def test_lograndint_in_randomized_search():
    X, y = make_classification(random_state=0)
    search = RandomizedSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_leaf_nodes": lograndint(2, 50)},
        n_iter=5,
        random_state=0,
    )
    drawn = search.fit(X, y).cv_results_["param_max_leaf_nodes"]
    assert drawn.dtype.kind == "i"
    assert ((drawn >= 2) & (drawn < 50)).all()


def test_nothing_of_the_user_is_changed():
    grid = {"a": [3, 1, 2], "b": np.array([1.0, 2.0]), "c": [DummyClassifier()]}
    before = repr(grid)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    SearchSpace({**grid, "d": Draws(draw_float)}).sample(9, np.random.default_rng(0))
    assert repr(grid) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ([10, 100, 1000, 100000], [0.25] * 4),
        ([0.1, 0.2, 0.3], [0.0001, 0.5, 0.4999]),
        ([3, -7e7], [0.9, 0.1]),
    ],
)
@pytest.mark.parametrize("loc", [0, 2])
def test_values_that_lie_far_apart(values, weights, loc):
    space = SearchSpace({"x": stats.rv_discrete(values=(values, weights))(loc=loc)})
    expected = np.sort(values) + loc
    assert space.size == len(values)
    assert_allclose([params["x"] for params in space], expected)
    for params in space:
        assert space.decode(space.encode(params)) == params
    rows = space.sample(4000, np.random.default_rng(0))
    drawn = list(map(space.decode, rows))
    shares = [np.mean([p["x"] == q["x"] for p in drawn]) for q in space]
    assert_allclose(shares, np.array(weights)[np.argsort(values)], atol=0.03)


def test_of_counts_only_those_that_can_be_drawn_are_listed():
    space = SearchSpace({"x": stats.binom(10**6, 2e-6, loc=2)})
    for params in space:
        assert space.decode(space.encode(params)) == params


class Tenths(stats.rv_continuous):
    def rvs(self, *args, **kwargs):
        return np.round(super().rvs(*args, **kwargs), 1)

    def _pdf(self, x):
        return np.ones_like(x)

    def _cdf(self, x):
        return x


class OnlyDraws(stats.rv_continuous):
    def _rvs(self, size=None, random_state=None):
        return random_state.uniform(2.0, 3.0, size)


def test_draws_of_your_own_count_more_than_quantiles():
    rng = np.random.default_rng(0)
    tenths = SearchSpace({"x": Tenths(a=0, b=1)()})
    drawn = [tenths.decode(row)["x"] for row in tenths.sample(200, rng)]
    assert_allclose(drawn, np.round(drawn, 1))
    draws = SearchSpace({"x": OnlyDraws()()})
    drawn = [draws.decode(row)["x"] for row in draws.sample(200, rng)]
    assert 2.0 <= min(drawn) < 2.1
    assert 2.9 < max(drawn) <= 3.0


def test_quantiles_that_fail_in_the_tails():
    space = SearchSpace({"x": stats.norminvgauss(1.25, 0.5, loc=10)})
    corners = space.from_unit(np.array([[0.0], [1.0]]))
    assert all(np.isfinite(space.decode(row)["x"]) for row in corners)


def test_spaces_of_functions_can_be_pickled():
    choices = {"f": [np.dot, len, test_spaces_of_functions_can_be_pickled, stats.norm]}
    space = pickle.loads(pickle.dumps(SearchSpace(choices)))
    for params in space:
        assert space.decode(space.encode(params)) == params
