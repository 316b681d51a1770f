"""Requests that nothing is wrong with, small enough for a real engine."""

import math
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from hypothesis import strategies as st

from trueodds.v1 import calibration_pb2 as fits
from trueodds.v1 import model_pb2 as models
from trueodds.v1 import question_pb2 as questions
from trueodds.v1 import reading_pb2 as readings
from trueodds.v1 import scoring_pb2 as scores
from verification.fuzz.known import MARKER, TASK, Known
from verification.fuzz.values import CONTROLS, ROLES

Draw = st.DrawFn

_PROMPTS = ("text", "special_text", "token_ids", "chat")
_CUSTOM: list[dict[str, str]] = [
    {},
    {"answer": " {text}"},
    {"identifier": " (", "answer": "{label})"},
    {"question": "{passage}Q: {text}\n{options}A:", "option": "- {label} {text}\n"},
    {"question": "{text}", "separator": "\n---\n", "answer": "\n{text}"},
]


@st.composite
def requests(draw: Draw, method: str, known: Known) -> Any:
    """A request of the method."""
    return _REQUESTS[method](draw, known)


def _score(draw: Draw, known: Known) -> scores.ScoreRequest:
    settings, question = _settings_and_question(draw, known)
    question.answer_id = draw(st.sampled_from(["", "", "one", "ένα"]))
    return scores.ScoreRequest(settings=settings, question=question)


def _batch(draw: Draw, known: Known) -> scores.BatchScoreRequest:
    settings, question = _settings_and_question(draw, known)
    count = draw(st.integers(1, 3))
    return scores.BatchScoreRequest(settings=settings, questions=[question] * count)


def _stream(draw: Draw, known: Known) -> scores.StreamScoreRequest:
    settings, question = _settings_and_question(draw, known)
    return scores.StreamScoreRequest(settings=settings, batch_id="1", questions=[question])


def _settings_and_question(
    draw: Draw, known: Known
) -> tuple[scores.ScoreSettings, questions.Question]:
    options = draw(st.integers(2, 4))
    source = draw(st.sampled_from([None, None, *_PROMPTS, "chat"]))
    reading = _reading(draw, options, rendered=source is None)
    question = _question(draw, options, source, known)
    model = draw(st.sampled_from(known.models))
    settings = scores.ScoreSettings(
        model=model,
        task=draw(st.sampled_from(["", TASK])),
        reading=reading,
        shots=_shots(draw, options, known) if source is None else [],
        min_option_mass=draw(st.sampled_from([0.0, 0.5, 1.0])),
        min_confidence=draw(st.sampled_from([0.0, 0.5, 1.0])),
        top_tokens=draw(st.sampled_from([0, 1, 20])),
        require_calibrated=draw(st.sampled_from([None, None, False, True])),
        receipts=draw(st.booleans()),
    )
    if draw(st.booleans()):
        settings.options.extend(question.options)
        del question.options[:]
    if draw(st.integers(0, 9)) == 9:
        settings.calibrator = draw(st.sampled_from(known.calibrators))
        if draw(st.booleans()):
            settings.answer_set.method = draw(st.sampled_from(scores.AnswerSetMethod.values()[1:]))
            settings.answer_set.threshold = draw(st.sampled_from([0.0, 0.5, 1.0]))
    return settings, question


def _question(draw: Draw, options: int, source: str | None, known: Known) -> questions.Question:
    question = questions.Question(options=_options(draw, options, source, known))
    if source is not None:
        question.prompt.CopyFrom(_prompt(draw, source, known))
        return question
    question.text = f"Which one is {MARKER}?"
    if draw(st.booleans()):
        question.passage = f"Of {MARKER}."
    return question


def _options(draw: Draw, count: int, source: str | None, known: Known) -> list[questions.Option]:
    labelled = draw(st.booleans())
    last = _last_token(draw, known)
    return [
        questions.Option(
            text=f"{MARKER} {index}",
            label=f"{index + 1}{MARKER}" if labelled else "",
            token_ids=[40 + index, last] if source == "token_ids" else [],
        )
        for index in range(count)
    ]


def _last_token(draw: Draw, known: Known) -> int:
    """A plain one, or the last that some model reads: beyond what some others do."""
    return draw(st.sampled_from([7, 7, *(rows - 1 for rows in known.rows)]))


def _prompt(draw: Draw, source: str, known: Known) -> questions.Prompt:
    text = f"What is {MARKER}?\nAnswer:"
    match source:
        case "token_ids":
            ids = [50, 51, _last_token(draw, known)]
            return questions.Prompt(token_ids=questions.TokenIds(ids=ids))
        case "chat":
            return questions.Prompt(chat=_chat(draw, text))
        case "special_text":
            control = draw(st.sampled_from(["", *CONTROLS]))
            return questions.Prompt(special_text=control + text)
    return questions.Prompt(text=text)


