"""How children inherit sequences, subsets and orders, which have several columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.structures import (
    cross_orders,
    vary_orders,
    vary_sequences,
    vary_subsets,
)
from sklearn_hpo.optimizers._base import Rows
from sklearn_hpo.space import Group
from sklearn_hpo.space._domains import cell_of, centre_of
from sklearn_hpo.space._structured import member_edge, ranks

Mask = NDArray[np.bool_]

# Probabilities: that a structure is inherited as a whole, not column by column; then,
# that an order comes from both parents, that something changes, and something more.
WHOLE = 0.5
CROSSED = 0.5
CHANGED = 0.8
MORE = 0.3


def inherit(
    child: Rows,
    parents: tuple[Rows, Rows],
    groups: Sequence[Group],
    categorical: Mask,
    rng: np.random.Generator,
    whole: Rows | float = WHOLE,
) -> Rows:
    """Return children some of whose structures descend from their parents as wholes.

    A structure comes from the first parent, or from the second if the first has none.
    An order may also come from both, by order crossover. Then something of it changes.

    Parameters
    ----------
    child : ndarray of shape (m, d)
        Bred column by column, in the unit cube.
    parents : tuple of two ndarray of shape (m, d)
        Canonical rows.
    groups : sequence of Group
        The structures.
    categorical : ndarray of shape (d,), bool
        Columns without an order.
    rng : numpy.random.Generator
        Source of randomness.
    whole : ndarray of shape (m, d) or float, default=0.5
        Probability that a structure is inherited as a whole; of its columns the largest
        counts. Else it stays as it was bred.

    Returns
    -------
    children : ndarray of shape (m, d)
        In the unit cube.
    """
    if not groups:
        return child
    whole = np.broadcast_to(whole, child.shape)
    for group in groups:
        own = child[:, group.columns]
        first, second = (rows[:, group.columns] for rows in parents)
        block = np.where(np.isnan(first[:, :1]), second, first)
        if group.kind == "permutation":
            crossed = rng.random((len(child), 1)) < CROSSED
            crossed &= ~np.isnan(first[:, :1] + second[:, :1])
            mixed = cross_orders(ranks(first), ranks(second), rng)
            block = np.where(crossed, centre_of(mixed, group.high), block)
        block = np.where(np.isnan(block), own, block)
        changed = rng.random(len(child)) < CHANGED
        while changed.any():
            block[changed] = _vary(block[changed], group, categorical, rng)
            changed &= rng.random(len(child)) < MORE
        taken = rng.random(len(child)) < whole[:, group.columns].max(axis=1)
        block = np.where(taken[:, None], block, own)
        child[:, group.columns] = (
            _mended(block, group, rng) if group.kind == "subset" else block
        )
    return child


def _vary(
    block: Rows, group: Group, categorical: Mask, rng: np.random.Generator
) -> Rows:
    if group.kind == "permutation":
        return centre_of(vary_orders(ranks(block), rng), group.high)
    if group.kind == "subset":
        members = _mended(block, group, rng) > 0.5
        return vary_subsets(members, group.low, group.high, rng).astype(float)
    n_lengths = group.high - group.low + 1
    n_first = int(n_lengths > 1)
    lengths = np.full(len(block), group.low)
    if n_first:
        lengths += cell_of(block[:, 0], n_lengths)
    entries = block[:, n_first:].reshape(len(block), group.high, -1)
    kinds = categorical[group.columns][n_first:][: entries.shape[2]]
    lengths, entries = vary_sequences(lengths, entries, group.low, kinds, rng)
    first = centre_of(lengths - group.low, n_lengths)[:, None][:, :n_first]
    return np.hstack([first, entries.reshape(len(block), -1)])


def _mended(block: Rows, group: Group, rng: np.random.Generator) -> Rows:
    """Return subsets as zeros and ones; beyond the bounds, chance decides who is in."""
    members = block >= member_edge(block.shape[1], group.low, group.high)
    size = np.clip(members.sum(axis=1), group.low, group.high)
    scores = members + rng.random(block.shape)
    return (ranks(-scores) < size[:, None]).astype(float)
