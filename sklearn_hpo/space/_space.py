"""The search space: rows in, candidates out, and the other way round."""

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from sklearn_hpo._identity.values import unbox, value_key
from sklearn_hpo.space._column import make_column
from sklearn_hpo.space._domains import Array, Domain, Levels
from sklearn_hpo.space._layout import ColumnLayout, Parameter
from sklearn_hpo.space._parse import (
    branch_weights,
    check_dicts,
    make_domain,
    refuse_unknown,
)

Params: TypeAlias = dict[str, Any]
Plan: TypeAlias = list[tuple[str, int | slice, Domain]]

MAX_COUNTED = 10_000  # candidates that are enumerated to count distinct ones


class SearchSpace:
    """Rows of the unit cube that stand for candidates.

    Column by column a row holds the probability of drawing something smaller:

    - a continuous parameter has the coordinate ``cdf(value)``;
    - a value of a discrete parameter owns a cell of [0, 1] as wide as its
      probability, and its coordinate is the centre of the cell: ``(i + 0.5) / K``
      for entry ``i`` of a list of ``K``;
    - with two or more dicts, column 0 tells the branch in the same way;
    - NaN marks the columns that the branch, or the length of a sequence, does not use.

    A sequence, a subset or a permutation has several columns: the length and the
    entries; for each item whether it is in; the place of each item.

    Parameters of equal name and distribution share a column between branches. A
    parameter that has one value only has no column. Rows that :meth:`sample`,
    :meth:`from_unit` and :meth:`encode` return are canonical: discrete coordinates
    are cell centres to the last bit, so equal rows have equal bytes. Where a support
    is unbounded, a probability of 1e-10 is cut off at either end of the distribution.

    .. versionadded:: 0.1

    Parameters
    ----------
    param_distributions : dict or list of dict
        Parameter names with lists of choices or with distributions, as
        :class:`~sklearn.model_selection.GridSearchCV` and
        :class:`~sklearn.model_selection.RandomizedSearchCV` take them. A strictly
        monotonic list of numbers is ordered, any other is a set of choices. A
        distribution is anything that has ``rvs``; one without ``ppf`` and ``cdf`` is
        replaced by the empirical quantiles of 4096 draws, and so is one of integers
        without bounds of which more than 4096 are likely.

    Attributes
    ----------
    columns : tuple of Column
        What the coordinates mean.
    n_columns : int
        Length of a row.
    active : ndarray of shape (n_branches, n_columns)
        Which columns each branch uses.
    conditional : ndarray of shape (n_columns,)
        Which columns are NaN in some rows.
    groups : tuple of Group
        Which columns, two or more, are one sequence, subset or permutation.
    names : tuple of str
        All parameters, sorted.
    size : float
        Number of distinct candidates, or infinity. Where dicts of the same names
        hold more than 10000 candidates, those they have in common count repeatedly.

    Raises
    ------
    TypeError
        If something is of the wrong type, such as a single value for a list.
    ValueError
        If a list is empty or has several dimensions, or a distribution has no
        finite quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.space import SearchSpace
    >>> space = SearchSpace({"C": uniform(0, 4), "kernel": ["rbf", "poly"]})
    >>> [column.kind for column in space.columns]
    ['continuous', 'categorical']
    >>> row = space.encode({"C": 1.0, "kernel": "poly"})
    >>> row.tolist()
    [0.25, 0.75]
    >>> space.decode(row)
    {'C': 1.0, 'kernel': 'poly'}
    >>> space.sample(3, np.random.default_rng(0)).shape
    (3, 2)
    """

    def __init__(
        self, param_distributions: Mapping[str, Any] | Iterable[Mapping[str, Any]]
    ) -> None:
        dicts = check_dicts(param_distributions)
        self._parameters: list[Parameter] = []
        # The branches: for each name the number of its parameter, shared or not.
        numbers: dict[tuple[str, Hashable], int] = {}
        self._branches = [
            self._read_branch(
                choices, f" (dict {i} of the list)" * (len(dicts) > 1), numbers
            )
            for i, choices in enumerate(dicts)
        ]
        ends = np.cumsum(branch_weights(dicts))
        self._branch = Levels(range(len(dicts)), ends / ends[-1], ordered=False)
        self._lay_out()
        self.size = self._count()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what follows from the parameters and the branches."""
        kept = "_parameters", "_branches", "_branch", "size"
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lay_out()

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw rows from the distributions, independently.

        The law is that of :class:`~sklearn.model_selection.ParameterSampler`: one of
        several dicts is chosen uniformly, or in proportion to its size if nothing but
        lists was given.

        .. versionadded:: 0.1

        Parameters
        ----------
        n : int
            Number of rows.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        ndarray of shape (n, n_columns)
            Canonical rows.
        """
        return self.from_unit(self.spread(rng.random((n, self.n_columns))))

    def spread(self, U: ArrayLike) -> Array:
        """Move uniform points so that their rows follow the distributions.

        Subsets need that: :meth:`from_unit` takes single columns for what they are, so
        that of uniform points most have subsets of middle size.

        .. versionadded:: 0.1

        Parameters
        ----------
        U : array-like of shape (n, n_columns)
            Points of the unit cube, drawn uniformly or well spread.

        Returns
        -------
        ndarray of shape (n, n_columns)
            Points for :meth:`from_unit`; `U` itself where nothing has to move.
        """
        return self._layout.drawn(U)

    def from_unit(self, U: ArrayLike) -> Array:
        """Turn points of the unit cube into canonical rows.

        Discrete coordinates move to the centre of their cell, inactive ones become
        NaN. Canonical rows stay as they are.

        .. versionadded:: 0.1

        Parameters
        ----------
        U : array-like of shape (n, n_columns)
            Points; NaN where a coordinate is active counts as 0.5.

        Returns
        -------
        ndarray of shape (n, n_columns)
            Canonical rows, a new array.
        """
        rows = self._layout.snap(U)
        if len(self.active) > 1:
            rows[~self.active[self._branch.index(rows[:, 0])]] = np.nan
        return rows

    def decode(self, row: ArrayLike) -> Params:
        """Return the candidate that a row stands for.

        .. versionadded:: 0.1

        Parameters
        ----------
        row : array-like of shape (n_columns,)
            A canonical row.

        Returns
        -------
        dict
            Names, sorted, and values: Python numbers from distributions, and from
            lists the very objects that were given.
        """
        u = [*np.asarray(row, dtype=float).tolist(), 0.5]  # u[-1] serves constants
        branch = self._branch.decode(u[0]) if len(self._plans) > 1 else 0
        return {name: domain.decode(u[j]) for name, j, domain in self._plans[branch]}

    def encode(self, params: Mapping[str, Any]) -> Array:
        """Return the row of a candidate: the inverse of :meth:`decode`.

        .. versionadded:: 0.1

        Parameters
        ----------
        params : dict
            A value for each parameter of one branch; if several branches fit, the
            first is taken. Equal numbers of another type, or items of a subset in
            another order, fit where the very ones are not found.

        Returns
        -------
        ndarray of shape (n_columns,)
            The canonical row.

        Raises
        ------
        ValueError
            If the candidate is outside the space.
        """
        failures: list[str] = []
        alike: list[Array] = []
        rows: list[Array] = []
        for branch, plan in enumerate(self._plans):
            if params.keys() == self._branches[branch].keys():
                row = np.full(self.n_columns + 1, np.nan)  # row[-1] takes constants
                if len(self._plans) > 1:
                    row[0] = self._branch.encode(branch)
                wrong = _fill(row, plan, params)
                if wrong is not None:
                    failures.append(wrong)
                    continue
                found = self.from_unit(row[None, :-1])[0]
                decoded = self.decode(found)
                if self.key(decoded) == self.key(params):
                    return found
                # a continuous value may have changed in its last bit
                (alike if _same_types(decoded, params) else rows).append(found)
        if alike or rows:
            return (alike + rows)[0]
        if failures:
            raise ValueError(failures[0])
        given = set(params)
        near = min(self._branches, key=lambda branch: len(given ^ branch.keys()))
        raise ValueError(
            f"No dict of the space has just the parameters {sorted(given, key=str)}: "
            f"missing {sorted(near.keys() - given)}, "
            f"unknown {sorted(given - near.keys(), key=str)}."
        )

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Tell whether :meth:`encode` accepts a candidate.

        .. versionadded:: 0.1

        Parameters
        ----------
        params : dict
            Names and values.

        Returns
        -------
        bool
            True if the candidate belongs to the space.
        """
        try:
            self.encode(params)
        except ValueError:
            return False
        return True

    def match(self, values: Mapping[str, Any]) -> tuple[int, Params]:
        """Find the branch that has most of some values.

        .. versionadded:: 0.1

        Parameters
        ----------
        values : dict
            Names, of whatever parameters, and values.

        Returns
        -------
        branch : int
            The first one all of whose parameters can have their values, else the first
            of those with the largest number of such parameters.
        held : dict
            Their names and values.
        """
        fits = {
            number
            for number, (name, domain) in enumerate(self._parameters)
            if name in values and _fits(domain, values[name])
        }
        held = [
            {name: values[name] for name, number in branch.items() if number in fits}
            for branch in self._branches
        ]
        pairs = zip(held, self._branches, strict=True)
        sizes = [(len(own) == len(branch), len(own)) for own, branch in pairs]
        best = sizes.index(max(sizes))
        return best, held[best]

    def key(self, params: Mapping[str, Any]) -> Hashable:
        """Return what is equal for equal candidates only.

        ``1``, ``1.0`` and ``True`` differ, NaN equals NaN, numbers of numpy equal
        those of Python; containers and arrays are compared by content, estimators by
        type and attributes, other unhashable objects by identity.

        .. versionadded:: 0.1

        Parameters
        ----------
        params : dict
            A candidate.

        Returns
        -------
        hashable
            Good for sets and dicts while the values of `params` live.
        """
        names = sorted(params)  # flat, as a long search keeps very many keys
        return *names, *(value_key(params[name]) for name in names)

    def __iter__(self) -> Iterator[Params]:
        """Yield the distinct candidates in the order of ``ParameterGrid``."""
        endless = [p.name for p in self._parameters if p.domain.n_values == math.inf]
        if endless:
            raise ValueError(
                "The space has infinitely many candidates, because of "
                f"{', '.join(map(repr, endless))}; draw them with sample."
            )
        return self._candidates()

    def check_names(self, valid_names: Iterable[str]) -> None:
        """Refuse parameters that the estimator lacks.

        A parameter of a step is not checked where the same dict searches over the
        step itself.

        .. versionadded:: 0.1

        Parameters
        ----------
        valid_names : iterable of str
            Keys of the estimator's ``get_params()``.

        Raises
        ------
        ValueError
            Naming the parameter and the valid names most like it.
        """
        refuse_unknown(self._branches, set(valid_names))

    def _candidates(self) -> Iterator[Params]:
        seen = set()
        for plan in self._plans:
            names = [name for name, _, _ in plan]
            for values in product(*(domain.listed() for _, _, domain in plan)):
                params = dict(zip(names, values, strict=True))
                if len(self._plans) > 1:
                    key = self.key(params)
                    if key in seen:
                        continue
                    seen.add(key)
                yield params

    def _count(self) -> float:
        """Count the candidates, those that branches share once if that is quick."""
        sizes = [math.prod(float(w.n_values) for *_, w in plan) for plan in self._plans]
        alike = len({tuple(branch) for branch in self._branches}) < len(sizes)
        if alike and sum(sizes) <= MAX_COUNTED:
            return float(sum(1 for _ in self))
        return sum(sizes)

    def _read_branch(
        self,
        choices: Mapping[str, Any],
        where: str,
        numbers: dict[tuple[str, Hashable], int],
    ) -> dict[str, int]:
        """Make the parameters of a dict; `numbers` tells which of them are alike."""
        branch = {}
        for name in sorted(choices):
            identity, domain = make_domain(name, choices[name], where)
            branch[name] = numbers.setdefault((name, identity), len(numbers))
            if branch[name] == len(self._parameters):
                self._parameters.append(Parameter(name, domain))
        return branch

    def _lay_out(self) -> None:
        """Give the parameters their columns."""
        several = len(self._branches) > 1
        self._layout = ColumnLayout(self._parameters, self._branch if several else None)
        parts = self._layout.parts
        self.columns = tuple(make_column(part.name, part.domain) for part in parts)
        self.n_columns = len(self.columns)
        self.groups = self._layout.groups
        self.active = self._layout.uses(self._branches)
        conditional = np.array([part.conditional for part in parts], dtype=bool)
        self.conditional = conditional | ~self.active.all(axis=0)
        self.names = tuple(sorted({name for name, _ in self._parameters}))
        places = self._layout.places
        # What decode needs: name, columns (-1 for constants) and domain.
        self._plans: list[Plan] = [
            [(p, places.get(i, -1), self._parameters[i].domain) for p, i in b.items()]
            for b in self._branches
        ]


def _same_types(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(type(unbox(one[k])) is type(unbox(other[k])) for k in one)


def _fits(domain: Domain, value: Any) -> bool:
    try:
        domain.encode(value)
    except ValueError:
        return False
    return True


def _fill(row: Array, plan: Plan, params: Mapping[str, Any]) -> str | None:
    """Encode the values of one branch into `row`; tell which of them does not fit."""
    for name, j, domain in plan:
        try:
            row[j] = domain.encode(params[name])
        except ValueError as error:
            return (
                f"{params[name]!r} is outside the space of parameter {name!r}, "
                f"which takes {error}."
            )
    return None