def _chat(draw: Draw, text: str) -> questions.Chat:
    roles = draw(st.sampled_from([["user"]] * 3 + [["system", "user"], ["user", "assistant"]]))
    if draw(st.integers(0, 9)) == 9:
        roles = draw(st.lists(ROLES, min_size=1, max_size=5))
    prefix = draw(
        st.sampled_from(["", "", "Answer:", "Answer: ", "\n", "<think>", "The answer is"])
    )
    messages = [questions.ChatMessage(role=role, content=text) for role in roles]
    return questions.Chat(messages=messages, answer_prefix=prefix)


def _shots(draw: Draw, options: int, known: Known) -> list[questions.Shot]:
    return [
        questions.Shot(
            question=_question(draw, options, None, known), answer=draw(st.integers(0, 1))
        )
        for _ in range(draw(st.sampled_from([0, 0, 1, 2])))
    ]


def _reading(draw: Draw, options: int, *, rendered: bool) -> readings.Reading:
    reading = readings.Reading(
        format=draw(st.sampled_from(readings.Format.values())),
        normalization=draw(st.sampled_from(readings.Normalization.values())),
        sum_variants=draw(st.booleans()),
    )
    if reading.format == readings.FORMAT_CUSTOM:
        custom = draw(st.sampled_from(_CUSTOM))
        reading.custom_format.CopyFrom(readings.CustomFormat(**custom))
    if reading.normalization == readings.NORMALIZATION_PMI:
        reading.unconditional_prompt.text = "Answer:"
    if rendered:
        reading.order_correction = draw(st.sampled_from(readings.OrderCorrection.values()))
    if reading.order_correction == readings.ORDER_CORRECTION_PRIOR and draw(st.booleans()):
        reading.label_prior.extend([1 / options] * options)
    return reading


def _fit(draw: Draw, known: Known) -> fits.FitCalibratorRequest:
    options = draw(st.integers(2, 3))
    method = draw(st.sampled_from(fits.Method.values()[1:]))
    request = fits.FitCalibratorRequest(
        model=draw(st.sampled_from(known.models)),
        task=TASK,
        reading=_reading(draw, options, rendered=False),
        method=method,
        activate=draw(st.booleans()),
        force=draw(st.booleans()),
        any_options=draw(st.integers(0, 4)) == 4,
        validate_only=draw(st.booleans()),
        request_id=draw(st.sampled_from(["", "", "nightly"])),
    )
    if method == fits.METHOD_CONSTANT and draw(st.booleans()):
        request.temperature = draw(st.sampled_from([0.001, 1.5, 1000.0]))
    if method in (fits.METHOD_IDENTITY, fits.METHOD_CONSTANT) and draw(st.booleans()):
        request.options = options
        return request
    request.bias_correction = draw(st.sampled_from(fits.BiasCorrection.values()))
    if draw(st.booleans()):
        request.scores.CopyFrom(_scores(draw, options))
        if request.bias_correction == fits.BIAS_CORRECTION_CONTEXTUAL:
            request.scores.content_free.add(logprobs=_row(draw, options))
        return request
    request.questions.CopyFrom(_questions(draw, options, known))
    if method in _TAUGHT:
        request.teacher = draw(st.sampled_from(["", *known.models]))
        request.questions.teacher_shots.extend(_shots(draw, options, known))
        if draw(st.booleans()):
            request.teacher_reading.CopyFrom(_reading(draw, options, rendered=False))
    return request


_TAUGHT = (
    fits.METHOD_AUTO,
    fits.METHOD_TEACHER_KL,
    fits.METHOD_AGREEMENT_KL,
    fits.METHOD_TEACHER_POOLED,
)


def _questions(draw: Draw, options: int, known: Known) -> fits.FitQuestions:
    question = _question(draw, options, None, known)
    answer = draw(st.integers(0, options - 1))
    items = [fits.FitQuestion(question=question, answer=answer) for _ in range(5)]
    return fits.FitQuestions(items=items, shots=_shots(draw, options, known))


def _scores(draw: Draw, options: int) -> fits.FitScores:
    count = draw(st.sampled_from([5, 60]))
    spread = draw(st.sampled_from([1.0, 1.0, 0.0]))
    logprobs, teacher = _row(draw, options), _row(draw, options)
    sure = draw(st.sampled_from([None, 0.0, 1.0]))
    if not spread and draw(st.booleans()):
        logprobs = _probabilities(logprobs)
    return fits.FitScores(
        allow_probabilities=draw(st.booleans()),
        items=[
            fits.FitScore(
                # Each its own or all the same, from few drawn numbers.
                logprobs=[value * (1 + spread * number / count) for value in logprobs],
                teacher_logprobs=teacher,
                answer=number % options,
                teacher_format_probability=sure,
            )
            for number in range(count)
        ],
    )


def _probabilities(logprobs: list[float]) -> list[float]:
    """What a caller may give in place of logprobs."""
    shares = [math.exp(each) for each in logprobs]
    return [share / math.fsum(shares) for share in shares]


