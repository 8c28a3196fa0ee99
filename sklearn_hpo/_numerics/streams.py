"""Where random numbers come from: a generator for each number and purpose."""

from typing import Literal

import numpy as np

Purpose = Literal[
    "proposal",  # of an optimizer, by number of the proposal
    "initial candidate",  # what one leaves out, by its place in the list
    "redraw",  # in the place of proposals that repeat candidates, by trial
    "restart",  # of a distribution, by number of rows learnt
    "archive",  # who leaves it, by number of the row that came
    "random share",  # whether to draw, by number of the proposal
    "design",  # a whole one
    "sequence",  # the scrambling of a whole one
]

# Not all differ, as results must not change from one release to the next: a purpose
# shares its stream with those only from whose numbers it need not be independent.
_MORE: dict[Purpose, tuple[int, ...]] = {
    "proposal": (),
    "initial candidate": (2,),
    "redraw": (1,),
    "restart": (1,),
    "archive": (1,),
    "random share": (2,),
}
_DESIGN = 2**32 - 1  # a number that no proposal has


def stream(seed: int, number: int, purpose: Purpose) -> np.random.Generator:
    """Return the generator of one purpose: what one draws, no other one depends on.

    Parameters
    ----------
    seed : int
        Of the study, non-negative.
    number : int
        Counts within the purpose; 0 where there is only one.
    purpose : str
        What the numbers are for.

    Returns
    -------
    rng : numpy.random.Generator
        In the same state each time, so that a study can be replayed.
    """
    if purpose == "design":
        return np.random.default_rng([seed, _DESIGN])
    if purpose == "sequence":
        return np.random.default_rng(seed)
    return np.random.default_rng([seed, number, *_MORE[purpose]])
