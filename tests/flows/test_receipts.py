"""A receipt says what the answer said, to its own service and to its own tenant."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from trueodds_service.caller import Caller, acting_for
from trueodds_service.flows import outcomes as outcomes_flow
from trueodds_service.flows import receipts
from trueodds_service.flows.receipts import FLOAT, BadReceipt, open_receipt, seal_receipt
from trueodds_service.store.records import Scope

KEY = b"k" * 32
SCOPE = Scope("aligned", "sha256:41b7", "reviews", "letter", 1, 3, "acme")
RAW, CALIBRATED = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.35, 0.25])


@pytest.fixture
def receipt():
    return seal_receipt(KEY, SCOPE, "0f3a", 1, RAW, CALIBRATED)


def test_it_is_opened_to_what_was_said(receipt):
    found = open_receipt(KEY, receipt, 2, "acme")
    assert (found.scope, found.calibrator, found.choice, found.option) == (SCOPE, "0f3a", 1, 2)
    assert np.frombuffer(found.probabilities, FLOAT) == pytest.approx(RAW)
    assert np.frombuffer(found.calibrated, FLOAT) == pytest.approx(CALIBRATED)
    assert timedelta() <= datetime.now(UTC) - found.answered_at < timedelta(minutes=5)
    assert open_receipt(KEY, receipt, None, "acme").option is None


@pytest.mark.parametrize("tenant", ["", "other"])
def test_another_tenants_is_as_one_of_another_service(receipt, tenant):
    with pytest.raises(BadReceipt) as others:
        open_receipt(KEY, receipt, 2, tenant)
    with pytest.raises(BadReceipt) as foreign:
        open_receipt(b"x" * 32, receipt, 2, "acme")
    assert str(others.value) == str(foreign.value)


@pytest.mark.parametrize("option", [-1, 3])
def test_an_option_that_the_answer_had_not_is_none(receipt, option):
    with pytest.raises(BadReceipt, match="3 options"):
        open_receipt(KEY, receipt, option, "acme")


def test_no_byte_of_it_can_be_another(receipt):
    for place in range(len(receipt)):
        changed = bytearray(receipt)
        changed[place] ^= 1
        with pytest.raises(BadReceipt):
            open_receipt(KEY, bytes(changed), 2, "acme")


def test_one_of_a_later_version_is_told_apart(monkeypatch):
    monkeypatch.setattr(receipts, "_VERSION", 2)
    later = seal_receipt(KEY, SCOPE, "", 0, RAW, RAW)
    monkeypatch.undo()
    with pytest.raises(BadReceipt, match="another version"):
        open_receipt(KEY, later, 0, "acme")


def test_two_answers_have_two_ids():
    one, other = (
        open_receipt(KEY, seal_receipt(KEY, SCOPE, "", 0, RAW, RAW), 0, "acme") for _ in range(2)
    )
    assert one.answer_id != other.answer_id


async def test_others_have_their_turn_while_many_are_opened(receipt, monkeypatch):
    turns, seen = 0, set()

    def opened(*args):
        seen.add(turns)
        return open_receipt(*args)

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(outcomes_flow, "open_receipt", opened)
    store = SimpleNamespace(seal=lambda: KEY, record=len, close=lambda: None)
    outcomes = outcomes_flow.Outcomes(store)
    busy = asyncio.create_task(others())
    with acting_for(Caller("acme", "them", frozenset())):
        assert await outcomes.record([(receipt, 2)] * 200) == (200, [])
    busy.cancel()
    outcomes.close()
    assert len(seen) > 5
