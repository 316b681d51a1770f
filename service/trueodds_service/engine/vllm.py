"""vLLM as an engine: exact logprobs of given tokens. With its helpers, the only home of vllm.

A question whose options are one token each is one request with ``logprob_token_ids``: vLLM
returns raw logprobs over the whole vocabulary for just these tokens, and its prefix cache stays
on. Longer options begin with the same request, which reads their first tokens and leaves their
context in the cache. The rest of each is then scored as the end of a prompt, in one step.
benchmarks/README.md has the figures.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import EngineDied, EngineInfo, TokenPrompt, TokenScore
from trueodds_service.engine.direct import Answer, Direct
from trueodds_service.engine.lanes import Lanes
from trueodds_service.engine.launch import engine_arguments
from trueodds_service.engine.steps import (
    MOST_TOKENS_READ,
    Read,
    Steps,
    prompt_sampling,
    sampling,
    top_sampling,
)

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM

# A step that forces one token takes about as long as computing so many tokens of a prompt.
_STEP_TOKENS = 64
# Tokens whose logprobs vLLM computes at most in a step: each is a row of the vocabulary's size.
_PIECE_TOKENS = 1024

# Priorities of vLLM's: the least goes first. A call of few prompts holds single questions.
_FIRST, _IN_TURN = -1, 0
_FEW = 32

_Tokens = tuple[int, ...]


class VllmEngine:
    """One model in vLLM's AsyncLLM, and the LoRA adapters over it."""

    def __init__(
        self,
        llm: "AsyncLLM",
        info: EngineInfo,
        adapters: "Mapping[str, LoRARequest]",
        *,
        on_cpu: bool,
        direct: bool,
    ) -> None:
        self.info = info
        self._llm = llm
        self._numbers = itertools.count()
        self._direct = Direct(llm) if direct else None
        self._lanes = Lanes()
        self._adapters = adapters
        self._on_cpu = on_cpu

    @classmethod
    def start(
        cls, weights: Path, settings: VllmSettings, adapters: Mapping[str, Path] | None = None
    ) -> "VllmEngine":
        """Loads a model. Blocks until it can answer: seconds on a CPU, up to a minute on a GPU.

        ``adapters`` are folders by name. Call it inside the event loop that will score.
        """
        adapters = adapters or {}
        arguments = engine_arguments(weights, settings, adapters)
        import vllm  # noqa: PLC0415 (reads the environment when it is imported)
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415
        from vllm.lora.request import LoRARequest  # noqa: PLC0415
        from vllm.platforms import current_platform  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        config = llm.model_config
        info = EngineInfo(
            name="vllm",
            version=vllm.__version__,
            dtype=str(config.dtype).removeprefix("torch."),
            max_tokens=config.max_model_len,
        )
        # vLLM knows an adapter by its number, and would answer from another's cache were it reused.
        requests = {
            name: LoRARequest(name, number, str(path))
            for number, (name, path) in enumerate(adapters.items(), 1)
        }
        return cls(llm, info, requests, on_cpu=current_platform.is_cpu(), direct=settings.direct)

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[TokenScore]:
        lora = None if adapter is None else self._adapters[adapter]
        # Who asks a question waits for it; who asks many waits for the last.
        priority = _FIRST if len(prompts) <= _FEW else _IN_TURN
        direct: list[int] = []
        others: list[int] = []
        for place, prompt in enumerate(prompts):
            (direct if self._direct and _is_plain(prompt) else others).append(place)
        scores = await gather_or_cancel(
            [
                self._plain_scores([prompts[place] for place in direct], lora, priority),
                *(self._scores(prompts[place], lora) for place in others),
            ]
        )
        by_place = dict(zip([*direct, *others], itertools.chain(*scores), strict=True))
        return [by_place[place] for place in range(len(prompts))]

    def close(self) -> None:
        self._llm.shutdown()

    async def _plain_scores(
        self, prompts: Sequence[TokenPrompt], lora: "LoRARequest | None", priority: int
    ) -> list[TokenScore]:
        """Of prompts with one request each."""
        if self._direct is None or not prompts:
            return []
        requests = [
            (prompt.prompt, sampling(prompt.identifier, _first_tokens(prompt)))
            for prompt in prompts
        ]
        async with self._lanes.of(self._lane(requests[0][1], lora)):
            answers = await self._direct.answers(requests, lora, priority=priority)
        return [
            _plain_score(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)
        ]

    async def _scores(self, prompt: TokenPrompt, lora: "LoRARequest | None") -> list[TokenScore]:
        """Of a prompt that takes more than one request."""
        identifier, firsts = await self._read_first_tokens(prompt, lora)
        reads = [firsts[tokens[0]] for tokens in prompt.continuations]
        longer = [place for place, tokens in enumerate(prompt.continuations) if len(tokens) > 1]
        if longer:
            read_at = prompt.prompt + prompt.identifier
            rests = await gather_or_cancel(
                self._rest(read_at + tokens[:1], tokens[1:], lora)
                for tokens in (prompt.continuations[place] for place in longer)
            )
            for place, rest in zip(longer, rests, strict=True):
                reads[place] = reads[place].then(rest)
        top = await self._top_tokens(prompt, lora) if prompt.top_tokens else ()
        score = TokenScore(
            continuations=np.array([read.logprob for read in reads]),
            greedy=np.array([read.greedy for read in reads]),
            identifier=identifier,
            top_tokens=top,
        )
        return [score]

    async def _read_first_tokens(
        self, prompt: TokenPrompt, lora: "LoRARequest | None"
    ) -> tuple[float, dict[int, Read]]:
        """ln p(identifier), and each first token of the continuations after it."""
        wanted = _first_tokens(prompt)
        identifier = 0.0
        firsts: dict[int, Read] = {}
        for start in range(0, len(wanted), MOST_TOKENS_READ):
            part = wanted[start : start + MOST_TOKENS_READ]
            steps = await self._steps(prompt.prompt, sampling(prompt.identifier, part), lora)
            identifier = steps.chosen(0, len(prompt.identifier)).logprob
            firsts |= steps.wanted(part)
        return identifier, firsts

    async def _rest(self, before: _Tokens, tokens: _Tokens, lora: "LoRARequest | None") -> Read:
        """The tokens after ``before``."""
        # vLLM's V1 runner fails at the logprobs of a prompt where adapters are on.
        if len(tokens) == 1 or self._adapters:
            return await self._forced(before, tokens, lora)
        if len(tokens) > _PIECE_TOKENS:
            return await self._in_pieces(before, tokens)
        missing, read = await self._as_prompt(before, tokens)
        if not missing:
            return read
        head = tokens[:missing]
        if len(before) < min(missing * _STEP_TOKENS, _PIECE_TOKENS):
            still_missing, anew = await self._as_prompt(before, head, self._next_id())
            if not still_missing:
                return anew.then(read)
        return (await self._forced(before, head, lora)).then(read)

    async def _in_pieces(self, before: _Tokens, tokens: _Tokens) -> Read:
        """A long text after ``before``, so that vLLM never holds many rows of its vocabulary."""
        whole, salt = before + tokens, self._next_id()
        read, done = Read(0.0, True), len(before)
        # A piece that ended with a cache block would leave its last place in the cache.
        for end in (*range(_PIECE_TOKENS - 1, len(whole), _PIECE_TOKENS), len(whole)):
            missing, part = await self._as_prompt(whole[: min(done, end)], whole[done:end], salt)
            if missing:
                return await self._forced(before, tokens, None)
            read, done = read.then(part), max(done, end)
        return read

    async def _as_prompt(
        self, before: _Tokens, tokens: _Tokens, salt: str | None = None
    ) -> tuple[int, Read]:
        """How many of the tokens vLLM tells nothing of, from the first on, and all the others.

        A token's logprob comes from the place before it, and for what is cached there is none;
        with a ``salt``, only what had the same is. A prompt that vLLM put off and took up again
        may lack some more: those are left at what was in the memory before, and so are of other
        tokens.
        """
        output = await self._output(before + tokens, prompt_sampling(), None, salt)
        steps = Steps(output.prompt_logprobs)
        missing = max((output.num_cached_tokens or 0) + 1 - len(before), 0)
        if not steps.are_of(len(before) + missing, tokens[missing:]):
            missing = len(tokens)
        return missing, steps.chosen(len(before) + missing, len(tokens) - missing)

    async def _forced(self, before: _Tokens, tokens: _Tokens, lora: "LoRARequest | None") -> Read:
        """The tokens after ``before``, one a step (``forced.py``)."""
        # The last token is not forced, only read.
        steps = await self._steps(before, sampling(tokens[:-1], tokens[-1:]), lora)
        return steps.chosen(0, len(tokens) - 1).then(steps.wanted(tokens[-1:])[tokens[-1]])

    async def _top_tokens(
        self, prompt: TokenPrompt, lora: "LoRARequest | None"
    ) -> tuple[tuple[int, float], ...]:
        before = prompt.prompt + prompt.identifier
        steps = await self._steps(before, top_sampling(prompt.top_tokens), lora)
        likeliest = sorted(steps.last().items(), key=lambda item: -item[1])
        return tuple(likeliest[: prompt.top_tokens])

    async def _steps(
        self, tokens: _Tokens, params: "SamplingParams", lora: "LoRARequest | None"
    ) -> Steps:
        """What vLLM tells of each token that it chose after ``tokens``."""
        return Steps((await self._output(tokens, params, lora)).outputs[0].logprobs)

    def _next_id(self) -> str:
        return str(next(self._numbers))

    def _lane(self, params: "SamplingParams", lora: "LoRARequest | None") -> str:
        """Requests that differ in this must not share a batch of vLLM's V1 runner.

        It spoils the top tokens where another request reads given tokens (vllm#51789), and on a
        CPU it puts an adapter on the base model's rows too.
        """
        lane = "given" if params.logprobs is None else "top"
        return f"{lane}, adapted" if lora is not None and self._on_cpu else lane

    async def _output(
        self,
        tokens: _Tokens,
        params: "SamplingParams",
        lora: "LoRARequest | None",
        salt: str | None = None,
    ) -> Any:
        from vllm.inputs import TokensPrompt  # noqa: PLC0415
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        async with self._lanes.of(self._lane(params, lora)):
            generation = self._llm.generate(
                TokensPrompt(prompt_token_ids=list(tokens), cache_salt=salt),
                params,
                self._next_id(),
                lora_request=lora,
            )
            try:
                return [output async for output in generation][-1]
            except EngineDeadError as error:
                raise EngineDied("vLLM's engine process is gone") from error


def _is_plain(prompt: TokenPrompt) -> bool:
    """Whether one request tells the whole score."""
    return (
        not prompt.top_tokens
        and len(prompt.continuations) <= MOST_TOKENS_READ
        and all(len(tokens) == 1 for tokens in prompt.continuations)
    )


def _first_tokens(prompt: TokenPrompt) -> _Tokens:
    """The first token of every continuation, each once."""
    return tuple(dict.fromkeys(tokens[0] for tokens in prompt.continuations))


def _plain_score(prompt: TokenPrompt, answer: Answer) -> TokenScore:
    *forced, (ids, logprobs, rank) = answer.steps
    wanted = [tokens[0] for tokens in prompt.continuations]
    # Rows are as wide as the widest of the engine's step, and filled up with token 0.
    by_token = dict(zip(ids[: len(wanted) + 1], logprobs, strict=False))
    likeliest = ids[0] if rank == 1 else None
    return TokenScore(
        continuations=np.array([by_token[token] for token in wanted]),
        greedy=np.array([token == likeliest for token in wanted]),
        identifier=sum((step[0] for _, step, _ in forced), 0.0),
    )
