"""What tests of several files need."""

import os
import time

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # the cores have a process each: their threads would wait for one another
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# read by type checkers, never run: half of its lines are wrong on purpose
collect_ignore = ["typed_use.py"]


class Clock:
    """Time that passes by sleeping only, or by `tick` with each look at it."""

    def __init__(self):
        self.now = 1000.0
        self.tick = 0.0

    def read(self):
        self.now += self.tick
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    """Stand in for the clock of this process, so that nothing depends on its load."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.read)
    monkeypatch.setattr(time, "time", clock.read)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock
