"""What can go wrong, as Python errors.

TrueoddsError
├── InvalidRequest        a field is wrong: ``field`` and ``reason`` say which and why
├── NotFound              no such model or calibrator
├── FailedPrecondition    the state does not allow it: a calibrator of another scope, say
│   ├── ModelFailed       the model cannot come up as it is configured
│   └── PromptFault       this prompt is what an engine fails at: never send it again
├── NotServed             in the contract, but not in the server's version
├── Unavailable           the same request can succeed later
│   ├── NoServer          nobody answers at the address
│   ├── Starting          the model is loading
│   ├── Overloaded        the server works on as much as it takes
│   └── EngineLost        the model's engine was lost, and is being replaced
├── Unauthenticated       the server does not know who asks
├── PermissionDenied      it does, and who asks may not
├── TlsFailed             the connection's certificates or encryption do not fit
├── DeadlineExceeded      no answer within the timeout
└── ServiceFailed         a fault of the service

What is wrong with a ``Question`` before it travels is a TypeError or ValueError.
"""

from collections.abc import Mapping
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


class TrueoddsError(Exception):
    """The root. Its text is a sentence for people; ``reason`` and ``field`` are for programs."""

    def __init__(
        self, message: str, *, reason: str = "", field: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.reason = reason
        """A stable UPPER_SNAKE_CASE word, such as ``SCOPE_MISMATCH``; or empty."""
        self.field = field
        """The path of the field at fault, such as ``questions[3].options[1].label``; or empty."""
        self.request_id = request_id
        """What the server's log calls the request by; or empty."""


class InvalidRequest(TrueoddsError, ValueError):
    """A field of the request is wrong."""


class NotFound(TrueoddsError, LookupError):
    """There is no such model or calibrator."""


class FailedPrecondition(TrueoddsError):
    """The request is right, but not in this state: a calibrator's scope does not match, say."""


class ModelFailed(FailedPrecondition):
    """The model cannot come up as it is configured; reason ``MODEL_FAILED``."""


class PromptFault(FailedPrecondition):
    """What this one prompt does to an engine: it does the same again when it is sent again.

    The reason is ``ENGINE_KILLED``, ``ENGINE_FAULT`` or ``LOGITS_NAN``.
    """


class NotServed(TrueoddsError):
    """The server's version does not serve this yet."""


class Unavailable(TrueoddsError, ConnectionError):
    """The server is not there, not ready or overloaded; the same request can succeed later."""

    retry_seconds: float | None = None
    """After how many seconds, where the server says it; else None."""


class NoServer(Unavailable):
    """Nobody answers at the address, or the connection broke; reason ``NO_SERVER``."""


class Starting(Unavailable):
    """The model is loading; reason ``MODEL_STARTING``."""


class Overloaded(Unavailable):
    """The server works on as much as it takes.

    The reason is ``TOO_MANY_REQUESTS``, ``TOO_MANY_TOKENS``, ``TOO_MANY_BYTES`` or ``OVERLOADED``.
    """


class EngineLost(Unavailable):
    """The model's engine was lost, and is being replaced; reason ``ENGINE_LOST``."""


class Unauthenticated(TrueoddsError):
    """No key or certificate, or none that the server knows; reason ``UNAUTHENTICATED``."""


class PermissionDenied(TrueoddsError, PermissionError):
    """Who asks lacks the permission that the message names; reason ``FORBIDDEN``."""


class TlsFailed(TrueoddsError, ConnectionError):
    """The server's certificate is not to be trusted, or it speaks no TLS; it is not asked again.

    The reason is ``UNTRUSTED_CERTIFICATE``, ``EXPIRED_CERTIFICATE``, ``WRONG_NAME`` or ``NO_TLS``.
    """


class DeadlineExceeded(TrueoddsError, TimeoutError):
    """The answer did not come in time."""


class ServiceFailed(TrueoddsError):
    """A fault of the service."""


_KINDS: dict[grpc.StatusCode, type[TrueoddsError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNIMPLEMENTED: NotServed,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_BAD_REQUEST = 400
_OF_HTTP = {
    _BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.INVALID_ARGUMENT,
    408: grpc.StatusCode.INVALID_ARGUMENT,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    431: grpc.StatusCode.INVALID_ARGUMENT,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_BY_REASON: dict[str, type[TrueoddsError]] = {
    "MODEL_STARTING": Starting,
    "TOO_MANY_REQUESTS": Overloaded,
    "TOO_MANY_TOKENS": Overloaded,
    "TOO_MANY_BYTES": Overloaded,
    "OVERLOADED": Overloaded,
    "ENGINE_LOST": EngineLost,
    "MODEL_FAILED": ModelFailed,
    "ENGINE_KILLED": PromptFault,
    "ENGINE_FAULT": PromptFault,
    "LOGITS_NAN": PromptFault,
}
# What gRPC says of a handshake that this side has ended, in its order.
_TLS_FAULTS = (
    ("certificate has expired", "EXPIRED_CERTIFICATE", "shows a certificate that has expired"),
    (
        "Hostname Verification Check failed",
        "WRONG_NAME",
        "shows a certificate for another name; call it by one that is in it",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "UNTRUSTED_CERTIFICATE",
        "shows a certificate of no CA that is trusted here; --ca or TRUEODDS_CA names one",
    ),
    ("WRONG_VERSION_NUMBER", "NO_TLS", "speaks no TLS; ask it without"),
)
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc(error: grpc.RpcError, server: str, proxy: str = "") -> TrueoddsError:
    """The error of a failed call, blocking or awaited, to the server at this address.

    ``proxy`` is the variable of the environment by which the call went through one.
    """
    # Every error of a call is a Call as well, which the stubs do not say.
    call = cast(grpc.Call, error)
    try:
        status = rpc_status.from_call(call)
    except ValueError:  # gRPC has ended it otherwise than the server, as where its deadline passed
        status = None
    return _from_grpc(call, server, proxy) if status is None else from_status(status)


def from_status(
    status: status_pb2.Status, *, index: int | None = None, within: str = "questions"
) -> TrueoddsError:
    """The error of a status: of a call, or of the item at ``index`` of all in a batch.

    A batch travels in several messages, and a server counts what is ``within`` each from 0.
    """
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    told, retry = error_details_pb2.RequestInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(request) or detail.Unpack(told) or detail.Unpack(retry)
    field = request.field_violations[0].field if request.field_violations else ""
    message = status.message
    if index is not None and field.startswith(f"{within}["):
        moved = f"{within}[{index}]{field.partition(']')[2]}"
        message, field = message.replace(field, moved, 1), moved
    kind = _finest(_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), info.reason)
    if kind is ServiceFailed and told.request_id:
        message = f"{message} (request {told.request_id})"  # for who asks its operator
    error = kind(message, reason=info.reason, field=field, request_id=told.request_id)
    if isinstance(error, Unavailable) and retry.HasField("retry_delay"):
        error.retry_seconds = retry.retry_delay.ToMicroseconds() / 1e6
    return error


def from_http(status: int, error: Mapping[str, Any]) -> TrueoddsError:
    """The error of a path of decisions: its HTTP status, and OpenAI's object."""
    field, reason = str(error.get("param") or ""), str(error.get("code") or "")
    code = _OF_HTTP.get(status, grpc.StatusCode.UNKNOWN)
    if status == _BAD_REQUEST and not field:
        code = grpc.StatusCode.FAILED_PRECONDITION  # HTTP has one status for both
    return _finest(code, reason)(str(error.get("message", "")), reason=reason, field=field)


def _finest(code: grpc.StatusCode, reason: str) -> type[TrueoddsError]:
    """A reason tells more than its status, and never other than that."""
    kind = _KINDS.get(code, ServiceFailed)
    finer = _BY_REASON.get(reason, kind)
    return finer if issubclass(finer, kind) else kind


def counted_from(error: TrueoddsError, first: int) -> TrueoddsError:
    """The error of a message whose items are those of the call from ``first`` on."""
    name, bracket, rest = error.field.partition("[")
    number, _, within = rest.partition("]")
    if not bracket or not number.isdecimal():
        return error
    field = f"{name}[{first + int(number)}]{within}"
    message = str(error).replace(error.field, field, 1)
    return type(error)(message, reason=error.reason, field=field, request_id=error.request_id)


def _from_grpc(call: grpc.Call, server: str, proxy: str) -> TrueoddsError:
    """The error of a call that never reached the service: gRPC's own words need some more."""
    code, details = call.code(), call.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        return _not_reached(details, server, proxy)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(
            f"{server} did not answer in time; raise the timeout", reason="TIMEOUT"
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return NotServed(f"{server} is no trueodds server, or one of another version ({details})")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details:
        return InvalidRequest(f"the request is larger than {server} takes ({details})")
    return _KINDS.get(code, ServiceFailed)(details or f"{server} failed: {code.name}")


def _not_reached(details: str, server: str, proxy: str) -> TrueoddsError:
    for words, reason, fault in _TLS_FAULTS:
        if words in details:
            return TlsFailed(f"{server} {fault} ({details})", reason=reason)
    through = f" through the proxy that {proxy} names (no_proxy excepts a host)" * bool(proxy)
    if "Socket closed" in details:  # the other side does not say why it ends a handshake
        return NoServer(
            f"{server} hangs up{through} before it answers: it may want TLS (--tls, "
            "TRUEODDS_TLS), or a certificate of a CA that it knows (--cert and --cert-key) "
            f"({details})",
            reason="NO_SERVER",
        )
    return NoServer(
        f"no trueodds server answers at {server}{through}. Is it running? `trueodds serve` "
        f"starts one; --server or TRUEODDS_SERVER names another. ({details})",
        reason="NO_SERVER",
    )
