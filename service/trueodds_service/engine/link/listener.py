"""The engine's end of the link: who is there."""

import asyncio
import contextlib
import logging

import zmq

from trueodds_service.engine.base import EngineInfo, Score
from trueodds_service.engine.link import messages
from trueodds_service.engine.link.beats import BEAT_SECONDS, Silence
from trueodds_service.engine.link.calls import Calls
from trueodds_service.engine.link.context import context, speak_to
from trueodds_service.engine.link.curve_keys import CurveKeys
from trueodds_service.engine.link.inbox import Inbox
from trueodds_service.errors import class_and_place

_log = logging.getLogger(__name__)

# How long those have to leave who are told at the end to make their calls elsewhere.
_LEAVING_SECONDS = 1.0


class Listener:
    """Calls ``score`` for every gateway that connects.

    ``keys`` for an endpoint that others than this user can reach.
    """

    def __init__(self, info: EngineInfo, score: Score, keys: CurveKeys | None = None) -> None:
        self._info = info
        self._calls = Calls(score, self._send, lambda: self._tell_all(messages.Free()))
        # One of its own where it is guarded: ZeroMQ knows one guard a context.
        self._context = context() if keys is None else zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        # Nothing is dropped: what may be under way is bounded where it is asked.
        self._socket.sndhwm = self._socket.rcvhwm = 0
        self._guard = None
        if keys is not None:
            self._guard = keys.guard(self._context)
            keys.let_in(self._socket)
        self._callers: dict[bytes, Silence] = {}
        self._inbox = Inbox(self._socket, self._hear)
        self._beating: asyncio.Task[None] | None = None
        self._is_closing = False
        self._nobody = asyncio.Event()
        self._nobody.set()

    def listen(self, endpoint: str) -> str:
        """Binds to ``ipc://PATH``, or ``tcp://HOST:*`` for any port; the endpoint that it has.

        It may have several.
        """
        speak_to(self._socket, endpoint)
        self._socket.bind(endpoint)
        self._beating = self._beating or asyncio.create_task(self._beat())
        return bytes(self._socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()

    @property
    def prompts(self) -> int:
        """How many are under way."""
        return self._calls.prompts

    async def close(self, grace_seconds: float) -> None:
        """Lets nobody in any more, and gives everybody ``grace_seconds`` to leave."""
        # Not unbound: ZeroMQ would end the connections that are there.
        self._is_closing = True
        self._tell_all(messages.Closing())
        await self._emptied(grace_seconds)
        # The engine lives: what is under way in it is no suspect of anything.
        self._calls.send_away()
        await self._emptied(_LEAVING_SECONDS)
        self.drop()

    def drop(self) -> None:
        """Ends at once and tells nobody, as the end of the process does."""
        if self._beating is not None:
            self._beating.cancel()
        for name in [*self._callers]:
            self._forget(name)
        self._inbox.close(linger=0)
        if self._guard is not None:
            self._guard.stop()
            self._context.destroy(linger=0)

    async def _emptied(self, seconds: float) -> None:
        """Waits until everybody has left, and no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nobody.wait()

    def _hear(self, frames: list[bytes]) -> None:
        caller, *rest = frames
        try:
            [body] = rest
            self._take(caller, messages.decode_from_gateway(body))
        except Exception as error:
            # Whatever one sends, the others are answered.
            _log.error("what a gateway sent cannot be read: %s", class_and_place(error))
            self._turn_away(caller)

    def _take(self, name: bytes, message: messages.FromGateway) -> None:
        if isinstance(message, messages.Greeting):
            if self._is_closing:
                self._send(name, messages.Closing())
                return
            self._callers[name] = Silence()
            self._nobody.clear()
            self._send(name, messages.Hello(self._info))
            return
        silence = self._callers.get(name)
        if silence is None:  # was taken for gone: its calls are not under way, and it has to know
            self._send(name, messages.Forgotten())
            return
        silence.heard()
        if isinstance(message, messages.Ask):
            self._calls.ask(name, message)
        elif isinstance(message, messages.Go):
            self._calls.go(name, message.number)
        elif isinstance(message, messages.Cancel):
            self._calls.cancel(name, message.number)
        elif isinstance(message, messages.Leaving):
            self._forget(name)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for name, silence in [*self._callers.items()]:
                if silence.is_long():
                    # With the gateway, everybody who asked through it is gone.
                    self._turn_away(name)
                else:
                    self._send(name, messages.Beat())

    def _tell_all(self, message: messages.FromEngine) -> None:
        for caller in self._callers:
            self._send(caller, message)

    def _send(self, caller: bytes, message: messages.FromEngine) -> None:
        if self._socket.closed:
            return
        # Done at once: its room has no end, and what is for nobody is dropped.
        self._inbox.send([caller, messages.encode(message)])

    def _turn_away(self, name: bytes) -> None:
        self._forget(name)
        self._send(name, messages.Forgotten())

    def _forget(self, name: bytes) -> None:
        self._callers.pop(name, None)
        self._calls.forget(name)
        if not self._callers:
            self._nobody.set()
