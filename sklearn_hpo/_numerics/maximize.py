"""Maximise an acquisition over rows with continuous, ordered and categorical columns.

A pool of candidates, spread over the cube and around good rows, gives the starts; a
gradient climb over the continuous coordinates and an exchange of single discrete values
alternate until neither gains.

References
----------
.. [1] Nocedal & Wright (2006), Numerical Optimization, Springer; sections 3.5 (step
   lengths by interpolation), 6.1 (BFGS), 16.7 (projection to bounds).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MAX_LEVELS = 16  # ordered columns with more are climbed, then rounded
STEP_SIZES = np.array([0.2, 0.05, 0.01])
KEEP_CATEGORY = 0.7
MAX_ROUNDS = 3
# A climb: the longest first step and any step, in units of the cube; gain that ends it.
FIRST_STEP, LONGEST_STEP, MIN_GAIN = 0.2, 0.5, 1e-6


@dataclass(frozen=True)
class FeasibleSet:
    """The rows among which to maximise.

    Parameters
    ----------
    snap : callable
        Maps points of the unit cube (m, d) to valid rows, idempotently.
    levels : tuple of ndarray or None
        For each column its values, increasing; None if it has too many to list.
    categorical : ndarray of shape (d,), bool
        Columns without an order.
    low, high : ndarray of shape (d,) or float, default=0.0 and 1.0
        How far a climb may go.
    """

    snap: Callable[[Array], Array]
    levels: tuple[Array | None, ...]
    categorical: Mask
    low: Array | float = 0.0
    high: Array | float = 1.0

    def climbable(self) -> Mask:
        """Return which columns a gradient can move: (d,), bool."""
        few = [v is not None and len(v) <= MAX_LEVELS for v in self.levels]
        climbable: Mask = ~(self.categorical | np.array(few, dtype=bool))
        return climbable

    def grid(self, limit: int) -> Array | None:
        """Return every row if they are few, else None.

        Parameters
        ----------
        limit : int
            The largest product of the numbers of levels to enumerate.

        Returns
        -------
        rows : ndarray of shape (m, d) or None
            Without repetition.
        """
        levels = [v for v in self.levels if v is not None]
        if len(levels) < len(self.levels):
            return None
        if np.prod([float(len(v)) for v in levels]) > limit:
            return None
        points = np.stack(np.meshgrid(*levels), axis=-1).reshape(-1, len(levels))
        return np.unique(self.snap(points), axis=0)


def untaken(rows: Array, taken: set[bytes]) -> Array:
    """Return the rows whose bytes are not in `taken`.

    Parameters
    ----------
    rows : ndarray of shape (m, d)
        Candidates.
    taken : set of bytes
        ``row.tobytes()`` of the rows to leave out.

    Returns
    -------
    rows : ndarray of shape (k, d)
        In the same order.
    """
    data, width = rows.tobytes(), rows.itemsize * rows.shape[1]
    keep = [data[i * width : (i + 1) * width] not in taken for i in range(len(rows))]
    return rows if all(keep) else rows[keep]


def spread(n: int, d: int, rng: np.random.Generator) -> Array:
    """Return n well spread points of the unit cube: Sobol points, shifted at random.

    Parameters
    ----------
    n : int
        How many.
    d : int
        Dimensions.
    rng : numpy.random.Generator
        Draws the shift.

    Returns
    -------
    points : ndarray of shape (n, d)
        In [0, 1).
    """
    points = _sobol((n - 1).bit_length(), d)[:n] + rng.random(d)
    points -= points >= 1.0
    return points


@lru_cache(maxsize=64)
def _sobol(m: int, d: int) -> Array:
    points: Array = qmc.Sobol(d, scramble=False).random_base2(m)
    return points


def perturb(
    elite: Array, n: int, feasible: FeasibleSet, rng: np.random.Generator
) -> Array:
    """Return points near good rows: random subsets of their coordinates are moved.

    Parameters
    ----------
    elite : ndarray of shape (k, d)
        The rows to start from.
    n : int
        Number of points.
    feasible : FeasibleSet
        Kinds of the columns.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    points : ndarray of shape (n, d)
        In the unit cube, not snapped; inactive coordinates are random.
    """
    k, d = elite.shape
    points = elite[rng.integers(k, size=n)]
    anywhere = rng.random((n, d))
    points = np.where(np.isnan(points), anywhere, points)
    moved = rng.random((n, d)) < rng.random((n, 1))
    moved[np.arange(n), rng.integers(d, size=n)] = True
    step = rng.choice(STEP_SIZES, size=(n, 1)) * rng.standard_normal((n, d))
    near = np.clip(points + step, 0.0, 1.0)
    switched = moved & (rng.random((n, d)) > KEEP_CATEGORY)
    points = np.where(moved & ~feasible.categorical, near, points)
    return np.where(switched & feasible.categorical, anywhere, points)


def climb(
    starts: Array,
    value_and_gradient: Callable[[Array], tuple[Array, Array]],
    columns: Mask,
    scale: Array | float = 1.0,
    max_iter: int = 8,
    bounds: tuple[Array | float, Array | float] = (0.0, 1.0),
) -> Array:
    """Climb from all starts at once over some columns, by projected BFGS [1]_.

    Parameters
    ----------
    starts : ndarray of shape (k, d)
        Rows.
    value_and_gradient : callable
        ``value_and_gradient(rows) -> (values (k,), gradients (k, d))``.
    columns : ndarray of shape (d,), bool
        The columns to move; NaN entries stay.
    scale : ndarray of shape (d,) or float, default=1.0
        Lengths over which the value changes alike; only their ratios count.
    max_iter : int, default=8
        Limit of iterations, each of which evaluates all rows once.
    bounds : tuple of (ndarray of shape (d,) or float), default=(0.0, 1.0)
        Lowest and highest values.

    Returns
    -------
    rows : ndarray of shape (k, d)
        The best rows of the climbs, inside the bounds, not snapped.
    """
    free = columns & ~np.isnan(starts)
    if not free.any():
        return starts
    rows = starts
    value, slope = value_and_gradient(rows)
    slope = np.where(free, slope, 0.0)
    weight = np.broadcast_to(np.square(scale), rows.shape)
    steepest = np.maximum(np.abs(weight * slope).max(axis=1), 1e-200)
    # Inverse Hessians of minus the value, one for each row.
    size = weight * (FIRST_STEP / steepest)[:, None]
    metric = size[:, :, None] * np.eye(rows.shape[1])
    fresh, length = np.ones(len(rows), dtype=bool), np.ones(len(rows))
    for _ in range(max_iter):
        stuck = np.where(slope < 0.0, rows <= bounds[0], rows >= bounds[1])
        way = _times(metric, np.where(stuck, 0.0, slope))
        way[stuck | ~free] = 0.0
        longest = LONGEST_STEP / np.maximum(np.abs(way).max(axis=1), LONGEST_STEP)
        trial = np.clip(rows + (length * longest)[:, None] * way, *bounds)
        new_value, new_slope = value_and_gradient(trial)
        new_slope = np.where(free, new_slope, 0.0)
        step = np.where(free, trial - rows, 0.0)
        promised, gain = _dot(step, slope), new_value - value
        better = gain >= 1e-4 * promised
        fresh &= ~_learn(metric, step, slope - new_slope, better, fresh)
        # Too far: back to the top of the parabola through what is known.
        top = 0.5 * promised / np.where(better, 1.0, promised - gain)
        length = np.where(better, 1.0, length * np.clip(top, 0.1, 0.5))
        rows = np.where(better[:, None], trial, rows)
        slope = np.where(better[:, None], new_slope, slope)
        value = np.where(better, new_value, value)
        if (better & (gain < MIN_GAIN)).all():
            break
    return rows


def _learn(metric: Array, step: Array, bend: Array, better: Mask, fresh: Mask) -> Mask:
    """Update inverse Hessians (k, d, d) by BFGS, in place; return which ones.

    `bend` is by how much the gradients fell along the steps, both (k, d). The first
    update of a row sets the size of its matrix too.
    """
    curvature = _dot(step, bend)
    curved = better & (curvature > 1e-12)
    rho = np.where(curved, 1.0 / np.where(curved, curvature, 1.0), 0.0)
    image = _times(metric, bend)
    size = _dot(bend, image)
    unit = np.where(curved & fresh, curvature / np.where(curved, size, 1.0), 1.0)
    metric *= unit[:, None, None]
    image *= unit[:, None]
    own = rho * (1.0 + rho * unit * size)
    # own s s' - rho (H y s' + s y' H), as a product with s and its transpose
    half = (0.5 * own)[:, None] * step - rho[:, None] * image
    change = half[:, :, None] * step[:, None, :]
    metric += change
    metric += change.transpose(0, 2, 1)
    return curved


def _times(matrices: Array, vectors: Array) -> Array:
    product: Array = (matrices @ vectors[:, :, None])[:, :, 0]
    return product


def _dot(a: Array, b: Array) -> Array:
    product: Array = np.einsum("ij,ij->i", a, b)
    return product


def neighbours(row: Array, feasible: FeasibleSet, rng: np.random.Generator) -> Array:
    """Return the valid rows that differ from a row in one discrete value.

    Parameters
    ----------
    row : ndarray of shape (d,)
        A valid row.
    feasible : FeasibleSet
        All values of a column with few levels and of a categorical one are tried,
        else the two next ones on either side.
    rng : numpy.random.Generator
        Draws the coordinates that a change of branch makes active.

    Returns
    -------
    rows : ndarray of shape (m, d)
        Valid rows.
    """
    filled = np.where(np.isnan(row), rng.random(len(row)), row)
    out = [np.empty((0, len(row)))]
    for j, levels in enumerate(feasible.levels):
        if levels is None or np.isnan(row[j]):
            continue
        here = int(np.searchsorted(levels, row[j]))
        other = np.arange(len(levels))
        if not feasible.categorical[j] and len(levels) > MAX_LEVELS:
            other = other[max(here - 2, 0) : here + 3]
        other = other[other != here]
        rows = np.tile(filled, (len(other), 1))
        rows[:, j] = levels[other]
        out.append(rows)
    return feasible.snap(np.concatenate(out))


def maximise(
    pool: Array,
    value: Callable[[Array], Array],
    value_and_gradient: Callable[[Array], tuple[Array, Array]],
    feasible: FeasibleSet,
    taken: set[bytes],
    rng: np.random.Generator,
    n_starts: int = 4,
    scale: Array | float = 1.0,
) -> Array:
    """Return the best valid row found that is not taken.

    Parameters
    ----------
    pool : ndarray of shape (m, d), m > 0
        Valid rows, none of them taken.
    value : callable
        ``value(rows) -> values``.
    value_and_gradient : callable
        ``value_and_gradient(rows) -> (values, gradients)``.
    feasible : FeasibleSet
        The rows among which to maximise.
    taken : set of bytes
        Rows that must not be returned.
    rng : numpy.random.Generator
        Source of randomness.
    n_starts : int, default=4
        How many of the best of the pool to improve.
    scale : ndarray of shape (d,) or float, default=1.0
        As for `climb`.

    Returns
    -------
    row : ndarray of shape (d,)
        At least as good as the best of the pool.
    """
    order = np.argsort(-value(pool), kind="stable")[:n_starts]
    rows, columns = pool[order], feasible.climbable()
    bounds = feasible.low, feasible.high
    for _ in range(MAX_ROUNDS):
        top = climb(rows, value_and_gradient, columns, scale, bounds=bounds)
        end = feasible.snap(top)
        rows, _ = _best_of(rows, [row[None] for row in end], value, taken)
        around = [neighbours(row, feasible, rng) for row in rows]
        if not any(map(len, around)):
            break
        rows, exchanged = _best_of(rows, around, value, taken)
        rows = rows[:1]
        if not exchanged:
            break
    best: Array = rows[0]
    return best


def _best_of(
    rows: Array,
    rivals: list[Array],
    value: Callable[[Array], Array],
    taken: set[bytes],
) -> tuple[Array, bool]:
    """Replace every row by its best rival, if better; sort, best first.

    The second result tells whether the first row was replaced.
    """
    everything = np.concatenate([rows, *rivals])
    own = np.arange(len(rows))
    owner = np.append(own, np.repeat(own, [len(rival) for rival in rivals]))
    values = value(everything)
    values[[row.tobytes() in taken for row in everything]] = -np.inf
    order = np.argsort(-values, kind="stable")
    winners = order[np.unique(owner[order], return_index=True)[1]]
    winners = winners[np.argsort(-values[winners], kind="stable")]
    return everything[winners], bool(winners[0] >= len(rows))
