"""SearchCV(estimator, space, optimizer, scheduler): names, objects, and one's own."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from sklearn_hpo import (
    BayesSearchCV,
    EvolutionarySearchCV,
    HyperbandSearchCV,
    SearchCV,
    knee,
    read_checkpoint,
)
from sklearn_hpo.optimizers import (
    TPE,
    DifferentialEvolution,
    Evolution,
    GaussianProcess,
    HypervolumeGP,
    Optimizer,
    Portfolio,
    Proposal,
    Sobol,
)
from sklearn_hpo.optimizers._registry import OPTIMIZERS
from sklearn_hpo.schedulers import (
    ASHA,
    Continue,
    FullBudget,
    Halving,
    Hyperband,
    New,
    Racing,
    Rung,
    Scheduler,
    Verdict,
)

# scikit-learn 1.6 with the newest SciPy
pytestmark = pytest.mark.filterwarnings("ignore:.*`disp` and `iprint`")

X, Y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
SPACE = {"max_leaf_nodes": randint(2, 20), "ccp_alpha": uniform(0, 0.1)}
ACCURATE = ["accuracy", "f1_macro"]
FRONT = {"scoring": ACCURATE, "objectives": ACCURATE, "refit": knee(ACCURATE)}


class Climber(Optimizer):
    """Moves the best row so far a little: an optimizer as a user may write it."""

    name = "climber"

    def __init__(self, *, step=0.1):
        self.step = step

    def ask(self, pending):
        rng = self.trial_rng(len(pending))
        if not len(self.rows):
            return Proposal(self.space.sample(1, rng)[0], "random")
        best = self.rows[self.losses[:, 0].argmin()]
        near = best + self.step * rng.standard_normal(best.shape)
        return Proposal(self.space.from_unit(near[None])[0], self.name)


class FirstWins(Scheduler):
    """Gives all candidates a part, and the first one all: a user's scheduler."""

    uses_rungs = True

    def __init__(self, *, part=0.2):
        self.part = part

    def start(self, setting):
        super().start(setting)
        self.n_started, self.waiting = 0, None

    def make_plan(self, setting):
        return Rung(setting.n_candidates, self.part), Rung(1, 1.0, level=1)

    def next(self, n_told):
        if self.waiting is not None:
            trial, self.waiting = self.waiting, None
            return Continue(trial, 1.0, rung=1)
        if n_told is None or self.n_started == self.n_candidates:
            return None
        self.n_started += 1
        return New(self.part)

    def report(self, trial, budget, score):
        if trial > 0 or budget == 1.0 or score != score:
            return Verdict(True, score, dropped=(trial,))
        self.waiting = trial
        return Verdict(True, score)


def make(kind=SearchCV, **how):
    size = {"n_candidates": 9} if kind is HyperbandSearchCV else {"n_iter": 9}
    return kind(TREE, SPACE, **{**size, "cv": 3, "random_state": 0, **how})


def outcome(search):
    results = search.fit(X, Y).cv_results_
    columns = sorted(c for c in results if "test" in c)
    return results["params"], [results[c].tobytes() for c in columns]


# A name is an object with its default settings

OF_BAYES = ["auto", "gp", "rbf", "forest", "tpe", "sobol", "random"]
OF_EVOLUTION = ["de", "ga", "regularized", "lshade", "cmaes"]
SAME = {
    **{f"search {n}": (SearchCV, n, OPTIMIZERS[n]()) for n in OF_BAYES + OF_EVOLUTION},
    **{f"bayes {n}": (BayesSearchCV, n, OPTIMIZERS[n]()) for n in OF_BAYES},
    **{f"bred {n}": (EvolutionarySearchCV, n, OPTIMIZERS[n]()) for n in OF_EVOLUTION},
    "bred auto": (EvolutionarySearchCV, "auto", Evolution()),
    **{
        f"halved {n}": (HyperbandSearchCV, n, OPTIMIZERS[n]())
        for n in ("gp", "tpe", "sobol", "random")
    },
}


@pytest.mark.parametrize(("kind", "name", "optimizer"), SAME.values(), ids=SAME)
def test_an_optimizer_does_what_its_name_does(kind, name, optimizer):
    before = repr(optimizer)
    assert outcome(make(kind, optimizer=optimizer)) == outcome(
        make(kind, optimizer=name)
    )
    assert repr(optimizer) == before
    assert vars(optimizer) == optimizer.get_params(deep=False)


@pytest.mark.parametrize(
    ("kind", "name", "optimizer"),
    [
        (BayesSearchCV, "auto", Portfolio()),
        (BayesSearchCV, "gp", HypervolumeGP()),
        (EvolutionarySearchCV, "auto", DifferentialEvolution()),
    ],
)
def test_an_optimizer_of_several_objectives_does_what_its_name_does(
    kind, name, optimizer
):
    ours = make(kind, optimizer=optimizer, **FRONT)
    assert outcome(ours) == outcome(make(kind, optimizer=name, **FRONT))


