"""Whether transformers give training rows the form that they give later ones."""

from typing import Any

import joblib
from sklearn.decomposition import (
    NMF,
    DictionaryLearning,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
)
from sklearn.manifold import LocallyLinearEmbedding
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

# Those of scikit-learn that give training rows another form than later ones.
_APART = (
    DictionaryLearning,
    LocallyLinearEmbedding,
    MiniBatchDictionaryLearning,
    MiniBatchNMF,
    NMF,
    TargetEncoder,
)


def sets_training_rows_apart(part: Any) -> bool:
    """Whether the ``fit_transform`` of a part is not ``fit``, then ``transform``.

    Parameters
    ----------
    part : object
        Any parameter of a pipeline.

    Returns
    -------
    apart : bool
        For those of scikit-learn.
    """
    return isinstance(part, _APART) or bool(getattr(part, "sample_posterior", False))


def are_known(pipeline: Pipeline) -> bool:
    """Whether all transformers are scikit-learn's, and of those that transform alike.

    Parameters
    ----------
    pipeline : Pipeline
        As it is fitted, with the transformers that a candidate has.

    Returns
    -------
    known : bool
        False if any is the user's own or of another package.
    """
    parts = [p for p in pipeline.get_params().values() if hasattr(p, "fit")]
    return all(
        type(part).__module__.startswith("sklearn.")
        and not sets_training_rows_apart(part)
        for part in parts
        if hasattr(part, "transform") or hasattr(type(part), "fit_transform")
    )


def digest(X: Any) -> str | None:
    """Return what is equal for equal rows, or None if they can't be compared.

    Parameters
    ----------
    X : array-like
        Rows as the last step gets them.

    Returns
    -------
    digest : str or None
        To be compared in another process too.
    """
    try:
        return str(joblib.hash(X))
    except Exception:  # pickling calls code of any kind
        return None
