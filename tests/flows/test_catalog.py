"""The models, by name, ready or not."""

import asyncio
from dataclasses import replace

import pytest

from trueodds_service.errors import NotFound, NotReady, Unavailable
from trueodds_service.flows import catalog
from trueodds_service.flows.catalog import State


def test_the_models_are_in_the_order_of_the_configuration(house):
    assert [entry.name for entry in house.catalog] == ["aligned", "base"]


def test_a_model_that_is_not_there(house):
    with pytest.raises(NotFound, match="there is no models/other") as caught:
        house.catalog.find("other")
    assert caught.value.reason == "MODEL_NOT_FOUND"


async def test_a_model_that_is_starting_is_to_be_asked_again(house):
    assert await house.catalog.find("aligned").ready()
    house.stop_serving("aligned")
    with pytest.raises(Unavailable, match="models/aligned is starting") as caught:
        await house.catalog.find("aligned").ready()
    assert caught.value.reason == "MODEL_STARTING"
    assert caught.value.retry_seconds > 0


async def test_a_cause_is_told_while_a_model_does_not_answer(house):
    entry = house.catalog.find("aligned")
    served = await entry.ready()
    assert (entry.state, entry.cause) == (State.READY, "")
    entry.failed("no tokenizer")
    assert (entry.state, entry.cause) == (State.FAILED, "no tokenizer")
    with pytest.raises(NotReady, match="models/aligned has failed: no tokenizer") as caught:
        await entry.ready()
    assert caught.value.reason == "MODEL_FAILED"
    entry.came_up(served)
    assert (entry.state, entry.cause) == (State.READY, "")
    assert await entry.ready() is served


async def waiting_for(entry):
    entry.lost()
    assert (entry.state, entry.cause) == (State.LOST, "")
    calls = [asyncio.create_task(entry.ready()) for _ in range(2)]
    await asyncio.sleep(0)
    return calls


async def test_who_asks_for_a_lost_engine_waits_for_its_replacement(house):
    entry = house.catalog.find("aligned")
    replacement = replace(entry.served)
    calls = await waiting_for(entry)
    entry.came_up(replacement)
    assert [await call is replacement for call in calls] == [True, True]


async def test_who_waits_for_a_replacement_that_fails_learns_the_cause(house):
    entry = house.catalog.find("aligned")
    calls = await waiting_for(entry)
    entry.failed("no memory")
    for call in calls:
        with pytest.raises(NotReady, match="models/aligned has failed: no memory"):
            await call


async def test_nobody_waits_long_for_a_replacement(house, no_replacement):
    entry = house.catalog.find("aligned")
    [first, second] = await waiting_for(entry)
    for call in (first, second, asyncio.create_task(entry.ready())):
        with pytest.raises(Unavailable, match="the engine of models/aligned was lost") as gone:
            await call
        assert gone.value.reason == "ENGINE_LOST"
        assert gone.value.retry_seconds > 0


async def test_who_waits_for_a_replacement_that_is_lost_as_well_waits_on(house):
    entry = house.catalog.find("aligned")
    served = entry.served
    calls = await waiting_for(entry)
    entry.came_up(served)
    entry.lost()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(call.done() for call in calls)
    entry.came_up(served)
    assert [await call is served for call in calls] == [True, True]


async def test_so_many_wait_for_a_replacement_that_others_have_room(house, monkeypatch):
    monkeypatch.setattr(catalog, "_MOST_WAITING", 2)
    entry = house.catalog.find("aligned")
    served = entry.served
    calls = await waiting_for(entry)
    with pytest.raises(Unavailable, match="was lost"):
        await entry.ready()
    entry.came_up(served)
    assert [await call is served for call in calls] == [True, True]
    entry.lost()
    calls = await waiting_for(entry)
    entry.came_up(served)
    assert [await call is served for call in calls] == [True, True]
