"""What can go wrong, as Python errors.

TrueoddsError
├── InvalidRequest        a field is wrong: ``field`` and ``reason`` say which and why
├── NotFound              no such model or calibrator
├── FailedPrecondition    the state does not allow it: a calibrator of another scope, say
├── NotServed             in the contract, but not in the server's version
├── Unavailable           no server there, or not ready, or overloaded: try again
├── DeadlineExceeded      no answer within the timeout
└── ServiceFailed         a fault of the service

What is wrong with a ``Question`` before it travels is a TypeError or ValueError.
"""

from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


class TrueoddsError(Exception):
    """The root. Its text is a sentence for people; ``reason`` and ``field`` are for programs."""

    def __init__(self, message: str, *, reason: str = "", field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        """A stable UPPER_SNAKE_CASE word, such as ``SCOPE_MISMATCH``; or empty."""
        self.field = field
        """The path of the field at fault, such as ``questions[3].options[1].label``; or empty."""


class InvalidRequest(TrueoddsError, ValueError):
    """A field of the request is wrong."""


class NotFound(TrueoddsError, LookupError):
    """There is no such model or calibrator."""


class FailedPrecondition(TrueoddsError):
    """The request is right, but not in this state: a calibrator's scope does not match, say."""


class NotServed(TrueoddsError):
    """The server's version does not serve this yet."""


class Unavailable(TrueoddsError, ConnectionError):
    """The server is not there, not ready or overloaded; the same request can succeed later."""


class DeadlineExceeded(TrueoddsError, TimeoutError):
    """The answer did not come in time."""


class ServiceFailed(TrueoddsError):
    """A fault of the service."""


_KINDS: dict[grpc.StatusCode, type[TrueoddsError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNIMPLEMENTED: NotServed,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc(error: grpc.RpcError, server: str) -> TrueoddsError:
    """The error of a failed call, blocking or awaited, to the server at this address."""
    # Every error of a call is a Call as well, which the stubs do not say.
    call = cast(grpc.Call, error)
    status = rpc_status.from_call(call)
    return _from_grpc(call, server) if status is None else from_status(status)


def from_status(
    status: status_pb2.Status, *, index: int | None = None, within: str = "questions"
) -> TrueoddsError:
    """The error of a status: of a call, or of the item at ``index`` of all in a batch.

    A batch travels in several messages, and a server counts what is ``within`` each from 0.
    """
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(request)
    field = request.field_violations[0].field if request.field_violations else ""
    message = status.message
    if index is not None and field.startswith(f"{within}["):
        moved = f"{within}[{index}]{field.partition(']')[2]}"
        message, field = message.replace(field, moved, 1), moved
    kind = _KINDS.get(_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), ServiceFailed)
    return kind(message, reason=info.reason, field=field)


def counted_from(error: TrueoddsError, first: int) -> TrueoddsError:
    """The error of a message whose items are those of the call from ``first`` on."""
    name, bracket, rest = error.field.partition("[")
    number, _, within = rest.partition("]")
    if not bracket or not number.isdecimal():
        return error
    field = f"{name}[{first + int(number)}]{within}"
    message = str(error).replace(error.field, field, 1)
    return type(error)(message, reason=error.reason, field=field)


def _from_grpc(call: grpc.Call, server: str) -> TrueoddsError:
    """The error of a call that never reached the service: gRPC's own words need some more."""
    code, details = call.code(), call.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(
            f"no trueodds server answers at {server}. Is it running? `trueodds serve` starts "
            f"one; --server or TRUEODDS_SERVER names another. ({details})"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"{server} did not answer in time; raise the timeout")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return NotServed(f"{server} is no trueodds server, or one of another version ({details})")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details:
        return InvalidRequest(f"the request is larger than {server} takes ({details})")
    return _KINDS.get(code, ServiceFailed)(details or f"{server} failed: {code.name}")
