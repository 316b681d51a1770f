"""The engine's end of the link."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import zmq
import zmq.asyncio

from trueodds_service.engine.base import EngineInfo, Outcome, TokenPrompt
from trueodds_service.engine.link import messages
from trueodds_service.engine.link.beats import BEAT_SECONDS, Silence
from trueodds_service.engine.link.context import context
from trueodds_service.engine.link.keys import Keys
from trueodds_service.engine.link.turns import Turns
from trueodds_service.errors import class_and_place

_log = logging.getLogger(__name__)

# Who is told at the end that his calls are to be made elsewhere has so long to leave.
_LEAVING_SECONDS = 1.0

Score = Callable[[Sequence[TokenPrompt], str | None], Awaitable[list[Outcome]]]


@dataclass(slots=True)
class _Caller:
    """A gateway, and what is under way for it."""

    calls: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)
    # Those that are to be alone, until it knows that they begin.
    beginning: "dict[int, asyncio.Future[None]]" = field(default_factory=dict)
    silence: Silence = field(default_factory=Silence)


class Listener:
    """Calls ``score`` for whoever connects, each call in a task of its own.

    ``keys`` for an endpoint that others than this user can reach.
    """

    def __init__(self, info: EngineInfo, score: Score, keys: Keys | None = None) -> None:
        self._info = info
        self._score = score
        # One of its own where it is guarded: ZeroMQ knows one guard a context.
        self._context = context() if keys is None else zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        # Nothing is dropped: what may be under way is bounded where it is asked.
        self._socket.sndhwm = self._socket.rcvhwm = 0
        self._guard = None
        if keys is not None:
            self._guard = keys.guard(self._context)
            keys.let_in(self._socket)
        self._turns = Turns()
        self._prompts = 0
        self._callers: dict[bytes, _Caller] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False
        self._nobody = asyncio.Event()
        self._nobody.set()

    def listen(self, endpoint: str) -> str:
        """Binds to ``ipc://PATH``, or ``tcp://HOST:*`` for any port; the endpoint that it has.

        It may have several.
        """
        self._socket.bind(endpoint)
        self._tasks = self._tasks or [
            asyncio.create_task(self._serve()),
            asyncio.create_task(self._beat()),
        ]
        return bytes(self._socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()

    @property
    def prompts(self) -> int:
        """How many are under way."""
        return self._prompts

    async def close(self, grace_seconds: float) -> None:
        """Lets nobody in any more, and everybody have so long to leave."""
        # Not unbound: ZeroMQ would end the connections that are there.
        self._is_closing = True
        self._tell_all(messages.Closing())
        await self._emptied(grace_seconds)
        # The engine lives: what is under way in it is no suspect of anything.
        for name, caller in self._callers.items():
            for number, call in caller.calls.items():
                self._send(name, messages.Busy(number))
                call.cancel()
        await self._emptied(_LEAVING_SECONDS)
        self.drop()

    def drop(self) -> None:
        """Ends at once and tells nobody, as the end of the process does."""
        for task in self._tasks:
            task.cancel()
        for name in [*self._callers]:
            self._forget(name)
        self._socket.close(linger=0)
        if self._guard is not None:
            self._guard.stop()
            self._context.destroy(linger=0)

    async def _emptied(self, seconds: float) -> None:
        """Waits until everybody has left, and no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nobody.wait()

    async def _serve(self) -> None:
        while True:
            caller, *frames = await self._socket.recv_multipart()
            try:
                [body] = frames
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
            self._callers[name] = _Caller()
            self._nobody.clear()
            self._send(name, messages.Hello(self._info))
            return
        caller = self._callers.get(name)
        if caller is None:  # was taken for gone: its calls are not under way, and it has to know
            self._send(name, messages.Forgotten())
            return
        caller.silence.heard()
        if isinstance(message, messages.Ask):
            self._let_in(name, caller, message)
        elif isinstance(message, messages.Go):
            beginning = caller.beginning.pop(message.number, None)
            if beginning is not None and not beginning.done():
                beginning.set_result(None)
        elif isinstance(message, messages.Cancel):
            if call := caller.calls.get(message.number):
                call.cancel()
        elif isinstance(message, messages.Leaving):
            self._forget(name)

    def _let_in(self, name: bytes, caller: _Caller, asked: messages.Ask) -> None:
        if not self._turns.take(alone=asked.alone):
            self._send(name, messages.Busy(asked.number))
            return
        self._prompts += len(asked.prompts)
        answering = (
            self._answer_alone(name, caller, asked) if asked.alone else self._answer(name, asked)
        )
        task = caller.calls[asked.number] = asyncio.create_task(answering)
        task.add_done_callback(functools.partial(self._ended, caller, asked))

    def _ended(self, caller: _Caller, asked: messages.Ask, _: "asyncio.Task[None]") -> None:
        del caller.calls[asked.number]
        caller.beginning.pop(asked.number, None)
        self._prompts -= len(asked.prompts)
        self._turns.leave(alone=asked.alone)
        if asked.alone:
            self._tell_all(messages.Free())

    async def _answer_alone(self, name: bytes, caller: _Caller, asked: messages.Ask) -> None:
        await self._turns.emptied()
        go = caller.beginning[asked.number] = asyncio.get_running_loop().create_future()
        self._send(name, messages.Started(asked.number))
        await go
        await self._answer(name, asked)

    async def _answer(self, caller: bytes, asked: messages.Ask) -> None:
        try:
            outcomes = await self._score(messages.prompts_of(asked), asked.adapter)
            self._send(caller, messages.answer(asked.number, outcomes))
        except Exception as error:
            # Only the class and the place: a foreign message can hold a prompt.
            _log.error("the engine failed at a request: %s", class_and_place(error))
            self._send(caller, messages.Failed(asked.number, type(error).__name__))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for name, caller in [*self._callers.items()]:
                if caller.silence.is_long():
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
        self._socket.send_multipart([caller, messages.encode(message)], flags=zmq.DONTWAIT)

    def _turn_away(self, name: bytes) -> None:
        self._forget(name)
        self._send(name, messages.Forgotten())

    def _forget(self, name: bytes) -> None:
        caller = self._callers.pop(name, None)
        for call in caller.calls.values() if caller is not None else ():
            call.cancel()
        if not self._callers:
            self._nobody.set()
