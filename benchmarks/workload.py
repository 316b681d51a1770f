"""What every system of a benchmark scores: the same questions, as text and as tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from trueodds import Example, Question
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.prompts import question as domain
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import Prepared, PromptTokenizer


@dataclass(frozen=True)
class Task:
    """Questions that share their shots, and the prompts that the service makes of them."""

    name: str
    shots: list[Example]
    questions: list[Question]
    prompts: list[TokenPrompt]


@dataclass(frozen=True)
class Round:
    """What one measurement of each system scores."""

    batches: list[Task]
    alone: list[Task]
    """One question each, to be asked one after another."""


def rounds(weights: Path, per_task: int, alone: int, count: int) -> list[Round]:
    """``count`` rounds of the demo's seven tasks, 5 shots each, PAREN.

    No question comes twice, so that no round is answered from the prefix cache of another; the
    shots do, as in a service that has run for a while.
    """
    tokenizer = PromptTokenizer.load(weights, 10**6)
    asked = {task: iter(scored_questions(task, (per_task + alone) * count)) for task in world.TASKS}

    def take(number: int) -> list[Task]:
        return [
            _task(name, list(islice(questions, number)), tokenizer)
            for name, questions in asked.items()
        ]

    return [
        Round(take(per_task), [each for _ in range(alone) for each in take(1)])
        for _ in range(count)
    ]


def _task(name: str, questions: list[Question], tokenizer: PromptTokenizer) -> Task:
    worked = shots(name)
    prompts = tokenizer.prepare(
        [_domain(question) for question in questions],
        [
            domain.Shot(_domain(shot.question), shot.answer)
            for shot in worked
            if shot.answer is not None
        ],
        Reading(),
    )
    return Task(name, worked, questions, all_prompts(prompts))


def all_prompts(outcomes: Sequence[Prepared | Exception]) -> list[TokenPrompt]:
    """The prompts, none of which may be wrong."""
    prompts = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        prompts.append(outcome.prompt)
    return prompts


def _domain(question: Question) -> domain.Question:
    options = tuple(question.options)
    return domain.Question(question.text, options, domain.letters(len(options)), question.passage)
