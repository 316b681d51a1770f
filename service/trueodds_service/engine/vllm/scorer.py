"""How the continuations of a prompt are read: which requests to vLLM, and what is made of them.

A question whose options are one token each is one request with ``logprob_token_ids``: vLLM
returns raw logprobs over the whole vocabulary for just these tokens, and its prefix cache stays
on. A longer option is scored as the end of a prompt, in one step; all go out together, for vLLM
computes what requests of a step share once. Where the context is cached to its last place, which
tells of the first tokens, or where there is more to read there, a request of the first kind reads
these tokens. benchmarks/README.md has the figures.
"""

import itertools
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.engine.base import TokenPrompt, Tokens, TokenScore
from trueodds_service.engine.hand_over import Call
from trueodds_service.engine.vllm.logprobs import (
    MOST_TOKENS_READ,
    Span,
    Steps,
    prompt_sampling,
    sampling,
    top_sampling,
)

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest

# How many tokens of a prompt are computed in about the time of a step that forces one token.
_STEP_TOKENS = 64
# Tokens whose logprobs vLLM computes at most in a step: each is a row of the vocabulary's size.
_PIECE_TOKENS = 1024


class Terms(NamedTuple):
    """What every request of a call is sent with."""

    call: Call
    lora: "LoRARequest | None" = None


class Generate(Protocol):
    """Sends a request to vLLM, and gives its last output."""

    def __call__(
        self,
        tokens: Tokens,
        params: "SamplingParams",
        terms: Terms,
        salt: str | None = None,
    ) -> Awaitable[Any]: ...


