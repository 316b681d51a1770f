"""Messages → the items of a fit or an evaluation, checked: every error names its field."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.fit_data import FitQuestions, FitScores, one_number, score_rows
from trueodds_service.prompts.question import Question
from trueodds_service.prompts.reading import Reading
from trueodds_service.rpc.questions import QuestionParser, parse_answer

_UNKNOWN = -1

# Sums of larger scores would not be finite, and no model gives any as large.
_MAX_SCORE = 1e100
# What an option's probability of two decimals may be off.
_ROUNDED = 0.005


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
            answer = _UNKNOWN
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
) -> FitScores:
    """Raises InvalidInput; its field is relative to the message.

    With ``taught`` every item has to have its teacher's scores; where it is None, all or none.
    Without ``finite`` an option may have no probability: -inf. With ``mixed`` items may have
    different numbers of options.
    """
    _check_count(len(message.items), limits)
    first = len(message.items[0].logprobs)
    if taught is None:
        taught = any(item.teacher_logprobs for item in message.items)
    answers: list[int] = []
    for index, item in enumerate(message.items):
        with field(f"items[{index}]"):
            count = len(item.logprobs)
            if index == 0 or mixed:
                check_options(count, limits)
            else:
                _check_same(count, first, "logprobs")
            check_logprobs(item.logprobs, "logprobs", finite=finite)
            if taught:
                _check_same(len(item.teacher_logprobs), count, "teacher_logprobs", "logprobs")
                check_logprobs(item.teacher_logprobs, "teacher_logprobs")
            answers.append(_answer(item, count, all_answered))
    logprobs, options = score_rows([item.logprobs for item in message.items])
    teacher = score_rows([item.teacher_logprobs for item in message.items])[0] if taught else None
    if not message.allow_probabilities:
        refuse_probabilities(logprobs, options, "items[0].logprobs")
        if teacher is not None:
            refuse_probabilities(teacher, options, "items[0].teacher_logprobs")
    return FitScores(
        logprobs=logprobs,
        teacher_logprobs=teacher,
        answers=np.array(answers, dtype=np.int64),
        teacher_format=_teacher_format(message.items) if taught else None,
        content_free=_content_free(message, first, content_free, limits),
        options=options,
    )


def _answer(item: pb.FitScore, count: int, required: bool) -> int:
    if not item.HasField("answer"):
        if required:
            raise InvalidInput("answer", "is required")
        return _UNKNOWN
    if not 0 <= item.answer < count:
        raise InvalidInput("answer", f"{item.answer} is no option; from 0 to {count - 1}")
    return item.answer


def _content_free(
    message: pb.FitScores, count: int, wanted: bool, limits: Limits
) -> NDArray[np.float64] | None:
    given = len(message.content_free)
    if not wanted:
        if given:
            raise InvalidInput("content_free", "goes with BIAS_CORRECTION_CONTEXTUAL only")
        return None
    if not 1 <= given <= limits.max_items:
        raise InvalidInput("content_free", f"has {given}; from 1 to {limits.max_items}")
    for index, each in enumerate(message.content_free):
        with field(f"content_free[{index}]"):
            _check_same(len(each.logprobs), count, "logprobs")
            check_logprobs(each.logprobs, "logprobs")
    return score_rows([each.logprobs for each in message.content_free])[0]


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


def check_options(count: int, limits: Limits) -> None:
    """Raises InvalidInput unless a row of scores may have ``count`` options."""
    if not 2 <= count <= limits.max_options:  # noqa: PLR2004 (a choice needs two)
        raise InvalidInput("logprobs", f"has {count}; from 2 to {limits.max_options}")


def _check_same(count: int, wanted: int, name: str, beside: str = "") -> None:
    if count != wanted:
        as_beside = f"has to be {wanted} long, as its {beside}"
        raise InvalidInput(name, as_beside if beside else one_number(wanted))


def check_logprobs(values: Sequence[float], name: str, *, finite: bool = True) -> None:
    """Raises InvalidInput at ``name`` unless these are scores of options.

    Without ``finite`` some may be -inf.
    """
    if any(math.isnan(value) or value == math.inf for value in values):
        raise InvalidInput(name, "holds NaN or +inf")
    if any(math.isfinite(value) and abs(value) > _MAX_SCORE for value in values):
        raise InvalidInput(name, f"holds a number beyond ±{_MAX_SCORE:g}")
    if all(value == -math.inf for value in values):
        raise InvalidInput(name, "gives no option any probability")
    if finite and any(value == -math.inf for value in values):
        raise InvalidInput(name, "holds -inf: a fit needs finite scores of all options")


def refuse_probabilities(rows: NDArray[np.float64], options: NDArray[np.int64], name: str) -> None:
    """Raises InvalidInput at ``name`` where all rows look like probabilities.

    ``rows`` have shape (n, k), and ``options``, (n,), is how many of a row count. The softmax of
    probabilities is flat whatever they are, and a temperature of it means nothing.
    """
    given = np.where(np.arange(rows.shape[1]) < options[:, np.newaxis], rows, 0)
    inside = ((given >= 0) & (given <= 1)).all()
    if inside and (np.abs(given.sum(axis=1) - 1) <= _ROUNDED * options).all():
        raise InvalidInput(
            name,
            "these are probabilities, in [0, 1] and summing to 1 in every item: give their "
            "logarithms, or say allow_probabilities if they are logprobs all the same",
            reason="SCORES_ARE_PROBABILITIES",
        )
