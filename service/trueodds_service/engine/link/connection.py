"""The gateway's end of the link.

A call through Ray's handle takes 3 ms, as much as a small model takes for a question, and one
over a socket a tenth of that.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import zmq

from trueodds_service.engine.base import EngineInfo, Outcome, TokenPrompt
from trueodds_service.engine.link import messages
from trueodds_service.engine.link.beats import BEAT_SECONDS, Silence
from trueodds_service.engine.link.bytes_under_way import BytesUnderWay
from trueodds_service.engine.link.context import context, speak_to
from trueodds_service.engine.link.curve_keys import CurveKeys
from trueodds_service.engine.link.inbox import Inbox

_log = logging.getLogger(__name__)

# How long an engine's process may take to say who it is.
_HELLO_SECONDS = 10.0
# A node that is gone sends no word of it: its sockets answer ZeroMQ's own pings, or are closed.
_PING_MS, _PING_TIMEOUT_MS = 2000, 10_000
# Bytes of prompts under way in one engine's process: some batches of a large benchmark.
_BYTES_UNDER_WAY = 64 * 2**20

# Whatever of these comes, the socket is of no more use: it does not connect again by itself, for
# another process would be another engine.
_LOST = (
    zmq.Event.DISCONNECTED
    | zmq.Event.CLOSED
    | zmq.Event.CONNECT_RETRIED
    | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
    | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    | zmq.Event.HANDSHAKE_FAILED_AUTH
)


class EngineFault(Exception):
    """The engine failed at one request and lives on. The message is the error's class."""


class NotSent(ConnectionError):
    """The process was gone before the call: its prompts were never in the engine."""


class Busy(Exception):
    """The call is to be made elsewhere: somebody has the engine to himself, or it ends."""


@dataclass(slots=True)
class _Call:
    answer: "asyncio.Future[messages.Answer | messages.Failed | messages.Refused]"
    # A call that has to be alone is in the engine only when that is said.
    is_started: bool


