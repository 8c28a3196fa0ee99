"""Names of what the parameters of the searches take."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias

Space: TypeAlias = dict[str, Any] | Sequence[dict[str, Any]]
Scorer: TypeAlias = str | Callable[..., Any]
Scoring: TypeAlias = Scorer | Sequence[str] | Mapping[str, Scorer] | None
Refit: TypeAlias = bool | str | Callable[[dict[str, Any]], SupportsIndex]
GivenObjectives: TypeAlias = Sequence[str | Callable[[Any], float]]
Candidates: TypeAlias = Sequence[Mapping[str, Any]]
Auto: TypeAlias = Literal["auto"]
Surrogate: TypeAlias = Literal["auto", "gp", "rbf", "forest", "tpe", "sobol", "random"]
Breeder: TypeAlias = Literal[
    "auto", "de", "lshade", "ga", "cmaes", "nsga2", "nsga3", "regularized"
]
OptimizerName: TypeAlias = Surrogate | Breeder | Literal["evolution"]
SchedulerName: TypeAlias = Literal["full", "racing", "halving", "hyperband", "asha"]
