"""The Gaussian processes that an optimizer keeps beside the one of its losses."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_hpo._numerics.acquisition import lower_bound
from sklearn_hpo._numerics.evidence import fit, prior
from sklearn_hpo._numerics.gp import Layout, Posterior
from sklearn_hpo._numerics.transform import normalise

Array = NDArray[np.float64]
Data = Callable[[int], tuple[Any, ...]]

MAX_EARLIER = 128  # observations of an earlier study
ALL_FITTED = 30  # results each of which is a reason to fit; then an eighth more is


class Chain:
    """Hyperparameters after so many results, each fitted from those before.

    They depend on what was told and on nothing else.

    Parameters
    ----------
    layout : Layout
        Kinds of the columns.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._start = prior(len(layout.categorical))[0]
        self._fits = [(0, self._start)]

    def theta(self, size: int, first: int, data: Data) -> Array:
        """Return the hyperparameters of the last scheduled fit.

        Parameters
        ----------
        size : int
            Number of results so far.
        first : int
            How many the first fit waits for.
        data : callable
            From a number of results to rows, targets, their extra variances, and
            whatever else. It is not kept, so that a chain can be pickled alone.

        Returns
        -------
        theta : ndarray of shape (d + 2,)
            Log hyperparameters.
        """
        while True:
            last, theta = self._fits[-1]
            step = 1 if last <= ALL_FITTED else last // 8
            following = max(last + step, first, 2)
            if following > size:
                return next(theta for at, theta in self._fits[::-1] if at <= size)
            # afresh too whenever the results have doubled
            doubled = (following // first).bit_length() > (last // first).bit_length()
            found = self._fit(data(following), theta, doubled)
            self._fits.append((following, found))

    def _fit(self, data: tuple[Any, ...], theta: Array, afresh: bool) -> Array:
        rows, y, extra = data[:3]
        if not y.any():
            return theta
        found = fit(rows, y, self._layout, theta, 10, extra)
        if afresh:
            rival = fit(rows, y, self._layout, self._start, 50, extra)
            found = max(found, rival, key=lambda pair: pair[1])
        return found[0]


class Earlier:
    """The results of another study, with a process of their own.

    Parameters
    ----------
    rows : ndarray of shape (m, d)
        Canonical rows.
    losses : ndarray of shape (m,)
        All finite.
    layout : Layout
        Kinds of the columns.
    """

    def __init__(self, rows: Array, losses: Array, layout: Layout) -> None:
        self.rows, self.y = rows, normalise(losses)
        if len(rows) > MAX_EARLIER:
            chosen = informative(self.y, MAX_EARLIER)
            self.rows, self.y = self.rows[chosen], self.y[chosen]
        theta = prior(rows.shape[1])[0]
        if self.y.any():
            theta = fit(self.rows, self.y, layout, theta, 50)[0]
        self._posterior = Posterior(self.rows, self.y, theta, layout)

    def level(self, rows: Array) -> float:
        """Return what the earlier targets would have been at `rows`, on average.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Canonical rows.

        Returns
        -------
        level : float
            Mean of their posterior means.
        """
        return float(self._posterior.predict(rows)[0].mean())


class Speed:
    """How fast evaluations are expected to be, with a process of their own.

    Parameters
    ----------
    rows : ndarray of shape (m, d)
        What was timed.
    y : ndarray of shape (m,)
        Log seconds less their mean, in units of `scale`.
    scale : float
        Standard deviation of the log seconds.
    theta : ndarray of shape (d + 2,)
        Log hyperparameters.
    layout : Layout
        Kinds of the columns.
    """

    _score = staticmethod(partial(lower_bound, kappa=0.0))

    def __init__(
        self, rows: Array, y: Array, scale: float, theta: Array, layout: Layout
    ) -> None:
        self._posterior, self._scale = Posterior(rows, y, theta, layout), scale

    def value(self, rows: Array) -> Array:
        """Return minus the posterior mean of log seconds, up to a constant.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Where.

        Returns
        -------
        value : ndarray of shape (m,)
            The larger, the faster.
        """
        return self._scale * self._score(*self._posterior.predict(rows))[0]

    def gradient(self, rows: Array) -> tuple[Array, Array]:
        """Return the value and its gradient.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            Where.

        Returns
        -------
        value : ndarray of shape (m,)
            The larger, the faster.
        gradient : ndarray of shape (m, d)
            By the numeric coordinates.
        """
        value, slope = self._posterior.gradient(rows, self._score)
        return self._scale * value, self._scale * slope


def informative(y: Array, n: int) -> NDArray[np.intp]:
    """Return n indices: a quarter the best, a quarter the last, the rest evenly.

    Parameters
    ----------
    y : ndarray of shape (m,), m > n
        Targets, the lowest of which are the best.
    n : int
        How many to choose.

    Returns
    -------
    indices : ndarray of shape (n,)
        Increasing.
    """
    best = np.argsort(y, kind="stable")[: n // 4]
    chosen = np.union1d(best, np.arange(len(y) - n // 4, len(y)))
    others = np.setdiff1d(np.arange(len(y)), chosen)
    spread_out = np.linspace(0, len(others) - 1, n - len(chosen)).astype(int)
    return np.union1d(chosen, others[spread_out])


def halved(theta: Array) -> Array:
    """Return hyperparameters with halved lengthscales.

    Parameters
    ----------
    theta : ndarray of shape (d + 2,)
        Log hyperparameters.

    Returns
    -------
    theta : ndarray of shape (d + 2,)
        Of a doubtful process.
    """
    return np.append(theta[:-2] - np.log(2.0), theta[-2:])
