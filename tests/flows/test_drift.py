"""Which outcomes a look at drift measures, and which it only watches."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from trueodds_service.flows import drift as drift_module
from trueodds_service.flows.drift import drift
from trueodds_service.flows.promises import Promise
from trueodds_service.flows.receipts import FLOAT
from trueodds_service.store.outcomes import Kept

FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def kept(place, *, option, sure=0.75):
    """An outcome that came at ``place``: 0 was chosen, with this confidence."""
    told = np.array([sure, 1 - sure], FLOAT).tobytes()
    return Kept(0, option, told, told, FIRST + timedelta(hours=place))


@pytest.fixture
def look():
    """Looks at these outcomes of a calibrator."""

    async def look(outcomes, window=1000):
        async def calibrator(*_):
            return SimpleNamespace(id="0f3a", metrics={})

        async def of_calibrator(_):
            return outcomes

        async def no_checks(_):
            return []

        return await drift(
            "aligned",
            "0f3a",
            window,
            SimpleNamespace(get=calibrator),
            SimpleNamespace(of_calibrator=of_calibrator),
            SimpleNamespace(of=no_checks),
        )

    return look


async def test_the_window_is_the_newest(look):
    # Right at first, and wrong of late.
    found = await look([kept(place, option=int(place >= 30)) for place in range(40)], window=10)
    assert (found.window.outcomes, found.since_first.outcomes) == (10, 40)
    assert (found.window.start, found.window.end) == (
        FIRST + timedelta(hours=30),
        FIRST + timedelta(hours=39),
    )
    assert found.window.after.metrics["accuracy"].value == 0
    assert found.since_first.after.metrics["accuracy"].value == pytest.approx(0.75)


async def test_what_nobody_knows_is_counted_and_not_measured(look):
    outcomes = [kept(place, option=None if place % 2 else 0) for place in range(40)]
    found = await look(outcomes, window=10)
    assert (found.outcomes, found.unknown) == (20, 20)
    assert found.since_first.outcomes == 20
    assert found.window.outcomes == 10
    assert found.window.end == FIRST + timedelta(hours=38)
    assert found.since_first.after.metrics["accuracy"].value == 1


async def test_that_confidences_move_is_seen_without_a_single_truth(look):
    rng = np.random.default_rng(1)
    before, after = rng.uniform(0.5, 0.7, 200), rng.uniform(0.8, 1.0, 200)
    outcomes = [kept(place, option=None, sure=sure) for place, sure in enumerate([*before, *after])]
    found = await look(outcomes)
    assert found.tests[Promise.SHIFTED].alarm_at is not None
    assert {found.tests[each].alarm_at for each in Promise if each is not Promise.SHIFTED} == {None}
    assert found.since_first is None


async def test_a_period_holds_no_more_than_can_be_measured(look, monkeypatch):
    monkeypatch.setattr(drift_module, "MAX_PERIOD", 20)
    found = await look([kept(place, option=0) for place in range(40)], window=20)
    assert found.outcomes == 40
    assert found.since_first.outcomes == found.window.outcomes == 20
    assert found.since_first.start == FIRST + timedelta(hours=20)
