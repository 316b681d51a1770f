"""``POST /v1/systemone``, as vLLM and its clients know it."""

import random
import time
from typing import Annotated, Any, Literal

from pydantic import Field

from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.decide import FEWEST_OPTIONS, MOST_OPTIONS, DecisionQuestion
from trueodds_service.flows.score import Answer
from trueodds_service.http.decisions.answers import (
    expected_level,
    label_mass,
    ours,
    probability_of_answer,
)
from trueodds_service.http.decisions.bodies import (
    Many,
    Ours,
    Strict,
    as_json,
    check_options,
    option_of,
)
from trueodds_service.http.decisions.openai_body import MOST_QUESTIONS
from trueodds_service.http.decisions.tasks import TaskOf
from trueodds_service.prompts.question import Kind
from trueodds_service.rpc.json_bodies import path_of

# What the domain's questions have in common.
_SHARED = {"passage": "state", "system": "instructions", "model": "model"}


class _Question(Strict):
    instructions: Any = ""


class Choice(_Question):
    """``criteria`` maps each option's name to a description, or to null."""

    type: Literal["choice"]
    criteria: dict[str, Any] = Field(min_length=FEWEST_OPTIONS, max_length=MOST_OPTIONS)


class Sides(Strict):
    true: Any = None
    false: Any = None


class Noul(_Question):
    """``criteria`` may say what yes and no mean."""

    type: Literal["noul"]
    criteria: Sides | None = None


class Score(_Question):
    """``criteria`` are the levels, from the lowest on."""

    type: Literal["score"]
    criteria: list[Any] = Field(min_length=FEWEST_OPTIONS, max_length=MOST_OPTIONS)


Question = Annotated[Choice | Noul | Score, Field(discriminator="type")]


class Request(Ours):
    """``cache_salt``, ``priority`` and what is null change nothing here; media are refused."""

    model: str
    state: Any
    questions: dict[str, Question] = Field(min_length=1, max_length=MOST_QUESTIONS)
    instructions: str | None = None
    images: Many[str] | None = None
    audio: Many[str] | None = None
    videos: Many[str] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    cache_salt: str | None = None
    priority: int = 0
    request_id: str | None = None

    def system_and_state(self) -> tuple[str, str]:
        """Raises InvalidInput at what cannot be served."""
        for name in ("images", "audio", "videos"):
            if getattr(self, name):
                raise InvalidInput(name, "are not served", reason="NOT_SERVED")
        for name, value in (self.chat_template_kwargs or {}).items():
            # A template is told already not to think.
            if name not in ("enable_thinking", "thinking") or value is not False:
                raise InvalidInput("chat_template_kwargs", "is not served", reason="NOT_SERVED")
        state = self.state if isinstance(self.state, str) else as_json(self.state, "state")
        if not state.strip():
            raise InvalidInput("state", "is empty")
        return self.instructions or "", state

    def field_of(self, place: int, said: str) -> str:
        """Where in the body is what the domain's question at ``place`` calls ``said``."""
        if shared := _SHARED.get(said):
            return shared
        name, question = [*self.questions.items()][place]
        path = path_of(("questions", name))
        if said == "text":
            return f"{path}.instructions"
        option = option_of(said)
        if option is None or question.criteria is None:
            return path
        # A choice's names are what the model reads, and nothing of that is told.
        part = {"choice": "", "score": f"[{option}]", "noul": (".true", ".false")[option > 0]}
        return f"{path}.criteria{part[question.type]}"

    def decision_questions(self, task_of: TaskOf) -> tuple[DecisionQuestion, ...]:
        """Raises InvalidInput."""
        asked = []
        for name, question in self.questions.items():
            if not name:
                raise InvalidInput("questions", "have one without an id")
            with field(path_of(("questions", name))):
                asked.append(_decision_question(question, task_of(name, "id")))
        return tuple(asked)


def _decision_question(question: Any, task: str) -> DecisionQuestion:
    text = _text(question.instructions, "instructions") or ""
    match question:
        case Choice(criteria=criteria):
            options = tuple(
                name if (said := _text(each, "criteria")) is None else f"{name} - {said}"
                for name, each in criteria.items()
            )
            check_options("criteria", options)
            return DecisionQuestion(Kind.CHOICE, text, options, task)
        case Score(criteria=levels):
            names = [_text(each, "criteria") or "" for each in levels]
            check_options("criteria", names)
            return DecisionQuestion(Kind.SCORE, text, tuple(names), task)
        case _:
            sides = question.criteria or Sides()
            options = tuple(_text(each, "criteria") or "" for each in (sides.true, sides.false))
            if all(options):
                check_options("criteria", options)
            return DecisionQuestion(Kind.PREDICATE, text, options, task)


def _text(said: Any, name: str) -> str | None:
    """Numbers and objects are said as their JSON."""
    return said if isinstance(said, str) or said is None else as_json(said, name)


def response(request: Request, answers: list[Answer], key: bytes | None) -> dict[str, Any]:
    """What vLLM's route gives, with our own fields in each answer; with a key, a receipt too."""
    told = list(zip(request.questions.items(), answers, strict=True))
    return {
        "id": request.request_id or f"{random.getrandbits(128):032x}",
        "object": "structured_decision",
        "created": int(time.time()),
        "model": request.model,
        "answers": {name: _answer(question, answer, key) for (name, question), answer in told},
        "usage": {
            "input_tokens": sum(each.prompt_tokens for each in answers),
            "output_tokens": len(answers),
        },
        "diagnostics": {
            name: {
                "label_mass": label_mass(answer),
                "argmax_is_label": any(answer.read.as_asked.greedy),
            }
            for (name, _), answer in told
        },
    }


def _answer(question: Any, answer: Answer, key: bytes | None) -> dict[str, Any]:
    probabilities = answer.calibrated.tolist()
    said: dict[str, Any]
    match question:
        case Choice(criteria=criteria):
            names = list(criteria)
            said = {
                "choice": names[answer.choice],
                "probabilities": dict(zip(names, probabilities, strict=True)),
            }
        case Score(criteria=levels):
            said = {
                "score": expected_level(answer),
                "legend": {
                    str(index): _text(level, "criteria") for index, level in enumerate(levels)
                },
                "probabilities": {str(index): each for index, each in enumerate(probabilities)},
            }
        case _:
            said = {
                "noul": probabilities[0],
                "probabilities": dict(zip(("yes", "no"), probabilities, strict=True)),
            }
    confidence = probability_of_answer(answer)
    return {"type": question.type, **said, "confidence": confidence, **ours(answer, key)}