SCHEDULED = {
    "full": (BayesSearchCV, "full", FullBudget(), {}),
    "racing": (BayesSearchCV, "racing", Racing(), {}),
    "halving": (HyperbandSearchCV, "halving", Halving(), {}),
    "hyperband": (
        HyperbandSearchCV,
        "hyperband",
        Hyperband(),
        {"n_candidates": "auto"},
    ),
    "asha": (HyperbandSearchCV, "asha", ASHA(), {}),
    "halving by another factor": (
        HyperbandSearchCV,
        "halving",
        Halving(factor=2),
        {"factor": 2},
    ),
}


@pytest.mark.filterwarnings("ignore:All candidates get all")
@pytest.mark.parametrize(
    ("kind", "name", "scheduler", "how"), SCHEDULED.values(), ids=SCHEDULED
)
def test_a_scheduler_does_what_its_name_does(kind, name, scheduler, how):
    ours = make(kind, scheduler=scheduler, **how)
    assert outcome(ours) == outcome(make(kind, scheduler=name, **how))
    assert vars(scheduler) == scheduler.get_params(deep=False)


PRESETS = {
    "bayes": (BayesSearchCV, {}, {}),
    "race": (BayesSearchCV, {"scheduler": "racing"}, {"scheduler": "racing"}),
    "evolution": (EvolutionarySearchCV, {}, {"optimizer": "evolution"}),
    "halving": (HyperbandSearchCV, {}, {"optimizer": "gp", "scheduler": "halving"}),
}


@pytest.mark.parametrize(("kind", "how", "spelt"), PRESETS.values(), ids=PRESETS)
def test_a_preset_is_the_search_with_its_settings(kind, how, spelt):
    assert outcome(make(kind, **how)) == outcome(make(**spelt))


# Nested settings


def test_settings_of_the_parts_are_parameters_of_the_search():
    optimizer, scheduler = GaussianProcess(), Halving()
    search = make(optimizer=optimizer, scheduler=scheduler)
    params = search.get_params(deep=True)
    assert params["optimizer__acquisition"] == "auto"
    assert params["scheduler__factor"] == 3
    twin = clone(search).set_params(
        optimizer__acquisition="ucb", optimizer__n_initial_points=4, scheduler__factor=2
    )
    assert optimizer.acquisition == "auto"
    assert scheduler.factor == 3
    told = make(
        optimizer=GaussianProcess(acquisition="ucb", n_initial_points=4),
        scheduler=Halving(factor=2),
    )
    assert outcome(twin) == outcome(told)


def test_numbers_of_numpy_do_what_those_of_python_do():
    ours = make(optimizer=GaussianProcess(n_initial_points=np.uint8(4)))
    assert outcome(ours) == outcome(make(optimizer=GaussianProcess(n_initial_points=4)))
    ours = make(optimizer=DifferentialEvolution(population_size=np.int64(4)))
    theirs = make(optimizer=DifferentialEvolution(population_size=4))
    assert outcome(ours) == outcome(theirs)


# Parts of a user's own


OWN = {
    "climber": {"optimizer": Climber()},
    "first wins": {"scheduler": FirstWins(), "resource": "folds"},
    "both": {"optimizer": Climber(step=0.2), "scheduler": FirstWins(part=1 / 3)},
}
every_own = pytest.mark.parametrize("how", OWN.values(), ids=OWN)


@every_own
def test_own_parts_run_with_any_number_of_workers(how):
    how = {"max_concurrent": 3, **how}
    alone = make(**how)
    expected = outcome(alone)
    assert outcome(make(n_jobs=2, **how)) == expected
    if "optimizer" in how:
        assert "climber" in alone.history_["source"] or "scheduler" in how
    if "scheduler" in how:
        assert alone.n_candidates_ == [9, 1]
        assert alone.resource_ == "folds"
        assert not hasattr(alone, "n_required_iterations_")
    assert alone.best_estimator_.predict(X).shape == Y.shape


@every_own
def test_searches_of_own_parts_are_cloned_and_pickled(how):
    search = make(**how)
    expected = outcome(search)
    assert outcome(clone(search)) == expected
    restored = pickle.loads(pickle.dumps(search))
    assert_array_equal(restored.predict(X), search.predict(X))
    assert outcome(restored) == expected


