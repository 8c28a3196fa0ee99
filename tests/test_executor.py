"""Jobs one at a time on joblib's backends."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal

from sklearn_hpo._execution.executor import SequentialExecutor, open_executor
from sklearn_hpo._execution.pickling import SharedFile

BACKENDS = ["loky", "threading", "multiprocessing"]


@dataclass(frozen=True)
class Shared:
    """What jobs share, as a search's problem."""

    X: Any
    scorer: Any = None


def pid_and_sum(job, shared):
    return job, os.getpid(), threading.get_ident(), float(shared.X.sum())


def pid_and_sum_of_two(job, shared):
    """Wait until two workers have come by, as the first could be done before."""
    result = pid_and_sum(job, shared)
    folder = Path(shared.scorer)
    (folder / f"{result[1:3]}").touch()
    deadline = time.monotonic() + 30
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return result


def fail_on_three(job, shared):
    if job == 3:
        raise KeyError("three")
    return job


def address(job, shared):
    return (
        os.getpid(),
        shared.X.__array_interface__["data"][0],
        shared.X.flags.writeable,
    )


def context(job, shared):
    return sklearn.get_config()["assume_finite"], joblib.effective_n_jobs(-1)


def lost(job, error, shared):
    return f"lost {job}"


def drain(executor, jobs):
    """Run `jobs`, never more at once than there are workers."""
    todo, results = list(jobs), []
    while todo or executor.n_running:
        while todo and executor.n_running < executor.n_workers:
            executor.submit(todo.pop(0))
        results.append(executor.next_result())
    return results


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_and_workers(backend, tmp_path):
    shared = Shared(np.arange(10.0), str(tmp_path))
    with (
        joblib.parallel_config(backend),
        open_executor(pid_and_sum_of_two, shared, 2, lost) as executor,
    ):
        assert executor.n_workers == 2
        results = drain(executor, range(12))
    assert sorted(r[0] for r in results) == list(range(12))
    assert {r[3] for r in results} == {45.0}
    assert len({r[1:3] for r in results}) == 2


@pytest.mark.parametrize("n_jobs", [None, 1])
def test_one_worker_is_the_caller(n_jobs):
    with open_executor(pid_and_sum, Shared(np.ones(2)), n_jobs, lost) as executor:
        assert isinstance(executor, SequentialExecutor)
        results = drain(executor, range(3))
    assert {r[1:3] for r in results} == {(os.getpid(), threading.get_ident())}


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_of_a_job_is_raised(backend):
    def run(jobs):
        with (
            joblib.parallel_config(backend),
            open_executor(fail_on_three, Shared(1), 2, lost) as executor,
        ):
            return drain(executor, jobs)

    with pytest.raises(KeyError, match="three"):
        run(range(50))
    assert sorted(run([1, 2, 4])) == [1, 2, 4]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_process_reads_the_data_once(backend):
    shared = Shared(np.ones((500, 500)))
    with (
        joblib.parallel_config(backend),
        open_executor(address, shared, 2, lost) as executor,
    ):
        results = drain(executor, range(20))
    assert len({r[0] for r in results}) == len({r[:2] for r in results}) <= 2
    assert all(r[2] for r in results)


@pytest.mark.parametrize("backend", BACKENDS)
def test_config_reaches_the_workers_and_nesting_is_joblibs(backend):
    def nested(backend):
        call = joblib.delayed(joblib.effective_n_jobs)
        return joblib.Parallel(2)(call(-1) for _ in range(2))[0]

    with joblib.parallel_config(backend), sklearn.config_context(assume_finite=True):
        with open_executor(context, Shared(0), 2, lost) as executor:
            results = drain(executor, range(4))
        assert {r[0] for r in results} == {True}
        assert {r[1] for r in results} == {nested(backend)}


