"""What one coordinate of a row means."""

from dataclasses import dataclass

import numpy as np

from sklearn_hpo.space._domains import Array, Domain


@dataclass(frozen=True, eq=False)
class Column:
    """One coordinate of the rows of a :class:`SearchSpace`.

    .. versionadded:: 0.1

    Parameters
    ----------
    name : str
        The parameter, or "" for the column that tells the branch. The columns of a
        sequence `x` are "len(x)", "x[0]", "x[1]", ..., those of a subset "item in x",
        those of a permutation "x.index(item)".
    kind : {"continuous", "ordered", "categorical"}
        What distances between coordinates mean.
    n_levels : int
        Number of distinct values; 0 for continuous columns and for ordered ones of
        infinitely many or more than 4096 values.
    centres : ndarray of shape (n_levels,) or None
        Coordinates of the values, increasing; None if `n_levels` is 0.

    Examples
    --------
    >>> from sklearn_hpo.space import SearchSpace
    >>> column, = SearchSpace({"C": [1, 10]}).columns
    >>> column.name, column.kind, column.centres.tolist()
    ('C', 'ordered', [0.25, 0.75])
    >>> column.edges.tolist()
    [0.0, 0.5, 1.0]
    """

    name: str
    kind: str
    n_levels: int
    centres: Array | None

    @property
    def edges(self) -> Array | None:
        """The limits of the cells around `centres`, from 0 to 1, or None."""
        if self.centres is None:
            return None
        # edges[i] + edges[i + 1] = 2 centres[i], solved by an alternating sum
        sign = (-1.0) ** np.arange(self.n_levels)
        edges: Array = np.zeros(self.n_levels + 1)
        edges[1:] = 2.0 * sign * np.cumsum(sign * self.centres)
        return edges


def make_column(name: str, domain: Domain) -> Column:
    """Return what optimizers may know of a coordinate and its domain."""
    n_levels = 0 if domain.centres is None else len(domain.centres)
    return Column(name, domain.kind, n_levels, domain.centres)
