"""Messages → the items of a fit or an evaluation, checked: every error names its field."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.core.fitting.data import UNKNOWN, FitData
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.fit_data import FitQuestions, one_number, score_rows
from trueodds_service.prompts.question import Question
from trueodds_service.prompts.reading import Reading
from trueodds_service.rpc.calibration.rows import (
    TEACHERS,
    RowKind,
    RowReader,
    kind_of,
    parse_step,
    refuse_probabilities,
)
from trueodds_service.rpc.questions import QuestionParser, parse_answer

# Of a confidence alone.
_RIGHT, _WRONG = 0, 1


def parse_questions(
    message: pb.FitQuestions,
    reading: Reading,
    limits: Limits,
    *,
    teacher_reading: Reading | None = None,
    all_answered: bool = False,
    mixed: bool = False,
) -> FitQuestions:
    """Raises InvalidInput; its field is relative to the message.

    With ``mixed`` items may have different numbers of options. ``teacher_reading`` is how a teacher
    reads the same questions, where there is one.
    """
    _check_count(len(message.items), limits)
    parser = QuestionParser(reading, limits, message.options)
    taught = parser
    if teacher_reading is not None:
        taught = QuestionParser(teacher_reading, limits, message.options)
    elif message.teacher_shots:
        raise InvalidInput("teacher_shots", "go with a method that has a teacher only")
    questions: list[Question] = []
    answers: list[int] = []
    for index, item in enumerate(message.items):
        with field(f"items[{index}]"):
            with field("question"):
                question = parser.question(item.question)
                if taught is not parser:
                    taught.question(item.question)
                if questions and not mixed:
                    _check_same(len(question.options), len(questions[0].options), "options")
            answer = UNKNOWN
            if item.HasField("answer"):
                answer = parse_answer(item.answer, question)
            elif all_answered:
                raise InvalidInput("answer", "is required")
        questions.append(question)
        answers.append(answer)
    return FitQuestions(
        parser.shots(message.shots, "shots"),
        tuple(questions),
        np.array(answers, dtype=np.int64),
        taught.shots(message.teacher_shots, "teacher_shots"),
    )


def parse_scores(
    message: pb.FitScores,
    limits: Limits,
    *,
    taught: bool | None = False,
    content_free: bool = False,
    finite: bool = True,
    all_answered: bool = False,
    mixed: bool = False,
) -> FitData:
    """Raises InvalidInput; its field is relative to the message.

    With ``taught`` every item has to have its teacher's scores; where it is None, all or none.
    Without ``finite`` an option's logprob may be -inf. With ``mixed`` items may have different
    numbers of options.
    """
    _check_count(len(message.items), limits)
    kind, teacher_kind = kind_of(message.items), kind_of(message.items, TEACHERS)
    step = parse_step(message.probability_step, (kind, teacher_kind))
    reader = RowReader(kind, step, limits, finite=finite)
    teachers = RowReader(teacher_kind, step, limits, prefix=TEACHERS)
    if taught is None:
        taught = not reader.alone and any(map(teachers.said_in, message.items))
    rows: list[NDArray[np.float64]] = []
    teacher_rows: list[NDArray[np.float64]] = []
    answers: list[int] = []
    for index, item in enumerate(message.items):
        with field(f"items[{index}]"):
            row = reader.read(item)
            if rows and not mixed:
                _check_same(len(row), len(rows[0]), kind)
            if taught:
                teacher_rows.append(_teacher_row(item, teachers, len(row)))
            if reader.alone:
                answers.append(_outcome(item))
            else:
                answers.append(_answer(item, len(row), all_answered))
            rows.append(row)
    logprobs, options = score_rows(rows)
    teacher = score_rows(teacher_rows)[0] if taught else None
    if not message.allow_probabilities:
        if kind is RowKind.LOGPROBS:
            refuse_probabilities(logprobs, options, f"items[0].{reader.field}")
        if teacher is not None and teacher_kind is RowKind.LOGPROBS:
            refuse_probabilities(teacher, options, f"items[0].{teachers.field}")
    return FitData(
        logprobs=logprobs,
        labels=np.array(answers, dtype=np.int64),
        teacher_logprobs=teacher,
        teacher_format=_teacher_format(message.items) if taught else None,
        options=options if mixed and not reader.alone else None,
        alone=reader.alone,
        content_free=_content_free(message, reader, len(rows[0]), content_free, limits),
        finite=finite,
    )


def _teacher_row(item: pb.FitScore, reader: RowReader, count: int) -> NDArray[np.float64]:
    if not reader.said_in(item):
        raise InvalidInput(reader.field, "is required of every item: the fit has a teacher")
    row = reader.read(item)
    if len(row) != count:
        raise InvalidInput(reader.field, f"has to be {count} long, as its other scores")
    return row


_NOT_ALONE = (
    "answer",
    "teacher_logprobs",
    "teacher_probabilities",
    "teacher_format_probability",
)


def _outcome(item: pb.FitScore) -> int:
    """Whether the answer of a confidence alone is right."""
    told = {each.name for each, _ in item.ListFields()}
    for name in _NOT_ALONE:
        if name in told:
            raise InvalidInput(name, "does not go with a confidence: say correct, and no more")
    if not item.HasField("correct"):
        raise InvalidInput("correct", "is required with a confidence: whether its answer is right")
    return _RIGHT if item.correct else _WRONG


def _answer(item: pb.FitScore, count: int, required: bool) -> int:
    if item.HasField("correct"):
        raise InvalidInput("correct", "goes with a confidence only: say answer, the right option")
    if not item.HasField("answer"):
        if required:
            raise InvalidInput("answer", "is required")
        return UNKNOWN
    if not 0 <= item.answer < count:
        raise InvalidInput("answer", f"{item.answer} is no option; from 0 to {count - 1}")
    return item.answer


def _content_free(
    message: pb.FitScores, reader: RowReader, count: int, wanted: bool, limits: Limits
) -> NDArray[np.float64] | None:
    given = len(message.content_free)
    if not wanted:
        if given:
            raise InvalidInput("content_free", "goes with BIAS_CORRECTION_CONTEXTUAL only")
        return None
    if not 1 <= given <= limits.max_items:
        raise InvalidInput("content_free", f"has {given}; from 1 to {limits.max_items}")
    rows = []
    for index, each in enumerate(message.content_free):
        with field(f"content_free[{index}]"):
            rows.append(reader.read(each))
            _check_same(len(rows[-1]), count, reader.kind)
    return score_rows(rows)[0]


def _teacher_format(items: Sequence[pb.FitScore]) -> NDArray[np.float64] | None:
    """p(F | x) of the teacher, (n,); None where it is given for no item."""
    known = [item.HasField("teacher_format_probability") for item in items]
    if not any(known):
        return None
    for index, item in enumerate(items):
        with field(f"items[{index}]"):
            if not known[index]:
                raise InvalidInput(
                    "teacher_format_probability", "is missing; give it for all or for none"
                )
            if not 0 <= item.teacher_format_probability <= 1:
                raise InvalidInput("teacher_format_probability", "has to be from 0 to 1")
    return np.array([item.teacher_format_probability for item in items])


def _check_count(count: int, limits: Limits) -> None:
    if not 1 <= count <= limits.max_fit_items:
        raise InvalidInput("items", f"has {count} items; from 1 to {limits.max_fit_items}")


def _check_same(count: int, wanted: int, name: str) -> None:
    if count != wanted:
        raise InvalidInput(name, one_number(wanted))
