"""Fitted models that wait until their trial goes on, and no longer."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn_hpo._trial import FoldJob, FoldResult


class PausedModels:
    """The models of the trials that may still go on, one for each fold.

    Parameters
    ----------
    folder : Path or None, default=None
        Where workers leave the models; None if the models come with the reports.

    Attributes
    ----------
    n_peak : int
        The most models that ever waited.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.n_peak = 0
        self._waiting: dict[int, dict[int, Any]] = {}
        self._checked_out: dict[tuple[int, int], Path] = {}

    def check_out(self, job: FoldJob) -> FoldJob:
        """Give a job the model of its trial and fold, and say where to leave its own.

        A job with the full budget keeps nothing.
        """
        keep: Path | bool = job.budget < 1.0
        if keep and self.folder is not None:
            keep = self.folder / f"model-{job.trial}-{job.fold}"
        model = self._waiting.get(job.trial, {}).pop(job.fold, None)
        if isinstance(model, Path):
            self._checked_out[job.trial, job.fold] = model
        return replace(job, model=model, keep=keep)

    def check_in(self, report: FoldResult) -> FoldResult:
        """Put away the model of a report, and return the report without it."""
        lent = self._checked_out.pop((report.trial, report.fold), None)
        if lent is not None and lent != report.model:
            lent.unlink(missing_ok=True)
        if report.model is not None:
            self._waiting.setdefault(report.trial, {})[report.fold] = report.model
            self.n_peak = max(self.n_peak, sum(map(len, self._waiting.values())))
        return replace(report, model=None)

    def drop(self, trials: Iterable[int]) -> None:
        """Forget the models of trials that go no further."""
        for trial in trials:
            for model in self._waiting.pop(trial, {}).values():
                if isinstance(model, Path):
                    model.unlink(missing_ok=True)
