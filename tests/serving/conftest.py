"""What the tests of processes that are not processes share."""

import os
import signal

import pytest

from trueodds_service.edge import logs


@pytest.fixture(autouse=True)
def writes_no_logs(monkeypatch):
    """The loggers are this process's, and those of the tests after these."""
    monkeypatch.setattr(logs, "write", lambda *_: None)


@pytest.fixture(autouse=True)
def changes_no_environment(monkeypatch):
    """`serve` sets variables for the Ray that it starts: they are not for the tests after it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.fixture(autouse=True)
def changes_no_signals():
    """`serve` ends at some: these are pytest's."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
