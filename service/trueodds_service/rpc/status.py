"""The error tree as gRPC statuses (AIP-193): a code, a sentence, and details for programs."""

import logging
from typing import Any, TypeAlias

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from trueodds_service.edge.arrival import REQUEST_ID
from trueodds_service.errors import (
    Exhausted,
    InvalidInput,
    ServiceError,
    Unavailable,
    class_and_place,
)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_log = logging.getLogger(__name__)

DOMAIN = "trueodds"

# Tells gRPC's retries in how many milliseconds to come back (gRFC A6).
_PUSHBACK = "grpc-retry-pushback-ms"


def to_status(error: ServiceError) -> status_pb2.Status:
    """The status of an error: ErrorInfo always, BadRequest and RetryInfo where they apply."""
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    ]
    text = error.message
    if isinstance(error, InvalidInput):
        text = f"{error.field}: {error.message}"
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.message
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, Unavailable):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.code), message=text, details=_packed(details)
    )


def of_any(error: Exception) -> status_pb2.Status:
    """The status of whatever was raised: what is no error of the service's is a fault of ours."""
    if isinstance(error, ServiceError):
        return to_status(error)
    _log.error("%s", class_and_place(error))
    return internal()


def internal() -> status_pb2.Status:
    """What a caller learns of a fault of ours: that there was one, and nothing else."""
    details = [error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)]
    return status_pb2.Status(
        code=code_pb2.INTERNAL,
        message="the service failed; the request may be tried again",
        details=_packed(details),
    )


async def fail(context: Context, error: Exception, request_id: str) -> None:
    """Ends a call with the error's status, and the request's id in its details and beside them.

    The status comes alone, without a message before it: else gRPC's clients do not try again.
    """
    status = of_any(error)
    status.details.extend(_packed([error_details_pb2.RequestInfo(request_id=request_id)]))
    told = rpc_status.to_status(status)
    metadata = (
        *(told.trailing_metadata or ()),
        (REQUEST_ID, request_id),
        *_pushback(error, context.time_remaining()),
    )
    try:
        await context.abort(told.code, told.details or "", metadata)
    except grpc.aio.AbortError as aborted:
        # gRPC raises it again by itself. It refers to itself by way of ``context``: the request and
        # all that worked on it would stay until Python's collector comes.
        aborted.__traceback__ = aborted.__context__ = None


def _pushback(error: Exception, seconds_left: float | None) -> tuple[tuple[str, str], ...]:
    """Where something is exhausted, tells gRPC's own retries when to come back, or not to come back
    where that is after the deadline.
    """
    if not isinstance(error, Exhausted):
        return ()
    if seconds_left is not None and error.retry_seconds >= seconds_left:
        return ((_PUSHBACK, "-1"),)
    return ((_PUSHBACK, str(round(1000 * error.retry_seconds))),)


def _packed(details: list[message.Message]) -> list[any_pb2.Any]:
    packed = []
    for detail in details:
        box = any_pb2.Any()
        box.Pack(detail)
        packed.append(box)
    return packed
