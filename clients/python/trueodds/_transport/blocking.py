"""Calls that block the thread in which they are made."""

# Coroutines here never wait for a loop: that they block is what they are for.
# ruff: noqa: ASYNC251

import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import grpc

from trueodds import errors
from trueodds._security import Security
from trueodds._transport.base import (
    Came,
    Method,
    Request,
    Response,
    Stubs,
    broken,
    ended,
    translated,
)
from trueodds._transport.pool import Connection, Pool
from trueodds.v1 import scoring_pb2

Result = TypeVar("Result")

# A signal that comes just before a wait does not end it: it is seen after this time.
_BLIND_SECONDS = 0.5


def run(call: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine over ``Blocking`` returns: it gets there without waiting for a loop."""
    try:
        call.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    call.close()
    raise RuntimeError("a blocking call was about to wait for an event loop")


def each(source: AsyncIterator[Result]) -> Iterator[Result]:
    """The same of what it yields."""
    end = object()

    async def following() -> Any:
        return await anext(source, end)

    try:
        while (item := run(following())) is not end:
            yield item
    finally:
        if hasattr(source, "aclose"):
            run(source.aclose())


def _channel(
    server: str, options: Sequence[tuple[str, str | int]], security: Security
) -> grpc.Channel:
    if security.credentials is None:
        return grpc.insecure_channel(server, options=options)
    return grpc.secure_channel(server, security.credentials, options=options)


class Blocking:
    """A ``Transport`` over channels of threads; thread-safe."""

    def __init__(
        self,
        server: str,
        options: Sequence[tuple[str, str | int]],
        connections: int,
        security: Security,
    ) -> None:
        self.server = server
        self.connections = connections
        channels = [_channel(server, options, security) for _ in range(connections)]
        self._pool = Pool([Connection(each, Stubs(each, security.metadata)) for each in channels])

    async def ask(
        self, method: Callable[[Stubs], Method[Request, Response]], request: Request, timeout: float
    ) -> Response:
        with translated(self.server), self._pool.one() as stubs:
            return method(stubs)(request, timeout=timeout)

    def begin(
        self, method: Callable[[Stubs], Method[Request, Response]], request: Request, timeout: float
    ) -> "grpc.Future[Response]":
        def start(stubs: Stubs) -> Any:
            call: Any = method(stubs)
            return call.future(request, timeout=timeout)

        begun: grpc.Future[Response] = self._pool.begin(start)
        return begun

    async def result(self, call: Any) -> Any:
        with translated(self.server):
            return call.result()

    async def follow(self, begin: Callable[[Stubs], Any], is_last: Callable[[Any], bool]) -> Any:
        with translated(self.server), self._pool.one() as stubs:
            return next(filter(is_last, begin(stubs)), None)

    def inbox(self) -> "Inbox":
        return Inbox()

    def line(self, inbox: "Inbox") -> "Line":
        return Line(self._pool, self.server, inbox)

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    async def close(self) -> None:
        for channel in self._pool.channels():
            channel.close()


class Inbox:
    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Came] = queue.SimpleQueue()
        self.put = self._queue.put

    async def get(self, seconds: float) -> Came | None:
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            try:
                return self._queue.get(timeout=max(0.0, min(left, _BLIND_SECONDS)))
            except queue.Empty:
                if left <= _BLIND_SECONDS:
                    return None


class Line:
    """A thread reads it, so that waiting for an answer can end."""

    def __init__(self, pool: Pool[grpc.Channel], server: str, inbox: Inbox) -> None:
        self._outbox: queue.SimpleQueue[scoring_pb2.StreamScoreRequest | None] = queue.SimpleQueue()
        self._put = inbox.put
        sent = iter(self._outbox.get, None)
        self._call = pool.begin(lambda on: on.scoring.StreamScore(sent))
        self._server = server
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, request: scoring_pb2.StreamScoreRequest) -> None:
        self._outbox.put(request)

    def close(self, *, cancel: bool) -> None:
        self._outbox.put(None)
        if cancel:
            self._call.cancel()

    async def ended(self) -> None:
        """The thread ends by itself."""

    def _read(self) -> None:
        end: errors.TrueoddsError
        try:
            for response in self._call:
                self._put((self, response))
            end = ended(self._server)
        except grpc.RpcError as error:
            end = broken(error, self._server)
        finally:
            self._outbox.put(None)
        self._put((self, end))
