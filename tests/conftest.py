"""What tests of several files need."""

import time

import pytest


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self):
        self.now = 1000.0

    def read(self):
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
