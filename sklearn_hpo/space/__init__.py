"""Search spaces: dicts of lists and distributions seen as rows of a unit cube.

A frozen distribution is its own warp: ``u = cdf(x)`` encodes a value and
``x = ppf(u)`` decodes it, so uniform rows follow the distributions and distances
between rows are probabilities.
"""

from sklearn_hpo.space._column import Column, Group
from sklearn_hpo.space._lograndint import lograndint
from sklearn_hpo.space._space import SearchSpace
from sklearn_hpo.space._structured import permutation, sequence, subset

__all__ = [
    "Column",
    "Group",
    "SearchSpace",
    "lograndint",
    "permutation",
    "sequence",
    "subset",
]
