"""Prompts that begin alike are computed by one process, unless it has too much to do."""

import random

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
    """The prefix caches of processes of unlimited memory; counts the tokens found there."""

    def __init__(self, processes):
        self.router = Router(processes)
        self.blocks = [set() for _ in range(processes)]
        self.hits = 0
        self.loads = [0] * processes

    def compute(self, prompts):
        shares = self.router.assign(prompts)
        for process, places in shares.items():
            self.loads[process] += len(places)
            for place in places:
                tokens = prompts[place].prompt
                keys = [hash(tokens[:end]) for end in range(BLOCK, len(tokens) + 1, BLOCK)]
                self.hits += BLOCK * sum(key in self.blocks[process] for key in keys)
                self.blocks[process].update(keys)
        return shares

    def done(self, shares):
        for process, places in shares.items():
            self.router.done(process, len(places))


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


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize(
    "kind",
    ["a message a task", "one task, one message", "one task, many messages", "one by one, mixed"],
)
def test_processes_keep_the_hits_of_one(kind, processes):
    hits = {}
    for count in (1, processes):
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
            assert max(caches.loads) < 1.5 * even, "and all of them have work"
    assert hits[processes] >= 0.95 * hits[1]


@given(
    st.integers(1, 5),
    st.lists(st.integers(0, 3), max_size=80),
    st.sets(st.integers(0, 4), max_size=4),
)
def test_every_prompt_goes_to_one_process_that_may_have_it(processes, beginnings, without):
    prompts = [TokenPrompt((beginning,), ((1,), (2,))) for beginning in beginnings]
    without = {each for each in without if each < processes}
    if len(without) == processes:
        without = set()
    router = Router(processes)
    shares = router.assign(prompts, without)
    assert sorted(place for places in shares.values() for place in places) == [*range(len(prompts))]
    assert not shares.keys() & without
    assert shares.keys() <= {*range(processes)}


def test_who_asks_again_meets_the_same_process():
    router = Router(3)
    for number in range(20):
        [prompt] = task(number, 1)
        seen = set()
        for _ in range(5):
            [(process, _)] = router.assign([prompt]).items()
            router.done(process, 1)
            seen.add(process)
        assert len(seen) == 1
