"""FitCalibratorRequest → FitQuery, checked: every error names its field."""

import hashlib

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import reading_pb2
from trueodds_service.config import Limits
from trueodds_service.core.calibrators.methods import CONFIDENCE_MAPS, SPECS, Method
from trueodds_service.core.decisions.cascade import Target
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import CONSTANT_TEMPERATURE
from trueodds_service.core.fitting.temperature import DEFAULT_BOUNDS
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.cascade_promise import check_no_promise, promise_of
from trueodds_service.flows.fit import FitQuery
from trueodds_service.flows.fit_cascade import FitCascade
from trueodds_service.flows.fit_data import FitQuestions, NoData
from trueodds_service.flows.fit_record import Bias
from trueodds_service.prompts.reading import OrderCorrection, Reading
from trueodds_service.rpc.calibration.calibrators import BIAS_MESSAGES, METHOD_MESSAGES
from trueodds_service.rpc.calibration.items import parse_questions, parse_scores
from trueodds_service.rpc.calibration.rows import NO_READING, RowKind, kind_of
from trueodds_service.rpc.names import parse_model
from trueodds_service.rpc.questions import parse_task
from trueodds_service.rpc.reading import parse_reading
from trueodds_service.store.records import FitRequest

_METHODS = {message: method for method, message in METHOD_MESSAGES.items()}
_BIASES = {message: bias for bias, message in BIAS_MESSAGES.items()}
_MAX_REQUEST_ID = 128


def parse_fit(request: pb.FitCalibratorRequest, limits: Limits) -> FitQuery | FitCascade:
    """Raises InvalidInput."""
    if request.method == pb.METHOD_CASCADE:
        return _cascade(request, limits)
    check_no_promise(_shares(request))
    model = parse_model(request.model, "model")
    task = parse_task(request.task, "task")
    method = _method(request.method)
    bias = _BIASES.get(request.bias_correction)
    if bias is None:
        raise InvalidInput("bias_correction", f"{request.bias_correction} is not a correction")
    if request.HasField("scores") and kind_of(request.scores.items) is RowKind.CONFIDENCE:
        _check_alone(request, method, bias)
    elif request.any_options:
        _check_any_options(method, bias)
    reading = fit_reading(request.reading, "reading", limits)
    # A teacher's own fields make sense where the service asks it.
    asks_teacher = _may_teach(method) and request.WhichOneof("source") == "questions"
    if request.teacher and not asks_teacher:
        raise InvalidInput("teacher", "goes with questions and a method that has a teacher only")
    if request.HasField("teacher_reading") and not asks_teacher:
        raise InvalidInput(
            "teacher_reading", "goes with questions and a method that has a teacher only"
        )
    teacher_reading = None
    if asks_teacher:
        teacher_reading = reading
        if request.HasField("teacher_reading"):
            teacher_reading = fit_reading(request.teacher_reading, "teacher_reading", limits)
    return FitQuery(
        model=model,
        task=task,
        reading=reading,
        method=method,
        temperature=_temperature(request, method),
        teacher=parse_model(request.teacher, "teacher") if request.teacher else None,
        source=_source(request, method, bias, (reading, teacher_reading), limits),
        activate=request.activate,
        force=request.force,
        teacher_reading=teacher_reading,
        bias=bias,
        request=_named(request),
        validate_only=request.validate_only,
        any_options=request.any_options,
    )


# What a cascade's fit has no use for.
_NOT_OF_CASCADES = ("temperature", "teacher", "bias_correction", "teacher_reading")


def _shares(request: pb.FitCalibratorRequest) -> dict[Target, float | None]:
    said = {each.name: value for each, value in request.ListFields()}
    return {target: said.get(target) for target in Target}


def _cascade(request: pb.FitCalibratorRequest, limits: Limits) -> FitCascade:
    said = {each.name for each, _ in request.ListFields()}
    for name in _NOT_OF_CASCADES:
        if name in said:
            raise InvalidInput(name, "does not go with METHOD_CASCADE")
    promise = promise_of(_shares(request))
    if request.WhichOneof("source") != "questions":
        raise InvalidInput("source", "METHOD_CASCADE is fitted from questions")
    reading = fit_reading(request.reading, "reading", limits)
    with field("questions"):
        questions = parse_questions(
            request.questions,
            reading,
            limits,
            all_answered=promise.needs_answers,
            mixed=request.any_options,
        )
    return FitCascade(
        model=parse_model(request.model, "model"),
        task=parse_task(request.task, "task"),
        reading=reading,
        promise=promise,
        source=questions,
        activate=request.activate,
        force=request.force,
        request=_named(request),
        validate_only=request.validate_only,
        any_options=request.any_options,
    )


def _method(message: pb.Method.ValueType) -> Method | None:
    """None to choose one."""
    if message == pb.METHOD_AUTO:
        return None
    method = _METHODS.get(message)
    if method is None:
        names = ", ".join(pb.Method.keys()[1:])
        raise InvalidInput("method", f"is required: one of {names}")
    return method


