"""The population of a steady-state evolution: a function of the losses told so far."""

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]
Index = NDArray[np.intp]

PATIENCE = 3  # times the population, without a better loss, until half of it restarts


class Population:
    """Members, each with a place of its own, among the rows that were told.

    Row number ``t`` competes for place ``t modulo size``, so that no proposal waits for
    a generation to end. Where it loses, it replaces the worst member if that is worse
    still. When the best loss has not improved for 3 times `size` rows, ties included,
    the worse half of the places become vacant, for rows from anywhere.

    Parameters
    ----------
    size : int
        Number of places.
    ages : bool, default=False
        Whether row ``t`` takes its place in any case, so that the oldest member goes.

    Attributes
    ----------
    members : ndarray of shape (size,), int
        Numbers of rows; -1 where a place is vacant.

    Examples
    --------
    >>> population = Population(2)
    >>> for number in range(3):
    ...     population.admit(number, np.array([3.0, 1.0, 2.0]))
    >>> population.members.tolist()
    [2, 1]
    """

    def __init__(self, size: int, ages: bool = False) -> None:
        self.size = size
        self.ages = ages
        self.members: Index = np.full(size, -1)
        self._best = np.inf
        self._stagnant = 0

    def admit(self, number: int, losses: Losses) -> None:
        """Let a row compete.

        Parameters
        ----------
        number : int
            Of the row.
        losses : ndarray of shape (n,), n > number
            Losses of all rows; infinite for failures.
        """
        loss = losses[number]
        self._stagnant = 0 if loss < self._best else self._stagnant + 1
        self._best = min(self._best, loss)
        held = np.where(self.members < 0, np.inf, losses[self.members])
        place, worst = number % self.size, int(np.argmax(held))
        if self.ages or self.members[place] < 0 or loss <= held[place]:
            self.members[place], held[place] = number, loss
        elif loss < held[worst]:
            self.members[worst], held[worst] = number, loss
        if self._stagnant >= PATIENCE * self.size:
            self._stagnant = 0
            order = np.argsort(held, kind="stable")
            self.members[order[(self.size + 1) // 2 :]] = -1
