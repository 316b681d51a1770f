"""An engine that dies again and again is started less and less often."""

import json

import psutil
import pytest

from trueodds_service.serving import pauses
from trueodds_service.serving.pauses import pause_before_start


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts an engine in a process of that number, when others have ended."""
    living, now = set(), [1000.0]
    monkeypatch.setattr(psutil, "pid_exists", lambda pid: pid in living)
    monkeypatch.setattr(pauses.time, "time", lambda: now[0])

    def start(process, *, after=0.0, ended=()):
        now[0] += after
        living.difference_update(ended)
        living.add(process)
        monkeypatch.setattr(pauses.os, "getpid", lambda: process)
        return pause_before_start(tmp_path / "model.starts")

    return start


def test_engines_that_start_side_by_side_do_not_wait(start):
    assert [start(process) for process in range(8)] == [0] * 8


def test_each_death_at_once_doubles_the_pause_up_to_a_bound(start):
    start(0)
    found = [start(number, after=0.01, ended=[number - 1]) for number in range(1, 12)]
    assert found == [0.125 * 2**power for power in range(8)] + [30.0] * 3


def test_an_engine_that_has_lived_is_replaced_at_once(start):
    start(0)
    assert start(1, ended=[0]) == 0.125
    assert start(2, after=100, ended=[1]) == 0
    assert start(3, ended=[2]) == 0.125


def test_an_engine_beside_those_that_die_does_not_wait(start):
    start(0)
    assert start(1, ended=[0]) == 0.125
    assert start(2) == 0


@pytest.mark.parametrize("content", ["", "{", json.dumps({"started": {}, "in_a_row": 3})])
def test_a_record_of_no_use_is_made_anew(start, tmp_path, content):
    (tmp_path / "model.starts").write_text(content)
    assert start(0) == 0
