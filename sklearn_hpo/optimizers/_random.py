"""Candidates that do not depend on any loss."""

import numpy as np
from scipy.stats import qmc

from sklearn_hpo._numerics.streams import stream
from sklearn_hpo.optimizers._base import Optimizer, Proposal, Rows


class Random(Optimizer):
    """Draw rows from the distributions of the space, whatever the losses are.

    The law is that of scikit-learn's ``RandomizedSearchCV``.

    .. versionadded:: 0.1

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import Random
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = Random()
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), n_iter=10, seed=0)
    >>> optimizer.ask(np.empty((0, 1))).source
    'random'
    """

    name = "random"
    multi_objective = multi_fidelity = True
    learns = begins_with_own = False

    def ask(self, pending: Rows) -> Proposal:
        row = self.space.sample(1, self.trial_rng(len(pending)))[0]
        return Proposal(row, self.name)


class Sobol(Optimizer):
    """Spread rows evenly over the space, whatever the losses are.

    They are the points of a scrambled Sobol sequence [1]_.

    .. versionadded:: 0.1

    References
    ----------
    .. [1] Owen (1998), Scrambling Sobol' and Niederreiter-Xing Points, Journal of
       Complexity 14.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import uniform
    >>> from sklearn_hpo.optimizers import Sobol
    >>> from sklearn_hpo.space import SearchSpace
    >>> optimizer = Sobol()
    >>> optimizer.start(SearchSpace({"x": uniform(0, 1)}), n_iter=10, seed=0)
    >>> pending = np.empty((0, 1))
    >>> for _ in range(8):
    ...     pending = np.vstack([pending, optimizer.ask(pending).row])
    >>> int((pending < 0.5).sum())
    4
    """

    name = "sobol"
    multi_objective = multi_fidelity = True
    learns = begins_with_own = False

    def ask(self, pending: Rows) -> Proposal:
        d = self.space.n_columns
        if not d:
            return Proposal(np.empty(0), self.name)
        number = self.n_proposed + len(pending)
        # `seed` is what SciPy before 1.15 calls it, and newer ones accept
        rng = stream(self.seed, 0, "sequence")
        sequence = qmc.Sobol(d, scramble=True, seed=rng)
        if number:
            sequence.fast_forward(number)
        point = sequence.random(1)
        return Proposal(self.space.from_unit(self.space.spread(point))[0], self.name)
