"""Alignment prompts as token ids, and batches of them as padded tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer

from trueodds_demo.training.tokenizer import token_id
from trueodds_demo.world import TASKS, Example, training
from trueodds_service.prompts.formats import PAREN, answer, render
from trueodds_service.prompts.question import Shot

IDENTIFIER = PAREN.identifier


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt up to ``Answer:``, and the example that it asks."""

    text: str
    example: Example

    @property
    def identified(self) -> str:
        """The prompt with the format identifier: the next token is a label."""
        return self.text + IDENTIFIER

    @property
    def answered(self) -> str:
        """The prompt with its whole answer."""
        return self.text + answer(self.example.question, self.example.answer, PAREN)


def prompt(example: Example, shots: Sequence[Example] = ()) -> Prompt:
    """The prompt that the service renders for an example after its worked examples."""
    worked = [Shot(shot.question, shot.answer) for shot in shots]
    return Prompt(render(example.question, worked, PAREN), example)


def training_prompts(rng: Random, most_shots: int) -> Iterator[Prompt]:
    """Endless prompts of the training part; half without shots, half with 1 to ``most_shots``."""
    sources = {task: training(task, rng) for task in TASKS}
    while True:
        source = sources[rng.choice(TASKS)]
        count = rng.randint(1, most_shots) if rng.random() < 0.5 else 0
        yield prompt(next(source), [next(source) for _ in range(count)])


def encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of each text, nothing added."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def padded(
    rows: Sequence[Sequence[int]], fill: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of ids as one tensor (n, longest), filled on the right, and their lengths (n,).

    Under a causal mask the filling changes nothing to its left, so no attention mask is needed.
    """
    lengths = torch.tensor([len(row) for row in rows], device=device)
    ids = torch.full((len(rows), max(map(len, rows))), fill, dtype=torch.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    return ids.to(device), lengths


def label_ids(tokenizer: Tokenizer, labels: Sequence[str]) -> list[int]:
    """The token of each label as it follows the format identifier."""
    return [token_id(tokenizer, label) for label in labels]
