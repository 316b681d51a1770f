"""Python ↔ messages of a fit, and of scores that the caller has, for both clients."""

import inspect
import warnings
from collections.abc import Iterable, Iterator, Sequence

from typing_extensions import Unpack

from trueodds import errors
from trueodds._channel import BATCH
from trueodds._convert.calibrators import calibrator_of
from trueodds._convert.enums import CORRECTIONS, METHODS
from trueodds._convert.models import model_name
from trueodds._convert.questions import question_message, reading_message, shot_message
from trueodds._numbers import number, number_or_none, numbers, whole
from trueodds.calibrator import BiasCorrection, Calibrator, Method
from trueodds.options import FIT, AnyReading, FitOptions, completed
from trueodds.question import Example, Question
from trueodds.scores import CalibratedScores, Scores
from trueodds.v1 import calibration_pb2

# What is said of the items of a fit.
_OF_ITEMS = ("shots", "teacher_shots", "content_free", "probability_step", "allow_probabilities")
_CORRECTIONS = {correction: message for message, correction in CORRECTIONS.items()}


def fit_message(
    items: Iterable[Example | Question | Scores],
    model: str,
    task: str = "",
    **options: Unpack[FitOptions],
) -> calibration_pb2.FitCalibratorRequest:
    told = completed(options, FIT)
    teacher, teacher_reading = told["teacher"], told["teacher_reading"]
    message = calibration_pb2.FitCalibratorRequest(
        model=model_name(model),
        task=task,
        reading=reading_message(told["reading"]),
        method=METHODS[Method(told["method"])],
        teacher=model_name(teacher) if teacher else "",
        temperature=number_or_none(told["temperature"], "temperature"),
        target_risk=number_or_none(told["target_risk"], "target_risk"),
        target_passed_on=number_or_none(told["target_passed_on"], "target_passed_on"),
        activate=told["activate"],
        force=told["force"],
        any_options=told["any_options"],
        teacher_reading=None if teacher_reading is None else reading_message(teacher_reading),
        bias_correction=_CORRECTIONS[BiasCorrection(told["bias_correction"])],
        request_id=told["request_id"],
        validate_only=told["validate_only"],
    )
    items = list(items)
    if told["options"] is not None:
        if items:
            raise errors.InvalidRequest("options: items have their own", field="options")
        _refuse(told, _OF_ITEMS, "goes with items, not with options alone")
        message.options = whole(told["options"], "options")
        return message
    if not items:
        _refuse(told, _OF_ITEMS, "goes with items, and there are none")
    add_items(message, items, told["shots"])
    tell_of_scores(message, told["probability_step"], told["allow_probabilities"])
    # To touch the one source would clear the other.
    if told["teacher_shots"]:
        if message.WhichOneof("source") == "scores":
            raise errors.InvalidRequest(
                "teacher_shots: go with questions, not with scores", field="teacher_shots"
            )
        message.questions.teacher_shots.extend(map(shot_message, told["teacher_shots"]))
    if told["content_free"]:
        if message.WhichOneof("source") == "questions":
            raise errors.InvalidRequest(
                "content_free: goes with scores, not with questions", field="content_free"
            )
        # They are told as the items are.
        probabilities = bool(message.scores.items[0].probabilities)
        message.scores.content_free.extend(
            _option_scores(
                Scores(probabilities=row) if probabilities else row, f"content_free[{place}]"
            )
            for place, row in enumerate(told["content_free"])
        )
    return message


def _refuse(told: FitOptions, names: Sequence[str], why: str) -> None:
    """Raises InvalidRequest at what would be left out of the request without a word."""
    for name in names:
        if told[name]:  # type: ignore[literal-required]
            raise errors.InvalidRequest(f"{name}: {why}", field=name)


class DegenerateFitWarning(UserWarning):
    """A fit that was to be activated is degenerate: it is kept, and not active."""


class DamagedCalibratorWarning(UserWarning):
    """A calibrator's record in the server's store cannot be read; it answers nothing."""


def warn_of_damaged(damaged: Iterable[calibration_pb2.DamagedCalibrator]) -> None:
    """Tells of the damaged records of a listing."""
    for each in damaged:
        active = "active and " if each.active else ""
        _warn(
            f"{each.name} is {active}damaged: roll it back or delete it by its name",
            DamagedCalibratorWarning,
        )


def fitted_of(message: calibration_pb2.Calibrator, *, activate: bool) -> Calibrator:
    """What a fit gave; warns where it was to be activated and is not."""
    if activate and message.degenerate and not message.active:
        _warn(f"{message.name} is not activated: {message.degenerate}", DegenerateFitWarning)
    return calibrator_of(message)


