"""The interface of everything that spends the budget, and the plain way to do so."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import sub

from sklearn.base import BaseEstimator

from sklearn_hpo._sklearn_compat import validate_params


@dataclass(frozen=True, slots=True)
class Rung:
    """A part of a plan: some trials, all with the same budget.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_trials : int
        How many trials.
    budget : float
        The share of the full budget that each may use, in (0, 1].
    bracket : int, default=0
        The competition that it belongs to.
    level : int, default=0
        How many rungs of that competition come before it; on level 0 trials start.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import Rung
    >>> plan = Rung(9, 1 / 9), Rung(3, 1 / 3, level=1), Rung(1, 1.0, level=2)
    """

    n_trials: int
    budget: float
    bracket: int = 0
    level: int = 0


@dataclass(frozen=True, slots=True)
class New:
    """Start a new trial.

    .. versionadded:: 0.1

    Parameters
    ----------
    budget : float
        The share of the full budget that it may use, in (0, 1].
    rung : int, default=0
        Its place in the plan.

    See Also
    --------
    Continue : Let a trial go on.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import FullBudget, Setting
    >>> scheduler = FullBudget()
    >>> scheduler.start(Setting(n_candidates=20))
    >>> scheduler.next(0)
    New(budget=1.0, rung=0)
    """

    budget: float
    rung: int = 0


@dataclass(frozen=True, slots=True)
class Continue:
    """Let a trial go on.

    .. versionadded:: 0.1

    Parameters
    ----------
    trial : int
        Its number.
    budget : float
        The share of the full budget up to which it may go, in (0, 1].
    rung : int, default=0
        Its place in the plan.

    See Also
    --------
    New : Start a new trial.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import Racing, Setting
    >>> scheduler = Racing()
    >>> scheduler.start(Setting(n_candidates=20, n_splits=5))
    >>> first = scheduler.next(0)
    >>> verdict = scheduler.report(0, first.budget, 0.9)
    >>> scheduler.next(None)
    Continue(trial=0, budget=0.4, rung=0)
    """

    trial: int
    budget: float
    rung: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a score.

    .. versionadded:: 0.1

    Parameters
    ----------
    finished : bool
        Whether it ends an evaluation, whose score then counts; if not, the trial goes
        on to the next part of the same rung.
    estimate : float, default=nan
        What the trial would score with all that its rung gives it: its score, or the
        best guess from a part of it. Optimizers and stopping rules learn this.
    variance : float, default=0.0
        How uncertain the estimate is, beside the noise of whole scores; 0 if nothing
        is known of it.
    dropped : tuple of int, default=()
        The trials that turned out to get no more; each is named once, by the next
        verdict after that is certain.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import FullBudget, Setting
    >>> scheduler = FullBudget()
    >>> scheduler.start(Setting(n_candidates=20))
    >>> work = scheduler.next(0)
    >>> scheduler.report(0, work.budget, 0.9)
    Verdict(finished=True, estimate=0.9, variance=0.0, dropped=(0,))
    """

    finished: bool
    estimate: float = math.nan
    variance: float = 0.0
    dropped: tuple[int, ...] = ()


@dataclass(frozen=True)
class Setting:
    """What a scheduler plans for.

    .. versionadded:: 0.1

    Parameters
    ----------
    n_candidates : int or None, default=None
        How many trials are asked for; None if the scheduler shall say.
    n_points : float, default=inf
        The number of candidates in the space, which may be infinite.
    minimum : float, default=1.0
        The least amount of the resource that is worth a try, positive.
    maximum : float, default=1.0
        The amount that the best trials get.
    whole : bool, default=False
        Whether amounts are integers.
    cost : callable, default=operator.sub
        From a budget and the one before (0 if there is none) to what a trial pays for
        getting there, in evaluations with the full budget.
    n_splits : int, default=5
        Number of folds.
    learns : bool, default=True
        Whether new candidates depend on scores.
    resource : str, default="the resource"
        What the resource is called.
    why_alone : str, default=""
        Why there is only one amount to be had, if so; the text goes on after "as".

    Examples
    --------
    >>> from sklearn_hpo.schedulers import Setting
    >>> folds = Setting(20, minimum=1, maximum=5, whole=True, resource="folds")
    """

    n_candidates: int | None = None
    n_points: float = math.inf
    minimum: float = 1.0
    maximum: float = 1.0
    whole: bool = False
    cost: Callable[[float, float], float] = sub
    n_splits: int = 5
    learns: bool = True
    resource: str = "the resource"
    why_alone: str = ""


