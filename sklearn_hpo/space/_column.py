"""What one coordinate of a row means."""

from dataclasses import dataclass

from sklearn_hpo.space._domains import Array, Warp


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
    """

    name: str
    kind: str
    n_levels: int
    centres: Array | None


@dataclass(frozen=True)
class Group:
    """The columns of one sequence, subset or permutation of a :class:`SearchSpace`.

    .. versionadded:: 0.1

    Parameters
    ----------
    kind : {"sequence", "subset", "permutation"}
        What they stand for. If `low` is less than `high`, the first column of a
        sequence is its length; as many columns for each of the `high` entries follow.
    columns : slice
        Where they are in a row.
    low, high : int
        Least and largest number of entries.

    Examples
    --------
    >>> from sklearn_hpo.space import SearchSpace, subset
    >>> SearchSpace({"keep": subset(["a", "b", "c"])}).groups
    (Group(kind='subset', columns=slice(0, 3, None), low=1, high=3),)
    """

    kind: str
    columns: slice
    low: int
    high: int


def make_column(name: str, warp: Warp) -> Column:
    """Return the public face of a warp."""
    n_levels = 0 if warp.centres is None else len(warp.centres)
    return Column(name, warp.kind, n_levels, warp.centres)
