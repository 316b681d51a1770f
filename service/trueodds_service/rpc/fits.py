"""FitCalibratorRequest → FitQuery, checked: every error names its field."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.core.fits import CONSTANT_TEMPERATURE
from trueodds_service.core.methods import Method
from trueodds_service.core.solver import DEFAULT_BOUNDS
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.fit import FitQuery, FitQuestions, FitScores, NoData
from trueodds_service.prompts.question import Question
from trueodds_service.prompts.reading import OrderCorrection, Reading
from trueodds_service.rpc.calibrators import METHOD_MESSAGES
from trueodds_service.rpc.names import parse_model
from trueodds_service.rpc.questions import QuestionParser, parse_answer, parse_task
from trueodds_service.rpc.reading import parse_reading

_METHODS = {message: method for method, message in METHOD_MESSAGES.items()}
_UNKNOWN = -1
_NEED_DATA = (Method.TEMPERATURE, Method.TEACHER_KL)

# Sums of larger scores would not be finite, and no model gives any as large.
_MAX_SCORE = 1e100


def parse_fit(request: pb.FitCalibratorRequest, limits: Limits) -> FitQuery:
    """Raises InvalidInput."""
    model = parse_model(request.model, "model")
    method = _METHODS.get(request.method)
    if method is None:
        raise InvalidInput("method", "is required: IDENTITY, CONSTANT, TEMPERATURE or TEACHER_KL")
    reading = _reading(request, limits)
    return FitQuery(
        model=model,
        task=parse_task(request.task, "task"),
        reading=reading,
        method=method,
        temperature=_temperature(request, method),
        teacher=_teacher(request, method),
        source=_source(request, method, reading, limits),
        activate=request.activate,
    )


def _reading(request: pb.FitCalibratorRequest, limits: Limits) -> Reading:
    with field("reading"):
        reading = parse_reading(request.reading, limits)
        if reading.order is OrderCorrection.PRIOR and not reading.label_prior:
            raise InvalidInput(
                "label_prior", "is required for a fit: a calibrator is for scores of one prior"
            )
    return reading


def _temperature(request: pb.FitCalibratorRequest, method: Method) -> float:
    if not request.HasField("temperature"):
        return CONSTANT_TEMPERATURE
    if method is not Method.CONSTANT:
        raise InvalidInput("temperature", "goes with METHOD_CONSTANT only")
    low, high = DEFAULT_BOUNDS
    if not low <= request.temperature <= high:
        raise InvalidInput("temperature", f"has to be from {low:g} to {high:g}")
    return request.temperature


def _teacher(request: pb.FitCalibratorRequest, method: Method) -> str | None:
    if not request.teacher:
        return None
    if method is not Method.TEACHER_KL or request.WhichOneof("source") != "questions":
        raise InvalidInput("teacher", "goes with METHOD_TEACHER_KL and questions only")
    return parse_model(request.teacher, "teacher")


def _source(
    request: pb.FitCalibratorRequest, method: Method, reading: Reading, limits: Limits
) -> FitQuestions | FitScores | NoData:
    source = request.WhichOneof("source")
    if source == "options" and method not in _NEED_DATA:
        if not 2 <= request.options <= limits.max_options:  # noqa: PLR2004
            raise InvalidInput("options", f"has to be from 2 to {limits.max_options}")
        return NoData(request.options)
    if source == "questions" and method in _NEED_DATA:
        with field("questions"):
            return _questions(request.questions, method, reading, limits)
    if source == "scores" and method in _NEED_DATA:
        with field("scores"):
            return _scores(request.scores, method, limits)
    wanted = "questions or scores" if method in _NEED_DATA else "options"
    raise InvalidInput("source", f"METHOD_{method.name} is fitted from {wanted}")


def _questions(
    message: pb.FitQuestions, method: Method, reading: Reading, limits: Limits
) -> FitQuestions:
    _check_count(len(message.items), limits)
    parser = QuestionParser(reading, limits, message.options)
    questions: list[Question] = []
    answers: list[int] = []
    for index, item in enumerate(message.items):
        with field(f"items[{index}]"):
            with field("question"):
                question = parser.question(item.question)
                if questions and len(question.options) != len(questions[0].options):
                    raise InvalidInput("options", _same_count(len(questions[0].options)))
            answer = _UNKNOWN
            if item.HasField("answer"):
                answer = parse_answer(item.answer, question)
            elif method is Method.TEMPERATURE:
                raise InvalidInput("answer", "METHOD_TEMPERATURE needs it")
        questions.append(question)
        answers.append(answer)
    shots = parser.shots(message.shots, "shots")
    return FitQuestions(shots, tuple(questions), np.array(answers, dtype=np.int64))


def _scores(message: pb.FitScores, method: Method, limits: Limits) -> FitScores:
    _check_count(len(message.items), limits)
    count = len(message.items[0].logprobs)
    if not 2 <= count <= limits.max_options:  # noqa: PLR2004
        raise InvalidInput("items[0].logprobs", f"has {count}; from 2 to {limits.max_options}")
    for index, item in enumerate(message.items):
        with field(f"items[{index}]"):
            _check_logprobs(item.logprobs, count, "logprobs")
            if method is Method.TEACHER_KL:
                _check_logprobs(item.teacher_logprobs, count, "teacher_logprobs")
            if method is Method.TEMPERATURE and not item.HasField("answer"):
                raise InvalidInput("answer", "METHOD_TEMPERATURE needs it")
            if item.HasField("answer") and not 0 <= item.answer < count:
                raise InvalidInput("answer", f"{item.answer} is no option; from 0 to {count - 1}")
    teacher = [item.teacher_logprobs for item in message.items]
    return FitScores(
        logprobs=_array([item.logprobs for item in message.items]),
        teacher_logprobs=_array(teacher) if method is Method.TEACHER_KL else None,
        answers=np.array(
            [item.answer if item.HasField("answer") else _UNKNOWN for item in message.items],
            dtype=np.int64,
        ),
    )


def _check_count(count: int, limits: Limits) -> None:
    if not 1 <= count <= limits.max_items:
        raise InvalidInput("items", f"has {count} items; from 1 to {limits.max_items}")


def _check_logprobs(values: Sequence[float], count: int, name: str) -> None:
    if len(values) != count:
        raise InvalidInput(name, _same_count(count))
    if any(math.isnan(value) or value == math.inf for value in values):
        raise InvalidInput(name, "holds NaN or +inf")
    if any(math.isfinite(value) and abs(value) > _MAX_SCORE for value in values):
        raise InvalidInput(name, f"holds a number beyond ±{_MAX_SCORE:g}")
    if all(value == -math.inf for value in values):
        raise InvalidInput(name, "gives no option any probability")


def _same_count(count: int) -> str:
    return (
        f"has to be {count} long, as in the first item: a calibrator is for one number of options"
    )


def _array(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    return np.array([list(row) for row in rows], dtype=np.float64)