class Scheduler(BaseEstimator, ABC):
    """Says what runs next, from the scores of what ran.

    A constructor only stores its parameters. `start` makes the plan and forgets all
    that came before; a subclass that keeps something while trials run extends it.
    `sklearn_hpo.testing.check_scheduler` tells whether a subclass does all it must.

    .. versionadded:: 0.1

    Attributes
    ----------
    keeps_to_plan : bool
        Whether no rung gets more trials than planned.
    deterministic : bool
        Whether trials get the same budgets in whichever order their scores come.
    uses_rungs : bool
        Whether trials may be scored with less than the full budget, and go on later.
    by_fold : bool
        Whether budgets are shares of the folds, whatever else could be shared out.
    one_score : bool
        Whether trials compete while they run, so that one score must decide.
    says_n_candidates : bool
        Whether the plan sets the number of candidates, so that none can be asked for.
    plan : tuple of Rung
        What will run, known before anything does; set by `start`.

    See Also
    --------
    FullBudget : The plainest one.

    Examples
    --------
    Every candidate gets the least that can be had, and the first one all:

    >>> from sklearn_hpo.schedulers import Continue, New, Rung, Scheduler, Verdict
    >>> class FirstWins(Scheduler):
    ...     uses_rungs = True
    ...
    ...     def start(self, setting):
    ...         super().start(setting)
    ...         self.n_started, self.waiting = 0, None
    ...
    ...     def make_plan(self, setting):
    ...         n, least = setting.n_candidates, setting.minimum / setting.maximum
    ...         if least == 1.0:
    ...             return [Rung(n, 1.0)]
    ...         return [Rung(n, least), Rung(1, 1.0, level=1)]
    ...
    ...     def next(self, n_told):
    ...         if self.waiting is not None:
    ...             trial, self.waiting = self.waiting, None
    ...             return Continue(trial, 1.0, rung=1)
    ...         if n_told is None or self.n_started == self.n_candidates:
    ...             return None
    ...         self.n_started += 1
    ...         return New(self.first_budget)
    ...
    ...     def report(self, trial, budget, score):
    ...         if trial > 0 or budget == 1.0 or score != score:
    ...             return Verdict(True, score, dropped=(trial,))
    ...         self.waiting = trial
    ...         return Verdict(True, score)
    >>> from sklearn_hpo.testing import check_scheduler
    >>> check_scheduler(FirstWins())
    """

    _parameter_constraints: dict[str, list[object]] = {}
    keeps_to_plan = True
    deterministic = True
    uses_rungs = False
    by_fold = False
    one_score = False
    says_n_candidates = False
    plan: tuple[Rung, ...]

    def start(self, setting: Setting) -> None:
        """Check the parameters, make the plan, and forget everything else.

        Parameters
        ----------
        setting : Setting
            What to plan for.
        """
        validate_params(self)
        if self.says_n_candidates and setting.n_candidates is not None:
            name = type(self).__name__
            raise ValueError(
                f"n_candidates={setting.n_candidates} with {name}, whose plan says how "
                "many candidates there are; leave that number at 'auto', or take "
                "another scheduler, such as Halving."
            )
        self.plan = tuple(self.make_plan(setting))

    @abstractmethod
    def make_plan(self, setting: Setting) -> Sequence[Rung]:
        """Return what would run: a pure function of the parameters and the setting.

        Parameters
        ----------
        setting : Setting
            What to plan for.

        Returns
        -------
        sequence of Rung
            Bracket by bracket, from the lowest rung to the one with the full budget.
        """

    @property
    def n_candidates(self) -> int:
        """The number of trials that will be started."""
        return sum(rung.n_trials for rung in self.plan if rung.level == 0)

    @property
    def first_budget(self) -> float:
        """The least share of the full budget that a trial is given at once."""
        return min(rung.budget for rung in self.plan)

    @abstractmethod
    def next(self, n_told: int | None) -> New | Continue | None:
        """Return the next piece of work.

        Parameters
        ----------
        n_told : int or None
            If a new trial may start, the number of the first evaluations whose scores
            it may depend on, however far it goes; None if no trial may start now. An
            evaluation is what a finished `Verdict` ends.

        Returns
        -------
        New, Continue or None
            None if there is nothing to do until another score is reported.
        """

    @abstractmethod
    def report(self, trial: int, budget: float, score: float) -> Verdict:
        """Learn a score, and say what follows from it.

        Parameters
        ----------
        trial : int
            Number of the trial, from 0.
        budget : float
            The share of the full budget that the score was measured with.
        score : float
            To be maximised; NaN if the trial failed.

        Returns
        -------
        Verdict
            Whether that ends an evaluation, and who gets no more.
        """

    def stop_starting(self, n_started: int) -> None:
        """Learn that no new trial will start, whatever the plan says.

        Parameters
        ----------
        n_started : int
            How many have, which may be one less than were handed out.
        """

    def remaining_cost(self, reuses: bool) -> float:
        """Return what the trials under way will still cost if no other one starts.

        Parameters
        ----------
        reuses : bool
            Whether a trial that goes on need not pay for its earlier budget again.

        Returns
        -------
        float
            In full budgets; 0 where trials do not compete.
        """
        return 0.0


class FullBudget(Scheduler):
    """Give every candidate the full budget, as grid and random search do.

    .. versionadded:: 0.1

    See Also
    --------
    Racing : A candidate that can't win is not evaluated on all folds.

    Examples
    --------
    >>> from sklearn_hpo.schedulers import FullBudget, Setting
    >>> scheduler = FullBudget()
    >>> scheduler.start(Setting(n_candidates=20))
    >>> scheduler.plan
    (Rung(n_trials=20, budget=1.0, bracket=0, level=0),)
    """

    def start(self, setting: Setting) -> None:
        super().start(setting)
        self._n_started = 0

    def make_plan(self, setting: Setting) -> tuple[Rung, ...]:
        return one_rung(self, setting)

    def next(self, n_told: int | None) -> New | None:
        if n_told is None or self._n_started == self.n_candidates:
            return None
        self._n_started += 1
        return New(1.0)

    def report(self, trial: int, budget: float, score: float) -> Verdict:
        return Verdict(True, score, dropped=(trial,))


def one_rung(scheduler: Scheduler, setting: Setting) -> tuple[Rung, ...]:
    """Return the plan of those whose trials may all get the full budget."""
    if setting.n_candidates is None:
        name = type(scheduler).__name__
        raise ValueError(f"{name} needs the number of candidates, but none is given.")
    return (Rung(setting.n_candidates, 1.0),)
