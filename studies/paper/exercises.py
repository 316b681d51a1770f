"""A task whose right option is plain, and what a scheme trains on it.

A scheme is which tokens of the answer `` (A)`` carry the loss, or which of two answers is preferred
to which: the format's tokens, the choice's, or both (He et al. 2023, section 4).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from trueodds_service.prompts.formats import LETTER, PAREN, answer, ask
from trueodds_service.prompts.question import Question

# What is asked of a trained model was not trained on.
HELD_OUT = 500


@dataclass(frozen=True)
class Exercise:
    """A question of the task, its right option, and another one, both drawn."""

    question: Question
    right: int
    wrong: int


# So many exercises, by a seed.
Source = Callable[[int, str], Iterator[Exercise]]


def supervised(tokenizer: Any, exercise: Exercise, loss_on: str) -> dict[str, list[int]]:
    """The tokens of question and answer, and those of the answer that carry the loss."""
    asked = ask(exercise.question, PAREN)
    said = answer(exercise.question, exercise.right, PAREN)
    encoded = tokenizer(asked + said, return_offsets_mapping=True)
    letter = len(asked) + said.index(exercise.question.labels[exercise.right])
    labels = []
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        choice = start <= letter < end
        carries = end > len(asked) and (loss_on == "mixed" or choice == (loss_on == "choice"))
        labels.append(token if carries else -100)
    return {"input_ids": encoded["input_ids"], "labels": labels}


def preference(exercise: Exercise, between: str) -> dict[str, str]:
    """A prompt, the better answer and the worse: in format, in choice, or in both."""
    question, right, wrong = exercise.question, exercise.right, exercise.wrong
    worse = {
        "format": answer(question, right, LETTER),
        "choice": answer(question, wrong, PAREN),
        "mixed": answer(question, wrong, LETTER),
    }
    better = answer(question, right, PAREN)
    return {"prompt": ask(question, PAREN), "chosen": better, "rejected": worse[between]}
