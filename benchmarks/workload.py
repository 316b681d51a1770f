"""What every system of a benchmark scores: the same questions, as text and as tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trueodds import Example, Format, Question
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.prompts import question as domain
from trueodds_service.prompts.formats import BUILT_IN, render
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import PromptTokenizer


@dataclass(frozen=True)
class Task:
    """Questions that share their shots, and the prompts that the service makes of them.

    ``texts`` are the prompts as text, with the format identifier.
    """

    name: str
    shots: list[Example]
    questions: list[Question]
    prompts: list[TokenPrompt]
    texts: list[str] = field(default_factory=list)
    format: Format = Format.PAREN

    @property
    def shared_tokens(self) -> int:
        """Tokens that all prompts begin with, other than the last of one."""
        first, last = min(prompts := [prompt.prompt for prompt in self.prompts]), max(prompts)
        shorter = min(len(first), len(last) - 1)
        return next((n for n in range(shorter) if first[n] != last[n]), shorter)

    def part(self, start: int, end: int) -> "Task":
        """Some of the questions."""
        return replace(
            self,
            questions=self.questions[start:end],
            prompts=self.prompts[start:end],
            texts=self.texts[start:end],
        )


@dataclass(frozen=True)
class Round:
    """What one measurement of each system scores."""

    batches: list[Task]
    alone: list[Task]
    """One question each, to be asked one after another."""

    @property
    def items(self) -> int:
        return sum(len(task.questions) for task in self.batches)


class Tasks:
    """Makes tasks for one model, in one format."""

    def __init__(self, weights: Path, answer_format: Format, max_tokens: int) -> None:
        self._tokenizer = PromptTokenizer.load(weights, max_tokens - 1)
        self._format = answer_format

    def of(self, name: str, shots: list[Example], questions: list[Question], count: int) -> Task:
        """A task of the first ``count`` questions that fit the model."""
        written = BUILT_IN[self._format.value]
        asked = [_domain(question) for question in questions]
        worked = [
            domain.Shot(_domain(shot.question), shot.answer)
            for shot in shots
            if shot.answer is not None
        ]
        outcomes = self._tokenizer.prepare(asked, worked, Reading(written))
        fit = [
            place for place, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)
        ][:count]
        return Task(
            name,
            shots,
            [questions[place] for place in fit],
            all_prompts([outcomes[place] for place in fit]),
            [render(asked[place], worked, written) + written.identifier for place in fit],
            self._format,
        )


def in_lane(shots: Sequence[Example], lane: int) -> list[Example]:
    """The same shots with a number before them, if it is not 0.

    What comes after is the same questions, and no prefix cache knows them: so one system can
    be measured on them in several ways, each of which begins cold.
    """
    first, *rest = shots
    marked = (
        replace(first.question, text=f"({lane}) {first.question.text}") if lane else first.question
    )
    return [replace(first, question=marked), *rest]


def one_by_one(task: Task) -> list[Task]:
    """A task a question."""
    return [task.part(place, place + 1) for place in range(len(task.questions))]


def first(tasks: Sequence[Task], count: int | None) -> list[Task]:
    """About the first ``count`` questions, as many of each task; all without a count."""
    if count is None:
        return list(tasks)
    each = max(1, count // len(tasks))
    return [task.part(0, each) for task in tasks[:count]]


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
