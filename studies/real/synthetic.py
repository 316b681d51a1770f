"""The paper's synthetic task: choose the option that equals a given word."""

import re
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any

from studies.paper.exercises import Exercise, Source
from trueodds_service.prompts.question import Question, letters

_OPTIONS = 4
_WORD = re.compile(r"[▁Ġ][a-z]{4,9}")
_WORDS = 3_000


def exercises(tokenizer: Any) -> Source:
    """Exercises of the tokenizer's most frequent whole words; letters are right equally often."""
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda each: each[1])
    return partial(_drawn, [token[1:] for token, _ in by_id if _WORD.fullmatch(token)][:_WORDS])


def _drawn(words: list[str], count: int, seed: str) -> Iterator[Exercise]:
    rng = Random(seed)  # noqa: S311
    for _ in range(count):
        options = rng.sample(words, _OPTIONS)
        right, wrong = rng.sample(range(_OPTIONS), 2)
        text = f'Which option is the word "{options[right]}"?'
        yield Exercise(Question(text, tuple(options), letters(_OPTIONS)), right, wrong)
