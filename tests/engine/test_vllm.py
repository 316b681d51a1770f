"""vLLM's AsyncLLM over an engine process that is played here: what is sent, and what comes back."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from vllm.v1.engine import (
    EngineCoreOutput,
    EngineCoreOutputs,
    EngineCoreRequest,
    FinishReason,
)
from vllm.v1.engine.core_client import EngineCoreClient
from vllm.v1.outputs import LogprobsLists
from vllm.v1.serial_utils import MsgpackDecoder, MsgpackEncoder

from trueodds_demo.service import MODELS
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.hand_over import Rank
from trueodds_service.engine.vllm.engine import VllmEngine
from trueodds_service.engine.vllm.logprobs import FORCED

LIKELIEST = 7


def logprob(before, token):
    """What the played model says of a token."""
    return -float(hash((tuple(before), token)) % 1000) / 100 - 0.01


def over_the_wire(message, kind):
    return MsgpackDecoder(kind).decode(MsgpackEncoder().encode(message))


class Core:
    """The client of an engine process that answers at once."""

    def __init__(self, **_):
        self.requests = []
        self.resources = SimpleNamespace(engine_dead=False)
        self._outputs = asyncio.Queue()

    async def get_supported_tasks_async(self):
        return ("generate",)

    async def add_request_async(self, request):
        request = over_the_wire(request, EngineCoreRequest)
        self.requests.append(request)
        params, before = request.sampling_params, list(request.prompt_token_ids)
        forced = (params.extra_args or {}).get(FORCED, [])
        for token in [*forced, LIKELIEST]:
            told = [token, *params.logprob_token_ids]
            # As wide as another request of the step may have made it: filled up with token 0.
            ids = np.array([[*told, 0, 0]])
            logprobs = np.array([[*(logprob(before, each) for each in told), -np.inf, -np.inf]])
            before.append(token)
            done = len(before) - len(request.prompt_token_ids) == params.max_tokens
            output = EngineCoreOutput(
                request_id=request.request_id,
                new_token_ids=[token],
                new_logprobs=LogprobsLists(ids, logprobs, np.array([1])),
                finish_reason=FinishReason.LENGTH if done else None,
            )
            whole = over_the_wire(EngineCoreOutputs(outputs=[output]), EngineCoreOutputs)
            self._outputs.put_nowait(whole)

    async def get_output_async(self):
        return await self._outputs.get()

    async def abort_requests_async(self, names):
        pass

    def shutdown(self, timeout=None):
        pass


PROMPTS = [
    TokenPrompt((*range(5, 45 + number),), ((7,), (8,), (0,)), (12, 13) if number % 2 else ())
    for number in range(20)
]


async def test_scores_are_what_the_engine_process_told(monkeypatch):
    monkeypatch.setattr(EngineCoreClient, "make_async_mp_client", staticmethod(Core))
    engine = VllmEngine.start(MODELS / "base", VllmSettings())
    scores = await engine.score(PROMPTS)
    # Again, two calls at once: neither takes the answers of the other.
    at_once = await asyncio.gather(engine.score(PROMPTS), engine.score(PROMPTS[:3]))
    for prompt, score in zip(PROMPTS, scores, strict=True):
        before = prompt.prompt + prompt.identifier
        expected = [logprob(before, token) for (token,) in prompt.continuations]
        assert score.continuations == tuple(expected)
        assert score.greedy == (True, False, False)
        forced = [
            logprob(prompt.prompt + prompt.identifier[:place], token)
            for place, token in enumerate(prompt.identifier)
        ]
        assert score.identifier == pytest.approx(sum(forced))
    for again, before in zip([*at_once[0], *at_once[1]], [*scores, *scores[:3]], strict=True):
        assert again.continuations == before.continuations
    sent = engine._llm.engine_core.requests
    assert [tuple(each.prompt_token_ids) for each in sent[: len(PROMPTS)]] == [
        prompt.prompt for prompt in PROMPTS
    ]
    assert len({each.request_id for each in sent}) == len(sent)
    engine.close()


async def test_single_questions_go_before_those_of_batches(monkeypatch):
    monkeypatch.setattr(EngineCoreClient, "make_async_mp_client", staticmethod(Core))
    engine = VllmEngine.start(MODELS / "base", VllmSettings())
    await engine.score(PROMPTS)
    await engine.score(PROMPTS[:1])
    *batch, single = engine._llm.engine_core.requests
    assert len({each.priority for each in batch}) == 1
    assert single.priority < batch[0].priority, "the least goes first"
    engine.close()


class HeldCore(Core):
    """One that answers nobody before it is let go."""

    def __init__(self, **_):
        super().__init__()
        self.priorities = []
        self.most = 0
        self.let_go = asyncio.Event()
        self._changed = asyncio.Condition()
        self._answers = set()

    async def add_request_async(self, request):
        async with self._changed:
            self.priorities.append(request.priority)
            self.most = max(self.most, len(self.priorities))
            self._changed.notify_all()
        self._answers.add(asyncio.create_task(self._answer(request)))

    async def _answer(self, request):
        await self.let_go.wait()
        self.priorities.remove(request.priority)
        await super().add_request_async(request)

    async def holds(self, count):
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.priorities) >= count)


async def test_what_batches_have_in_vllm_is_bounded_and_a_single_question_passes_them(monkeypatch):
    monkeypatch.setattr(EngineCoreClient, "make_async_mp_client", staticmethod(HeldCore))
    engine = VllmEngine.start(MODELS / "base", VllmSettings(max_sequences=3))
    core = engine._llm.engine_core
    batch = asyncio.create_task(engine.score(PROMPTS))
    await core.holds(6)
    single = asyncio.create_task(engine.score(PROMPTS[:1]))
    await core.holds(7)
    assert core.priorities == [Rank.BULK] * 6 + [Rank.LONE]
    core.let_go.set()
    scores = await batch
    assert len(scores) == len(PROMPTS)
    assert (await single)[0].continuations == scores[0].continuations
    assert core.most == 7
    engine.close()
