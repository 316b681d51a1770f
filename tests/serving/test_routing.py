"""Prompts that begin alike are computed by one replica, unless it has too much to do."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.serving.routing import Router

SHOTS = 600
QUESTION = 90
BLOCK = 16


def task(number, questions, *, shots=SHOTS):
    """Prompts of one task: the same worked examples, another question each."""
    rng = random.Random(number)
    worked = tuple(rng.randrange(30_000) for _ in range(shots))
    return [
        TokenPrompt(worked + tuple(rng.randrange(30_000) for _ in range(QUESTION)), ((1,), (2,)))
        for _ in range(questions)
    ]


class Caches:
    """The prefix caches of replicas of unlimited memory; counts the tokens found there."""

    def __init__(self, replicas):
        self.router = Router()
        self.blocks = [set() for _ in range(replicas)]
        self.hits = 0
        self.loads = [0] * replicas

    def compute(self, prompts):
        shares = self.router.assign(prompts, range(len(self.loads)))
        for share in shares:
            self.loads[share.replica] += len(share.places)
            blocks = self.blocks[share.replica]
            for place in share.places:
                tokens = prompts[place].prompt
                keys = [hash(tokens[:end]) for end in range(BLOCK, len(tokens) + 1, BLOCK)]
                self.hits += BLOCK * sum(key in blocks for key in keys)
                blocks.update(keys)
        return shares

    def done(self, shares):
        for share in shares:
            self.router.done(share)


def messages(kind):
    """What callers send, message by message, and how many are under way at once."""
    if kind == "a message a task":
        return [task(number, 40) for number in range(57)], 12
    if kind == "one task, one message":
        return [task(0, 1000)], 1
    if kind == "one task, many messages":
        prompts = task(0, 1000)
        return [prompts[start : start + 25] for start in range(0, 1000, 25)], 8
    prompts = [prompt for number in range(57) for prompt in task(number, 40)]
    random.Random(0).shuffle(prompts)
    return [[prompt] for prompt in prompts], 64


@pytest.mark.parametrize("count_of", [2, 4])
@pytest.mark.parametrize(
    "kind",
    ["a message a task", "one task, one message", "one task, many messages", "one by one, mixed"],
)
def test_replicas_keep_the_hits_of_one(kind, count_of):
    hits = {}
    for count in (1, count_of):
        caches = Caches(count)
        sent, window = messages(kind)
        under_way = []
        for prompts in sent:
            if len(under_way) == window:
                caches.done(under_way.pop(0))
            under_way.append(caches.compute(prompts))
        hits[count] = caches.hits
        if count > 1:
            even = sum(caches.loads) / count
            assert max(caches.loads) < 1.15 * even, "and all of them have work"
    assert hits[count_of] >= 0.97 * hits[1]


@given(st.sets(st.integers(0, 2**63 - 1), min_size=1, max_size=5), st.lists(st.integers(0, 3)))
def test_every_prompt_goes_to_one_replica_that_is_there(replicas, beginnings):
    prompts = [TokenPrompt((beginning,), ((1,), (2,))) for beginning in beginnings]
    router = Router()
    shares = router.assign(prompts, replicas)
    assert sorted(place for share in shares for place in share.places) == [*range(len(prompts))]
    assert {share.replica for share in shares} <= replicas
    for share in shares:
        router.done(share)
    assert not router._loads
    assert not router._homes


def homes(tasks, replicas):
    """Where the prompts of so many tasks go while nothing else is under way."""
    router, found = Router(), []
    for number in range(tasks):
        [share] = router.assign([TokenPrompt((number, 7), ((1,),))], replicas)
        router.done(share)
        found.append(share.replica)
    return found


def test_who_asks_again_meets_the_same_replica():
    assert homes(20, [5, 6, 7]) == homes(20, [7, 6, 5])


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_a_replica_that_comes_takes_its_share_and_moves_nothing_else(count):
    tasks = 2000
    rng = random.Random(count)
    replicas = [rng.randrange(2**63) for _ in range(count + 1)]
    before, after = homes(tasks, replicas[:-1]), homes(tasks, replicas)
    moved = {place for place in range(tasks) if before[place] != after[place]}
    assert {after[place] for place in moved} == {replicas[-1]}
    # At most 1/n of them, but for what chance does to so many.
    expected = tasks / (count + 1)
    assert abs(len(moved) - expected) < 5 * expected**0.5


def test_the_order_is_the_same_in_every_process():
    code = (
        "from trueodds_service.engine.base import TokenPrompt\n"
        "from trueodds_service.serving.routing import Router\n"
        "prompts = [TokenPrompt((number,), ((1,),)) for number in range(50)]\n"
        "print([Router().assign([each], [1, 2, 3])[0].replica for each in prompts])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
