"""A model read with transformers in float32, the worked examples computed once a task.

The same prompts as the service's, made by its own tokenizer code, and the same numbers
(`tests/integration` and `verification` hold the service to transformers), without an engine to
start: a study needs tens of thousands of them at once. On a GPU where there is one.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from transformers import AutoModelForCausalLM, DynamicCache

from trueodds_demo.world import Example
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import Format, answer, ask
from trueodds_service.prompts.question import ChatPrompt, Kind, Question, Shot
from trueodds_service.prompts.reading import Reading as Way
from trueodds_service.prompts.tokenizer import PromptTokenizer

# What one step computes at most: questions, and tokens with the worked examples before each.
_BATCH = 64
_BATCH_TOKENS = 2**16

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One model's answers to n questions of k options each, asked in one way.

    ``logprobs`` (n, k) are raw: ln p(option | prompt) over the full vocabulary. ``format`` (n,)
    is p(F | x): the probability of the format's identifier, or of all labels without one.
    """

    logprobs: Floats
    format: Floats


class Reader:
    """A model in a folder, with its tokenizer; and with what an adapter's folder adds to it."""

    def __init__(self, folder: Path, adapter: Path | None = None) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        if adapter:
            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
        self._model = model.eval().to(self._device)
        longest: int = model.config.max_position_embeddings
        self._tokenizer = PromptTokenizer.load(folder, longest - 1)

    def decision_labels(self, kind: Kind, count: int) -> tuple[str, ...]:
        """The labels that the service would give the ``count`` options of a decision."""
        return self._tokenizer.decision_labels(kind, count)

    def read(
        self,
        examples: Sequence[Example],
        shots: Sequence[Example],
        way: Format,
        *,
        chat: bool = False,
    ) -> Reading:
        """Questions with the same number of options, after the same worked examples.

        With ``chat`` the model's template writes them: each worked example is a turn of a
        conversation, and its answer the assistant's.
        """
        prompts, shared = prompts_of(self._tokenizer, examples, shots, way, chat=chat)
        with torch.inference_mode():
            logprobs, formats = self._read(prompts, shared)
        return Reading(logprobs, formats if way.identifier else np.exp(logprobs).sum(axis=1))

    def _read(self, prompts: Sequence[TokenPrompt], shared: int) -> tuple[Floats, Floats]:
        before = DynamicCache()
        if shared:
            ids = torch.tensor([prompts[0].prompt[:shared]], device=self._device)
            self._model.model(ids, past_key_values=before, use_cache=True)
        # Alike in length, so that little of a step is filling.
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place].prompt))
        longest = len(prompts[order[-1]].prompt)
        size = max(1, min(_BATCH, _BATCH_TOKENS // longest))
        logprobs = np.empty((len(prompts), len(prompts[0].continuations)))
        formats = np.empty(len(prompts))
        for at in range(0, len(order), size):
            places = order[at : at + size]
            found = self._step([prompts[place] for place in places], shared, before)
            logprobs[places], formats[places] = found
        return logprobs, formats

    def _step(
        self, prompts: Sequence[TokenPrompt], shared: int, before: DynamicCache
    ) -> tuple[Floats, Floats]:
        """ln p of the options after each prompt, and p of the identifier before them."""
        rows = [(prompt.prompt + prompt.identifier)[shared:] for prompt in prompts]
        lengths = torch.tensor([len(row) for row in rows], device=self._device)
        # Filled on the right: under a causal mask that changes nothing to its left.
        ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
        cache = copy.deepcopy(before)
        if cache.get_seq_length():
            cache.batch_repeat_interleave(len(rows))
        hidden = self._model.model(
            ids.to(self._device), past_key_values=cache, use_cache=True
        ).last_hidden_state
        options = [[token for (token,) in prompt.continuations] for prompt in prompts]
        logprobs = self._logprobs(hidden, lengths - 1, options)
        if not prompts[0].identifier:
            return logprobs, np.zeros(len(rows))
        identifiers = [list(prompt.identifier) for prompt in prompts]
        return logprobs, np.exp(self._logprobs(hidden, lengths - 2, identifiers))[:, 0]

    def _logprobs(
        self, hidden: torch.Tensor, places: torch.Tensor, tokens: list[list[int]]
    ) -> Floats:
        """ln p of tokens, (rows, k), each row's after one of its places."""
        ends = torch.arange(len(tokens), device=self._device)
        found = self._model.lm_head(hidden[ends, places]).double().log_softmax(-1)
        picked: Floats = found.gather(1, torch.tensor(tokens, device=self._device)).cpu().numpy()
        return picked


def prompts_of(
    tokenizer: PromptTokenizer,
    examples: Sequence[Example],
    shots: Sequence[Example],
    way: Format,
    *,
    chat: bool = False,
) -> tuple[list[TokenPrompt], int]:
    """The prompts that ``Reader.read`` reads, and how many tokens all of them begin with."""
    worked = [Shot(shot.question, shot.answer) for shot in shots]
    questions = [each.question for each in examples]
    if chat:
        questions = [_conversation(each, worked, way) for each in questions]
    prompts = []
    for outcome in tokenizer.prepare(questions, [] if chat else worked, Way(way)):
        if isinstance(outcome, InvalidInput):
            raise outcome
        prompts.append(outcome.prompt)
    return prompts, _shared([prompt.prompt for prompt in prompts])


# Tokens of a block of vLLM's prefix cache, as it is on a GPU.
_BLOCK = 16


def computed_tokens(prompts: Sequence[TokenPrompt], shared: int) -> NDArray[np.int64]:
    """How many tokens of each prompt an engine computes, (n,), once the ``shared`` ones that all
    begin with are in its cache, which holds whole blocks.
    """
    known = shared // _BLOCK * _BLOCK
    return np.array([prompt.length - known for prompt in prompts], dtype=np.int64)


def _conversation(question: Question, shots: Sequence[Shot], way: Format) -> Question:
    """The question as a chat asks it."""
    messages: list[tuple[str, str]] = []
    for shot in shots:
        said = answer(shot.question, shot.answer, way).strip()
        messages += [("user", ask(shot.question, way)), ("assistant", said)]
    asked = ChatPrompt((*messages, ("user", ask(question, way))))
    return replace(question, text="", prompt=asked)


def _shared(rows: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all rows begin with; one at least is left to each."""
    first, last = min(rows), max(rows)  # what these two share, all that lie between them do
    limit = min(map(len, rows)) - 1
    count = 0
    while count < limit and first[count] == last[count]:
        count += 1
    return count
