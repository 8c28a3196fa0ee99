"""Who is told what and when: what makes the outcome independent of timing."""

from collections.abc import Sequence

from sklearn_hpo._study.evaluation import Evaluation


class TellOrder:
    """What the next proposal knows.

    Evaluation ``e``, if it is of a new trial, is proposed knowing exactly the
    evaluations up to ``e - max_concurrent``, in that order, whether or not later ones
    have ended. With `max_concurrent` = 3, as workers end them in any order::

        evaluation   0 ─────┤
                     1 ───────────┤
                     2 ───┤                  (has ended, and is not told yet)
                     3       ├────           begins when 0 has ended, knows 0
                     4             ├────     begins when 1 has ended, knows 0 and 1

    Without `deterministic` it knows every evaluation that has ended, by their ends.
    """

    def __init__(self, max_concurrent: int = 1, deterministic: bool = True) -> None:
        self.max_concurrent = max_concurrent
        self.deterministic = deterministic
        self.n_told = 0

    def due(
        self, begun: Sequence[Evaluation], settled: Sequence[Evaluation]
    ) -> Sequence[Evaluation] | None:
        """Return what is to be told before a new trial; None if none may start yet.

        `begun` are all evaluations in the order in which they began, `settled` those
        that have ended in the order of their ends.
        """
        if not self.deterministic:
            under_way = len(begun) - len(settled)
            return settled[self.n_told :] if under_way < self.max_concurrent else None
        n_known = len(begun) - self.max_concurrent + 1
        due = begun[self.n_told : max(0, n_known)]
        return due if all(evaluation.settled for evaluation in due) else None

    def rest(
        self, begun: Sequence[Evaluation], settled: Sequence[Evaluation]
    ) -> list[Evaluation]:
        """Return what is to be told at the end."""
        ended = begun if self.deterministic else settled
        return [evaluation for evaluation in ended[self.n_told :] if evaluation.settled]
