"""The body of ``POST /v1/decisions``, as the ``openai`` package sends it, → a decision."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.decide import FEWEST_OPTIONS, MOST_OPTIONS, DecisionQuestion
from trueodds_service.http.decisions.bodies import (
    Many,
    Ours,
    Strict,
    as_json,
    check_options,
    option_of,
)
from trueodds_service.http.decisions.inputs import InputPart, Item, system_and_state, text_of
from trueodds_service.http.decisions.tasks import TaskOf
from trueodds_service.prompts.question import Kind

MOST_QUESTIONS = 400

Instructions = str | Many[InputPart]


class _Question(Strict):
    name: str | None = None
    instructions: Instructions


class Predicate(_Question):
    type: Literal["predicate"]


class ChoiceValue(Strict):
    value: str | bool
    description: str | None = None


class Choice(_Question):
    type: Literal["choice"]
    choices: Many[ChoiceValue] = Field(min_length=FEWEST_OPTIONS, max_length=MOST_OPTIONS)

    @model_validator(mode="after")
    def _check(self) -> "Choice":
        # A string and a boolean of the same text are two values, and True == 1 is no matter here.
        seen = {(type(each.value), each.value) for each in self.choices}
        if len(seen) < len(self.choices):
            raise ValueError("has a choice twice")
        return self


class Level(Strict):
    label: str
    description: str | None = None


class Score(_Question):
    type: Literal["score"]
    levels: Many[Level] = Field(min_length=FEWEST_OPTIONS, max_length=MOST_OPTIONS)


Question = Annotated[Predicate | Choice | Score, Field(discriminator="type")]


class Request(Ours):
    """``prompt_cache_*`` and ``safety_identifier`` are taken, and change nothing: what is asked
    of one state shares its beginning in the cache anyway.
    """

    model: str
    input: str | Many[Item]
    questions: Many[Question] = Field(min_length=1, max_length=MOST_QUESTIONS)
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    safety_identifier: str | None = None

    def system_and_state(self) -> tuple[str, str]:
        return system_and_state(self.input)

    def field_of(self, place: int, said: str) -> str:
        """Where in the body is what the domain's question at ``place`` calls ``said``."""
        if said in ("passage", "system"):
            return "input"
        return "model" if said == "model" else field_of(self.questions[place], place, said)

    def decision_questions(self, task_of: TaskOf) -> tuple[DecisionQuestion, ...]:
        """Raises InvalidInput."""
        return decision_questions(self.questions, task_of)


def field_of(question: Any, place: int, said: str) -> str:
    """Where in a list of questions is what the domain calls ``said`` of one's own."""
    path = f"questions[{place}]"
    if said == "text":
        return f"{path}.instructions"
    option = option_of(said)
    match question:
        case Choice() if option is not None:
            return f"{path}.choices[{option}]"
        case Score() if option is not None:
            return f"{path}.levels[{option}]"
        case _:
            return path


def decision_questions(questions: Sequence[Any], task_of: TaskOf) -> tuple[DecisionQuestion, ...]:
    """Raises InvalidInput."""
    asked = []
    for place, question in enumerate(questions):
        with field(f"questions[{place}]"):
            asked.append(_decision_question(question, task_of(question.name, "name")))
    return tuple(asked)


def _decision_question(question: Any, task: str) -> DecisionQuestion:
    text = text_of(question.instructions, "instructions")
    if not text.strip():
        raise InvalidInput("instructions", "is empty")
    match question:
        case Choice():
            choices = _choices(question.choices)
            check_options("choices", choices)
            return DecisionQuestion(Kind.CHOICE, text, choices, task)
        case Score():
            levels = tuple(_described(each.label, each.description) for each in question.levels)
            check_options("levels", [each.label for each in question.levels])
            return DecisionQuestion(Kind.SCORE, text, levels, task)
        case _:
            return DecisionQuestion(Kind.PREDICATE, text, ("", ""), task)


def _choices(choices: Sequence[ChoiceValue]) -> tuple[str, ...]:
    """As the model reads them: strings in quotes where a boolean looks like one."""
    booleans = {as_json(each.value, "choices") for each in choices if isinstance(each.value, bool)}
    quoted = any(each.value in booleans for each in choices if isinstance(each.value, str))

    def said(value: str | bool) -> str:
        return value if isinstance(value, str) and not quoted else as_json(value, "choices")

    return tuple(_described(said(each.value), each.description) for each in choices)


def _described(name: str, description: str | None) -> str:
    return f"{name} - {description}" if description else name
