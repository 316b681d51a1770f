"""Who is there, and for how long that is believed."""

import asyncio

import pytest
from tests.clock import Clock

from trueodds_service.edge.quotas.account import Spent, Subject
from trueodds_service.serving import killers
from trueodds_service.serving.directory import HEAR_SECONDS, Announcement, Directory, GatewayReport


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def directory(clock):
    directory = Directory(clock)
    clock.now += HEAR_SECONDS
    return directory


def announced(replica, node="here", remote=""):
    return Announcement("model", replica, 1.0, node, f"ipc:///{replica}", remote)


def report(gateway, asks=(), spent=None):
    states = {"model": ("STARTING", "")}
    asked, spent = frozenset(asks), spent or {}
    return GatewayReport(gateway, "127.0.0.1:1", states, replicas=asked, spent=spent)


async def test_a_gateway_is_told_who_is_there(directory):
    for replica in (1, 2):
        await directory.announce(announced(replica))
    assert (await directory.report(report(9))).replicas == (announced(1), announced(2))
    await directory.withdraw(1)
    await directory.withdraw(1)
    assert (await directory.report(report(9))).replicas == (announced(2),)


async def test_a_gateway_is_told_what_the_others_have_spent(directory):
    spent = {Subject("acme"): Spent(requests=3)}
    assert (await directory.report(report(8, spent=spent))).spent == {}
    assert (await directory.report(report(9))).spent == {8: spent}


async def test_a_replica_learns_when_every_gateway_asks_it(directory):
    assert await directory.announce(announced(1)), "there is no gateway"
    await directory.report(report(8, asks=[1]))
    await directory.report(report(9))
    assert not await directory.announce(announced(1))
    await directory.report(report(9, asks=[2, 1]))
    assert await directory.announce(announced(1))


async def test_one_that_is_new_hears_everybody_before_it_says_who_is_there(clock, monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)
        await directory.announce(announced(1))

    directory = Directory(clock)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert not await directory.announce(announced(2)), "gateways may not have been heard yet"
    clock.now += HEAR_SECONDS / 2
    assert await directory.replicas() == (announced(2), announced(1))
    assert pauses == [HEAR_SECONDS / 2]
    clock.now += HEAR_SECONDS / 2
    assert await directory.announce(announced(2))


async def test_who_says_nothing_for_three_seconds_is_forgotten(directory, clock):
    for replica in (1, 2):
        await directory.announce(announced(replica))
    clock.now += 2
    await directory.announce(announced(2))
    clock.now += 1.5
    assert (await directory.report(report(9))).replicas == (announced(2),)
    clock.now += 3.5
    assert (await directory.report(report(8))).replicas == ()
    assert await directory.gateways({}) == (report(8),)


async def test_who_watches_over_all_tells_what_has_failed_and_sees_every_gateway(directory, clock):
    for gateway in (7, 8):
        await directory.report(report(gateway))
    assert await directory.gateways({"model": "out of memory"}) == (report(7), report(8))
    assert (await directory.report(report(7))).failures == {"model": "out of memory"}
    await directory.withdraw_gateway(8)
    assert await directory.gateways({}) == (report(7),)
    clock.now += 3.5
    assert (await directory.report(report(7))).failures == {}, "as long as it is told"


def test_on_its_own_node_a_replica_has_a_nearer_endpoint():
    with_remote = announced(1, remote="tcp://10.0.0.1:5")
    assert with_remote.endpoint("here") == "ipc:///1"
    assert with_remote.endpoint("there") == "tcp://10.0.0.1:5"
    assert announced(1).endpoint("there") == "ipc:///1"


async def test_what_one_gateway_has_found_to_kill_all_are_told(directory, clock, monkeypatch):
    monkeypatch.setattr(killers, "MOST", 3)
    found = (
        {"model": {b"1": 1.0, b"2": 2.0}},
        {"model": {b"2": 2.5, b"3": 3.0}, "other": {b"": 1.0}},
    )
    for gateway, known in enumerate(found):
        await directory.report(GatewayReport(gateway, "", {}, known))
    told = (await directory.report(report(8))).killers
    assert told == {"model": {b"1": 1.0, b"2": 2.5, b"3": 3.0}, "other": {b"": 1.0}}
    await directory.report(GatewayReport(9, "", {}, {"model": {b"4": 4.0}}))
    assert (await directory.report(report(8))).killers["model"].keys() == {b"2", b"3", b"4"}
    clock.now += 3.5
    assert (await directory.report(report(8))).killers == {}, "those who know tell it again"
