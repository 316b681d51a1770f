"""A stream of batches to the server and back, which outlives the server's restarts."""

import math
import queue
import threading
import time
from collections.abc import Iterable, Iterator

import grpc

from trueodds import errors
from trueodds._address import proxy_before
from trueodds._stream.flight import Flight
from trueodds._stream.pieces import Key, Request, Response
from trueodds.v1 import scoring_pb2_grpc

# A signal that comes just before a wait does not end it: it is seen after so long.
_BLIND_SECONDS = 0.5

_ENDS = (grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


def stream_batches(
    stub: scoring_pb2_grpc.ScoringServiceStub,
    batches: Iterable[tuple[Key, Request]],
    *,
    server: str,
    window: int,
    timeout: float,
    patience: float,
    ordered: bool,
) -> Iterator[tuple[Key, Response]]:
    """Sends batches as they are needed, and yields what each is answered, with its key.

    ``batches`` is read from the caller's thread, never further ahead than the window. Only what
    has no answer is sent again when the stream breaks. Raises Unavailable when nothing else came
    back for ``patience`` seconds, and DeadlineExceeded after ``timeout`` without an answer to a
    question alone.
    """
    flight = Flight[Key](window, patience, ordered=ordered, timeout=timeout)
    source = iter(batches)
    connection: _Connection | None = None
    try:
        while True:
            if connection is None and not flight.pause():
                connection = _Connection(stub, server)
            if connection is not None:
                _feed(connection, flight, source)
            if not flight:
                return
            event = _wait(connection, timeout if flight.expects else math.inf, flight.pause())
            if isinstance(event, errors.TrueoddsError):
                if connection is not None:
                    connection.close(cancel=True)
                connection = None
                flight.lost(event)
            elif event is not None:
                yield from flight.answered(event)
    finally:
        if connection is not None:
            connection.close(cancel=bool(flight))


class _Connection:
    """One call of StreamScore. A thread reads it, so that waiting for an answer can end."""

    def __init__(self, stub: scoring_pb2_grpc.ScoringServiceStub, server: str) -> None:
        self._outbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[Response | errors.TrueoddsError] = queue.SimpleQueue()
        self._call = stub.StreamScore(iter(self._outbox.get, None))
        self._server = server
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, request: Request) -> None:
        self._outbox.put(request)

    def receive(self, timeout: float) -> Response | errors.TrueoddsError:
        """Raises queue.Empty."""
        return self._inbox.get(timeout=timeout)

    def close(self, *, cancel: bool) -> None:
        """Ends the stream; with ``cancel``, what is under way is of no use any more."""
        self._outbox.put(None)
        if cancel:
            self._call.cancel()

    def _read(self) -> None:
        try:
            for response in self._call:
                self._inbox.put(response)
            self._inbox.put(ended(self._server))
        except grpc.RpcError as error:
            self._inbox.put(broken(error, self._server))
        finally:
            self._outbox.put(None)


def _feed(
    connection: _Connection, flight: Flight[Key], source: Iterator[tuple[Key, Request]]
) -> None:
    """Sends all that may go."""
    for request in flight.again():
        connection.send(request)
    while flight.has_room and (following := next(source, None)) is not None:
        connection.send(flight.add(*following))


def _wait(
    connection: _Connection | None, timeout: float, pause: float | None
) -> Response | errors.TrueoddsError | None:
    """What comes next; None when it is time to send again."""
    if connection is None:
        threading.Event().wait(pause)
        return None
    end = time.monotonic() + (timeout if pause is None else min(pause, timeout))
    while True:
        left = end - time.monotonic()
        try:
            return connection.receive(max(0.0, min(left, _BLIND_SECONDS)))
        except queue.Empty:
            if left > _BLIND_SECONDS:
                continue
            if pause is None or pause > timeout:
                return too_slow(timeout)
            return None


def ended(server: str) -> errors.TrueoddsError:
    """A server that stops can end a stream politely."""
    return errors.Unavailable(f"{server} ended the stream")


def broken(error: grpc.RpcError, server: str) -> errors.TrueoddsError:
    """What broke the stream; how a server that stops or is killed does it has several names."""
    if error.code() in _ENDS:
        return ended(server)
    return errors.from_rpc(error, server, proxy_before(server))


def too_slow(timeout: float) -> errors.TrueoddsError:
    return errors.DeadlineExceeded(
        f"no answer within {timeout:g} s; raise the timeout", reason="TIMEOUT"
    )
