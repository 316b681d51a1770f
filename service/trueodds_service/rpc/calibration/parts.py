"""The parts of a request that is too long for one message → the request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Protocol, TypeVar

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service import metering
from trueodds_service.config import Limits
from trueodds_service.edge.time_limits import in_time
from trueodds_service.errors import InvalidInput, ServiceError

_Request = TypeVar("_Request", pb.FitCalibratorRequest, pb.EvaluateCalibratorRequest)
_Request_co = TypeVar(
    "_Request_co", pb.FitCalibratorRequest, pb.EvaluateCalibratorRequest, covariant=True
)
_MIB = 2**20
# How long the next part may take.
_PATIENCE_SECONDS = 60.0


class _Message(Protocol[_Request_co]):
    @property
    def part(self) -> _Request_co: ...


@asynccontextmanager
async def joined(
    messages: AsyncIterator[_Message[_Request] | ServiceError], limits: Limits
) -> AsyncIterator[_Request]:
    """The first part with the items of all others behind its own; it is held inside.

    Raises InvalidInput for a part that holds more than items, for none at all, and as soon as all
    together are larger than they may be; and Exhausted where all streams hold too much.
    """
    with closing(metering.current().stream()) as stream:
        yield await _join(messages, limits, stream)


async def _join(
    messages: AsyncIterator[_Message[_Request] | ServiceError],
    limits: Limits,
    stream: metering.Stream,
) -> _Request:
    request: _Request | None = None
    size = 0
    async for message in in_time(messages, _PATIENCE_SECONDS):
        if isinstance(message, ServiceError):  # bytes that are no message
            raise message
        part = message.part
        stream.check_room()
        size_of_part = part.ByteSize()
        stream.hold(size_of_part)
        size += size_of_part
        if size > limits.max_fit_mib * _MIB:
            raise InvalidInput("part", f"all parts are larger than {limits.max_fit_mib} MiB")
        if request is None:
            request = part
            continue
        _check_items(part, request.WhichOneof("source"))
        request.MergeFrom(part)
    if request is None:
        raise InvalidInput("part", "is required: the first says what to do")
    return request


def _check_items(part: _Request, source: str | None) -> None:
    """Raises InvalidInput unless a later part holds items of the first part's source alone."""
    only = type(part)()
    if source == "questions":
        only.questions.items.extend(part.questions.items)
    elif source == "scores":
        only.scores.items.extend(part.scores.items)
    if part != only or source not in ("questions", "scores"):
        raise InvalidInput("part", "after the first one holds items of the same source and no more")