def _warn(message: str, category: type[Warning]) -> None:
    """Warns at the line that called the client: the nearest one outside of this package."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and _is_own(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_own(module: str) -> bool:
    return module.startswith("trueodds.") and not module.startswith("trueodds.cli.")


def add_items(
    message: calibration_pb2.FitCalibratorRequest | calibration_pb2.EvaluateCalibratorRequest,
    items: Sequence[Example | Question | Scores],
    shots: Sequence[Example],
) -> None:
    """Questions, or scores; raises InvalidRequest for a mixture, or shots beside scores.

    No items are no source, and the server says what it needs.
    """
    if not items:
        return
    scores = [item for item in items if isinstance(item, Scores)]
    if not scores:
        message.questions.shots.extend(shot_message(shot) for shot in shots)
        message.questions.items.extend(
            _fit_question(item) for item in items if not isinstance(item, Scores)
        )
        return
    if len(scores) < len(items):
        raise errors.InvalidRequest("items: either questions or scores", field="items")
    if shots:
        raise errors.InvalidRequest("shots: go with questions, not with scores", field="shots")
    message.scores.items.extend(
        calibration_pb2.FitScore(
            logprobs=each.logprobs,
            teacher_logprobs=each.teacher_logprobs,
            answer=each.answer,
            teacher_format_probability=each.teacher_format_probability,
            probabilities=each.probabilities,
            teacher_probabilities=each.teacher_probabilities,
            confidence=each.confidence,
            correct=each.correct,
        )
        for each in scores
    )
    if scores[0].confidence is not None:
        # Confidences alone were read by whoever gave them.
        message.ClearField("reading")


def tell_of_scores(
    message: calibration_pb2.FitCalibratorRequest | calibration_pb2.EvaluateCalibratorRequest,
    probability_step: float,
    allow_probabilities: bool,
) -> None:
    """What probabilities are rounded to; and whether logprobs may look like probabilities."""
    number(probability_step, "probability_step")
    told = {"probability_step": probability_step, "allow_probabilities": allow_probabilities}
    for name, value in told.items():
        if value:
            if message.WhichOneof("source") != "scores":
                raise errors.InvalidRequest(f"{name}: goes with scores only", field=name)
            setattr(message.scores, name, value)


def _fit_question(item: Example | Question) -> calibration_pb2.FitQuestion:
    example = Example(item) if isinstance(item, Question) else item
    return calibration_pb2.FitQuestion(
        question=question_message(example.question), answer=example.answer
    )


def calibrate_messages(
    name: str,
    model: str,
    task: str,
    reading: AnyReading | None,
    rows: Sequence[Sequence[float] | Scores],
    probability_step: float = 0.0,
    allow_probabilities: bool = False,
    size: int = BATCH,
) -> Iterator[calibration_pb2.CalibrateRequest]:
    """The rows in messages of ``size``; where there are none, one message, which is refused."""
    for first in range(0, max(len(rows), 1), size):
        yield calibration_pb2.CalibrateRequest(
            name=name,
            model=model and model_name(model),
            task=task,
            reading=None if reading is None else reading_message(reading),
            items=[
                _option_scores(row, f"rows[{place}]")
                for place, row in enumerate(rows[first : first + size], first)
            ],
            probability_step=number(probability_step, "probability_step"),
            allow_probabilities=allow_probabilities,
        )


def _option_scores(row: Sequence[float] | Scores, name: str) -> calibration_pb2.OptionScores:
    if not isinstance(row, Scores):
        return calibration_pb2.OptionScores(logprobs=numbers(row, name))
    return calibration_pb2.OptionScores(
        logprobs=row.logprobs, probabilities=row.probabilities, confidence=row.confidence
    )


def calibrated_of(
    message: calibration_pb2.CalibrateResponse, first: int
) -> list[CalibratedScores | errors.TrueoddsError]:
    """One outcome a row; ``first`` is the index of the message's first among all."""
    return [
        CalibratedScores(
            tuple(each.scores.probabilities),
            tuple(each.scores.calibrated_probabilities),
            each.scores.choice if each.scores.HasField("choice") else None,
            each.scores.confidence,
            each.scores.calibrated_confidence,
            each.scores.calibrator,
            message.calibration_stale,
        )
        if each.HasField("scores")
        else errors.from_status(each.error, index=index, within="items")
        for index, each in enumerate(message.outcomes, first)
    ]
