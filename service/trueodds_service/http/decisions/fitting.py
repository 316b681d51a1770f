"""The body of ``POST /v1/decisions/calibrators``: decisions of before, and what was right."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.decisions.cascade import METHOD as CASCADE
from trueodds_service.core.decisions.cascade import Target
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.cascade_promise import CascadePromise, check_no_promise, promise_of
from trueodds_service.flows.decide import Decision
from trueodds_service.flows.fit_decisions import FitDecisions, RecordedDecision
from trueodds_service.http.decisions.bodies import Many, Seed, Strict, model_of
from trueodds_service.http.decisions.inputs import Item, system_and_state
from trueodds_service.http.decisions.openai_body import (
    MOST_QUESTIONS,
    Choice,
    Question,
    Score,
    decision_questions,
    field_of,
)
from trueodds_service.http.decisions.tasks import task_of

_AUTO = "auto"
# Where the flow says that something is of a question.
_QUESTION = re.compile(r"decisions\[(\d+)\]\.questions\[(\d+)\]\.(.+)")


class RecordedBody(Strict):
    """A decision as it was asked. ``answers`` are true or false, a choice's value, a level's label
    or number; null where nobody knows.
    """

    input: str | Many[Item]
    questions: Many[Question] = Field(min_length=1, max_length=MOST_QUESTIONS)
    answers: Many[str | bool | int | None] | None = None


class Request(Strict):
    model: str
    decisions: Annotated[Many[RecordedBody], Field(min_length=1)]
    task: str | None = None
    method: str = _AUTO
    teacher: str | None = None
    activate: bool = False
    any_options: bool = False
    target_risk: float | None = None
    target_passed_on: float | None = None
    order: Literal["as_asked", "cyclic"] = "as_asked"
    label_seed: Seed | None = None

    def fit(self, header: str | None, most: int) -> FitDecisions:
        """Raises InvalidInput."""
        if (count := sum(len(each.questions) for each in self.decisions)) > most:
            raise InvalidInput("decisions", f"have {count} questions together; at most {most}")
        promise = self._promise()
        needs_answers = promise is not None and promise.needs_answers
        recorded = []
        for place, each in enumerate(self.decisions):
            with field(f"decisions[{place}]"):
                recorded.append(self._recorded(each, header, place, needs_answers))
        return FitDecisions(
            model=model_of(self.model),
            recorded=tuple(recorded),
            method=_method(self.method),
            teacher=None if self.teacher is None else model_of(self.teacher),
            activate=self.activate,
            cyclic=self.order == "cyclic",
            redrawn=self.label_seed is not None,
            any_options=self.any_options,
            promise=promise,
        )

    def placed(self, error: InvalidInput) -> InvalidInput:
        """An error of the flow, named as the body has its field."""
        found = _QUESTION.fullmatch(error.field)
        if found is None:
            return error
        number, place, said = int(found[1]), int(found[2]), found[3]
        if error.reason == "PROMPT_TOO_LONG" or said in ("passage", "system"):
            name = f"decisions[{number}].input"
        elif said == "model":
            # The model itself has been asked for its labels before.
            name = "model" if self.teacher is None else "teacher"
        else:
            question = self.decisions[number].questions[place]
            name = f"decisions[{number}].{field_of(question, place, said)}"
        return InvalidInput(name, error.message, reason=error.reason)

    def _promise(self) -> CascadePromise | None:
        """What a cascade is to promise; None of other methods."""
        shares = {
            Target.RISK: self.target_risk,
            Target.PASSED_ON: self.target_passed_on,
        }
        if self.method == CASCADE:
            if self.teacher is not None:
                raise InvalidInput("teacher", "does not go with the method cascade")
            return promise_of(shares)
        check_no_promise(shares)
        return None

    def _recorded(
        self, each: RecordedBody, header: str | None, number: int, needs_answers: bool
    ) -> RecordedDecision:
        system, state = system_and_state(each.input)
        questions = decision_questions(each.questions, task_of(header, self.task))
        known = each.answers if each.answers is not None else [None] * len(questions)
        if len(known) != len(questions):
            raise InvalidInput("answers", f"are {len(known)}, and there are {len(questions)}")
        answers = []
        for place, (question, answer) in enumerate(zip(each.questions, known, strict=True)):
            if answer is None and needs_answers:
                raise InvalidInput(f"answers[{place}]", "is required: a threshold needs it")
            answers.append(-1 if answer is None else _index(question, answer, f"answers[{place}]"))
        # If all decisions were drawn alike, one order would be learnt.
        seed = None if self.label_seed is None else self.label_seed + number
        decision = Decision(self.model, state, questions, system, label_seed=seed)
        return RecordedDecision(decision, tuple(answers))


def _method(name: str) -> Method | None:
    if name in (_AUTO, CASCADE):
        return None
    try:
        return Method(name)
    except ValueError:
        known = ", ".join((_AUTO, *Method, CASCADE))
        raise InvalidInput("method", f"has to be one of {known}") from None


def _check_no_label(labels: Sequence[str], level: int, name: str) -> None:
    """Raises InvalidInput where a level's number is the label of another: of levels "1" to "5", 3
    may be meant as either.
    """
    if any(label.strip() == str(level) for place, label in enumerate(labels) if place != level):
        raise InvalidInput(name, "is the label of another level too: say the label as a string")


def _index(question: Any, answer: str | bool | int, name: str) -> int:
    """Which option an answer is."""
    options: list[Any]
    match question:
        case Choice():
            options = [each.value for each in question.choices]
        case Score():
            options = [each.label for each in question.levels]
            if isinstance(answer, int) and not isinstance(answer, bool):
                _check_no_label(options, answer, name)
                options = list(range(len(options)))
        case _:
            options = [True, False]
    for place, option in enumerate(options):
        if type(option) is type(answer) and option == answer:
            return place
    raise InvalidInput(name, "is none of the question's answers")
