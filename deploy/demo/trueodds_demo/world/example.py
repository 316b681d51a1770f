"""A question of the world before its label is drawn, and after."""

from dataclasses import dataclass
from random import Random

from trueodds_service.prompts.question import Question, letters


@dataclass(frozen=True, slots=True)
class Draft:
    """A question with the weight of each option, its options not yet in the order shown.

    ``weights`` are positive and need not sum to 1: the true distribution is their share.
    """

    text: str
    options: tuple[str, ...]
    weights: tuple[float, ...]
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A question, the label drawn for it, and the distribution the label was drawn from.

    ``answer`` indexes ``question.options``; ``distribution`` has one probability an option, in
    the same order, and sums to 1.
    """

    task: str
    question: Question
    answer: int
    distribution: tuple[float, ...]


def settle(task: str, draft: Draft, rng: Random) -> Example:
    """Put the options in a random order and draw the label.

    The random order makes every position equally likely to hold the answer, so a model has no
    reason to prefer a letter.
    """
    order = rng.sample(range(len(draft.options)), len(draft.options))
    total = sum(draft.weights)
    distribution = tuple(draft.weights[index] / total for index in order)
    question = Question(
        text=draft.text,
        options=tuple(draft.options[index] for index in order),
        labels=letters(len(order)),
        passage=draft.passage,
    )
    answer = rng.choices(range(len(order)), distribution)[0]
    return Example(task, question, answer, distribution)
