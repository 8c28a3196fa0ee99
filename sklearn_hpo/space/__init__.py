"""Search spaces: dicts of lists and distributions seen as rows of a unit cube.

A frozen distribution is its own domain: ``u = cdf(x)`` encodes a value and
``x = ppf(u)`` decodes it, so uniform rows follow the distributions and distances
between rows are probabilities.
"""

from sklearn_hpo.space._column import Column
from sklearn_hpo.space._distributions import (
    lograndint,
    permutation,
    sequence,
    subset,
)
from sklearn_hpo.space._space import SearchSpace
from sklearn_hpo.space._structured import Group

__all__ = [
    "Column",
    "Group",
    "SearchSpace",
    "lograndint",
    "permutation",
    "sequence",
    "subset",
]
