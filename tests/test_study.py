"""The study: who is told what and when, and how it ends."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson, randint, uniform

from sklearn_hpo._execution.executor import SequentialExecutor
from sklearn_hpo._study.jobs import FoldJobs
from sklearn_hpo._study.loop import Study
from sklearn_hpo._study.order import TellOrder
from sklearn_hpo._study.stopping import Stopping
from sklearn_hpo._study.tuner import Tuner
from sklearn_hpo._trial import FoldResult
from sklearn_hpo.optimizers import DifferentialEvolution, GaussianProcess, Random
from sklearn_hpo.schedulers import FullBudget, Setting
from sklearn_hpo.space import SearchSpace

SPACE = SearchSpace({"x": uniform(0, 1)})


class Recorder(Random):
    """Notes what it knew at each ask."""

    def start(self, *how):
        super().start(*how)
        self.known = []

    def ask(self, pending):
        self.known.append((len(self.losses), len(pending)))
        return super().ask(pending)


class Shuffled(SequentialExecutor):
    """Ends jobs in a random order, as many workers would."""

    def __init__(self, function, n_workers, seed):
        super().__init__(function, None)
        self.n_workers = self.n_slots = n_workers
        self.rng = np.random.default_rng(seed)

    def next_result(self):
        self._jobs.rotate(int(self.rng.integers(len(self._jobs))))
        return super().next_result()


def evaluate(job, _=None):
    """Score a job by its parameters alone."""
    value = sum(v for v in job.params.values() if isinstance(v, int | float))
    result = {"test_scores": -((value - 0.3) ** 2) + job.fold, "fit_time": 1.0}
    now = time.time()
    return FoldResult(job.trial, job.fold, result, now, now + 0.01)


class OneScore:
    """Goes by the mean over folds."""

    def score(self, results):
        return float(np.mean([r["test_scores"] for r in results]))

    def values(self, results):
        return None


def run(
    n_trials=20,
    *,
    space=SPACE,
    optimizer=None,
    function=evaluate,
    executor=None,
    first=(),
    **rules,
):
    scheduler = FullBudget()
    scheduler.start(Setting(n_trials))
    tuner = Tuner(
        space,
        n_trials,
        optimizer=optimizer or Recorder(),
        seed=0,
        initial_candidates=first,
    )
    order = {k: rules.pop(k) for k in ("max_concurrent", "deterministic") if k in rules}
    study = Study(
        tuner,
        scheduler,
        FoldJobs(executor or SequentialExecutor(function, None), n_splits=3),
        OneScore(),
        TellOrder(**order),
        Stopping(**rules),
    )
    study.run()
    return study


def params_of(study):
    return [record.trial.params for record in study.trials]


@pytest.mark.parametrize("concurrent", [1, 2, 5])
def test_a_proposal_knows_all_but_the_last_trials(concurrent):
    study = run(12, max_concurrent=concurrent)
    expected = [(max(0, t - concurrent + 1), min(t, concurrent - 1)) for t in range(12)]
    assert study.tuner.optimizer.known == expected


@pytest.mark.parametrize("n_workers", [1, 2, 7])
@pytest.mark.parametrize("seed", range(3))
def test_timing_does_not_change_the_outcome(n_workers, seed):
    reference = run(max_concurrent=4)
    study = run(executor=Shuffled(evaluate, n_workers, seed), max_concurrent=4)
    assert params_of(study) == params_of(reference)
    assert study.tuner.optimizer.known == reference.tuner.optimizer.known
    assert [r.score for r in study.trials] == [r.score for r in reference.trials]


def test_without_determinism_every_result_is_used():
    executor = Shuffled(evaluate, 4, seed=1)
    study = run(max_concurrent=4, deterministic=False, executor=executor)
    assert all(
        told + pending == t
        for t, (told, pending) in enumerate(study.tuner.optimizer.known)
    )
    assert max(pending for _, pending in study.tuner.optimizer.known) <= 3
    ends = [record.trial.number for record in study.settled]
    assert ends != sorted(ends)
    assert len(ends) == 20


def test_no_candidate_twice():
    study = run(8, space=SearchSpace({"x": randint(0, 9)}))
    values = [params["x"] for params in params_of(study)]
    assert len(set(values)) == 8


def test_finite_space_is_used_up():
    study = run(50, space=SearchSpace({"x": [1, 2], "y": randint(0, 3)}))
    assert len(study.trials) == 6


def test_space_that_yields_nothing_new_ends_the_study():
    # infinite, but all draws with a chance to appear are soon used up
    study = run(400, space=SearchSpace({"x": poisson(0.01)}))
    assert 2 <= len(study.trials) < 20


def test_overlapping_branches_waste_no_proposals():
    """A candidate of two branches is proposed once; the optimizer is asked again."""
    numbers = {"a": randint(0, 30), "b": randint(0, 30)}
    space = SearchSpace([{**numbers, "c": [0]}, {**numbers, "c": [0, 1]}])
    for optimizer in (GaussianProcess(), DifferentialEvolution()):
        study = run(40, space=space, optimizer=optimizer)
        assert sum(e.trial.source == "random" for e in study.trials) <= 4
        assert len({space.key(e.trial.params) for e in study.trials}) == 40


def test_draws_are_not_repeated_for_nothing():
    space = SearchSpace({f"x{i}": randint(0, 5) for i in range(3)})
    study = run(100, space=space)
    assert len(study.trials) == 100
    assert len(study.tuner.optimizer.known) == 100


def test_overlapping_branches_end_when_all_is_done(monkeypatch):
    monkeypatch.setattr("sklearn_hpo.space._space.MAX_COUNTED", 10)
    numbers = {"a": list(range(8)), "b": list(range(9))}
    space = SearchSpace([numbers, numbers])
    assert space.size == 2 * 72
    assert len(run(200, space=space).trials) == 72


def test_first_candidates_come_first_and_once():
    first = [{"x": 0.25}, {"x": 0.75}, {"x": 0.25}]
    study = run(4, first=first)
    assert params_of(study)[:2] == first[:2]
    assert len(study.trials) == 4
    assert [r.trial.number for r in study.listed] == [0, 1, 0, 2, 3]


def test_stagnation_counts_trials_without_a_rise():
    study = run(100, n_iter_no_change=7)
    scores = [record.score for record in study.trials]
    last_rise = int(np.argmax(scores))
    assert len(scores) == last_rise + 1 + 7
    for end in range(8, len(scores)):
        assert max(scores[: end - 7]) < max(scores[end - 7 : end])


def test_stagnation_by_tolerance():
    assert len(run(100, n_iter_no_change=3, tol=10.0).trials) == 4


def test_stagnation_waits_for_a_first_score():
    def failing(job, _=None):
        report = evaluate(job)
        report.result["test_scores"] = math.nan if job.trial < 10 else 1.0
        return report

    assert len(run(100, function=failing, n_iter_no_change=3).trials) == 14


def test_deadline_leaves_time_for_the_refit():
    # a refit takes 2 * 1 s, so none of the trials after the first would be in time
    assert len(run(deadline=time.monotonic() + 1.5, refit_factor=2.0).trials) == 1
    assert len(run(deadline=time.monotonic() + 60, refit_factor=2.0).trials) == 20


def test_interrupt_keeps_what_is_complete():
    def interrupted(job, _=None):
        if (job.trial, job.fold) == (5, 1):
            raise KeyboardInterrupt
        return evaluate(job)

    study = run(function=interrupted)
    assert isinstance(study.cut_short_by, KeyboardInterrupt)
    assert [record.status for record in study.trials] == ["complete"] * 5 + [
        "incomplete"
    ]


def test_interrupt_with_nothing_done_is_raised():
    def interrupted(job, _=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(function=interrupted)


def test_stop_completes_the_candidates_under_way():
    def stopping(job, _=None):
        report = evaluate(job)
        return replace(report, stop=job.trial == 4)

    study = run(executor=Shuffled(stopping, 6, seed=0), max_concurrent=3)
    assert 5 <= len(study.trials) <= 7
    assert all(record.settled for record in study.trials)


def test_failed_trials_are_told_as_nan():
    def failing(job, _=None):
        report = evaluate(job)
        if job.trial % 3 == 0 and job.fold == 1:
            report.result["test_scores"] = math.nan
        return report

    study = run(10, function=failing)
    losses = study.tuner.optimizer.losses
    assert np.isnan(losses[::3]).all()
    assert np.isfinite(losses[[1, 2, 4, 5, 7, 8]]).all()
    assert study.trials[0].status == "failed"
    assert study.best.trial.number % 3 != 0
