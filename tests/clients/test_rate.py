"""What a long run says of itself where nobody watches."""

from types import SimpleNamespace

import pytest

from trueodds.cli import rate


@pytest.fixture
def clock(monkeypatch):
    """Seconds, to be set."""
    now = [1000.0]
    monkeypatch.setattr(rate, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_line_now_and_then_tells_the_rate_and_the_time_left(clock, capsys):
    with rate.rows_done(100_000) as update:
        update(20_000, 0)  # from before: it says nothing of the rate
        for done, errors, seconds in [(20_500, 0, 10), (26_000, 0, 20), (27_000, 3, 5)]:
            clock[0] += seconds
            update(done, errors)
        clock[0] += 25
        update(32_000, 3)
    assert capsys.readouterr().err.splitlines() == [
        "26,000 of 100,000 rows, 200 a second, 0:06:10 left",
        "32,000 of 100,000 rows, 3 errors, 200 a second, 0:05:40 left",
    ]
