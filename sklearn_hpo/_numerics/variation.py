"""How populations vary: mutation and crossover of rows of the unit cube.

All functions take and return whole arrays of children, one a row; the crossovers and
mutations of one child are independent of those of the others.

References
----------
.. [1] Storn & Price (1997), Differential Evolution - A Simple and Efficient Heuristic
   for Global Optimization over Continuous Spaces, Journal of Global Optimization 11.
.. [2] Zhang & Sanderson (2009), JADE: Adaptive Differential Evolution with Optional
   External Archive, IEEE Transactions on Evolutionary Computation 13.
.. [3] Deb & Agrawal (1995), Simulated Binary Crossover for Continuous Search Space,
   Complex Systems 9.
.. [4] Deb & Deb (2014), Analysing Mutation Schemes for Real-Parameter Genetic
   Algorithms, International Journal of Artificial Intelligence and Soft Computing 4.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]


def differential(
    base: Array, leader: Array, pull: Array, difference: Array, scale: Array
) -> Array:
    """Return mutants ``v = base + pull (leader - base) + scale difference``.

    With ``pull=1`` this is best/1 of [1]_ (section 3), with ``pull=scale`` it is
    current-to-pbest/1 of [2]_ (equation 6).

    Parameters
    ----------
    base, leader : ndarray of shape (m, d) or (d,)
        The rows that mutate, and good ones.
    pull, scale : ndarray of shape (m, 1)
        Share of the way to the leader, and the factor F of the difference.
    difference : ndarray of shape (m, d)
        Of two further rows; NaN, where either is inactive, counts as 0.

    Returns
    -------
    mutants : ndarray of shape (m, d)
        Possibly outside the cube.
    """
    step = np.where(np.isnan(difference), 0.0, difference)
    mutants: Array = base + pull * (leader - base) + scale * step
    return mutants


def halfway_inside(points: Array, inside: Array) -> Array:
    """Return points whose coordinates beyond a face lie halfway to it from `inside`.

    Parameters
    ----------
    points : ndarray of shape (m, d)
        Anywhere.
    inside : ndarray of shape (m, d) or (d,)
        In the unit cube.

    Returns
    -------
    points : ndarray of shape (m, d)
        In the unit cube [2]_.
    """
    points = np.where(points < 0.0, 0.5 * inside, points)
    return np.where(points > 1.0, 0.5 * (1.0 + inside), points)


def binomial(
    parents: Array, mutants: Array, rate: Array | float, rng: np.random.Generator
) -> Array:
    """Return children that take each coordinate from the mutant with some probability.

    One coordinate, at random, comes from the mutant in any case [1]_. With
    ``rate=0.5`` this is uniform crossover of two parents.

    Parameters
    ----------
    parents : ndarray of shape (m, d) or (d,)
        What children resemble.
    mutants : ndarray of shape (m, d)
        What they inherit from too.
    rate : ndarray of shape (m, 1) or float
        The probability CR.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    children : ndarray of shape (m, d)
        A new array.
    """
    m, d = mutants.shape
    taken = rng.random((m, d)) < rate
    taken[np.arange(m), below(d, m, rng)] = True
    return np.where(taken, mutants, parents)


def simulated_binary(
    first: Array, second: Array, index: float, rng: np.random.Generator
) -> Array:
    """Return one child of each pair, near its parents as in binary crossover.

    The spread ``beta`` of the children about the mean of their parents has density
    ``(index + 1) / 2 * beta^index`` up to 1 and ``(index + 1) / 2 / beta^(index + 2)``
    above [3]_; each coordinate is crossed with probability 0.5. Each comes from either
    of the two symmetric children: else a child would hardly differ from one parent.

    Parameters
    ----------
    first, second : ndarray of shape (m, d)
        The parents.
    index : float
        Distribution index eta; large ones keep children close.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    children : ndarray of shape (m, d)
        Possibly outside the cube.
    """
    u = rng.random(first.shape)
    power = 1.0 / (index + 1.0)
    beta = np.where(u <= 0.5, 2.0 * u, 1.0 / (2.0 - 2.0 * u)) ** power
    beta = np.where(rng.random(first.shape) < 0.5, beta, 1.0)
    beta = np.where(rng.random(first.shape) < 0.5, beta, -beta)
    children: Array = 0.5 * ((1.0 + beta) * first + (1.0 - beta) * second)
    return children


def polynomial(
    points: Array,
    index: float,
    rate: Array | float,
    rng: np.random.Generator,
    least: Array | float = 0.0,
) -> Array:
    """Return points with some coordinates moved, by polynomial mutation [4]_.

    A moved coordinate stays inside: it goes a share ``1 - (2 u)^(1 / (index + 1))``
    of the way to either face, or the least step, away from a face that is too near.

    Parameters
    ----------
    points : ndarray of shape (m, d)
        In the unit cube.
    index : float
        Distribution index eta; large ones make small steps.
    rate : ndarray of shape (m, d) or float
        Probability that a coordinate moves.
    rng : numpy.random.Generator
        Source of randomness.
    least : ndarray of shape (d,) or float, default=0.0
        The least step, at most 0.5: one to the next of few values.

    Returns
    -------
    points : ndarray of shape (m, d)
        In the unit cube.
    """
    u = rng.random(points.shape)
    power = 1.0 / (index + 1.0)
    share = 1.0 - np.minimum(2.0 * u, 2.0 - 2.0 * u) ** power
    step = np.where(u < 0.5, -points, 1.0 - points) * share
    step = np.copysign(np.maximum(np.abs(step), least), u - 0.5)
    outside = (np.abs(points + step - 0.5) > 0.5) & (np.abs(step) <= least)
    step = np.where(outside, -step, step)
    return np.where(rng.random(points.shape) < rate, points + step, points)


def resample(
    points: Array, columns: Mask, rate: float, rng: np.random.Generator
) -> Array:
    """Return points some of whose coordinates are drawn afresh.

    Parameters
    ----------
    points : ndarray of shape (m, d)
        In the unit cube.
    columns : ndarray of shape (d,), bool
        Which columns may change.
    rate : float
        Probability that one of them does.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    points : ndarray of shape (m, d)
        In the unit cube.
    """
    drawn = columns & (rng.random(points.shape) < rate)
    return np.where(drawn, rng.random(points.shape), points)


def pairs(
    n: int, m: int, without: int, rng: np.random.Generator, n_extra: int = 0
) -> tuple[Index, Index]:
    """Draw pairs of distinct members of a population, none of them a given one.

    Parameters
    ----------
    n : int
        Size of the population, at least 3.
    m : int
        Number of pairs.
    without : int
        The member to leave out.
    rng : numpy.random.Generator
        Source of randomness.
    n_extra : int, default=0
        How many may be second beside the population, as the archive of [2]_ may.

    Returns
    -------
    first, second : ndarray of shape (m,), int
        Places in the population; from n on, the extra ones.
    """
    first = below(n - 1, m, rng)
    n_others = n + n_extra - 1
    second = (first + 1 + below(n_others - 1, m, rng)) % n_others
    return first + (first >= without), second + (second >= without)


def below(n: int, size: int | tuple[int, ...], rng: np.random.Generator) -> Index:
    """Draw integers from 0 to ``n - 1``; faster than `Generator.integers` if few.

    Parameters
    ----------
    n : int
        How many there are.
    size : int or tuple of int
        Shape of the draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    draws : ndarray of shape `size`, int
        Uniform.
    """
    draws: Index = (n * rng.random(size)).astype(np.intp)
    return draws
