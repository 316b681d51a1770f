"""How many requests are under way at once, and whose."""

import asyncio
from contextlib import ExitStack

import pytest

from trueodds_service.edge.admission.order import hurrying
from trueodds_service.edge.admission.places import Places
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.identity.identities import Everybody
from trueodds_service.errors import Exhausted, Expired, Unavailable


def filled(places, stack, tenant):
    """How many a tenant gets."""
    count = 0
    while True:
        try:
            stack.enter_context(places.taken(tenant))
        except Exhausted:
            return count
        count += 1


@pytest.mark.parametrize("most", [1, 2, 10, 256])
def test_without_tenants_all_are_for_everybody(most):
    with ExitStack() as stack:
        places = Places(most)
        assert filled(places, stack, "") == most
        with pytest.raises(Exhausted) as caught:
            stack.enter_context(places.taken(""))
    assert caught.value.reason == "TOO_MANY_REQUESTS"
    assert caught.value.retry_seconds > 0


def test_a_tenant_that_takes_all_it_can_leaves_room_for_another():
    places = Places(256)
    with ExitStack() as stack:
        first = filled(places, stack, "many")
        assert 200 < first < 256
        assert filled(places, stack, "few") >= 20


def test_what_has_ended_is_free_again():
    places = Places(4)
    with ExitStack() as stack:
        once = filled(places, stack, "a")
    with ExitStack() as stack:
        assert filled(places, stack, "a") == once


@pytest.mark.parametrize(("most", "gets"), [(9, 8), (18, 16), (1, 1)])
def test_a_tenant_never_has_more_than_eight_times_what_is_left(most, gets):
    with ExitStack() as stack:
        assert filled(Places(most), stack, "many") == gets


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_whose_deadline_has_passed_is_not_let_in(seconds):
    with pytest.raises(Expired), hurrying("trueodds.v1.ModelService/GetModel", seconds):
        pytest.fail("nobody waits for it")


async def test_the_end_of_a_gate_is_none_of_what_has_ended_before():
    gate = Gate(1, Everybody())
    async with gate.admitted(Arrival("trueodds.v1.ModelService/GetModel")):
        pass
    gate.end()
    await asyncio.sleep(0)  # where this task would be cancelled


async def test_the_end_of_a_gate_is_that_of_who_has_not_been_let_in_yet():
    class Slow(Everybody):
        async def caller(self, arrival):
            await asyncio.Event().wait()

    async def ask():
        async with gate.admitted(Arrival("trueodds.v1.ModelService/GetModel")):
            pytest.fail("nobody knows who asks")

    gate = Gate(1, Slow())
    asked = asyncio.create_task(ask())
    await asyncio.sleep(0)
    gate.end()
    with pytest.raises(Unavailable, match="the server stops"):
        await asked
