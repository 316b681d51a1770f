"""A pause that nobody notices fails its drill."""

from contextlib import nullcontext

import pytest
from verification.chaos import pausing
from verification.chaos.load import Load
from verification.chaos.record import Result

CALL_SECONDS = 5.0


@pytest.fixture
def running():
    return Load(service=None, result=Result("drill"), patience=1.0, call_seconds=CALL_SECONDS)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(pausing, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pausing, "_LOOK_SECONDS", 0.001)


def repeat(running, *, meanwhile=lambda: None):
    """Two pauses, in each of which something happens to the callers."""

    def paused():
        meanwhile()
        return nullcontext()

    before = pausing._late
    pausing._repeat(running, 2, paused, lambda late: before(running) > late)
    return running.result


def test_a_pause_that_nobody_notices_is_wrong(running):
    running.answered["caller 0"] = [(0.0, 0.1)]
    result = repeat(running)
    assert (result.tries, result.wrong, result.passed) == (2, 2, False)
    assert result.notes == ["nobody noticed"] * 2


def test_what_was_noticed_before_does_not_count(running):
    running.result.count("told DeadlineExceeded")
    running.answered["caller 0"] = [(0.0, CALL_SECONDS)]
    assert repeat(running).wrong == 2


def test_calls_that_are_told_notice_it(running):
    assert repeat(running, meanwhile=lambda: running.result.count("told NO_SERVER")).passed
    assert "noticed after, s" in running.result.seen


def test_calls_that_the_client_sent_again_notice_it(running):
    calls = running.answered.setdefault("caller 0", [])
    assert repeat(running, meanwhile=lambda: calls.append((0.0, CALL_SECONDS + 0.1))).passed