class Connection:
    """To one engine's process. Many calls may be under way at once."""

    def __init__(
        self,
        socket: "zmq.Socket[Any]",
        on_lost: Callable[[], None],
        on_free: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._inbox = Inbox(socket, self._hear)
        lost = socket.get_monitor_socket(_LOST)
        self._monitor = Inbox(lost, lambda _: self._hear_no_more())
        self._on_lost = on_lost
        self._on_free = on_free
        self._is_open = True
        self._is_closing = self._is_busy = False
        self._numbers = itertools.count()
        self._calls: dict[int, _Call] = {}
        self._room = BytesUnderWay(_BYTES_UNDER_WAY)
        self._silence = Silence()
        loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[EngineInfo] = loop.create_future()
        # Done where nothing more that comes is of use.
        self._heard_enough: asyncio.Future[None] = loop.create_future()
        self._living = asyncio.create_task(self._live())

    @classmethod
    async def open(
        cls,
        endpoint: str,
        on_lost: Callable[[], None],
        keys: CurveKeys | None = None,
        on_free: Callable[[], None] = lambda: None,
    ) -> "Connection":
        """Connects to a ``Listener``.

        ``on_lost`` is called once, when nothing more may be asked: when the engine's process is
        gone or cannot be understood, before any call that was under way fails, or when it closes,
        and calls under way still end. ``on_free`` is called whenever ``is_busy`` becomes False.

        Raises OSError when nobody answers there.
        """
        socket = context().socket(zmq.DEALER)
        socket.sndhwm = socket.rcvhwm = 0
        socket.reconnect_ivl = -1
        socket.linger = 0
        socket.heartbeat_ivl, socket.heartbeat_timeout = _PING_MS, _PING_TIMEOUT_MS
        if keys is not None:
            keys.show(socket)
        connection = cls(socket, on_lost, on_free)
        try:
            await asyncio.sleep(0)  # a task that has not begun would free no socket at its end
            speak_to(socket, endpoint)
            socket.connect(endpoint)
            await connection._greet()
        except BaseException:
            connection.close()
            raise
        return connection

    async def _greet(self) -> None:
        with contextlib.suppress(NotSent):
            self._send(messages.encode(messages.Greeting()))
        hello: asyncio.Future[Any] = self._hello
        await asyncio.wait(
            {hello, self._living}, timeout=_HELLO_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not hello.done():
            raise ConnectionRefusedError

    @property
    def info(self) -> EngineInfo:
        return self._hello.result()

    @property
    def is_open(self) -> bool:
        """Whether it may be asked."""
        return self._is_open

    @property
    def is_closing(self) -> bool:
        """Whether the engine's process has said that it ends, or this end has left."""
        return self._is_closing

    @property
    def is_busy(self) -> bool:
        """Whether somebody has the engine to himself, as far as is known here."""
        return self._is_busy

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None, *, alone: bool = False
    ) -> list[Outcome]:
        """As ``Engine.score``. ``alone``: with nothing else in the engine, from whomever.

        Raises EngineFault, Busy, Exhausted or Expired where it was not worked on, and
        ConnectionError when the process is gone: NotSent where the prompts cannot have been in the
        engine.
        """
        number = next(self._numbers)
        body = messages.encode(messages.ask(number, prompts, adapter, alone=alone))
        async with self._room.taken(len(body)) as has_waited:
            if not self._is_open:
                raise NotSent
            if has_waited:  # less time is left
                body = messages.encode(messages.ask(number, prompts, adapter, alone=alone))
            call = _Call(asyncio.get_running_loop().create_future(), is_started=not alone)
            self._calls[number] = call
            try:
                self._send(body)
                self._is_busy |= alone
                answer = await call.answer
            except NotSent:
                self._end_asking()  # the news of its end comes in a moment
                raise
            except asyncio.CancelledError:
                # The caller is gone; so are its prompts, also in the engine.
                with contextlib.suppress(NotSent):
                    self._send(messages.encode(messages.Cancel(number)))
                raise
            finally:
                del self._calls[number]
                self._leave_if_done()
        if isinstance(answer, messages.Failed):
            raise EngineFault(answer.kind)
        if isinstance(answer, messages.Refused):
            raise messages.refusal_of(answer)
        return messages.outcomes_of(answer)

    async def wait_lost(self) -> None:
        """Until the engine's process is gone."""
        await asyncio.wait({self._living})

    def close(self) -> None:
        """Calls under way fail with a ConnectionError."""
        self._on_lost = _nothing
        self._is_open, self._is_closing = False, True
        self._living.cancel()

    async def _live(self) -> None:
        """Takes answers until the other end is gone, or this one leaves."""
        ways = [asyncio.ensure_future(way) for way in (self._heard_enough, self._beat())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._socket.linger = 1000
            with contextlib.suppress(NotSent):
                self._send(messages.encode(messages.Leaving()))
            raise
        finally:
            for way in ways:
                way.cancel()
            self._socket.disable_monitor()
            self._monitor.close()
            self._inbox.close()
            self._end_asking()
            for call in self._calls.values():
                if not call.answer.done():
                    call.answer.set_exception(
                        ConnectionResetError() if call.is_started else NotSent()
                    )

    def _hear(self, frames: list[bytes]) -> None:
        if self._heard_enough.done():
            return
        try:
            self._take(messages.decode_from_engine(b"".join(frames)))
        except Exception as error:
            _log.error("what an engine sent cannot be read: %s", type(error).__name__)
            self._hear_no_more()

    def _take(self, message: messages.FromEngine) -> None:
        self._silence.heard()
        if isinstance(message, messages.Hello):
            self._hello.set_result(message.info)
        elif isinstance(message, messages.Closing):
            if not self._hello.done():
                self._hear_no_more()
                return
            self._is_closing = True
            self._end_asking()
            self._leave_if_done()
        elif isinstance(message, messages.Forgotten):
            # The engine lives, and has none of these calls.
            for call in self._calls.values():
                call.is_started = False
            self._hear_no_more()
        elif isinstance(message, messages.Started):
            self._start(message.number)
        elif isinstance(message, messages.Free):
            self._is_busy = False
            self._on_free()
        elif isinstance(
            message, messages.Answer | messages.Failed | messages.Refused | messages.Busy
        ):
            self._answered(message)

    def _answered(
        self, message: messages.Answer | messages.Failed | messages.Refused | messages.Busy
    ) -> None:
        if isinstance(message, messages.Busy):
            self._is_busy = True
        call = self._calls.get(message.number)
        if call is None or call.answer.done():  # nobody waits for it any more
            return
        if isinstance(message, messages.Busy):
            call.answer.set_exception(Busy())
        else:
            call.answer.set_result(message)

    def _start(self, number: int) -> None:
        """Lets a call that is to be alone into the engine, unless nobody waits for it any more."""
        if call := self._calls.get(number):
            with contextlib.suppress(NotSent):
                self._send(messages.encode(messages.Go(number)))
                call.is_started = True

    def _hear_no_more(self) -> None:
        if not self._heard_enough.done():
            self._heard_enough.set_result(None)

    def _end_asking(self) -> None:
        """Nothing more is asked: told once, and not to who has closed it himself."""
        if self._is_open:
            self._is_open = False
            self._on_lost()

    def _leave_if_done(self) -> None:
        if not self._is_open and not self._calls:
            self.close()

    async def _beat(self) -> None:
        while not self._silence.is_long():
            await asyncio.sleep(BEAT_SECONDS)
            with contextlib.suppress(NotSent):
                self._send(messages.encode(messages.Beat()))
        _log.error("an engine's process has said nothing for some time: taken for lost")

    def _send(self, body: bytes) -> None:
        """Raises NotSent where nobody is at the other end: else its room has no end."""
        try:
            self._inbox.send([body])
        except zmq.ZMQError as error:
            raise NotSent from error


def _nothing() -> None:
    pass
