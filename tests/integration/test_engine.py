"""The engine alone, against transformers: any continuation, any mix, with adapters; both lanes."""

import asyncio
import functools
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch
from msgspec.structs import replace
from peft import PeftModel
from transformers import AutoModelForCausalLM
from vllm import SamplingParams
from vllm.inputs import tokens_input

from trueodds_demo.service import MODELS
from trueodds_service.caller import Caller, acting_for
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.engine.vllm.engine import VllmEngine

WEIGHTS = MODELS / "base"
VOCABULARY = 1280
# vLLM's LoRA kernels on a GPU take 16-bit numbers only, and its float32 is TF32 inside.
ON_GPU = torch.version.cuda is not None
DTYPE = "float16" if ON_GPU else "float32"
# A long text is thousands of nats, and fp32 holds seven digits.
CLOSE = {"rel": 5e-3, "abs": 0.05} if ON_GPU else {"rel": 1e-6, "abs": 1e-4}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["plain", "with adapter"])
async def engine(request, adapter: Path) -> AsyncIterator[VllmEngine]:
    """One that reads long continuations from prompts, and labels past AsyncLLM; and one that has
    to force the tokens of long continuations.
    """
    plain = request.param == "plain"
    settings = VllmSettings(dtype=DTYPE, kv_cache_gib=0.5, gpu_memory_fraction=0.2)
    adapters = {} if plain else {"an-adapter": adapter}
    engine = VllmEngine.start(WEIGHTS, settings, adapters)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference(adapter: Path):
    """ln p of every next token at every place of a sequence, from transformers in fp32."""
    # Several threads would wait for each other wherever other processes have the cores.
    torch.set_num_threads(1)
    plain = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32), str(adapter)
    )

    @functools.lru_cache(maxsize=16)
    def logprobs(tokens: tuple[int, ...], *, adapted_model: bool = False) -> torch.Tensor:
        network = adapted if adapted_model else plain
        with torch.inference_mode():
            return network(torch.tensor([tokens])).logits[0].double().log_softmax(-1)

    return logprobs


def drawn(seed: int, *, top_tokens: int = 0) -> TokenPrompt:
    """A prompt with continuations of many lengths; one goes on where another ends."""
    rng = random.Random(seed)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(5, VOCABULARY) for _ in range(count))

    continuations = [tokens(rng.choice([1, 1, 2, 5, 20])) for _ in range(rng.choice([2, 4]))]
    continuations.append(continuations[0] + tokens(1))
    return TokenPrompt(
        tokens(rng.randint(1, 200)),
        tuple(dict.fromkeys(continuations)),
        tokens(rng.choice([0, 1, 3])),
        top_tokens,
    )


def assert_agrees(reference, prompt: TokenPrompt, score: TokenScore, **model: bool) -> None:
    def read(before: tuple[int, ...], tokens: tuple[int, ...]) -> tuple[float, bool]:
        if not tokens:
            return 0.0, True
        steps = reference(before + tokens[:-1], **model)[len(before) - 1 :]
        logprobs = steps[range(len(tokens)), list(tokens)]
        return float(logprobs.sum()), bool((logprobs == steps.max(-1).values).all())

    before = prompt.prompt + prompt.identifier
    expected, greedy = zip(*(read(before, each) for each in prompt.continuations), strict=True)
    assert score.continuations == pytest.approx(expected, **CLOSE)
    if not ON_GPU:
        assert score.greedy == greedy
    assert score.identifier == pytest.approx(read(prompt.prompt, prompt.identifier)[0], **CLOSE)
    if prompt.top_tokens:
        best = reference(before, **model)[-1].topk(prompt.top_tokens)
        if not ON_GPU:
            assert [token for token, _ in score.top_tokens] == best.indices.tolist()
        found = [logprob for _, logprob in score.top_tokens]
        assert found == pytest.approx(best.values.tolist(), **CLOSE)


async def test_continuations_of_any_length_are_exact(engine, reference) -> None:
    prompts = [drawn(seed) for seed in range(30)]
    for prompt, score in zip(prompts, await engine.score(prompts), strict=True):
        assert_agrees(reference, prompt, score)


async def test_what_the_model_would_write_is_greedy(engine, reference) -> None:
    """Random continuations never are: these are the model's own, whole, in part and spoiled."""
    prompts = []
    for seed in range(6):
        prompt = drawn(seed).prompt
        written: tuple[int, ...] = ()
        for _ in range(12):
            written += (int(reference(prompt + written)[-1].argmax()),)
        spoiled = [(*written[:place], 7, *written[place + 1 :]) for place in (0, 5, 11)]
        wanted = [written, written[:1], written[:2], *spoiled]
        prompts.append(TokenPrompt(prompt, tuple(dict.fromkeys(wanted))))
    for prompt, score in zip(prompts, await engine.score(prompts), strict=True):
        assert_agrees(reference, prompt, score)
        assert sum(score.greedy) >= 3


