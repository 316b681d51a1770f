"""``_streams`` for asyncio: the same, awaited."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

import grpc

from trueodds import errors
from trueodds._stream.flight import Flight
from trueodds._stream.pieces import Key, Request, Response
from trueodds._stream.threads import broken, ended, too_slow
from trueodds.v1 import scoring_pb2_grpc


async def stream_batches(
    stub: "scoring_pb2_grpc.ScoringServiceAsyncStub",
    batches: AsyncIterator[tuple[Key, Request]],
    *,
    server: str,
    window: int,
    timeout: float,  # noqa: ASYNC109
    patience: float,
    ordered: bool,
) -> AsyncIterator[tuple[Key, Response]]:
    """See ``_streams.stream_batches``."""
    flight = Flight[Key](window, patience, ordered=ordered, timeout=timeout)
    connection: _Connection | None = None
    try:
        while True:
            if connection is None and not flight.pause():
                connection = _Connection(stub, server)
            if connection is not None:
                await _feed(connection, flight, batches)
            if not flight:
                return
            event = await _wait(connection, timeout if flight.expects else math.inf, flight.pause())
            if isinstance(event, errors.TrueoddsError):
                if connection is not None:
                    await connection.close(cancel=True)
                connection = None
                flight.lost(event)
            elif event is not None:
                for answered in flight.answered(event):
                    yield answered
    finally:
        if connection is not None:
            await connection.close(cancel=bool(flight))


class _Connection:
    """One call of StreamScore, read by a task: to give up reading would give up the call."""

    def __init__(self, stub: "scoring_pb2_grpc.ScoringServiceAsyncStub", server: str) -> None:
        self._inbox: asyncio.Queue[Response | errors.TrueoddsError] = asyncio.Queue()
        self._call = stub.StreamScore()
        self._server = server
        self._reading = asyncio.create_task(self._read())

    async def send(self, request: Request) -> None:
        with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):  # reading tells why
            await self._call.write(request)

    async def receive(self, timeout: float) -> Response | errors.TrueoddsError:  # noqa: ASYNC109
        """Raises TimeoutError."""
        return await asyncio.wait_for(self._inbox.get(), timeout)

    async def close(self, *, cancel: bool) -> None:
        """Ends the stream; with ``cancel``, what is under way is of no use any more."""
        if cancel:
            self._call.cancel()
        elif not self._call.done():
            await self._call.done_writing()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            async for response in self._call:
                self._inbox.put_nowait(response)
            self._inbox.put_nowait(ended(self._server))
        except grpc.RpcError as error:
            self._inbox.put_nowait(broken(error, self._server))
        except asyncio.CancelledError:
            self._inbox.put_nowait(ended(self._server))


async def _feed(
    connection: _Connection, flight: Flight[Key], batches: AsyncIterator[tuple[Key, Request]]
) -> None:
    """Sends all that may go."""
    for request in flight.again():
        await connection.send(request)
    while flight.has_room and (following := await anext(batches, None)) is not None:
        await connection.send(flight.add(*following))


async def _wait(
    connection: _Connection | None,
    timeout: float,  # noqa: ASYNC109
    pause: float | None,
) -> Response | errors.TrueoddsError | None:
    """What comes next; None when it is time to send again."""
    if connection is None:
        await asyncio.sleep(pause or 0.0)
        return None
    try:
        return await connection.receive(timeout if pause is None else min(pause, timeout))
    except TimeoutError:
        if pause is None or pause > timeout:
            return too_slow(timeout)
        return None