@every_own
@pytest.mark.parametrize("is_folder", [False, True])
def test_searches_of_own_parts_go_on(how, is_folder, tmp_path):
    expected = outcome(make(**how))
    path = tmp_path if is_folder else tmp_path / "search.jsonl"
    assert outcome(make(checkpoint=path, **how)) == expected
    (file,) = tmp_path.iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: len(lines) // 2]))
    began = read_checkpoint(file)["start"]
    assert outcome(make(checkpoint=path, **how)) == expected
    assert len(list(tmp_path.iterdir())) == 1
    after = read_checkpoint(file)["start"]
    assert after[: len(began) - 1] == began[: len(began) - 1]


def test_other_settings_of_a_part_are_another_search_of_a_folder(tmp_path):
    for optimizer in (Climber(), Climber(step=0.3), TPE(), "tpe", Sobol()):
        make(optimizer=optimizer, n_iter=2, checkpoint=tmp_path).fit(X, Y)
    assert len(list(tmp_path.iterdir())) == 5


@every_own
def test_searches_of_own_parts_are_nested(how):
    scores = [
        cross_val_score(make(**how), X, Y, cv=2, n_jobs=n_jobs) for n_jobs in (1, 2)
    ]
    assert_array_equal(*scores)
    assert min(scores[0]) > 0.8


def test_an_own_part_is_tuned():
    search = make(optimizer=Climber())
    assert outcome(search) != outcome(search.set_params(optimizer__step=0.4))


def test_presets_take_own_parts():
    assert (
        "climber"
        in make(BayesSearchCV, optimizer=Climber()).fit(X, Y).history_["source"]
    )
    halved = make(HyperbandSearchCV, optimizer=Climber(), n_candidates=27).fit(X, Y)
    assert {"random", "climber"} <= set(halved.history_["source"])
    bred = make(EvolutionarySearchCV, optimizer=Climber()).fit(X, Y)
    assert "climber" in bred.history_["source"]
    raced = make(BayesSearchCV, scheduler=FirstWins()).fit(X, Y)
    assert raced.n_candidates_ == [9, 1]


# What can't be had


class Unfit(LogisticRegression):
    def fit(self, X, y):
        raise AssertionError("This must not be fitted.")


REFUSED = {
    "no optimizer": ({"optimizer": FullBudget()}, "'optimizer' parameter of SearchCV"),
    "a class": ({"optimizer": TPE}, "'optimizer' parameter of SearchCV"),
    "no name": ({"optimizer": "bayes"}, "'optimizer' parameter of SearchCV"),
    "no scheduler": ({"scheduler": TPE()}, "'scheduler' parameter of SearchCV"),
    "a setting": (
        {"optimizer": GaussianProcess(acquisition="ei")},
        "'acquisition' parameter of GaussianProcess",
    ),
    "one objective": (
        {"optimizer": TPE(), **FRONT},
        "TPE learns one objective, but there are 2.*HypervolumeGP",
    ),
    "several objectives": (
        {"optimizer": HypervolumeGP()},
        "HypervolumeGP needs 2 objectives or more",
    ),
    "competition for a front": (
        {"scheduler": Halving(), **FRONT},
        r"scheduler=Halving\(\) compares candidates by one score",
    ),
    "two folds": ({"scheduler": "racing", "cv": 2}, "at least 3 folds"),
    "no rungs": ({"resource": "max_iter"}, "resource='max_iter' has no use"),
    "race of rows": (
        {"scheduler": Racing(), "min_resources": 20},
        r"scheduler=Racing\(\) evaluates candidates fold by fold",
    ),
    "number said by the plan": (
        {"scheduler": "hyperband"},
        "=9 with Hyperband",
    ),
    "clock": (
        {"scheduler": "asha", "deterministic": True},
        "'asha' promotes",
    ),
    "no change on which rung": (
        {"scheduler": "halving", "n_iter_no_change": 3},
        "leave it None, and set max_time",
    ),
    "known on which rung": (
        {"scheduler": "halving", "warm_start_from": [({"C": 1.0}, 0.5)]},
        "give the candidates in initial_candidates",
    ),
    "known among candidates": (
        {"initial_candidates": [({"C": 1.0}, 0.5)]},
        "goes to warm_start_from",
    ),
}


@pytest.mark.parametrize(("how", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_before_any_fit(how, message):
    how = {"n_iter": 9, "cv": 3, "error_score": "raise", **how}
    search = SearchCV(Unfit(), {"C": loguniform(0.1, 10)}, **how)
    with pytest.raises((TypeError, ValueError), match=message):
        search.fit(X, Y)


def test_how_many_candidates_if_nobody_says():
    assert (
        len(make(n_iter="auto", optimizer="random").fit(X, Y).history_["score"]) == 50
    )
    halved = make(n_iter="auto", optimizer="random", scheduler="halving", cv=5).fit(
        X, Y
    )
    theirs = make(HyperbandSearchCV, n_candidates="auto", optimizer="random", cv=5)
    assert halved.n_candidates_ == theirs.fit(X, Y).n_candidates_
