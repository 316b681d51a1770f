"""What stands between a path and what answers there: the gate, the deadline, and the errors."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from trueodds_service import urgency
from trueodds_service.edge.arrival import REQUEST_ID
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.time_limits import expiring, taken
from trueodds_service.errors import Expired
from trueodds_service.http.arrivals import (
    arrival,
    check_json,
    read_body,
    read_lines,
    while_awaited,
)
from trueodds_service.http.refusals import Refuse

NDJSON = "application/x-ndjson"

Answer = Callable[[bytes, Request], Awaitable[Response]]
"""Answers a request, whose body is read."""
Answers = Callable[[AsyncIterator[bytes]], AsyncGenerator[bytes, None]]
"""Answers lines of JSON with lines of JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the endpoints share."""

    gate: Gate
    most_bytes: int
    idle_seconds: float
    """How long a stream waits for its caller to take a line."""

    @asynccontextmanager
    async def entered(self, name: str, request: Request) -> AsyncIterator[None]:
        """Inside, the request is let in, for its caller and until its deadline."""
        came = arrival(name, request)
        request.state.request_id = came.request_id
        over = "the request's time was over before its answer was there"
        async with self.gate.admitted(came), expiring(urgency.seconds_left(), over):
            yield


def telling_id(request: Request, send: Send) -> Send:
    """Sends the request's id in a header of the response, once it has one."""

    async def sends(message: Message) -> None:
        if message["type"] == "http.response.start":
            found: str = getattr(request.state, "request_id", "")
            own = [(REQUEST_ID.encode(), found.encode())] if found else []
            message = {**message, "headers": [*message["headers"], *own]}
        await send(message)

    return sends


@dataclass(frozen=True)
class Endpoint:
    """An ASGI application: one body of JSON in, one response out."""

    entry: Entry
    name: str
    answer: Answer
    refuse: Refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        send = telling_id(request, send)
        try:
            async with self.entry.entered(self.name, request):
                check_json(request)
                body = await read_body(request, self.entry.most_bytes)
                async with while_awaited(request):
                    response = await self.answer(body, request)
        except asyncio.CancelledError:  # its caller has left
            return
        except Exception as error:
            response = self.refuse(error)
        await response(scope, receive, send)


@dataclass(frozen=True)
class StreamEndpoint:
    """An ASGI application: lines of JSON in, or one body of it, and lines of JSON out.

    Each line is ``{"result": …}``; the last is ``{"error": …}`` where it fails halfway.
    """

    entry: Entry
    name: str
    answers: Answers
    refuse: Refuse
    takes_lines: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        send = telling_id(request, send)
        has_begun = False

        async def write(line: bytes, *, is_last: bool = False) -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                content = (b"content-type", NDJSON.encode())
                start = {"type": "http.response.start", "status": 200, "headers": [content]}
                await taken(send(start), self.entry.idle_seconds)
            body = {"type": "http.response.body", "body": line, "more_body": not is_last}
            await taken(send(body), self.entry.idle_seconds)

        try:
            async with (
                self.entry.entered(self.name, request),
                aclosing(self._answers(request)) as lines,
            ):
                async for line in lines:
                    await write(b'{"result": %b}\n' % line)
        except asyncio.CancelledError:  # its caller has left
            return
        except Exception as error:
            refusal = self.refuse(error)
            if not has_begun:
                await refusal(scope, receive, send)
                return
            last = b'{"error": %b}\n' % bytes(refusal.body)
        else:
            last = b""
        with suppress(Expired):  # whoever takes no answer does not take this either
            await write(last, is_last=True)

    async def _answers(self, request: Request) -> AsyncGenerator[bytes, None]:
        check_json(request, *((NDJSON,) if self.takes_lines else ()))
        if self.takes_lines:
            # A caller that leaves is noticed where the lines are read, or written.
            async with aclosing(self.answers(read_lines(request, self.entry.most_bytes))) as lines:
                async for line in lines:
                    yield line
            return
        body = await read_body(request, self.entry.most_bytes)
        async with while_awaited(request), aclosing(self.answers(_once(body))) as lines:
            async for line in lines:
                yield line


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
