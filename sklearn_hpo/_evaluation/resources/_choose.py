"""Which resource a search spends: named by the user, or the best that there is."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import SGDOneClassSVM
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target, unique_labels

from sklearn_hpo._evaluation.resources._base import (
    Indices,
    Parameter,
    Resource,
    Samples,
    nested_order,
)
from sklearn_hpo._evaluation.resources._boosting import (
    boosting,
    library_of,
    names_of_rounds,
    rounds_of,
)
from sklearn_hpo._evaluation.resources._folds import (
    Folds,
    folds_of,
    is_forward,
    recent_first,
)
from sklearn_hpo._evaluation.resources._iterations import (
    HIST_BOOSTING,
    LINEAR,
    NETWORKS,
    Iterations,
    PartialFit,
    Staged,
    WarmStart,
)
from sklearn_hpo._evaluation.resources._learner import Learner, final_step
from sklearn_hpo._evaluation.resources._skorch import epochs
from sklearn_hpo._evaluation.resources._transformers import sets_training_rows_apart
from sklearn_hpo._sklearn_compat import num_samples

# Ensembles of independent members, whose order shows early.
_AVERAGING = (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
_FORESTS = (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
# Those that go on by passes over the rows, or not at all.
_BY_PASSES = (*NETWORKS, *LINEAR, SGDOneClassSVM)
# Least shares of iterations: few trees tell a good forest, though not fewer than ten,
# while a slow learning rate needs more to show what it is good for.
_SHARE_AVERAGING = 27
_MIN_MEMBERS = 10
_SHARE = 9
# Floors of a subset of rows: by class, by feature but not above the third.
_ROWS_PER_CLASS = 30
_ROWS_PER_FEATURE = 20
_MAX_ROWS_FOR_FEATURES = 500
# Fewer rows are fitted so fast that less of them saves nothing; scikit-learn's
# histogram boosting calls as many many.
_MANY_ROWS = 10_000


@dataclass(frozen=True)
class Data:
    """What the choice of a resource depends on.

    Attributes
    ----------
    estimator : estimator object
        Of the search.
    X, y : array-like
        What it is fitted on.
    splits : sequence of (train, test)
        Row numbers of the folds.
    groups : array-like of shape (n_samples,) or None
        Groups of rows that no fold cuts.
    searched : set of str
        The parameters that are searched.
    fit_params : dict
        What ``fit`` of the estimator is given beside them.
    """

    estimator: Any
    X: Any
    y: Any
    splits: Sequence[tuple[Any, Any]]
    groups: Any
    searched: frozenset[str]
    fit_params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learner(self) -> Learner:
        """The estimator that learns: itself, or the last step of a pipeline."""
        return Learner.of(self.estimator, self.searched, self.fit_params)


def choose_resource(
    name: str, minimum: float | str, maximum: float | str, data: Data
) -> Resource:
    """Return the resource of that name, with its least and greatest amounts.

    Parameters
    ----------
    name : str
        "auto", "partial_fit", "folds", "n_samples" or a parameter of the estimator.
    minimum, maximum : float or "auto"
        Amounts.
    data : Data
        Estimator, rows and folds.

    Returns
    -------
    resource : Resource
        With `minimum` and `maximum` set.

    Raises
    ------
    ValueError
        If the estimator or the data do not have that resource, or not so much of it.
    """
    if name in data.searched:
        raise ValueError(
            f"resource={name!r} is also searched; take it out of the search space, or "
            "choose another resource."
        )
    resource: Resource
    if name == "auto":
        needed = not _ends_by_itself(final_step(data.estimator)[1])
        given = minimum != "auto" or maximum != "auto"
        resource = (needed and _iterations(data)) or _folds_or_samples(data, given)
    elif name == "folds":
        resource = _folds(data)
    elif name == "n_samples":
        resource = _samples(data)
    elif name == "partial_fit" and data.learner.is_from("skorch"):
        # one call of it does max_epochs of them
        resource = _named(f"{data.learner.prefix}max_epochs", data)
    elif name == "partial_fit":
        resource = _partial_fit(data)
    else:
        resource = _named(name, data)
    resource = _limited(resource, maximum, data)
    return _started(resource, minimum, data)


def _iterations(data: Data) -> Iterations | None:
    """Return the iterations that the estimator can continue, if it can."""
    learner = data.learner
    prefix, params = learner.prefix, learner.params
    path = prefix.removesuffix("__").split("__")
    steps = {"__".join(path[:i]) for i in range(1, len(path) + 1)}
    if steps & data.searched or _is_refitted(data, prefix):
        return None
    library = library_of(learner)
    if library is not None:
        return boosting(learner, library)
    if learner.is_from("skorch"):
        return epochs(learner)
    name = "n_estimators" if "n_estimators" in params else "max_iter"
    if name not in params or {name, "warm_start"} & learner.searched:
        return None
    settings: dict[str, Any] = {"name": prefix + name, "maximum": params[name]}
    if name == "max_iter" and _passes_work(learner):
        return _partial_fit(data)
    if "warm_start" not in params and hasattr(learner.estimator, "staged_predict"):
        return Staged(**settings) if learner.stages_are_predictions() else None
    if "warm_start" not in params or _starts_anew(learner):
        return None
    total = name == "n_estimators" or isinstance(learner.estimator, HIST_BOOSTING)
    return WarmStart(**settings, total=total)


def _is_refitted(data: Data, prefix: str) -> bool:
    """Whether transformers may give training rows another form than later ones."""
    if not prefix:
        return False
    parts = data.estimator.get_params().values()
    pipelines = [p for p in (data.estimator, *parts) if isinstance(p, Pipeline)]
    # other kinds may resample rows, and `transform_input` is for metadata of each fit
    own = all(type(p) is Pipeline and p.transform_input is None for p in pipelines)
    return not own or any(sets_training_rows_apart(part) for part in parts)


def _starts_anew(learner: Learner) -> bool:
    """Whether training that goes on would forget what it has to."""
    final, params = learner.estimator, learner.params
    if isinstance(final, _FORESTS) and not learner.fits_as_in("sklearn"):
        return True
    # step sizes and curvature; liblinear forgets all
    if (
        isinstance(final, _BY_PASSES)
        or params.get("solver") == "liblinear"
        or "solver" in learner.searched
    ):
        return True
    # their patience, and the scores out of the bag of members that are there
    if isinstance(final, (GradientBoostingClassifier, GradientBoostingRegressor)):
        return learner.sets("n_iter_no_change") or learner.takes("monitor")
    bags = isinstance(final, (BaggingClassifier, BaggingRegressor))
    return bags and learner.sets("oob_score")


def _ends_by_itself(final: Any) -> bool:
    """Whether fits end long before ``max_iter``, by ``tol``."""
    # these mostly need all of it
    needy = (*HIST_BOOSTING, *NETWORKS)
    return (
        getattr(final, "tol", None) is not None
        and not hasattr(final, "n_estimators")
        and not isinstance(final, needy)
    )


def _passes_work(learner: Learner) -> bool:
    """Whether ``partial_fit`` does what ``fit`` would."""
    final = learner.estimator
    return (
        # of others it may be another method, as online learning is
        isinstance(final, _BY_PASSES)
        and learner.fits_as_in("sklearn")
        and hasattr(final, "partial_fit")
        # ``fit`` alone averages over all of its passes
        and not learner.sets("early_stopping", "average")
        and learner.params.get("class_weight") != "balanced"
        and not {"solver", "class_weight"} & learner.searched
    )


def _partial_fit(data: Data) -> PartialFit:
    prefix, final = final_step(data.estimator)
    if not hasattr(final, "partial_fit"):
        raise ValueError(
            f"resource='partial_fit' needs an estimator with partial_fit, but "
            f"{type(final).__name__} has none as it is set; choose resource='auto'."
        )
    if _is_refitted(data, prefix):
        raise ValueError(
            "resource='partial_fit' needs a Pipeline of scikit-learn itself, whose "
            "transformers give rows the same form in every pass; choose "
            "resource='auto'."
        )
    parameters = final.get_params(deep=False)
    counted = "max_iter" in parameters and f"{prefix}max_iter" not in data.searched
    return PartialFit(
        "partial_fit",
        maximum=parameters["max_iter"] if counted else math.nan,
        classes=_classes(final, data.y) if is_classifier(final) else None,
        parameter=f"{prefix}max_iter" if counted else None,
    )


def _classes(final: Any, y: Any) -> Any:
    """Return the classes of y, of each column where each has a classifier."""
    if isinstance(final, MultiOutputClassifier):
        return [np.unique(column) for column in np.asarray(y).T]
    return unique_labels(y)


def _named(name: str, data: Data) -> Resource:
    parameters = data.estimator.get_params()
    learner = data.learner
    library = library_of(learner)
    if library is not None and name in _with(learner.prefix, names_of_rounds(library)):
        own, n_resources = rounds_of(learner, library)
        name = learner.prefix + own
        parameters[name] = n_resources
    if name not in parameters:
        raise ValueError(
            f"resource={name!r} is neither 'auto', 'partial_fit', 'folds' or "
            f"'n_samples' nor a parameter of {type(data.estimator).__name__}."
        )
    iterations = _iterations(data)
    if iterations is not None and iterations.name == name:
        return iterations
    value = parameters[name]
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return Parameter(
        name,
        maximum=value if is_number else math.nan,
        whole=not is_number or isinstance(value, numbers.Integral),
    )


def _with(prefix: str, names: Sequence[str]) -> list[str]:
    return [prefix + name for name in names]


def _folds_or_samples(data: Data, given: bool) -> Resource:
    """Return the folds, if they are several, else rows where less of them saves."""
    if len(data.splits) > 1:
        return _folds(data)
    n_rows = num_samples(data.X)
    train, test = (np.arange(n_rows)[side] for side in data.splits[0])
    why = ""
    if _is_transductive(data.estimator) or np.isin(test, train).any():
        why = "it is scored on rows that it is fitted on"
    elif n_rows < _MANY_ROWS or _floor(data) > n_rows / 2:
        why = f"{n_rows} rows are too few to save anything by training on less of them"
    # who says how many rows to begin with knows them
    if given or not why:
        return _samples(data)
    name = type(data.estimator).__name__
    why = f"{name} has no iterations that go on, cv has one fold, and {why}"
    return replace(folds_of(data.splits, n_rows), why_alone=why)


def _is_transductive(estimator: Any) -> bool:
    """Whether a fit says nothing of other rows."""
    of_others = ("predict", "transform", "score", "score_samples")
    return not any(hasattr(estimator, name) for name in of_others)


def _folds(data: Data) -> Folds:
    if len(data.splits) < 2:
        raise ValueError(
            "resource='folds' needs at least two rungs, but cv has only one fold."
        )
    return folds_of(data.splits, num_samples(data.X), _labels(data))


def _labels(data: Data) -> Any:
    """Return the class of each row, or None if it has none, or several."""
    if not is_classifier(data.estimator):
        return None
    kind = type_of_target(data.y)
    return np.asarray(data.y) if kind in ("binary", "multiclass") else None


def _samples(data: Data) -> Samples:
    total = num_samples(data.X)
    rows = np.arange(total)
    trains, tests = ([rows[fold] for fold in s] for s in zip(*data.splits, strict=True))
    groups = None if data.groups is None else np.asarray(data.groups)
    n_most = None
    if is_forward(trains, tests):
        n_most = max(map(len, trains))
        orders = [_latest(train, groups) for train in trains]
    elif recent_first(trains, tests) is not None:
        raise ValueError(
            "resource='n_samples' takes the most recent rows where the training rows "
            "of cv grow from fold to fold, but these do not stand in the order of "
            "time; sort X and y by time, or set resource='folds'."
        )
    else:
        # the same subsets for every search, as for the folds of a splitter without
        # shuffle
        rng = np.random.default_rng(0)
        y = None if groups is not None else _labels(data)
        orders = []
        for train in trains:
            kept = [None if a is None else a[train] for a in (y, groups)]
            orders.append(nested_order(len(train), kept[0], kept[1], rng))
    return Samples(
        "n_samples",
        maximum=total,
        total=total,
        orders=tuple(orders),
        groups=groups,
        n_most=n_most,
    )


def _latest(train: Indices, groups: Any) -> Indices:
    """Return the places of training rows from the latest, group by group."""
    if groups is None:
        return np.argsort(-train, kind="stable")
    _, code = np.unique(groups[train], return_inverse=True)
    last = np.full(code.max() + 1, -1)
    np.maximum.at(last, code, train)
    return np.lexsort((-train, -last[code]))


def _floor(data: Data) -> float:
    """Return the least rows of a subset that tells something."""
    n_classes = len(np.unique(data.y)) if is_classifier(data.estimator) else 0
    shape: tuple[int, ...] = getattr(data.X, "shape", ())
    # texts have no features yet, and kernels as many as rows
    pairwise = get_tags(data.estimator).input_tags.pairwise
    n_features = shape[1] if len(shape) == 2 and not pairwise else 0
    by_feature = _ROWS_PER_FEATURE * n_features
    return max(
        num_samples(data.X) / _SHARE,
        _ROWS_PER_CLASS * n_classes,
        min(by_feature, _MAX_ROWS_FOR_FEATURES),
    )


def _limited(resource: Resource, maximum: float | str, data: Data) -> Resource:
    """Return the resource with its greatest amount."""
    if maximum != "auto":
        top = resource.maximum
        if resource.by_fold and maximum != top:
            raise ValueError(
                f"max_resources={maximum} of resource='folds' must be the {top} folds "
                "of cv, or 'auto'."
            )
        if isinstance(resource, Samples) and float(maximum) > top:
            raise ValueError(f"max_resources={maximum} is more than the {top} rows.")
        return replace(
            resource, maximum=float(maximum), whole=_is_whole(resource, maximum)
        )
    if not resource.maximum > 0:
        raise ValueError(
            f"max_resources must be given for resource={resource.name!r}, as "
            f"{type(data.estimator).__name__} has no positive number for it."
        )
    return resource


def _started(resource: Resource, minimum: float | str, data: Data) -> Resource:
    """Return the resource with its least amount."""
    top = resource.maximum
    if minimum != "auto":
        if float(minimum) > top:
            raise ValueError(
                f"min_resources={minimum} is more than the {top} of max_resources."
            )
        whole = _is_whole(resource, minimum)
        given = max(1.0, float(minimum)) if whole else float(minimum)
        return replace(resource, minimum=given, whole=whole)
    least: float = resource.minimum
    if isinstance(resource, Samples):
        least = min(_floor(data), top)
    elif not resource.by_fold:
        least = top / _SHARE
        if isinstance(final_step(data.estimator)[1], _AVERAGING):
            least = max(top / _SHARE_AVERAGING, min(_MIN_MEMBERS, top / 3))
    if resource.whole:
        least = max(1, round(least))
    return replace(resource, minimum=least)


def _is_whole(resource: Resource, n_resources: float | str) -> bool:
    # 10.0 trees are 10 trees; of other parameters the user says what kind they are
    counts = resource.by_fold or resource.continues or isinstance(resource, Samples)
    return resource.whole and (counts or isinstance(n_resources, numbers.Integral))