def _row(draw: Draw, options: int) -> list[float]:
    return draw(st.lists(st.floats(-20, 0), min_size=options, max_size=options))


def _evaluate(draw: Draw, known: Known) -> fits.EvaluateCalibratorRequest:
    options = draw(st.integers(2, 3))
    request = fits.EvaluateCalibratorRequest(
        name=draw(st.sampled_from(known.calibrators)),
        target_risks=draw(st.sampled_from([[], [0.5], [1e-9, 0.999]])),
        miscoverages=draw(st.sampled_from([[], [0.1, 0.9]])),
    )
    if draw(st.booleans()):
        request.scores.CopyFrom(_scores(draw, options))
    else:
        request.questions.CopyFrom(_questions(draw, options, known))
        request.reading.CopyFrom(_reading(draw, options, rendered=False))
    return request


def _check(draw: Draw, known: Known) -> fits.CheckCalibratorRequest:
    return fits.CheckCalibratorRequest(
        name=draw(st.sampled_from(known.calibrators)),
        questions=_questions(draw, draw(st.integers(2, 3)), known),
        teacher=draw(st.sampled_from(["", *known.models])),
        propose=draw(st.booleans()),
    )


def _calibrate(draw: Draw, known: Known) -> fits.CalibrateRequest:
    options = draw(st.integers(2, 3))
    request = fits.CalibrateRequest(
        items=[fits.OptionScores(logprobs=_row(draw, options)) for _ in range(2)]
    )
    if draw(st.booleans()):
        request.name = draw(st.sampled_from(known.calibrators))
    else:
        request.model = draw(st.sampled_from(known.models))
        request.task = TASK
    return request


def _list(draw: Draw, known: Known) -> fits.ListCalibratorsRequest:
    page_size = draw(st.sampled_from([0, 1, 2]))
    return fits.ListCalibratorsRequest(
        model=draw(st.sampled_from(known.models)), task=TASK, page_size=page_size
    )


def _activate(draw: Draw, known: Known) -> fits.ActivateCalibratorRequest:
    return fits.ActivateCalibratorRequest(
        name=draw(st.sampled_from(known.calibrators)), force=draw(st.booleans())
    )


def _drift(draw: Draw, known: Known) -> fits.GetDriftRequest:
    return fits.GetDriftRequest(
        name=draw(st.sampled_from(known.calibrators)), window=draw(st.sampled_from([0, 1, 10_000]))
    )


def _outcomes(draw: Draw, known: Known) -> fits.RecordOutcomesRequest:
    """What is no receipt is told by itself, so nothing is wrong with the request."""
    receipts = st.sampled_from(known.receipts) | st.binary(max_size=300)
    answers = st.fixed_dictionaries({"receipt": receipts}) | st.fixed_dictionaries(
        {"answer_id": st.sampled_from(["one", "ένα", "none"])}
    )
    return fits.RecordOutcomesRequest(
        outcomes=[
            fits.ReportedOutcome(**each, option=draw(st.sampled_from([None, 0, 1, 3])))
            for each in draw(st.lists(answers, min_size=1, max_size=4))
        ]
    )


def _named(kind: Callable[..., Message]) -> Callable[[Draw, Known], Message]:
    """Requests that hold only a calibrator's name."""
    return lambda draw, known: kind(name=draw(st.sampled_from(known.calibrators)))


def _of_model(kind: Callable[..., Message], field: str) -> Callable[[Draw, Known], Message]:
    """Requests that hold only a model's name."""
    return lambda draw, known: kind(**{field: draw(st.sampled_from(known.models))})


_REQUESTS: dict[str, Callable[[Draw, Known], Any]] = {
    "Score": _score,
    "BatchScore": _batch,
    "StreamScore": _stream,
    "FitCalibrator": _fit,
    "ListCalibrators": _list,
    "GetCalibrator": _named(fits.GetCalibratorRequest),
    "ActivateCalibrator": _activate,
    "RollbackCalibrator": _named(fits.RollbackCalibratorRequest),
    "EvaluateCalibrator": _evaluate,
    "StreamFitCalibrator": lambda draw, known: fits.StreamFitCalibratorRequest(
        part=_fit(draw, known)
    ),
    "StreamEvaluateCalibrator": lambda draw, known: fits.StreamEvaluateCalibratorRequest(
        part=_evaluate(draw, known)
    ),
    "CheckCalibrator": _check,
    "Calibrate": _calibrate,
    "DeleteCalibrator": _named(fits.DeleteCalibratorRequest),
    "RecordOutcomes": _outcomes,
    "GetDrift": _drift,
    "ListAlerts": lambda draw, known: fits.ListAlertsRequest(
        model=draw(st.sampled_from(known.models)), page_size=draw(st.sampled_from([0, 1, 1000]))
    ),
    "ListModels": lambda draw, known: models.ListModelsRequest(),
    "GetModel": _of_model(models.GetModelRequest, "name"),
    "Tokenize": _of_model(models.TokenizeRequest, "name"),
}
