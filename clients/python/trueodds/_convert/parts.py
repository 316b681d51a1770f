"""A fit or an evaluation that is too long for one message, in parts."""

from collections.abc import Iterator
from typing import Any, TypeVar

from trueodds._channel import BATCH_BYTES
from trueodds.v1.calibration_pb2 import (
    EvaluateCalibratorRequest,
    FitCalibratorRequest,
    StreamEvaluateCalibratorRequest,
    StreamFitCalibratorRequest,
)

_Request = TypeVar("_Request", FitCalibratorRequest, EvaluateCalibratorRequest)


def fit_events(stub: Any, request: FitCalibratorRequest, timeout: float) -> Any:
    """The call of a fit, by the stub of either client."""
    if not _is_long(request):
        return stub.FitCalibrator(request, timeout=timeout)
    messages = (StreamFitCalibratorRequest(part=part) for part in parts(request))
    return stub.StreamFitCalibrator(messages, timeout=timeout)


def evaluation_events(stub: Any, request: EvaluateCalibratorRequest, timeout: float) -> Any:
    """The call of an evaluation, by the stub of either client."""
    if not _is_long(request):
        return stub.EvaluateCalibrator(request, timeout=timeout)
    messages = (StreamEvaluateCalibratorRequest(part=part) for part in parts(request))
    return stub.StreamEvaluateCalibrator(messages, timeout=timeout)


def _is_long(request: FitCalibratorRequest | EvaluateCalibratorRequest) -> bool:
    """Whether it is to travel in parts: messages of as many bytes as those of a batch."""
    return request.ByteSize() > BATCH_BYTES


def parts(request: _Request) -> Iterator[_Request]:
    """The request with its first items, then requests that hold further items alone.

    An item is never split, so a part is at most one item larger than it should be.
    """
    whole = type(request)()
    whole.CopyFrom(request)
    items = whole.questions.items if whole.HasField("questions") else whole.scores.items
    left = list(items)
    del items[:]
    held = whole.ByteSize()
    part, source = whole, request.WhichOneof("source")
    for item in left:
        into = part.questions.items if source == "questions" else part.scores.items
        into.append(item)  # type: ignore[arg-type]
        held += item.ByteSize()
        if held >= BATCH_BYTES:
            yield part
            part, held = type(request)(), 0
    if held:
        yield part
