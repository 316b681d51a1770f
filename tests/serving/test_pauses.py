"""The pauses before an engine that dies at once is started again."""

import pytest

from trueodds_service.serving import pauses


@pytest.fixture
def start(tmp_path, monkeypatch):
    """The pause before a start at that second."""

    def start(second):
        monkeypatch.setattr(pauses.time, "time", lambda: 1e9 + second)
        return pauses.pause_before_start(tmp_path / "starts")

    return start


def test_each_is_twice_as_long_as_the_one_before_up_to_half_a_minute(start):
    second, found = 0.0, []
    for _ in range(11):
        found.append(start(second))
        second += found[-1] + 1
    assert found == [0, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_an_engine_that_has_lived_is_started_at_once(start):
    assert start(0) == 0
    assert start(29.9) == 0.125
    # It is counted from the start, which the pause has put off.
    assert start(29.9 + 0.125 + 30) == 0
    assert start(61) == 0.125


def test_a_record_that_cannot_be_read_is_none(start, tmp_path):
    (tmp_path / "starts").write_text("{", encoding="utf-8")
    assert start(0) == 0
    assert start(1) == 0.125
