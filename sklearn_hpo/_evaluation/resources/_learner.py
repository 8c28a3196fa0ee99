"""The estimator that learns: the last step of a pipeline, or the whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sklearn
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing


def final_step(estimator: Any) -> tuple[str, Any]:
    """Return the prefix of the parameters of the estimator that learns, and itself.

    Parameters
    ----------
    estimator : estimator object
        A pipeline, or anything else.

    Returns
    -------
    prefix : str
        For instance "classifier__"; empty if the estimator is no pipeline.
    final : estimator object
        The last step of the last pipeline.
    """
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix, estimator


def params_of_last(pipeline: Pipeline, params: dict[str, Any]) -> dict[str, Any]:
    """Return what a pipeline's ``fit`` would hand to that of its last step.

    Parameters
    ----------
    pipeline : Pipeline
        Of scikit-learn or of others.
    params : dict
        For the ``fit`` of the pipeline.

    Returns
    -------
    params : dict
        For the ``fit`` of its last step.
    """
    name = pipeline.steps[-1][0]
    if sklearn.get_config()["enable_metadata_routing"]:
        return dict(process_routing(pipeline, "fit", **params)[name]["fit"])
    start = f"{name}__"
    return {k[len(start) :]: v for k, v in params.items() if k.startswith(start)}


@dataclass(frozen=True)
class Learner:
    """An estimator, and all that may make one of its fits differ from another.

    Attributes
    ----------
    estimator : estimator object
        Not a pipeline.
    prefix : str
        Of its parameters in the search.
    searched : frozenset of str
        Those of its parameters that are searched, without the prefix.
    fit_params : dict
        What its ``fit`` is given beside the data.
    """

    estimator: Any
    prefix: str = ""
    searched: frozenset[str] = frozenset()
    fit_params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, estimator: Any, searched: frozenset[str], fit_params: Mapping[str, Any]
    ) -> "Learner":
        """Return the one at the end of an estimator.

        Parameters
        ----------
        estimator : estimator object
            A pipeline, or anything else.
        searched : frozenset of str
            The parameters of the estimator that are searched.
        fit_params : dict
            What its ``fit`` is given beside the data.

        Returns
        -------
        learner : Learner
            Its last step, if it is a pipeline, else itself.
        """
        prefix, final = final_step(estimator)
        while isinstance(estimator, Pipeline):
            fit_params = params_of_last(estimator, dict(fit_params))
            estimator = estimator.steps[-1][1]
        own = {name[len(prefix) :] for name in searched if name.startswith(prefix)}
        return cls(final, prefix, frozenset(own), fit_params)

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the estimator, or none if it is no estimator."""
        if not hasattr(self.estimator, "get_params"):
            return {}
        return dict(self.estimator.get_params(deep=False))

    def sets(self, *names: str) -> bool:
        """Whether any of the parameters is searched, or is on.

        Parameters
        ----------
        *names : str
            Without the prefix. None, False, 0 and what is empty are off.

        Returns
        -------
        on : bool
            False if it has none of them.
        """
        params = self.params
        return bool(self.searched & set(names)) or any(
            _is_on(params.get(name)) for name in names
        )

    def takes(self, *names: str) -> bool:
        """Whether ``fit`` is given any of these.

        Parameters
        ----------
        *names : str
            Arguments of ``fit``.

        Returns
        -------
        given : bool
            None counts as nothing.
        """
        return any(self.fit_params.get(name) is not None for name in names)

    def fits_as_in(self, module: str) -> bool:
        """Whether ``fit`` is that of a module, and of no subclass elsewhere.

        Parameters
        ----------
        module : str
            Such as "sklearn", with all that it holds.

        Returns
        -------
        own : bool
            True also for subclasses that inherit ``fit``.
        """
        return f"{_home(type(self.estimator), 'fit')}.".startswith(f"{module}.")

    def is_from(self, package: str) -> bool:
        """Whether the estimator is of a package, or of a subclass of its classes.

        Parameters
        ----------
        package : str
            Such as "xgboost", which need not be installed.

        Returns
        -------
        known : bool
            By the names of modules.
        """
        kinds = type(self.estimator).__mro__
        return any(kind.__module__.split(".")[0] == package for kind in kinds)

    def stages_are_predictions(self) -> bool:
        """Whether no subclass predicts in another way than ``staged_predict`` does.

        Returns
        -------
        same : bool
            By the modules of the methods.
        """
        kind = type(self.estimator)
        return all(
            _home(kind, name) == _home(kind, f"staged_{name}")
            for name in ("predict", "predict_proba", "decision_function")
            if hasattr(kind, f"staged_{name}")
        )


def _home(kind: type, method: str) -> str:
    """Return the module of the class from which a method comes."""
    owners = (base for base in kind.__mro__ if method in vars(base))
    return next((base.__module__ for base in owners), "")


def _is_on(value: Any) -> bool:
    if isinstance(value, bool | int | float | str | list | tuple | dict):
        return bool(value)
    return value is not None
