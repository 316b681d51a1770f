"""The paper's synthetic task: choose the option that equals a given word. And what is made of it.

A scheme is which tokens of the answer `` (A)`` carry the loss, or which of two answers is preferred
to which: the format's tokens, the choice's, or both (He et al. 2023, section 4).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from trueodds_service.prompts.formats import LETTER, PAREN, answer, ask
from trueodds_service.prompts.question import Question, letters

_OPTIONS = 4
_WORD = re.compile(r"[▁Ġ][a-z]{4,9}")
_WORDS = 3_000
# What is asked of a trained model was not trained on.
HELD_OUT = 500


@dataclass(frozen=True)
class Exercise:
    """A question of the task, its right option, and another one, both drawn."""

    question: Question
    right: int
    wrong: int


def exercises(tokenizer: Any, count: int, seed: str) -> Iterator[Exercise]:
    """Exercises of the tokenizer's most frequent whole words; letters are right equally often."""
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda each: each[1])
    words = [token[1:] for token, _ in by_id if _WORD.fullmatch(token)][:_WORDS]
    rng = Random(seed)  # noqa: S311
    for _ in range(count):
        options = rng.sample(words, _OPTIONS)
        right, wrong = rng.sample(range(_OPTIONS), 2)
        text = f'Which option is the word "{options[right]}"?'
        yield Exercise(Question(text, tuple(options), letters(_OPTIONS)), right, wrong)


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