def _check_any_options(method: Method | None, bias: Bias) -> None:
    """Raises InvalidInput for what has a number for each option, or for each of their number."""
    if method is not None and not SPECS[method].is_temperature:
        raise InvalidInput(
            "any_options",
            f"METHOD_{method.name} is for one number of options: it ends in no temperature",
        )
    if bias is not Bias.NONE:
        raise InvalidInput(
            "any_options", "a bias correction has a number for each option, so it is for as many"
        )


def _check_alone(request: pb.FitCalibratorRequest, method: Method | None, bias: Bias) -> None:
    """Raises InvalidInput for what looks at more than a confidence."""
    if method is not None and not SPECS[method].is_confidence_map:
        able = ", ".join(f"METHOD_{each.name}" for each in CONFIDENCE_MAPS)
        raise InvalidInput(
            "method",
            f"METHOD_{method.name} looks at every option, and these are confidences alone, for "
            f"which there are {able}, and METHOD_AUTO, which chooses among them",
        )
    if bias is not Bias.NONE:
        raise InvalidInput(
            "bias_correction", "has a number for each option, and confidences alone have none"
        )
    if request.HasField("reading"):
        raise InvalidInput("reading", NO_READING)


def _may_teach(method: Method | None) -> bool:
    return method is None or SPECS[method].needs_teacher


def fit_reading(message: reading_pb2.Reading, name: str, limits: Limits) -> Reading:
    """How the items of a fit are read; ``name`` is the field's. Raises InvalidInput."""
    with field(name):
        reading = parse_reading(message, limits)
        if reading.order is OrderCorrection.PRIOR and not reading.label_prior:
            raise InvalidInput(
                "label_prior", "is required for a fit: a calibrator is for scores of one prior"
            )
    return reading


def _temperature(request: pb.FitCalibratorRequest, method: Method | None) -> float:
    if not request.HasField("temperature"):
        return CONSTANT_TEMPERATURE
    if method is not Method.CONSTANT:
        raise InvalidInput("temperature", "goes with METHOD_CONSTANT only")
    low, high = DEFAULT_BOUNDS
    if not low <= request.temperature <= high:
        raise InvalidInput("temperature", f"has to be from {low:g} to {high:g}")
    return request.temperature


def _source(
    request: pb.FitCalibratorRequest,
    method: Method | None,
    bias: Bias,
    readings: tuple[Reading, Reading | None],
    limits: Limits,
) -> FitQuestions | FitData | NoData:
    source = request.WhichOneof("source")
    if source == "questions":
        reading, teacher_reading = readings
        with field("questions"):
            questions = parse_questions(
                request.questions,
                reading,
                limits,
                teacher_reading=teacher_reading,
                mixed=request.any_options,
            )
        if bias is Bias.CONTEXTUAL and any(each.prompt for each in questions.questions):
            raise InvalidInput(
                "bias_correction", "CONTEXTUAL needs questions with a text, not with a prompt"
            )
        return questions
    if source == "scores":
        taught = None if method is None else SPECS[method].needs_teacher
        contextual = bias is Bias.CONTEXTUAL
        with field("scores"):
            return parse_scores(
                request.scores,
                limits,
                taught=taught,
                content_free=contextual,
                mixed=request.any_options,
            )
    needs_data = method is None or SPECS[method].min_items > 0
    if needs_data or (source is None and not request.any_options):
        name = "METHOD_AUTO" if method is None else f"METHOD_{method.name}"
        wanted = "questions or scores" if needs_data else "options, questions or scores"
        raise InvalidInput("source", f"{name} is fitted from {wanted}")
    if bias is not Bias.NONE:
        raise InvalidInput("bias_correction", "needs questions or scores")
    if request.any_options:
        if request.options:
            raise InvalidInput("options", "do not go with any_options: say one of them")
        return NoData(0)
    if not 2 <= request.options <= limits.max_options:  # noqa: PLR2004 (a choice needs two)
        raise InvalidInput("options", f"has to be from 2 to {limits.max_options}")
    return NoData(request.options)


def parse_request_id(name: str) -> str:
    """Raises InvalidInput at what can be no name of a request."""
    if len(name) > _MAX_REQUEST_ID or not name.isprintable():
        raise InvalidInput(
            "request_id", f"has to be printable and at most {_MAX_REQUEST_ID} characters long"
        )
    return name


def _named(request: pb.FitCalibratorRequest) -> FitRequest | None:
    """The caller's name for the request, and a hash of all else that it says."""
    if not request.request_id:
        return None
    name = parse_request_id(request.request_id)
    asked = pb.FitCalibratorRequest()
    asked.CopyFrom(request)
    asked.ClearField("request_id")
    asked.ClearField("validate_only")
    return FitRequest(name, hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest())
