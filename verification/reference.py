"""Transformers in fp32: the whole text is tokenised, the whole sequence computed, each time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

# Tokens that one step of the reference computes, padding included.
_STEP_TOKENS = 8192


class Span(NamedTuple):
    """The tokens ``ids[start:]`` after the tokens ``ids[:start]``."""

    ids: tuple[int, ...]
    start: int

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.ids[self.start :]

    def after(self, before: tuple[int, ...]) -> "Span":
        """The same tokens after others."""
        return Span(before + self.tokens, len(before))


class Joined(Exception):
    """A token reaches from a text into what follows it, which so has no tokens of its own."""


class WholeText:
    """Tokens of a text's end, by the characters that each token of the whole stands for."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # Copies: whether a special token's name means it is a state of the tokenizer.
        self._special = Tokenizer.from_str(tokenizer.to_str())
        self._plain = Tokenizer.from_str(tokenizer.to_str())
        self._plain.encode_special_tokens = True

    def ids(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        return tuple(self._encode(text, special).ids)

    def span(self, before: str, text: str, *, special: bool = False) -> Span:
        """The tokens of ``text`` after ``before``. Raises Joined."""
        encoded = self._encode(before + text, special)
        end = len(before)
        start = next((i for i, (first, _) in enumerate(encoded.offsets) if first >= end), None)
        if start is None or any(last > end for _, last in encoded.offsets[:start]):
            raise Joined(text)
        return Span(tuple(encoded.ids), start)

    def _encode(self, text: str, special: bool) -> Any:
        tokenizer = self._special if special else self._plain
        return tokenizer.encode(text, add_special_tokens=not special)


class Reference(WholeText):
    """A model in transformers, with an adapter in peft where one is given."""

    def __init__(self, weights: Path, adapter: Path | None = None) -> None:
        super().__init__(AutoTokenizer.from_pretrained(weights).backend_tokenizer)
        model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
        self._model = (
            model if adapter is None else PeftModel.from_pretrained(model, adapter)
        ).eval()

    def logprobs(self, spans: Iterable[Span]) -> dict[Span, float]:
        """ln p(tokens | all before them) of each span."""
        # What a sequence's last token is does not matter to what it is given.
        read: dict[tuple[int, ...], list[Span]] = {}
        for span in dict.fromkeys(spans):
            read.setdefault(span.ids[:-1], []).append(span)
        found = {}
        for ids, logits in self._logits(list(read)):
            for span in read[ids]:
                steps = logits[span.start - 1 :].double().log_softmax(-1)
                found[span] = float(steps.gather(1, torch.tensor(span.tokens)[:, None]).sum())
        return found

    def next_token(self, prompts: Sequence[tuple[int, ...]]) -> list[NDArray[np.float64]]:
        """ln p of every token of the vocabulary after each prompt."""
        found = {
            ids: logits[-1].double().log_softmax(-1).numpy()
            for ids, logits in self._logits(list(dict.fromkeys(prompts)))
        }
        return [found[prompt] for prompt in prompts]

    def _logits(self, sequences: list[tuple[int, ...]]) -> Iterable[tuple[tuple[int, ...], Any]]:
        for step in _steps(sequences):
            width = max(map(len, step))
            padded = torch.zeros((len(step), width), dtype=torch.long)
            mask = torch.zeros_like(padded)
            for row, ids in enumerate(step):
                padded[row, : len(ids)] = torch.tensor(ids)
                mask[row, : len(ids)] = 1
            with torch.inference_mode():
                logits = self._model(padded, attention_mask=mask, use_cache=False).logits
            for row, ids in enumerate(step):
                yield ids, logits[row, : len(ids)]


def _steps(sequences: list[tuple[int, ...]]) -> Iterable[list[tuple[int, ...]]]:
    """The sequences by their length, as many at once as a step holds."""
    step: list[tuple[int, ...]] = []
    for ids in sorted(sequences, key=len):
        if step and len(ids) * (len(step) + 1) > _STEP_TOKENS:
            yield step
            step = []
        step.append(ids)
    if step:
        yield step
