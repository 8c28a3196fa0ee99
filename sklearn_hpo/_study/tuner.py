"""The candidates of a search: as AskTell's, with what a search knows beside them."""

from collections.abc import Mapping

import numpy as np

from sklearn_hpo._checkpoint.journal import Proposal
from sklearn_hpo._study.ask_tell import Array, AskTell
from sklearn_hpo._trial import Trial


class Tuner(AskTell):
    """An AskTell that goes on with an earlier run, and learns from other studies."""

    _recorded: Mapping[int, Proposal] = {}
    _shown: Trial | None = None

    def begin_with(
        self,
        *,
        initial_source: str,
        given_scores: tuple[Array, Array],
        source_task: tuple[Array, Array],
        recorded: Mapping[int, Proposal],
    ) -> None:
        """Take, before the first candidate, what a search knows beside the space.

        That is where its initial candidates come from, the rows and losses that count
        as told and those of another study, and what an earlier run has proposed.
        """
        self._initial_source = initial_source
        self._recorded = recorded
        rows, losses = source_task
        if len(rows):
            self.optimizer.tell_source_task(rows, losses[:, None])
        rows, losses = given_scores
        for row, loss in zip(rows, losses, strict=True):
            self._take_given(self.space.decode(row), row, np.array([loss]), 1.0)
        self.flush()

    def show_next(self) -> Trial | None:
        """Return the candidate that `ask` will return next."""
        if self._shown is None:
            self._shown = self.ask()
        return self._shown

    def ask(self) -> Trial | None:
        if self._shown is None:
            return super().ask()
        shown, self._shown = self._shown, None
        return shown

    def forget_candidates(self) -> None:
        """Free what is as large as the results, at the end."""
        self._seen, self._rows, self._told = set(), set(), []
        self._n_flushed = 0

    def has_recorded(self, number: int) -> bool:
        """Whether an earlier run has proposed a candidate of this number."""
        return number in self._recorded

    def _from_record(self, number: int) -> Trial | None:
        if number not in self._recorded:
            return None
        old = self._recorded[number]
        # what is given is taken from where it is given, so that all of it is used
        listed = old.source in ("initial", "estimator")
        params = None if listed else self.space.decode(old.row)
        if params is None or not self._is_new(params):
            return None
        return Trial(number, params, old.row, old.source, old.seconds)
