"""The path of a fit on recorded decisions: one calibrator a task, type and number of options."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.fit import CONSTANT_TEMPERATURE
from trueodds_service.errors import InvalidInput, NotReady
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.cascade_promise import CascadePromise
from trueodds_service.flows.catalog import Catalog, ServedModel
from trueodds_service.flows.decide import Decision, labelled, reading_of
from trueodds_service.flows.fit import FitQuery, fit
from trueodds_service.flows.fit_cascade import FitCascade, fit_cascade
from trueodds_service.flows.fit_data import FitQuestions, Progress
from trueodds_service.prompts.question import Kind, Question
from trueodds_service.store.calibrator import Calibrator

_ITEM = re.compile(r"questions\.items\[(\d+)\](\.question)?")


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision, and the right option of each of its questions: -1 where nobody knows it."""

    decision: Decision
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FitDecisions:
    """Decisions of one model, and how to fit; ``method`` is None to choose one for each fit.

    With ``redrawn`` the decisions have seeds for their labels.
    With ``any_options`` a task has one temperature a type, for any number of options.
    With a ``promise`` the model is a cascade, and its thresholds are found.
    """

    model: str
    recorded: tuple[RecordedDecision, ...]
    method: Method | None
    teacher: str | None = None
    activate: bool = False
    cyclic: bool = False
    redrawn: bool = False
    any_options: bool = False
    promise: CascadePromise | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    """A question, its answer, and where it came from: decision and question, by their index."""

    task: str
    question: Question
    answer: int
    place: tuple[int, int]


async def fit_decisions(
    asked: FitDecisions, catalog: Catalog, calibrators: Calibrators
) -> list[Calibrator]:
    """One after the other; what was fitted before one that cannot be stays. Raises a ServiceError,
    of which an InvalidInput names the decision and the question.
    """
    cascade = catalog.cascade(asked.model) if asked.promise is not None else None
    model = catalog.find(asked.model) if cascade is None else cascade.last
    served = await model.ready()
    items = [
        item
        for place, recorded in enumerate(asked.recorded)
        for item in _items(
            recorded, await asyncio.to_thread(labelled, served, recorded.decision), place
        )
    ]
    fitted = []
    for task, group in _groups(items, any_options=asked.any_options):
        try:
            async for event in _fit(asked, task, group, catalog, calibrators):
                if isinstance(event, Calibrator):
                    fitted.append(event)
        except InvalidInput as error:
            raise _placed(error, group) from error
        except NotReady as error:
            raise _told_at(error, group) from error
    return fitted


def _items(
    recorded: RecordedDecision, questions: Sequence[Question], place: int
) -> Iterator[_Item]:
    told = zip(recorded.decision.questions, questions, recorded.answers, strict=True)
    for number, (asked, question, answer) in enumerate(told):
        yield _Item(asked.task, question, answer, (place, number))


def _groups(items: Sequence[_Item], *, any_options: bool) -> Iterator[tuple[str, Sequence[_Item]]]:
    """The items of each calibrator's scope, in the order in which the first of each comes."""
    groups: dict[tuple[str, Kind | None, int], list[_Item]] = {}
    for item in items:
        options = 0 if any_options else len(item.question.options)
        groups.setdefault((item.task, item.question.kind, options), []).append(item)
    for (task, _, _), group in groups.items():
        yield task, group


def _fit(
    asked: FitDecisions,
    task: str,
    group: Sequence[_Item],
    catalog: Catalog,
    calibrators: Calibrators,
) -> AsyncIterator[Progress | Calibrator]:
    """The fit of one calibrator, or of one threshold."""
    reading = reading_of(cyclic=asked.cyclic, redrawn=asked.redrawn)
    source = FitQuestions(
        shots=(),
        questions=tuple(item.question for item in group),
        answers=np.array([item.answer for item in group], dtype=np.int64),
    )
    if asked.promise is not None:
        cascade = FitCascade(
            model=asked.model,
            task=task,
            reading=reading,
            promise=asked.promise,
            source=source,
            activate=asked.activate,
            any_options=asked.any_options,
            written=partial(_written, asked, [item.place for item in group]),
        )
        return fit_cascade(cascade, catalog, calibrators)
    query = FitQuery(
        model=asked.model,
        task=task,
        reading=reading,
        method=asked.method,
        temperature=CONSTANT_TEMPERATURE,
        teacher=asked.teacher,
        source=source,
        activate=asked.activate,
        any_options=asked.any_options,
    )
    return fit(query, catalog, calibrators)


async def _written(
    asked: FitDecisions, places: Sequence[tuple[int, int]], served: ServedModel
) -> tuple[Question, ...]:
    """The questions at some places, with the labels of another model."""

    def questions() -> tuple[Question, ...]:
        found = [labelled(served, each.decision) for each in asked.recorded]
        return tuple(found[decision][question] for decision, question in places)

    return await asyncio.to_thread(questions)


def _placed(error: InvalidInput, group: Sequence[_Item]) -> InvalidInput:
    found = _ITEM.match(error.field)
    if found is None:
        named = "decisions" if error.field.startswith("questions") else error.field
        return InvalidInput(named, error.message, reason=error.reason)
    path = f"{_path(group[int(found[1])])}{error.field[found.end() :]}"
    return InvalidInput(path, error.message, reason=error.reason)


def _told_at(error: NotReady, group: Sequence[_Item]) -> NotReady:
    """The same, of an error that begins with the item that it is of."""
    found = _ITEM.match(error.message)
    if found is None:
        return error
    message = f"{_path(group[int(found[1])])}{error.message[found.end() :]}"
    return NotReady(message, reason=error.reason)


def _path(item: _Item) -> str:
    decision, question = item.place
    return f"decisions[{decision}].questions[{question}]"