@pytest.mark.parametrize("engine", ["plain"], indirect=True)
async def test_a_long_text_alone_is_exact(engine, reference) -> None:
    """One continuation up to the end of the context, as a rolling log-likelihood reads them."""
    rng = random.Random(3)
    text = tuple(rng.randrange(5, VOCABULARY) for _ in range(engine.info.max_tokens - 1))
    prompts = [TokenPrompt(text[:1], (text[1:],)), TokenPrompt(text[:900], (text[900:],))]
    for _ in range(2):  # again, what the engine has computed is in its cache
        for prompt, score in zip(prompts, await engine.score(prompts), strict=True):
            assert_agrees(reference, prompt, score)


async def test_what_the_cache_holds_is_exact_too(engine, reference) -> None:
    """Again and in part: vLLM tells no logprobs of what it does not compute."""
    prompts = [drawn(seed) for seed in range(15)]
    first = await engine.score(prompts)
    again = await engine.score(prompts)
    for prompt, one, other in zip(prompts, first, again, strict=True):
        assert_agrees(reference, prompt, other)
        assert one.continuations == pytest.approx(other.continuations, **CLOSE)


@pytest.mark.parametrize("engine", ["plain"], indirect=True)
async def test_a_tenant_s_prompts_are_cached_for_it_alone(engine) -> None:
    """How long an answer takes would else tell what another has asked."""
    prompt = TokenPrompt(tuple(range(5, 205)), ((7,), (8,)))
    cached = []
    for tenant in ("first", "second", "first", "second", ""):
        with acting_for(Caller(tenant, "", frozenset())):
            [score] = await engine.score([prompt])
        cached.append(score.cached_tokens > 0)
    assert cached == [False, False, True, True, False]


async def test_more_continuations_than_vllm_reads_at_once_are_exact(engine, reference) -> None:
    many = tuple((token,) for token in range(5, 305))
    prompt = TokenPrompt((7, 8, 9), many, (300,))
    [score] = await engine.score([prompt])
    assert_agrees(reference, prompt, score)


async def test_top_tokens_and_options_at_once_spoil_neither(engine, reference) -> None:
    """vLLM's V1 runner spoils a batch of both kinds (vllm#51789): they must never meet."""
    calls = [
        [drawn(100 * number + place, top_tokens=5 * (number % 2)) for place in range(5)]
        for number in range(10)
    ]
    scores = await asyncio.gather(*(engine.score(prompts) for prompts in calls))
    for prompts, found in zip(calls, scores, strict=True):
        for prompt, score in zip(prompts, found, strict=True):
            assert_agrees(reference, prompt, score)


@pytest.mark.parametrize("engine", ["with adapter"], indirect=True)
async def test_an_adapter_beside_its_base(engine, reference) -> None:
    """One engine, both at once, each with its own numbers, also for the same prompt."""
    prompts = [drawn(seed) for seed in range(15)]
    base, adapted = await asyncio.gather(engine.score(prompts), engine.score(prompts, "an-adapter"))
    for prompt, plain, other in zip(prompts, base, adapted, strict=True):
        assert_agrees(reference, prompt, plain)
        assert_agrees(reference, prompt, other, adapted_model=True)
        assert plain.continuations != pytest.approx(other.continuations, abs=0.01)


async def test_the_company_of_a_prompt_changes_rounding_only(engine) -> None:
    prompts = [drawn(seed) for seed in range(20)]
    alone = [(await engine.score([prompt]))[0] for prompt in prompts]
    together = await engine.score(prompts)
    for one, other in zip(alone, together, strict=True):
        assert one.continuations == pytest.approx(other.continuations, **CLOSE)


async def test_who_leaves_takes_his_requests_along(engine, reference) -> None:
    prompts = [drawn(seed, top_tokens=seed % 2) for seed in range(100)]
    call = asyncio.create_task(engine.score(prompts))
    while not engine._llm.output_processor.has_unfinished_requests():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    prompt = replace(drawn(1000), top_tokens=3)
    [score] = await engine.score([prompt])
    assert_agrees(reference, prompt, score)


async def test_of_equals_in_16_bits_greedy_is_what_vllm_writes() -> None:
    """The likeliest tokens are equals at one place in ten; one of them is written."""
    settings = VllmSettings(dtype="bfloat16", kv_cache_gib=0.5, gpu_memory_fraction=0.2)
    engine = VllmEngine.start(WEIGHTS, settings)
    params = SamplingParams(temperature=0.0, max_tokens=8, logprobs=5, detokenize=False)
    prompts, others = [], 0
    for seed in range(24):
        before = drawn(seed).prompt
        generation = engine._llm.generate(tokens_input(list(before)), params, f"written-{seed}")
        [output] = [each async for each in generation][-1].outputs
        written = tuple(output.token_ids)
        equals = [
            (*written[:place], other)
            for place, (token, step) in enumerate(zip(written, output.logprobs, strict=True))
            for other in step
            if other != token and step[other].logprob == step[token].logprob
        ]
        others += len(equals)
        prompts.append(TokenPrompt(before, (written, *equals)))
    scores = await engine.score(prompts)
    engine.close()
    assert others >= 6
    # Rounding differs between one step for a token and one for all: not every tie is one in both.
    right = [score.greedy[0] and sum(score.greedy) == 1 for score in scores]
    assert sum(right) >= 21
