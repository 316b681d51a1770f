"""Subjects like MMLU's: 5 shots of about 600 tokens together, questions of about 90."""

from pathlib import Path
from random import Random

from tokenizers import Tokenizer

from benchmarks import corpus
from benchmarks.workload import Round, Tasks, in_lane, one_by_one
from trueodds import Example, Question

SHOTS = 5
OPTIONS = 4
# Tokens of a worked example's text and of a question's, and of each option; labels, line breaks
# and "Answer:" come on top.
_SHOT_TOKENS = 62
_TEXT_TOKENS = 35
_OPTION_TOKENS = 8


def round_of(
    tasks: Tasks, text: "Text", subjects: int, per_subject: int, alone: int, number: int, lane: int
) -> Round:
    """Round ``number``. No shots and no questions come twice, so every round begins cold."""
    batches, singles = [], []
    for subject in range(subjects):
        rng = Random(f"{number}/{subject}")
        shots = [
            Example(text.question(rng, _SHOT_TOKENS), rng.randrange(OPTIONS)) for _ in range(SHOTS)
        ]
        each = per_subject + alone
        questions = [text.question(rng, _TEXT_TOKENS) for _ in range(each)]
        task = tasks.of(f"subject-{subject}", in_lane(shots, lane), questions, each)
        batches.append(task.part(0, per_subject))
        singles += one_by_one(task.part(per_subject, each))
    return Round(batches, singles)


class Text:
    """Pieces of the machine's prose, each of a given number of tokens."""

    def __init__(self, weights: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
        words = " ".join(" ".join(text.split()) for text in corpus.prose())
        self._ids = self._tokenizer.encode(words[:2_000_000]).ids

    def question(self, rng: Random, tokens: int) -> Question:
        options = [f"{number}: {self._piece(rng, _OPTION_TOKENS)}" for number in range(OPTIONS)]
        return Question(self._piece(rng, tokens), options)

    def _piece(self, rng: Random, tokens: int) -> str:
        start = rng.randrange(len(self._ids) - tokens)
        return str(self._tokenizer.decode(self._ids[start : start + tokens])).strip() or "it"
