"""Names of what the parameters of the searches take."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias

Space: TypeAlias = dict[str, Any] | Sequence[dict[str, Any]]
Scorer: TypeAlias = str | Callable[..., Any]
Scoring: TypeAlias = Scorer | Sequence[str] | Mapping[str, Scorer] | None
Refit: TypeAlias = bool | str | Callable[[dict[str, Any]], SupportsIndex]
GivenObjectives: TypeAlias = Sequence[str | Callable[[Any], float]]
Candidates: TypeAlias = Sequence[Mapping[str, Any] | tuple[Mapping[str, Any], float]]
