"""Which columns parameters have, and how points become canonical coordinates."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_hpo.space._domains import Array, Domain, Levels, Part
from sklearn_hpo.space._structured import Block, Group


class Parameter(NamedTuple):
    """A parameter of one branch, or of several that take it from the same domain."""

    name: str
    domain: Domain


class ColumnLayout:
    """The columns of parameters, in the order of their names.

    `branch` is the domain of the first column, if there are several branches.

    Attributes
    ----------
    parts : list of Part
        The columns.
    places : dict
        From the number of a parameter to its column, or to those of a structure;
        constants are missing.
    groups : tuple of Group
        Which columns, two or more, are one structure.
    """

    def __init__(self, parameters: Sequence[Parameter], branch: Domain | None) -> None:
        self.parts: list[Part] = []
        self.places: dict[int, int | slice] = {}
        self._owners: list[int | None] = []  # of each column; None for the branch's
        domains: list[tuple[int | slice, Domain]] = []
        if branch is not None:
            self.parts, self._owners = [Part("", branch)], [None]
            domains = [(0, branch)]
        for i in sorted(range(len(parameters)), key=lambda i: parameters[i].name):
            name, domain = parameters[i]
            start = len(self.parts)
            self.parts += domain.parts(name)
            stop = len(self.parts)
            self._owners += [i] * (stop - start)
            if isinstance(domain, Block):
                self.places[i] = slice(start, stop)  # empty, if it is constant
            elif stop > start:
                self.places[i] = start
            if i in self.places:
                domains.append((self.places[i], domain))
        self._blocks = [(j, d) for j, d in domains if isinstance(d, Block)]
        self.groups = tuple(
            Group(block.structure, j, block.low, block.high)
            for j, block in self._blocks
            if isinstance(j, slice) and block.width > 1
        )
        self._prepare_snap(domains)

    def uses(self, branches: Sequence[Mapping[str, int]]) -> NDArray[np.bool_]:
        """Tell which columns each branch uses: (n_branches, n_columns)."""
        columns: dict[int | None, list[int]] = {}
        for j, owner in enumerate(self._owners):
            columns.setdefault(owner, []).append(j)
        uses = np.zeros((len(branches), len(self._owners)), dtype=bool)
        for used, branch in zip(uses, branches, strict=True):
            for owner in (None, *branch.values()):
                used[columns.get(owner, [])] = True
        return uses

    def snap(self, U: ArrayLike) -> Array:
        """Return new canonical coordinates, as if all columns were active.

        NaN counts as 0.5.
        """
        rows: Array = np.array(U, dtype=float)
        rows[np.isnan(rows)] = 0.5
        np.clip(rows, self._low, self._high, out=rows)
        rows += 0.0  # -0.0 becomes 0.0, so that equal rows have equal bytes
        if len(self._even):
            cells = np.floor(rows[:, self._even] * self._n_cells)
            np.minimum(cells, self._n_cells - 1, out=cells)
            rows[:, self._even] = (cells + 0.5) / self._n_cells
        for j, domain in self._others:
            rows[:, j] = domain.snap(rows[:, j])
        return rows

    def drawn(self, U: ArrayLike) -> Array:
        """Move uniform points so that, when snapped, they follow the distributions."""
        points: Array = np.asarray(U, dtype=float)
        if self._blocks:
            points = points.copy()
            for j, block in self._blocks:
                points[:, j] = block.drawn(points[:, j])
        return points

    def _prepare_snap(self, domains: Sequence[tuple[int | slice, Domain]]) -> None:
        clips = [part.domain.clip for part in self.parts]
        self._low, self._high = np.array(clips).reshape(-1, 2).T
        # evenly spaced columns go all at once
        even = {
            j: float(len(domain.values))
            for j, domain in domains
            if isinstance(j, int) and isinstance(domain, Levels) and domain.is_even
        }
        self._even = np.array(list(even), dtype=int)
        self._n_cells = np.array(list(even.values()))
        self._others = [
            (j, domain)
            for j, domain in domains
            if isinstance(j, slice) or j not in even
        ]
