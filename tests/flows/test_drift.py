"""Which outcomes a look at drift measures, and which it only watches."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from trueodds_service.flows import drift as drift_module
from trueodds_service.flows import outcomes as outcomes_module
from trueodds_service.flows.drift import drift
from trueodds_service.flows.outcomes import Outcomes
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

        def of_calibrator(_, *, after=0, at_most=None):
            pages.append(at_most)
            first = [each._replace(position=n) for n, each in enumerate(outcomes, 1) if n > after]
            return first[:at_most]

        async def no_checks(_):
            return []

        told = Outcomes(SimpleNamespace(of_calibrator=of_calibrator))
        found = await drift(
            "aligned",
            "0f3a",
            window,
            SimpleNamespace(get=calibrator),
            told,
            SimpleNamespace(of=no_checks),
        )
        assert pages.pop() == outcomes_module._AT_ONCE, "never all of them at once"
        return found

    pages = []
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


@pytest.mark.parametrize("at_once", [1, 7, 40, 41])
async def test_what_is_found_is_the_same_by_the_page(look, monkeypatch, at_once):
    rng = np.random.default_rng(2)
    told = [
        kept(place, option=None if place % 5 == 0 else int(place >= 20), sure=sure)
        for place, sure in enumerate(rng.uniform(0.5, 1.0, 40))
    ]
    whole = await look(told, window=10)
    monkeypatch.setattr(outcomes_module, "_AT_ONCE", at_once)
    paged = await look(told, window=10)
    assert (paged.outcomes, paged.unknown) == (whole.outcomes, whole.unknown) == (32, 8)
    assert paged.window.after.metrics == whole.window.after.metrics
    for promise, evidence in whole.tests.items():
        assert paged.tests[promise].log_wealth == pytest.approx(evidence.log_wealth)
        assert paged.tests[promise].alarm_at == evidence.alarm_at
