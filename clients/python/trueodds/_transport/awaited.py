"""Calls for the event loop in which the first of them is made."""

# A timeout is the server's to know as well.

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property
from typing import Any

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


class Awaited:
    """A ``Transport`` over channels of asyncio."""

    def __init__(
        self,
        server: str,
        options: Sequence[tuple[str, str | int]],
        connections: int,
        security: Security,
    ) -> None:
        self.server = server
        self.connections = connections
        self._options = options
        self._security = security

    @cached_property
    def _pool(self) -> Pool[grpc.aio.Channel]:
        """A channel belongs to the loop in which it was made, so none is before it is needed."""
        channels = [self._channel() for _ in range(self.connections)]
        return Pool([Connection(each, Stubs(each, self._security.metadata)) for each in channels])

    def _channel(self) -> grpc.aio.Channel:
        credentials = self._security.credentials
        if credentials is None:
            return grpc.aio.insecure_channel(self.server, options=self._options)
        return grpc.aio.secure_channel(self.server, credentials, options=self._options)

    async def ask(
        self, method: Callable[[Stubs], Method[Request, Response]], request: Request, timeout: float
    ) -> Response:
        with translated(self.server), self._pool.one() as stubs:
            call: Any = method(stubs)
            response: Response = await call(request, timeout=timeout)
            return response

    def begin(
        self, method: Callable[[Stubs], Method[Request, Response]], request: Request, timeout: float
    ) -> "grpc.aio.UnaryUnaryCall[Request, Response]":
        begun: grpc.aio.UnaryUnaryCall[Request, Response] = self._pool.begin(
            lambda on: method(on)(request, timeout=timeout)
        )
        return begun

    async def result(self, call: Any) -> Any:
        with translated(self.server):
            return await call

    async def follow(self, begin: Callable[[Stubs], Any], is_last: Callable[[Any], bool]) -> Any:
        with translated(self.server), self._pool.one() as stubs:
            async for event in begin(stubs):
                if is_last(event):
                    return event
        return None

    def inbox(self) -> "Inbox":
        return Inbox()

    def line(self, inbox: "Inbox") -> "Line":
        return Line(self._pool, self.server, inbox)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        if "_pool" in self.__dict__:
            for channel in self._pool.channels():
                await channel.close()


class Inbox:
    def __init__(self) -> None:
        self._queue: asyncio.Queue[Came] = asyncio.Queue()
        self.put = self._queue.put_nowait

    async def get(self, seconds: float) -> Came | None:
        try:
            limit = None if seconds == math.inf else seconds
            return await asyncio.wait_for(self._queue.get(), limit)
        except asyncio.TimeoutError:  # before Python 3.11 it is one of its own
            return None


class Line:
    """A task reads it: to give up reading would give up the call."""

    def __init__(self, pool: Pool[grpc.aio.Channel], server: str, inbox: Inbox) -> None:
        self._outbox: asyncio.Queue[scoring_pb2.StreamScoreRequest | None] = asyncio.Queue()
        self._put = inbox.put
        self._server = server
        sent: Any = self._sent()
        self._call = pool.begin(lambda on: on.scoring.StreamScore(sent))
        self._reading = asyncio.create_task(self._read())

    def send(self, request: scoring_pb2.StreamScoreRequest) -> None:
        self._outbox.put_nowait(request)

    def close(self, *, cancel: bool) -> None:
        self._outbox.put_nowait(None)
        if cancel:
            self._call.cancel()

    async def ended(self) -> None:
        await asyncio.wait([self._reading])

    async def _sent(self) -> AsyncIterator[scoring_pb2.StreamScoreRequest]:
        while (request := await self._outbox.get()) is not None:
            yield request

    async def _read(self) -> None:
        end: errors.TrueoddsError
        try:
            async for response in self._call:
                self._put((self, response))
            end = ended(self._server)
        except grpc.RpcError as error:
            end = broken(error, self._server)
        except asyncio.CancelledError:
            end = ended(self._server)
        self._put((self, end))
