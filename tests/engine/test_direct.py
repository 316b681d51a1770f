"""Requests past AsyncLLM, over a connection that AsyncLLM uses as well."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from vllm import SamplingParams
from vllm.v1.engine import EngineCoreOutput, FinishReason
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.outputs import LogprobsLists

from trueodds_service.engine.base import EngineDied
from trueodds_service.engine.direct import Direct

PARAMS = SamplingParams(max_tokens=1, logprob_token_ids=[7, 8])


class Core:
    """vLLM's client of its engine process, as far as it is used."""

    def __init__(self):
        self.sent, self.aborted = [], []
        self.outputs = asyncio.Queue()

    async def add_request_async(self, request):
        self.sent.append(request)

    async def abort_requests_async(self, names):
        self.aborted += names

    async def get_output_async(self):
        outputs = await self.outputs.get()
        if isinstance(outputs, Exception):
            raise outputs
        return SimpleNamespace(outputs=outputs)

    def answer(self, name, *rows, finished=True):
        """An output of a step: rows of the chosen token, its logprob and others."""
        ids, logprobs = (np.array([row[part] for row in rows]) for part in (0, 1))
        return EngineCoreOutput(
            request_id=name,
            new_token_ids=[int(ids[0][0])],
            new_logprobs=LogprobsLists(ids, logprobs, np.ones(len(rows), dtype=int)),
            finish_reason=FinishReason.LENGTH if finished else None,
        )


@pytest.fixture
async def core():
    return Core()


@pytest.fixture
async def direct(core):
    """With AsyncLLM's handler, which notes what it is left."""
    direct = Direct(SimpleNamespace(engine_core=core))
    core.others = []

    async def handle():
        while True:
            core.others += (await core.get_output_async()).outputs

    task = asyncio.create_task(handle())
    yield direct
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_answers_are_in_the_order_of_the_prompts(core, direct):
    call = asyncio.create_task(direct.answers([((1, 2), PARAMS), ((3,), PARAMS)], priority=5))
    await settle()
    first, second = core.sent
    assert [each.prompt_token_ids for each in core.sent] == [[1, 2], [3]]
    assert {each.priority for each in core.sent} == {5}
    core.outputs.put_nowait([core.answer(second.request_id, ([9, 7, 8], [-0.5, -1.0, -2.0]))])
    core.outputs.put_nowait([core.answer(first.request_id, ([4], [-3.0]), finished=False)])
    await settle()
    assert not call.done()
    core.outputs.put_nowait([core.answer(first.request_id, ([8, 7, 8], [-0.1, -4.0, -0.1]))])
    one, other = await call
    assert one.steps == [([4], [-3.0], 1), ([8, 7, 8], [-0.1, -4.0, -0.1], 1)]
    assert other.steps == [([9, 7, 8], [-0.5, -1.0, -2.0], 1)]


async def test_what_is_of_others_is_left_to_them(core, direct):
    call = asyncio.create_task(direct.answers([((1,), PARAMS)]))
    await settle()
    theirs = core.answer("0-abc", ([1], [0.0]))
    core.outputs.put_nowait([theirs, core.answer(core.sent[0].request_id, ([7], [0.0]))])
    await call
    await settle()
    assert core.others == [theirs]


async def test_no_prompts_have_no_answers(core, direct):
    assert await direct.answers([]) == []


async def test_who_leaves_takes_along_what_has_not_answered(core, direct):
    call = asyncio.create_task(direct.answers([((n,), PARAMS) for n in range(3)]))
    other = asyncio.create_task(direct.answers([((9,), PARAMS)]))
    await settle()
    names = [each.request_id for each in core.sent]
    core.outputs.put_nowait([core.answer(names[1], ([7], [0.0]))])
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert core.aborted == [names[0], names[2]]
    # An answer that comes all the same harms nobody.
    late = [core.answer(name, ([7], [0.0])) for name in (names[0], names[3])]
    core.outputs.put_nowait(late)
    assert len(await other) == 1
    assert core.others == []


async def test_a_dead_engine_fails_everybody(core, direct):
    calls = [asyncio.create_task(direct.answers([((n,), PARAMS)])) for n in range(2)]
    await settle()
    core.outputs.put_nowait(EngineDeadError())
    for call in calls:
        with pytest.raises(EngineDied):
            await call
