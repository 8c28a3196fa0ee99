"""Plans of successive halving and Hyperband: who is to get how much."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from sklearn_hpo.schedulers._base import Rung, Setting

# Candidates that get all of the resource, at least.
N_FINALISTS = 3
# Trials beyond the best share that go on, as scores of a rung are noisy.
MARGIN = 2
# So much of a step more than there is room for makes another rung: 1, 2 and 5 folds.
PART_OF_STEP = 0.6


def rung_budgets(
    minimum: float, maximum: float, factor: float, part_of_step: float = PART_OF_STEP
) -> tuple[float, ...]:
    """Return the budgets of the rungs, each `factor` times the one before.

    They are shares of `maximum`, counted from the top, so that the last one is 1; the
    lowest is raised to the minimum if it lies little more than half a step below it:
    `part_of_step` says by how much, and 0 gives the rungs of Hyperband's paper.

    Examples
    --------
    >>> [round(81 * budget) for budget in rung_budgets(1, 81, 3)]
    [1, 3, 9, 27, 81]
    >>> [round(5 * budget) for budget in rung_budgets(1, 5, 3)]
    [1, 2, 5]
    >>> [round(15 * budget) for budget in rung_budgets(1, 15, 3, part_of_step=0)]
    [2, 5, 15]
    """
    n_steps = math.floor(math.log(maximum / minimum, factor) + part_of_step + 1e-9)
    lowest = minimum / maximum
    return tuple(max(lowest, factor**-step) for step in range(n_steps, -1, -1))


def budgets_of(
    setting: Setting, factor: float, part_of_step: float = PART_OF_STEP
) -> tuple[float, ...]:
    """Return the budgets of the rungs, as far as amounts of the resource tell them."""
    maximum = setting.maximum
    budgets = rung_budgets(setting.minimum, maximum, factor, part_of_step)
    if setting.whole:
        # rungs that round to the same amount are one
        amounts = {round(budget * maximum) for budget in budgets}
        budgets = tuple(amount / maximum for amount in sorted(amounts))
    if len(budgets) == 1:
        why = setting.why_alone or (
            f"min_resources={setting.minimum:g} is too near to max_resources="
            f"{maximum:g} for a factor of {factor:g}"
        )
        warnings.warn(
            f"All candidates get all of {setting.resource}, so nothing is saved, as "
            f"{why}.",
            UserWarning,
            stacklevel=2,
        )
    return budgets


def n_least(factor: float, n_rungs: int) -> int:
    """Return how many trials must start so that one is left on the last rung."""
    return math.ceil(factor ** (n_rungs - 1) - 1e-9)


def n_candidates_of(setting: Setting, factor: float, n_rungs: int) -> int:
    """Return how many trials start in all, at most as many as there are points."""
    n = setting.n_candidates
    if n is None:
        n = N_FINALISTS * n_least(factor, n_rungs)
    return int(min(n, setting.n_points))


def halving_plan(
    n_trials: int,
    budgets: Sequence[float],
    factor: float,
    n_brackets: int = 1,
    margin: int | None = None,
) -> tuple[Rung, ...]:
    """Return brackets of successive halving [1]_, which all start on the lowest rung.

    They share the trials, and have one or more each. `margin` is how many trials more
    than one in `factor` go on; None is 2 for one bracket, and 0 for several, as whoever
    is mistaken for worse in one may have a like in another.

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and
       hyperparameter optimization", AISTATS 2016.

    Examples
    --------
    >>> [rung.n_trials for rung in halving_plan(27, [1 / 9, 1 / 3, 1.0], 3, margin=0)]
    [27, 9, 3]
    """
    n_brackets = min(n_brackets, n_trials)
    if margin is None:
        margin = MARGIN if n_brackets == 1 else 0
    rungs = []
    for bracket in range(n_brackets):
        n = (n_trials + bracket) // n_brackets
        for level, budget in enumerate(budgets):
            rungs.append(Rung(n, budget, bracket, level))
            n = min(n, math.ceil(n / factor - 1e-9) + margin)
    return tuple(rungs)


def hyperband_plan(
    budgets: Sequence[float], factor: float, n_brackets: int | None = None
) -> tuple[Rung, ...]:
    """Return the brackets of Hyperband, algorithm 1 of Li et al. [1]_.

    The first one starts on the lowest rung; after the one that starts with the full
    budget they begin anew. None for one round.

    References
    ----------
    .. [1] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar, "Hyperband:
       a novel bandit-based approach to hyperparameter optimization", JMLR 18, 2018.

    Examples
    --------
    >>> plan = hyperband_plan(rung_budgets(1, 9, 3), 3)
    >>> [(s.bracket, s.n_trials, round(9 * s.budget)) for s in plan]
    [(0, 9, 1), (0, 3, 3), (0, 1, 9), (1, 5, 3), (1, 1, 9), (2, 3, 9)]
    """
    n_rungs = len(budgets)
    rungs = []
    for bracket in range(n_brackets or n_rungs):
        s = n_rungs - 1 - bracket % n_rungs
        n = math.ceil(n_rungs * factor**s / (s + 1) - 1e-9)
        for level in range(s + 1):
            n_trials = math.floor(n / factor**level + 1e-9)
            budget = budgets[n_rungs - 1 - s + level]
            rungs.append(Rung(n_trials, budget, bracket, level))
    return tuple(rungs)


def without_useless_rungs(
    plan: Sequence[Rung], cost: Callable[[float, float], float]
) -> tuple[Rung, ...]:
    """Return a plan whose rungs all drop someone, and save more than they cost.

    No bracket of it costs more than the full budget for each of its trials. It starts
    with as many, and gives the full budget to no fewer.

    Examples
    --------
    >>> plan = halving_plan(5, [1 / 9, 1 / 3, 1.0], 3)
    >>> [rung.n_trials for rung in plan]
    [5, 4, 4]
    >>> kept = without_useless_rungs(plan, lambda budget, before: budget - before)
    >>> [(rung.n_trials, round(9 * rung.budget)) for rung in kept]
    [(5, 1), (4, 9)]
    """
    brackets: dict[int, list[Rung]] = {}
    for rung in plan:
        brackets.setdefault(rung.bracket, []).append(rung)
    kept: list[Rung] = []
    for rungs in brackets.values():
        kept += _useful(rungs, cost)
    return tuple(kept)


def _useful(rungs: Sequence[Rung], cost: Callable[[float, float], float]) -> list[Rung]:
    """Return the useful rungs of one bracket."""

    def total(sizes: Sequence[tuple[int, float]]) -> float:
        below = [0.0, *(budget for _, budget in sizes)]
        return sum(
            n * cost(budget, before)
            for (n, budget), before in zip(sizes, below, strict=False)
        )

    def without(sizes: list[tuple[int, float]], i: int) -> list[tuple[int, float]]:
        # whoever would start on the lowest rung starts on the next one
        rest = sizes[:i] + sizes[i + 1 :]
        return [(sizes[0][0], rest[0][1]), *rest[1:]]

    sizes = [(rung.n_trials, rung.budget) for rung in rungs]
    above = [*(n for n, _ in sizes[1:]), 0]
    sizes = [size for size, n in zip(sizes, above, strict=True) if size[0] > n]
    n_started = rungs[0].n_trials
    # budgets are sums of floats
    while len(sizes) > 1 and total(sizes) > n_started * (1 + 1e-9):
        sizes = min((without(sizes, i) for i in range(len(sizes) - 1)), key=total)
    first = rungs[0]
    return [
        replace(first, n_trials=n, budget=budget, level=level)
        for level, (n, budget) in enumerate(sizes)
    ]
