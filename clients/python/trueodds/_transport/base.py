"""What the calls need of gRPC, whether it blocks or is awaited."""

# A timeout is the server's to know as well.

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import grpc

from trueodds import errors
from trueodds._address import proxy_before
from trueodds._transport.signed import Metadata, signed
from trueodds._transport.traced import traced
from trueodds.v1 import calibration_pb2_grpc, model_pb2_grpc, scoring_pb2, scoring_pb2_grpc

Request = TypeVar("Request")
Response = TypeVar("Response")
_Request_contra = TypeVar("_Request_contra", contravariant=True)
_Response_co = TypeVar("_Response_co", covariant=True)


class Stubs:
    """The services of the contract, over a channel of either kind; each call has the metadata."""

    def __init__(self, channel: "grpc.Channel | grpc.aio.Channel", metadata: Metadata = ()) -> None:
        channel = signed(traced(channel), metadata)
        self.scoring = scoring_pb2_grpc.ScoringServiceStub(channel)
        self.calibration = calibration_pb2_grpc.CalibrationServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)


class Method(Protocol[_Request_contra, _Response_co]):
    """A method of a stub. That of an asyncio channel is called alike, and gives an awaitable."""

    def __call__(self, request: _Request_contra, *, timeout: float) -> _Response_co: ...


class UnderWay(Protocol):
    """A call that was begun."""

    def cancel(self) -> object: ...


class Line(Protocol):
    """A call of StreamScore. What comes is put, with the line itself, into the stream's inbox:
    responses, and at last the error that ended it.
    """

    def send(self, request: scoring_pb2.StreamScoreRequest) -> None: ...

    def close(self, *, cancel: bool) -> None:
        """Ends it; with ``cancel``, what is under way is of no use any more."""

    async def ended(self) -> None:
        """Returns when nothing of it is left."""


Came = tuple[Line, scoring_pb2.StreamScoreResponse | errors.TrueoddsError]


class Inbox(Protocol):
    """What comes on the lines of a stream."""

    async def get(self, seconds: float) -> Came | None:
        """The next of it; None when nothing comes for ``seconds``."""


class Transport(Protocol):
    """Makes calls. Errors are TrueoddsErrors.

    A blocking one has the same methods: its coroutines end without ever having waited, see
    ``blocking.run``. So each call is written once, as a coroutine.
    """

    server: str
    connections: int
    """How many there may be; calls go to the one with the fewest under way."""

    async def ask(
        self, method: Callable[[Stubs], Method[Request, Response]], request: Request, timeout: float
    ) -> Response:
        """Makes a call of one message."""

    def begin(
        self, method: Callable[[Stubs], Method[Request, Response]], request: Request, timeout: float
    ) -> UnderWay:
        """The same, not waiting for its ``result``."""

    async def result(self, call: Any) -> Any:
        """The response of a call that was begun."""

    async def follow(self, begin: Callable[[Stubs], Any], is_last: Callable[[Any], bool]) -> Any:
        """Reads what a call answers up to the one that is the last; None where there is none."""

    def inbox(self) -> Inbox: ...

    def line(self, inbox: Any) -> Line:
        """Begins a call of StreamScore."""

    async def pause(self, seconds: float) -> None: ...

    async def close(self) -> None: ...


@contextmanager
def translated(server: str) -> Iterator[None]:
    """Errors of gRPC, in a call to the server at this address, become those of the client."""
    try:
        yield
    except grpc.RpcError as error:
        # By a server that stops, or because the client was closed meanwhile.
        if error.code() is grpc.StatusCode.CANCELLED:
            raise ended(server) from None
        raise errors.from_rpc(error, server, proxy_before(server)) from None


_ENDS = (grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


def ended(server: str) -> errors.TrueoddsError:
    """A server that stops can end a stream politely, and cancels what it has not taken in."""
    return errors.Unavailable(f"{server} ended the call")


def broken(error: grpc.RpcError, server: str) -> errors.TrueoddsError:
    """What broke the stream; how a server that stops or is killed does it has several names."""
    if error.code() in _ENDS:
        return ended(server)
    return errors.from_rpc(error, server, proxy_before(server))
