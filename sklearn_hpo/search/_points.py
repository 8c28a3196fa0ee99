"""Candidates that come from the user: checks of names, points to evaluate first."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from sklearn_hpo._evaluation.cloning import copy_unfitted
from sklearn_hpo._numerics.streams import stream

# Draws from a dict of the space, of which one must suit the estimator.
_N_PROBES = 16


def check_names(space, estimator):
    """Raise a ValueError if the estimator does not take a parameter name.

    It names the unknown parameter and the nearest valid names.
    """
    valid = estimator.get_params(deep=True)
    owners = tuple(f"{name}__" for name in space.names)
    if set(space.names) <= set(valid) and not any(
        name.startswith(owners) for name in space.names
    ):
        return
    # a name may become valid through another parameter, as `clf__C` through `clf`, and
    # some estimators take names that they do not list: let them say
    draws = np.random.default_rng(0).random((_N_PROBES, space.n_columns))
    for rows in zip(*(_branch_rows(space, draw) for draw in draws), strict=True):
        errors = [_refusal(estimator, space.decode(row)) for row in rows]
        if None not in errors:
            space.check_names(valid)
            raise ValueError(
                f"The search space has a parameter that is refused: {errors[0]}"
            )


def _refusal(estimator, params):
    """Return the error of setting `params`, or None."""
    try:
        copy_unfitted(estimator).set_params(**clone(params, safe=False))
    except (TypeError, ValueError) as error:
        return error
    return None


def complete_points(points, space, estimator, seed):
    """Return whole candidates from what the user gave as `initial_candidates`.

    Parameters that a dict leaves out are drawn from `seed`. "default" stands for the
    estimator's own values, as far as the space has them. Raises a TypeError if a point
    is no dict, and a ValueError if it lies outside the space.
    """
    if points is None:
        return []
    if points == "default":
        return own_candidate(space, estimator, seed) or [
            space.decode(_drawn(space, seed, 0))
        ]
    candidates = []
    for i, point in enumerate(points):
        if not isinstance(point, dict):
            raise TypeError(
                f"initial_candidates[{i}] is {point!r}; a point is a dict from "
                "parameter names to values, such as {'C': 1.0}. (One whose score is "
                "known goes to warm_start_from.)"
            )
        try:
            candidates.append(_complete(point, space, _drawn(space, seed, i)))
        except ValueError as error:
            raise ValueError(f"initial_candidates[{i}]: {error}") from error
    return candidates


def own_candidate(space, estimator, seed):
    """Return the estimator as it is, as far as the space has its values.

    Those that it does not have are drawn from `seed`. It is a list of one candidate, or
    empty if the space has no current value at all.
    """
    branch, own = space.match(estimator.get_params(deep=True))
    if not own:
        return []
    row = _drawn(space, seed, 0)
    # people who give a range tend to have the good values inside
    row[np.array([c.n_levels == 0 for c in space.columns], dtype=bool)] = 0.5
    if len(space.active) > 1:
        row[0] = space.columns[0].centres[branch]
    whole = {**space.decode(space.from_unit(row[None])[0]), **own}
    return [_as_in_space(own, whole, space)]


def whole_grid(given_space, space, n_trials):
    """Return all candidates of a space if there are no more than `n_trials`, else none.

    They are in the order of scikit-learn's ``ParameterGrid``. Equal candidates stand in
    it as often as there, so that results get the rows of ``GridSearchCV``.
    """
    if space.size > n_trials:
        return []
    try:
        grid = ParameterGrid(given_space)
    except TypeError:  # a distribution with few values
        return list(space)
    return list(grid if len(grid) <= n_trials else space)


def _branch_rows(space, unit):
    """Return one row in each branch of the space, from one point of the unit cube."""
    rows = np.tile(unit, (len(space.active), 1))
    if len(rows) > 1:
        rows[:, 0] = space.columns[0].centres
    return space.from_unit(rows)


def _drawn(space, seed, i):
    """Return a point of the unit cube that point number `i` is completed from."""
    draw = stream(seed, i, "initial candidate").random((1, space.n_columns))
    return space.spread(draw)[0].copy()


def _complete(point, space, draw):
    """Return `point` with its missing parameters taken from `draw`."""
    wholes = [{**space.decode(row), **point} for row in _branch_rows(space, draw)]
    fitting = (whole for whole in wholes if space.contains(whole))
    return _as_in_space(point, next(fitting, wholes[0]), space)


def _as_in_space(point, whole, space):
    """Return a whole candidate with the objects of the space.

    Numbers of `point` stay to the last bit where the space is continuous.
    """
    row = space.encode(whole)
    canonical = space.decode(row)
    kept = {
        column.name.split("[")[0]
        for column, coordinate in zip(space.columns, row, strict=True)
        if column.kind == "continuous" and not np.isnan(coordinate)
    }
    return {
        name: _as_kind(point[name], value) if name in kept & set(point) else value
        for name, value in canonical.items()
    }


def _as_kind(given, canonical, nested=False):
    """Return what was given, sequences and their numbers as the space has them."""
    if isinstance(canonical, list | tuple):
        pairs = zip(given, canonical, strict=True)
        return type(canonical)(_as_kind(own, other, True) for own, other in pairs)
    return float(given) if nested else given
