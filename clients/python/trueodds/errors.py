"""What can go wrong, as Python errors.

TrueoddsError
├── InvalidRequest        a field is wrong: ``field`` and ``reason`` say which and why
├── NotFound              no such model or calibrator
├── CalibratorMismatch    the calibrator's scope or state does not allow it
├── NotServed             in the contract, but not in the server's version
├── Unavailable           no server there, or not ready, or overloaded: try again
├── DeadlineExceeded      no answer within the timeout
└── ServiceFailed         a fault of the service
"""

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


class TrueoddsError(Exception):
    """The root. ``reason`` is a stable UPPER_SNAKE_CASE word; empty where the server gave none."""

    def __init__(self, message: str, *, reason: str = "", field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        """The path of the field at fault, such as ``questions[3].options[1].label``; or empty."""


class InvalidRequest(TrueoddsError, ValueError):
    """A field of the request is wrong."""


class NotFound(TrueoddsError, LookupError):
    """There is no such model or calibrator."""


class CalibratorMismatch(TrueoddsError):
    """The request does not fit the calibrator's scope, or the state it is in."""


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
    grpc.StatusCode.FAILED_PRECONDITION: CalibratorMismatch,
    grpc.StatusCode.UNIMPLEMENTED: NotServed,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc(error: grpc.Call, address: str) -> TrueoddsError:
    """The error of a failed call."""
    status = rpc_status.from_call(error)
    if status is not None:
        return from_status(status)
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(
            f"no trueodds server answers at {address}. Is it running? `trueodds serve` starts "
            f"one; --server or TRUEODDS_SERVER names another. ({details})"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"{address} did not answer in time; raise the timeout")
    return _KINDS.get(code, ServiceFailed)(details)


def from_status(status: status_pb2.Status) -> TrueoddsError:
    """The error of a status: of a call, or of one question in a batch."""
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(request)
    fields = [violation.field for violation in request.field_violations]
    kind = _KINDS.get(_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), ServiceFailed)
    return kind(status.message, reason=info.reason, field=fields[0] if fields else "")