def test_shared_file_round_trip(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
    shared = Shared({"X": np.arange(6).reshape(2, 3).T, "frame": frame}, len)
    file = pickle.loads(pickle.dumps(SharedFile.write(shared, tmp_path)))
    got = file.read()
    assert_array_equal(got.X["X"], shared.X["X"])
    pd.testing.assert_frame_equal(got.X["frame"], frame)
    assert got.scorer is len
    got.X["X"][0, 0] = 99  # the mapping is private to the process
    reread = SharedFile(file.path, (*file.ends, 10**9)).read()
    assert reread.X["X"][0, 0] == 0


def test_what_cannot_be_pickled_is_named(tmp_path):
    shared = Shared(np.ones(3), scorer=threading.Lock())
    with pytest.raises(TypeError, match="The scorer of the search can't be sent"):
        SharedFile.write(shared, tmp_path)


def test_slots_are_refilled_at_once():
    # the long job ends when a worker beside it has done all the others
    others = threading.Semaphore(0)

    def run(job, shared):
        if job == "long":
            return all(others.acquire(timeout=30) for _ in range(10))
        others.release()
        return job

    with (
        joblib.parallel_config("threading"),
        open_executor(run, Shared(0), 2, lost) as executor,
    ):
        assert drain(executor, ["long", *range(10)]) == [*range(10), True]


def deadly(job, shared):
    """Note when it begins and ends; some jobs end their process."""
    number, how = job
    file = Path(shared.X) / f"{number}-{time.monotonic()}"
    file.touch()
    time.sleep(0.2)
    if how == "exit":
        os._exit(1)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    file.write_text(str(time.monotonic()))
    return number


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_death_costs_itself_only(how, tmp_path):
    bad = {0, 5, 9}
    jobs = [(i, how if i in bad else None) for i in range(14)]
    with open_executor(deadly, Shared(str(tmp_path)), 2, lost) as executor:
        results = drain(executor, jobs)
    assert sorted(map(str, results)) == sorted(
        f"lost {job}" if job[0] in bad else str(job[0]) for job in jobs
    )
    tries = {}
    for file in tmp_path.iterdir():
        number, _, begin = file.name.partition("-")
        end = float(file.read_text() or float(begin) + 0.2)
        tries.setdefault(int(number), []).append((float(begin), end))
    assert {i for i in tries if len(tries[i]) == 2} >= bad
    # the first death takes with it what was beside it, the others nothing
    assert sum(len(tries[i]) for i in tries if i not in bad) <= len(jobs) - len(bad) + 1
    alone = [
        all(
            other == i or end <= begin_2 or begin >= begin_2 + 0.2
            for other in tries
            for begin, end in tries[other]
        )
        for i in bad
        for begin_2 in [max(tries[i])[0]]
    ]
    assert how == "exit" or all(alone)


def test_an_interrupt_as_a_pool_is_replaced_does_not_end_it_again(
    monkeypatch, tmp_path
):
    with open_executor(deadly, Shared(str(tmp_path)), 2, lost) as executor:
        hand_over = executor._control.submit

        def interrupted(call):
            monkeypatch.undo()
            hand_over(call).wait()
            raise KeyboardInterrupt

        monkeypatch.setattr(executor._control, "submit", interrupted)
        executor.submit((0, "exit"))
        with pytest.raises(KeyboardInterrupt):
            executor.next_result()
        executor.abort()


SCRIPT = """
    import sys, threading
    import joblib, numpy as np
    from sklearn_hpo._execution.executor import open_executor

    def drain():
        with (
            joblib.parallel_config(sys.argv[1]),
            open_executor(pow, 2, 2, print) as executor,
        ):
            for job in range(30):
                executor.submit(job)
            time.sleep(2.5)
            print(sorted(executor.next_result() for _ in range(30)) == SQUARES)

    import time
    SQUARES = [job**2 for job in range(30)]
    threading.Thread(target=drain).start()
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_a_thread_may_outlive_the_main_one(backend):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), backend],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "True", done.stderr[-2000:]


@pytest.mark.parametrize("how", ["environment", "context"])
def test_the_folder_of_joblib_is_ours(how, tmp_path, monkeypatch):
    folder = tmp_path / "made" / "anew"
    given = {"temp_folder": str(folder)} if how == "context" else {}
    if how == "environment":
        monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(folder))
    with (
        joblib.parallel_config("loky", **given),
        open_executor(address, Shared(np.ones(3)), 2, lost) as executor,
    ):
        assert [p.name[:12] for p in folder.iterdir()] == ["sklearn_hpo_"]
        drain(executor, [0])


def test_an_interrupt_as_the_end_begins_does_not_begin_it_again(monkeypatch):
    with open_executor(address, Shared(np.ones(3)), 2, lost) as executor:
        hand_over = executor._control.submit

        def interrupted(call):
            monkeypatch.undo()
            hand_over(call)
            raise KeyboardInterrupt

        monkeypatch.setattr(executor._control, "submit", interrupted)
        executor.submit(0)
        with pytest.raises(KeyboardInterrupt):
            executor.abort()
        executor.abort()
