"""Networks of skorch, whose ``partial_fit`` does `max_epochs` more epochs."""

import sys
from dataclasses import dataclass
from typing import Any

from sklearn_hpo._evaluation.resources._iterations import Iterations
from sklearn_hpo._evaluation.resources._learner import Learner

# Callbacks that only watch; the others may begin anew with each training.
_WATCHING = (
    "BatchScoring",
    "EpochScoring",
    "EpochTimer",
    "PassthroughScoring",
    "PrintLog",
    "ProgressBar",
)


def epochs(learner: Learner) -> "Epochs | None":
    """Return the epochs that a network can go on with.

    Parameters
    ----------
    learner : Learner
        An estimator of skorch.

    Returns
    -------
    resource : Epochs or None
        None if they would not be those of one longer training.
    """
    params = learner.params
    named = [c[1] if isinstance(c, tuple) else c for c in params["callbacks"] or ()]
    watching = params["callbacks"] == "disable" or all(map(_only_watches, named))
    varied = any(n.split("__")[0] == "callbacks" for n in learner.searched)
    split = params.get("train_split")
    fixed = getattr(split, "random_state", None) is not None
    if (
        not learner.fits_as_in("skorch")
        or not watching
        or varied
        or learner.searched & {"max_epochs", "train_split"}
        # other rows would be left out for validation
        or (isinstance(getattr(split, "cv", None), float) and not fixed)
    ):
        return None
    return Epochs(f"{learner.prefix}max_epochs", maximum=params["max_epochs"])


def _only_watches(callback: Any) -> bool:
    kind = callback if isinstance(callback, type) else type(callback)
    return kind.__module__.startswith("skorch.callbacks.") and (
        kind.__name__ in _WATCHING
    )


@dataclass(frozen=True)
class Epochs(Iterations):
    """Epochs of a network that goes on with its weights and its optimizer."""

    def settings(self, done: float, n_resources: float) -> dict[str, Any]:
        """Return the number of epochs to add."""
        return self.params(n_resources - done)

    def advance(self, final: Any, done: float, n_resources: float) -> Any:
        """Return a ``fit`` that draws what one fit would, wherever it goes on.

        The module and the order of rows draw from the generator of the process.
        """
        if not done and n_resources == self.maximum:
            return None
        torch = sys.modules["torch"]

        def train(X: Any, y: Any = None, **params: Any) -> Any:
            if not done:
                type(final).fit(final, X, y, **params)
                final.stream_of_epochs_ = torch.get_rng_state()
                return final
            others = torch.get_rng_state()
            torch.set_rng_state(final.stream_of_epochs_)
            try:
                final.partial_fit(X, y, **params)
            finally:
                final.stream_of_epochs_ = torch.get_rng_state()
                torch.set_rng_state(others)
            return final

        return train
