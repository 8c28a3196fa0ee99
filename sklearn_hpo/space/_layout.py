"""Which columns parameters have, and how points become canonical coordinates."""

from operator import itemgetter
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from sklearn_hpo.space._domains import Array, Levels, Part, Warp
from sklearn_hpo.space._structured_domains import Block

Key: TypeAlias = tuple[str, int]


def lay_out(
    warps: dict[Key, Warp], branch: Warp | None
) -> tuple[dict[Key, int | slice], list[Part], list[Key | None]]:
    """Give each parameter its columns, in the order of their names.

    Parameters
    ----------
    warps : dict
        Of all parameters.
    branch : Warp or None
        Of the first column, if there are several branches.

    Returns
    -------
    places : dict
        Which columns each parameter has; those without are missing.
    parts : list of Part
        The columns.
    owners : list
        The parameter of each column; None for that of the branch.
    """
    places: dict[Key, int | slice] = {}
    parts: list[Part] = []
    owners: list[Key | None] = []
    if branch is not None:
        parts, owners = [Part("", branch)], [None]
    for key in sorted(warps, key=itemgetter(0)):
        warp, start = warps[key], len(parts)
        parts += warp.parts(key[0])
        owners += [key] * (len(parts) - start)
        if isinstance(warp, Block):
            places[key] = slice(start, len(parts))
        elif len(parts) > start:
            places[key] = start
    return places, parts, owners


class Snapper:
    """Moves coordinates to those of the values that they decode to.

    Parameters
    ----------
    places : list of (int or slice, Warp)
        Which columns each warp has.
    clips : list of (float, float)
        Lowest and highest coordinate of each column.
    """

    def __init__(
        self,
        places: list[tuple[int | slice, Warp]],
        clips: list[tuple[float, float]],
    ) -> None:
        self._low, self._high = np.array(clips).reshape(-1, 2).T
        even = [(j, w) for j, w in places if isinstance(w, Levels) and w.edges is None]
        # evenly spaced columns go all at once
        self._even = np.array([j for j, _ in even], dtype=int)
        self._n_cells = np.array([float(len(w.values)) for _, w in even])
        at_once = {id(w) for _, w in even}
        self._others = [(j, w) for j, w in places if id(w) not in at_once]
        self._blocks = [(j, w) for j, w in places if isinstance(w, Block)]

    def snap(self, U: ArrayLike) -> Array:
        """Return canonical coordinates, as if all columns were active.

        Parameters
        ----------
        U : array-like of shape (n, n_columns)
            Points; NaN counts as 0.5.

        Returns
        -------
        ndarray of shape (n, n_columns)
            A new array.
        """
        rows: Array = np.array(U, dtype=float)
        rows[np.isnan(rows)] = 0.5
        np.clip(rows, self._low, self._high, out=rows)
        rows += 0.0  # -0.0 becomes 0.0, so that equal rows have equal bytes
        if len(self._even):
            cells = np.floor(rows[:, self._even] * self._n_cells)
            np.minimum(cells, self._n_cells - 1, out=cells)
            rows[:, self._even] = (cells + 0.5) / self._n_cells
        for j, warp in self._others:
            rows[:, j] = warp.snap(rows[:, j])
        return rows

    def drawn(self, U: ArrayLike) -> Array:
        """Move uniform points so that, when snapped, they follow the distributions.

        Parameters
        ----------
        U : array-like of shape (n, n_columns)
            Points of the unit cube.

        Returns
        -------
        ndarray of shape (n, n_columns)
            Points of the unit cube.
        """
        points: Array = np.asarray(U, dtype=float)
        if self._blocks:
            points = points.copy()
            for j, block in self._blocks:
                points[:, j] = block.drawn(points[:, j])
        return points
