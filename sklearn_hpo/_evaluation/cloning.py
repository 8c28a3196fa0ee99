"""Copies of the user's estimator, also where scikit-learn can't clone it."""

import copy
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted


def copy_unfitted(estimator: Any) -> Any:
    """Return a clone, or a deep copy of what only can't be cloned.

    ``clone`` refuses an estimator whose constructor or ``get_params`` copies its
    values, as that of CatBoost does with lists.

    Parameters
    ----------
    estimator : estimator object
        Of the user; never changed.

    Returns
    -------
    copy : estimator object
        Unfitted.

    Raises
    ------
    RuntimeError
        If it can't be cloned, and a copy would be fitted or have other parameters.
    """
    try:
        return clone(estimator)
    except RuntimeError as error:
        refusal = error
    if not any(map(_is_fitted, (estimator, *estimator.get_params().values()))):
        twin = copy.deepcopy(estimator)
        if repr(twin) == repr(estimator):
            return twin
    raise RuntimeError(
        f"{refusal}. It can't be copied in another way either: pass an estimator that "
        "is not fitted, or give such values to fit, as in search.fit(X, y, "
        "cat_features=[0])."
    ) from refusal


def _is_fitted(part: Any) -> bool:
    if not hasattr(part, "fit") or isinstance(part, type):
        return False
    # what has no state counts as fitted
    if not any(name.endswith("_") for name in getattr(part, "__dict__", ())):
        return False
    try:
        check_is_fitted(part)
    except (NotFittedError, TypeError):  # it may have no fit at all
        return False
    return True
