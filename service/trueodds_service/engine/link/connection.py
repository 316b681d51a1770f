"""Calls to an engine's process over a Unix socket of their own.

A call through Ray's handle takes 3 ms, as much as a small model takes for a question, and one
over a socket a tenth of that. Messages are pickles: make the socket where only this user may.
"""

import asyncio
import functools
import itertools
import logging
import pickle
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from trueodds_service.engine.base import EngineInfo, Outcome, TokenPrompt
from trueodds_service.errors import class_and_place

_log = logging.getLogger(__name__)

Score = Callable[[Sequence[TokenPrompt], str | None], Awaitable[list[Outcome]]]

# Before each message: how many bytes it has.
_SIZE = struct.Struct("!Q")

# Bytes that may wait to be read: about a batch.
_BUFFER = 2**20

# An engine's process says so often that it is alive, and one that says nothing for some of these
# is not: it is stopped, or hangs.
_BEAT_SECONDS = 5.0
_BEATS_MISSED = 5
_BEAT = -1

# What reading raises once the other end is gone.
_GONE = (ConnectionError, asyncio.IncompleteReadError)


class EngineFault(Exception):
    """The engine failed at one request and lives on. The message is the error's class."""


class NotSent(ConnectionError):
    """The process was gone before the call: its prompts were never there."""


class Listener:
    """The engine's end: calls ``score`` for whoever connects, each call in a task of its own."""

    def __init__(self, info: EngineInfo, score: Score) -> None:
        self._info = info
        self._score = score
        self._server: asyncio.Server | None = None
        # Whoever is connected, with what is done once they have left.
        self._callers: dict[asyncio.StreamWriter, asyncio.Future[None]] = {}

    async def listen(self, path: str) -> None:
        """Creates the socket at ``path``."""
        self._server = await asyncio.start_unix_server(self._serve, path, limit=_BUFFER)

    async def close(self, grace_seconds: float) -> None:
        """Lets nobody in any more, and everybody have so long to leave."""
        if self._server is not None:
            self._server.close()
        if self._callers:
            await asyncio.wait(self._callers.values(), timeout=grace_seconds)
        for writer in self._callers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers[writer] = asyncio.get_running_loop().create_future()
        calls: dict[int, asyncio.Task[None]] = {}
        beating = asyncio.create_task(_beat(writer))
        try:
            _send(writer, self._info)
            while True:
                number, call = await _next_message(reader)
                if call is not None:
                    calls[number] = asyncio.create_task(self._answer(number, call, writer))
                    calls[number].add_done_callback(functools.partial(_forget, calls, number))
                elif number in calls:
                    calls[number].cancel()
        except _GONE:
            pass
        finally:
            beating.cancel()
            # With the gateway, everybody who asked through it is gone.
            for task in calls.values():
                task.cancel()
            writer.close()
            self._callers.pop(writer).set_result(None)

    async def _answer(
        self,
        number: int,
        call: tuple[Sequence[TokenPrompt], str | None],
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            _send(writer, (number, await self._score(*call)))
        except Exception as error:
            # Only the class and the place: a foreign message can hold a prompt.
            _log.error("the engine failed at a request: %s", class_and_place(error))
            _send(writer, (number, EngineFault(type(error).__name__)))


class Connection:
    """The gateway's end. Many calls may be under way at once."""

    def __init__(
        self,
        info: EngineInfo,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_lost: Callable[[], None],
    ) -> None:
        self.info = info
        self._writer = writer
        self._on_lost = on_lost
        self._numbers = itertools.count()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._is_open = True
        self._silence = 0
        self._receiving = asyncio.create_task(self._take_answers(reader))
        self._listening = asyncio.create_task(self._listen_for_life())

    @classmethod
    async def open(cls, path: str, on_lost: Callable[[], None]) -> "Connection":
        """Connects to the socket at ``path``. ``on_lost`` is called once, when the engine's
        process is gone or cannot be understood, before any call that was under way fails.

        Raises OSError when nobody listens there.
        """
        reader, writer = await asyncio.open_unix_connection(path, limit=_BUFFER)
        try:
            info = await _next_message(reader)
        except _GONE as error:
            writer.close()
            raise ConnectionResetError from error
        return cls(info, reader, writer, on_lost)

    async def score(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        """As ``Engine.score``. Raises EngineFault, and ConnectionError when the process is gone."""
        if not self._is_open:
            raise NotSent
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            _send(self._writer, (number, (prompts, adapter)))
            outcomes: list[Outcome] = await answer
            return outcomes
        except asyncio.CancelledError:
            # The caller is gone; so are its prompts, also in the engine.
            _send(self._writer, (number, None))
            raise
        finally:
            del self._calls[number]

    async def wait_lost(self) -> None:
        """Until the engine's process is gone."""
        await asyncio.wait({self._receiving})

    def close(self) -> None:
        """Calls under way fail with a ConnectionError."""
        self._receiving.cancel()

    async def _listen_for_life(self) -> None:
        """Ends the connection to a process that does not end and says nothing."""
        # Counted, not timed: if this process itself was stopped, that is one silence, not many.
        while self._silence < _BEATS_MISSED:
            await asyncio.sleep(_BEAT_SECONDS)
            self._silence += 1
        _log.error("an engine's process has said nothing for some time: taken for lost")
        # Reading ends, and with it everything else, as when the process is gone.
        self._writer.transport.abort()

    async def _take_answers(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                number, scores = await _next_message(reader)
                self._silence = 0
                answer = self._calls.get(number)
                if answer is None or answer.done():  # nobody waits for it any more
                    continue
                if isinstance(scores, Exception):
                    answer.set_exception(scores)
                else:
                    answer.set_result(scores)
        except Exception as error:
            if not isinstance(error, _GONE):
                _log.error("what an engine sent cannot be read: %s", type(error).__name__)
            self._on_lost()
        finally:
            self._is_open = False
            self._listening.cancel()
            self._writer.close()
            for answer in self._calls.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError())


async def _beat(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        _send(writer, (_BEAT, None))


def _forget(calls: dict[int, asyncio.Task[None]], number: int, _: asyncio.Task[None]) -> None:
    del calls[number]


def _send(writer: asyncio.StreamWriter, message: Any) -> None:
    # What the other end does not read at once waits here; the gateway bounds what is under way.
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    if not writer.is_closing():
        writer.write(_SIZE.pack(len(body)) + body)


async def _next_message(reader: asyncio.StreamReader) -> Any:
    (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
    return pickle.loads(await reader.readexactly(size))  # noqa: S301 (of this user)
