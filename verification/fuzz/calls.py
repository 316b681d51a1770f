"""Calls of every method of the contract, with bytes of any kind, and how they end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from trueodds.v1 import calibration_pb2, model_pb2, scoring_pb2

PATIENCE = 300.0
"""Seconds that no call may take."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the contract."""

    name: str
    path: str
    request: type[Message]
    response: type[Message]
    streams_requests: bool
    streams_responses: bool

    @classmethod
    def of(cls, described: MethodDescriptor) -> "Method":
        return cls(
            name=described.name,
            path=f"/{described.containing_service.full_name}/{described.name}",
            request=message_factory.GetMessageClass(described.input_type),
            response=message_factory.GetMessageClass(described.output_type),
            streams_requests=described.client_streaming,
            streams_responses=described.server_streaming,
        )


METHODS = {
    method.name: Method.of(method)
    for file in (scoring_pb2, calibration_pb2, model_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@dataclass(frozen=True, slots=True)
class Call:
    """Bytes for a method, and what is sent beside them. ``cancel_after`` seconds the caller
    leaves. ``more`` are the messages of a stream behind its first.
    """

    method: Method
    content: bytes
    deadline: float = PATIENCE
    cancel_after: float | None = None
    metadata: Sequence[tuple[str, str]] = ()
    more: Sequence[bytes] = ()

    @property
    def is_patient(self) -> bool:
        return self.deadline == PATIENCE and self.cancel_after is None

    def message(self) -> Any:
        """The request as a message; None where it is none."""
        try:
            return self.method.request.FromString(self.content)
        except DecodeError:
            return None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended. ``status`` is None where the server told no details."""

    code: grpc.StatusCode
    status: status_pb2.Status | None
    responses: tuple[Any, ...]


def send(channel: grpc.Channel, calls: Sequence[Call]) -> list[Ending]:
    """Makes the calls, all at once; how each ended, in their order."""
    running = [_start(channel, call) for call in calls]
    started = time.monotonic()
    leaving = [
        (call.cancel_after, each)
        for call, each in zip(calls, running, strict=True)
        if call.cancel_after is not None
    ]
    for after, each in sorted(leaving, key=lambda pair: pair[0]):
        time.sleep(max(0.0, started + after - time.monotonic()))
        each.cancel()
    return [_ending(call.method, each) for call, each in zip(calls, running, strict=True)]


def _start(channel: Any, call: Call) -> Any:
    method = call.method
    decode = method.response.FromString
    terms = {"timeout": call.deadline, "metadata": tuple(call.metadata)}
    if method.streams_requests:
        return channel.stream_stream(method.path, None, decode)(
            iter([call.content, *call.more]), **terms
        )
    if method.streams_responses:
        return channel.unary_stream(method.path, None, decode)(call.content, **terms)
    return channel.unary_unary(method.path, None, decode).future(call.content, **terms)


def _ending(method: Method, running: Any) -> Ending:
    responses: list[Any] = []
    with suppress(grpc.RpcError, grpc.FutureCancelledError):
        # What came before an error stays in the list.
        responses.extend(running if method.streams_responses else _result(running))
    return Ending(running.code(), _status(running), tuple(responses))


def _result(running: Any) -> Iterator[Any]:
    yield running.result()


def _status(running: Any) -> status_pb2.Status | None:
    try:
        return rpc_status.from_call(running)
    except ValueError:  # its code or its sentence is not that of the call
        return None