class Scorer:
    """Scores one prompt at a time; any number of them together."""

    def __init__(self, generate: Generate, block_tokens: int, *, has_adapters: bool) -> None:
        self._generate = generate
        self._block_tokens = block_tokens
        # vLLM's V1 runner fails at the logprobs of a prompt where adapters are on.
        self._can_read_prompts = not has_adapters
        self._salts = itertools.count()

    async def score(self, prompt: TokenPrompt, terms: Terms) -> TokenScore:
        if self._are_prompts(prompt):
            identifier, cached = 0.0, 0
            spans = await self._as_prompts(prompt, terms)
        else:
            identifier, cached, spans = await self._by_first_tokens(prompt, terms)
        greedy = [
            await self._is_greedy(span, prompt, tokens, terms)
            for span, tokens in zip(spans, prompt.continuations, strict=True)
        ]
        return TokenScore(
            continuations=tuple(span.logprob for span in spans),
            greedy=tuple(greedy),
            identifier=identifier,
            top_tokens=await self._top_tokens(prompt, terms) if prompt.top_tokens else (),
            cached_tokens=cached,
        )

    def _are_prompts(self, prompt: TokenPrompt) -> bool:
        """Whether every continuation is best read from its first token on as part of a prompt.

        Not where the context ends with a cache block: once it is cached, so is its last place,
        which tells of the first token.
        """
        return (
            self._can_read_prompts
            and not prompt.identifier
            and min(map(len, prompt.continuations)) > 1
            and len(prompt.prompt) <= _PIECE_TOKENS
            and len(prompt.prompt) % self._block_tokens > 0
        )

    async def _as_prompts(self, prompt: TokenPrompt, terms: Terms) -> list[Span]:
        """The continuations. vLLM computes what requests of one step share once."""
        salt = self._next_salt()
        return await gather_or_cancel(
            self._long(prompt.prompt, each, terms, salt) for each in prompt.continuations
        )

    async def _by_first_tokens(
        self, prompt: TokenPrompt, terms: Terms
    ) -> tuple[float, int, list[Span]]:
        """As ``_first_tokens``, and the continuations: the first tokens of all, and the rests."""
        read_at = prompt.prompt + prompt.identifier
        longer = [tokens for tokens in prompt.continuations if len(tokens) > 1]
        salt = self._next_salt()
        calls: list[Coroutine[Any, Any, Any]] = [
            self._first_tokens(prompt, terms),
            *(self._long(read_at + tokens[:1], tokens[1:], terms, salt) for tokens in longer),
        ]
        (identifier, cached, firsts), *rests = await gather_or_cancel(calls)
        after = dict(zip(longer, rests, strict=True))
        spans = [
            firsts[tokens[0]].then(after[tokens]) if tokens in after else firsts[tokens[0]]
            for tokens in prompt.continuations
        ]
        return identifier, cached, spans

    async def _first_tokens(
        self, prompt: TokenPrompt, terms: Terms
    ) -> tuple[float, int, dict[int, Span]]:
        """ln p(identifier), how many of the prompt's tokens vLLM had in its cache, and each first
        token of the continuations.
        """
        wanted = tuple(dict.fromkeys(tokens[0] for tokens in prompt.continuations))
        identifier, cached = 0.0, 0
        firsts: dict[int, Span] = {}
        for start in range(0, len(wanted), MOST_TOKENS_READ):
            part = wanted[start : start + MOST_TOKENS_READ]
            output = await self._generate(prompt.prompt, sampling(prompt.identifier, part), terms)
            steps = Steps(output.outputs[0].logprobs)
            identifier = steps.chosen(0, len(prompt.identifier)).logprob
            firsts |= steps.wanted(part)
            if not start:  # later requests find what the first has read
                cached = output.num_cached_tokens or 0
        return identifier, cached, firsts

    async def _long(self, before: Tokens, tokens: Tokens, terms: Terms, salt: str) -> Span:
        """The tokens after ``before``. With ``salt``, what the options share is read anew once."""
        if len(tokens) == 1 or not self._can_read_prompts:
            return await self._forced(before, tokens, terms)
        if len(tokens) > _PIECE_TOKENS:
            return await self._in_pieces(before, tokens, terms)
        missing, read = await self._as_prompt(before, tokens, terms)
        if not missing:
            return read
        head = tokens[:missing]
        if len(before) < min(missing * _STEP_TOKENS, _PIECE_TOKENS):
            still_missing, anew = await self._as_prompt(before, head, terms, salt)
            if not still_missing:
                return anew.then(read)
        return (await self._forced(before, head, terms)).then(read)

    async def _in_pieces(self, before: Tokens, tokens: Tokens, terms: Terms) -> Span:
        """A long text after ``before``, so that vLLM never holds many rows of its vocabulary."""
        whole, salt = before + tokens, self._next_salt()
        read, done = Span(0.0, True), len(before)
        # A piece that ended with a cache block would leave its last place in the cache.
        for end in (*range(_PIECE_TOKENS - 1, len(whole), _PIECE_TOKENS), len(whole)):
            piece = whole[: min(done, end)], whole[done:end]
            missing, part = await self._as_prompt(*piece, terms, salt)
            if missing:
                return await self._forced(before, tokens, terms)
            read, done = read.then(part), max(done, end)
        return read

    async def _as_prompt(
        self, before: Tokens, tokens: Tokens, terms: Terms, salt: str | None = None
    ) -> tuple[int, Span]:
        """How many of the tokens vLLM tells nothing of, from the first on, and all the others.

        A token's logprob comes from the place before it, and for what is cached there is none;
        with a ``salt``, only what had the same is. A prompt that vLLM put off and took up again
        may lack some more: those are left at what was in the memory before, and so are of other
        tokens.
        """
        output = await self._generate(before + tokens, prompt_sampling(), terms, salt)
        steps = Steps(output.prompt_logprobs)
        missing = max((output.num_cached_tokens or 0) + 1 - len(before), 0)
        if not steps.are_of(len(before) + missing, tokens[missing:]):
            missing = len(tokens)
        return missing, steps.chosen(len(before) + missing, len(tokens) - missing)

    async def _forced(self, before: Tokens, tokens: Tokens, terms: Terms) -> Span:
        """The tokens after ``before``, one a step (``forced_tokens.py``)."""
        # The last token is not forced, only read.
        steps = await self._steps(before, sampling(tokens[:-1], tokens[-1:]), terms)
        forced = steps.chosen(0, len(tokens) - 1, len(before))
        return forced.then(steps.wanted(tokens[-1:])[tokens[-1]])

    async def _is_greedy(
        self, span: Span, prompt: TokenPrompt, tokens: Tokens, terms: Terms
    ) -> bool:
        """Whether greedy decoding would write the tokens that were read.

        In 16-bit numbers the likeliest tokens are often equals: which is written, it then shows.
        """
        for place in span.open:
            whole = prompt.prompt + prompt.identifier + tokens
            token = whole[place : place + 1]
            steps = await self._steps(whole[:place], sampling((), token), terms)
            if not steps.wanted(token)[token[0]].greedy:
                return False
        return span.greedy

    async def _top_tokens(self, prompt: TokenPrompt, terms: Terms) -> tuple[tuple[int, float], ...]:
        before, count = prompt.prompt + prompt.identifier, prompt.top_tokens
        found = None
        if self._can_read_prompts and len(before) <= _PIECE_TOKENS:
            found = await self._top_of_prompt(before, prompt.continuations[0][:1], count, terms)
        if found is None:
            found = (await self._steps(before, top_sampling(count), terms)).last()
        return tuple(sorted(found.items(), key=lambda item: -item[1])[:count])

    async def _top_of_prompt(
        self, before: Tokens, token: Tokens, count: int, terms: Terms
    ) -> dict[int, float] | None:
        """The likeliest tokens after ``before``, as logprobs of a prompt that goes on there.

        So it is read beside requests of any kind, which it cannot be where vLLM is to go on. None
        where vLLM tells nothing of that place.
        """
        params = prompt_sampling(count)
        for salt in (None, self._next_salt()):
            output = await self._generate(before + token, params, terms, salt)
            steps = Steps(output.prompt_logprobs)
            # What is in the cache to its last place is not read again.
            is_read = (output.num_cached_tokens or 0) < len(before)
            if is_read and steps.are_of(len(before), token):
                return steps.last()
        return None

    async def _steps(self, tokens: Tokens, params: "SamplingParams", terms: Terms) -> Steps:
        """What vLLM tells of each token that it chose after ``tokens``."""
        return Steps((await self._generate(tokens, params, terms)).outputs[0].logprobs)

    def _next_salt(self) -> str:
        """What no prompt had before: nothing of it is in the cache."""
        return str(next(self._salts))
