"""What a model says about the options, read with transformers.

This is a second implementation of what the service reads with vLLM, on purpose: the figures
that it gives are what the service is checked against.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from trueodds_demo.training.prompts import IDENTIFIER, Prompt, encoded, label_ids, padded
from trueodds_demo.training.tokenizer import END, token_id

Floats = NDArray[np.float64]

BATCH = 128


@dataclass(frozen=True, slots=True)
class Reading:
    """One model's answers to n prompts of k options each.

    ``logprobs`` (n, k): log p(label | prompt, format identifier), over the full vocabulary.
    ``format_probability`` (n,): p(format identifier | prompt).
    """

    logprobs: Floats
    format_probability: Floats

    @property
    def option_mass(self) -> Floats:
        """The probability that the next token is any of the labels, shape (n,)."""
        mass: Floats = np.exp(self.logprobs).sum(axis=1)
        return mass


def read(
    model: torch.nn.Module, tokenizer: Tokenizer, prompts: Sequence[Prompt], device: str
) -> Reading:
    """Read the options of prompts that all have the same labels."""
    labels = torch.tensor(label_ids(tokenizer, prompts[0].example.question.labels), device=device)
    identifier = tokenizer.encode(IDENTIFIER).ids[0]
    end = token_id(tokenizer, END)
    logprobs, formats = [], []
    with torch.inference_mode():
        for start in range(0, len(prompts), BATCH):
            batch = prompts[start : start + BATCH]
            ids, lengths = padded(
                encoded(tokenizer, [each.identified for each in batch]), end, device
            )
            logits = model(input_ids=ids, use_cache=False).logits
            row = torch.arange(len(batch), device=device)
            before, after = (
                logits[row, lengths - back].double().log_softmax(dim=-1) for back in (2, 1)
            )
            logprobs.append(after[:, labels].cpu().numpy())
            formats.append(before[:, identifier].exp().cpu().numpy())
    return Reading(np.concatenate(logprobs), np.concatenate(formats))
