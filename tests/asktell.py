"""The loop that asks an optimizer and tells it what it wants to know."""

import numpy as np

from sklearn_hpo.optimizers import Told


def asked(optimizer, n=1, pending=None):
    """Return the next `n` rows, each proposed while those before it are pending."""
    d = optimizer.space.n_columns
    rows = np.empty((0, d)) if pending is None else pending
    for _ in range(n):
        rows = np.vstack([rows, optimizer.ask(rows).row])
    return rows[len(rows) - n :]


def tell(optimizer, rows, losses, **more):
    """Tell the losses of rows, at the full budget if nothing else is said."""
    optimizer.tell(Told.of(rows, losses, **more))


def run(optimizer, space, losses_of, n, seed=0, n_pending=0, n_objectives=1):
    """Evaluate n proposals, each told when `n_pending` later ones are out."""
    optimizer.start(space, n, seed, n_objectives)
    pending = np.empty((0, space.n_columns))
    while len(optimizer.rows) < n:
        pending = np.vstack([pending, asked(optimizer, 1, pending)])
        if len(pending) > n_pending:
            tell(optimizer, pending[:1], losses_of(pending[:1]))
            pending = pending[1:]
    return optimizer
