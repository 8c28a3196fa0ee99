"""XGBoost, LightGBM and CatBoost: rounds that go on from an earlier model.

None of them is imported: they are known by the modules of their classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_hpo._evaluation.resources._iterations import Iterations
from sklearn_hpo._evaluation.resources._learner import Learner, final_step
from sklearn_hpo._trial import FoldJob

# The names of the number of rounds, the usual one first, and its default.
_ROUNDS = {
    "xgboost": (("n_estimators",), 100),
    # LightGBM's list of aliases of num_iterations, which each outdo n_estimators
    "lightgbm": (
        (
            "n_estimators",
            "max_iter",
            "n_iter",
            "nrounds",
            "num_boost_round",
            "num_iteration",
            "num_iterations",
            "num_round",
            "num_rounds",
            "num_tree",
            "num_trees",
        ),
        100,
    ),
    "catboost": (("iterations", "n_estimators", "num_boost_round", "num_trees"), 1000),
}
# What CatBoost may be given and still go on exactly. Others draw numbers that a fit
# which goes on would draw anew, shrink earlier trees, or are refused with init_model.
# fmt: off
_EXACT_CATBOOST = frozenset((
    "allow_writing_files", "auto_class_weights", "bootstrap_type", "border_count",
    "boosting_type", "cat_features", "class_names", "class_weights", "classes_count",
    "colsample_bylevel", "combinations_ctr", "custom_loss", "custom_metric", "depth",
    "eta", "eval_metric", "feature_border_type", "grow_policy", "iterations",
    "l2_leaf_reg", "leaf_estimation_backtracking", "leaf_estimation_iterations",
    "leaf_estimation_method", "learning_rate", "logging_level", "loss_function",
    "max_bin", "max_ctr_complexity", "max_depth", "max_leaves", "metric_period",
    "min_child_samples", "min_data_in_leaf", "n_estimators", "nan_mode",
    "num_boost_round", "num_leaves", "num_trees", "objective", "one_hot_max_size",
    "random_seed", "random_state", "random_strength", "reg_lambda", "rsm",
    "scale_pos_weight", "score_function", "silent", "simple_ctr", "task_type",
    "thread_count", "train_dir", "used_ram_limit", "verbose",
))
# fmt: on

# Of these, those that must have one value.
_EXACT_AT_ONE_VALUE = {
    "boosting_type",
    "bootstrap_type",
    "colsample_bylevel",
    "random_strength",
    "rsm",
    "task_type",
}
# What LightGBM calls forests, dropout and one-sided sampling.
_UNEVEN = ("rf", "random_forest", "dart", "goss")


def library_of(learner: Learner) -> str | None:
    """Return the library whose boosting an estimator is, if it is one of the three.

    Parameters
    ----------
    learner : Learner
        The estimator.

    Returns
    -------
    library : str or None
        Also of subclasses.
    """
    return next(filter(learner.is_from, _ROUNDS), None)


def rounds_of(learner: Learner, library: str) -> tuple[str, int]:
    """Return the name of the parameter that counts the rounds, and its value.

    Parameters
    ----------
    learner : Learner
        The estimator.
    library : str
        As `library_of` returns it.

    Returns
    -------
    name : str
        Without the prefix; of several names, the one that counts.
    n_resources : int
        The library's default if none is given.
    """
    names, default = _ROUNDS[library]
    params = learner.params
    given = [name for name in names if params.get(name) is not None]
    # a constructor of LightGBM always has n_estimators, which any other name outdoes
    name = given[-1] if given else names[0]
    return name, params.get(name) or default


def names_of_rounds(library: str) -> tuple[str, ...]:
    """Return all names of the parameter that counts the rounds.

    Parameters
    ----------
    library : str
        As `library_of` returns it.

    Returns
    -------
    names : tuple of str
        The usual one first.
    """
    return _ROUNDS[library][0]


def boosting(learner: Learner, library: str) -> "Boosting | None":
    """Return the rounds that an estimator can go on with.

    Parameters
    ----------
    learner : Learner
        The estimator.
    library : str
        As `library_of` returns it.

    Returns
    -------
    resource : Boosting or None
        None if its rounds would not be those of one longer training.
    """
    names, _ = _ROUNDS[library]
    n_names = sum(learner.params.get(name) is not None for name in names[1:])
    if learner.searched & set(names) or n_names > 1 or not _GOES_ON[library](learner):
        return None
    name, n_resources = rounds_of(learner, library)
    kind = CatBoosting if library == "catboost" else Boosting
    return kind(learner.prefix + name, maximum=n_resources)


def _xgboost_goes_on(learner: Learner) -> bool:
    params = learner.params
    kinds = type(learner.estimator).__mro__
    return not (
        not learner.fits_as_in("xgboost.sklearn")
        or any(kind.__name__.startswith("XGBRF") for kind in kinds)
        # patience and schedules would begin anew
        or learner.sets("early_stopping_rounds", "callbacks", "process_type")
        or learner.takes("early_stopping_rounds", "callbacks", "xgb_model")
        # dropout changes the earlier trees, and linear boosters have none
        or "booster" in learner.searched
        or params.get("booster") in ("dart", "gblinear")
        # an earlier model does not take them once more
        or "monotone_constraints" in learner.searched
        or isinstance(params.get("monotone_constraints"), Mapping)
    )


def _lightgbm_goes_on(learner: Learner) -> bool:
    params = learner.params
    kinds = ("boosting_type", "boosting", "boost", "data_sample_strategy")
    patience = ("early_stopping_round", "early_stopping", "n_iter_no_change")
    return not (
        not learner.fits_as_in("lightgbm.sklearn")
        or learner.sets(*patience, "early_stopping_rounds")
        # it would forget which features earlier trees have paid for
        or learner.sets("cegb_penalty_feature_lazy", "cegb_penalty_feature_coupled")
        # one-sided sampling begins after some rounds of each training
        or learner.searched & set(kinds)
        or any(params.get(kind) in _UNEVEN for kind in kinds)
        # the earlier model takes their place
        or learner.takes("init_score", "init_model")
        or learner.sets("input_model", "model_input", "model_in")
        or not all(map(_only_writes, learner.fit_params.get("callbacks") or ()))
    )


def _only_writes(callback: Any) -> bool:
    """Whether a callback of LightGBM leaves training alone."""
    kind = type(callback)
    return (
        kind is not FunctionType
        and kind.__module__ == "lightgbm.callback"
        and kind.__name__ in ("_LogEvaluationCallback", "_RecordEvaluationCallback")
    )


def _catboost_goes_on(learner: Learner) -> bool:
    params = {name: v for name, v in learner.params.items() if v is not None}
    rate = {"learning_rate", "eta"}
    sampling = [params.get(name, 1) for name in ("rsm", "colsample_bylevel")]
    given = {name for name, value in learner.fit_params.items() if value is not None}
    return (
        learner.fits_as_in("catboost.core")
        # else it depends on the number of rounds
        and bool(rate & (params.keys() | learner.searched))
        and params.keys() | learner.searched <= _EXACT_CATBOOST
        and given <= {"sample_weight", "cat_features", "verbose", "logging_level"}
        # noise in the scores of splits is on by default, and so are random weights
        and params.get("random_strength") == 0
        and params.get("bootstrap_type") == "No"
        and sampling == [1, 1]
        and params.get("boosting_type", "Plain") == "Plain"
        and params.get("task_type", "CPU") == "CPU"
        and not learner.searched & _EXACT_AT_ONE_VALUE
    )


_GOES_ON = {
    "xgboost": _xgboost_goes_on,
    "lightgbm": _lightgbm_goes_on,
    "catboost": _catboost_goes_on,
}


@dataclass(frozen=True)
class Boosting(Iterations):
    """XGBoost and LightGBM, whose ``fit`` takes an earlier model to go on with."""

    exact = MappingProxyType(
        dict.fromkeys(
            (
                *("subsample", "bagging_fraction", "feature_fraction"),
                *("colsample_bytree", "colsample_bylevel", "colsample_bynode"),
            ),
            1.0,
        )
    )

    def settings(self, done: float, n_resources: float) -> dict[str, Any]:
        """Return the number of trees to add."""
        return self.params(n_resources - done)

    def advance(self, final: Any, done: float, n_resources: float) -> Any:
        """Return ``fit`` with the earlier trees."""
        if not done:
            return None
        if hasattr(final, "get_booster"):
            earlier = {"xgb_model": final.get_booster()}
        else:
            earlier = {"init_model": final.booster_}
        fit = type(final).fit

        def more(X: Any, y: Any = None, **params: Any) -> Any:
            seed = final.random_state
            # XGBoost seeds its generator only if the seed is another one, and would
            # else go on with what other fits of the process have left; LightGBM would
            # draw the rows and columns of the first trees again
            if seed is None or isinstance(seed, int | np.integer):
                final.random_state = (seed or 0) + int(done)
            try:
                return fit(final, X, y, **earlier, **params)
            finally:
                final.random_state = seed

        return more


@dataclass(frozen=True)
class CatBoosting(Boosting):
    """CatBoost: a fitted one takes no parameters, so another one goes on from it."""

    def begin(self, estimator: Any, job: FoldJob) -> tuple[Any, dict[str, Any]]:
        """Return a clone, or what waits with a new last step, which adds its rounds."""
        if job.model is None:
            return super().begin(estimator, job)
        earlier = final_step(job.model.estimator)[1]
        follower = type(earlier)(**earlier.get_params())
        follower.fit = partial(type(follower).fit, follower, init_model=earlier)
        paused = _ending_in(follower, job.model.estimator)
        job = replace(job, model=replace(job.model, estimator=paused))
        return super().begin(estimator, job)

    def advance(self, final: Any, done: float, n_resources: float) -> Any:
        """Return None: `begin` says how the last step goes on."""
        return None

    def _restore(self, estimator: Any, n_resources: float) -> None:
        """Leave it: a fitted one takes no parameters."""


def _ending_in(final: Any, estimator: Any) -> Any:
    """Put another last step into a pipeline, or return it where there is none."""
    if not isinstance(estimator, Pipeline):
        return final
    name, last = estimator.steps[-1]
    estimator.steps[-1] = (name, _ending_in(final, last))
    return estimator
