"""A model read with transformers in float32, the worked examples computed once a task.

The same numbers as the service's (`tests/integration` and `verification` hold the service to
transformers), without an engine to start: a study needs tens of thousands of them at once.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, DynamicCache

from trueodds_demo.world import Example
from trueodds_service.prompts.formats import Format, render
from trueodds_service.prompts.question import Shot

# Questions that one step computes.
_BATCH = 64

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
    """A model in a folder, with its tokenizer."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def read(self, examples: Sequence[Example], shots: Sequence[Example], way: Format) -> Reading:
        """Questions with the same labels, after the same worked examples."""
        worked = [Shot(shot.question, shot.answer) for shot in shots]
        asked = [render(each.question, worked, way) + way.identifier for each in examples]
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(asked)]
        options = self._labels(asked[0], examples[0], way)
        shared = _shared(rows)
        with torch.inference_mode():
            before = DynamicCache()
            if shared:
                self._model(torch.tensor([shared]), past_key_values=before, use_cache=True)
            found = [
                self._step([row[len(shared) :] for row in rows[at : at + _BATCH]], before)
                for at in range(0, len(rows), _BATCH)
            ]
        last, second_last = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        logprobs = last[:, options]
        if not way.identifier:
            return Reading(logprobs, np.exp(logprobs).sum(axis=1))
        (identifier,) = self._tokenizer.encode(way.identifier).ids
        return Reading(logprobs, np.exp(second_last[:, identifier]))

    def _labels(self, prompt: str, example: Example, way: Format) -> list[int]:
        """The token of each label after the prompt."""
        start = len(self._tokenizer.encode(prompt).ids)
        tokens = [
            self._tokenizer.encode(prompt + way.lead + label).ids[start:]
            for label in example.question.labels
        ]
        return [token for (token,) in tokens]

    def _step(
        self, rows: list[list[int]], before: DynamicCache
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """ln p of every token after the last token of each row, and after the one before it."""
        lengths = torch.tensor([len(row) for row in rows])
        # Filled on the right: under a causal mask that changes nothing to its left.
        ids = torch.zeros((len(rows), int(lengths.max())), dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
        cache = copy.deepcopy(before)
        if cache.get_seq_length():
            cache.batch_repeat_interleave(len(rows))
        hidden = self._model.model(ids, past_key_values=cache, use_cache=True).last_hidden_state
        ends = torch.arange(len(rows))
        last, second_last = (
            self._model.lm_head(hidden[ends, lengths - back]).double().log_softmax(-1)
            for back in (1, 2)
        )
        return last, second_last


def _shared(rows: Sequence[list[int]]) -> list[int]:
    """The tokens that all rows begin with; two at least are left to each."""
    first, last = min(rows), max(rows)  # what these two share, all that lie between them do
    limit = min(map(len, rows)) - 2
    count = 0
    while count < limit and first[count] == last[count]:
        count += 1
    return first[:count]
