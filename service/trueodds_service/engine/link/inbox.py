"""What comes to a ZeroMQ socket, taken in the turn of the event loop that notices it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import zmq

# Messages that are taken in one turn of the event loop: whatever comes, the others have theirs.
_AT_ONCE = 64


class Inbox:
    """Calls ``take`` with the frames of each message that comes to a socket.

    pyzmq's sockets for asyncio make a future of each message, and a turn of the event loop of each
    step. ``take`` raises nothing. Make and use it inside one event loop.
    """

    def __init__(self, socket: "zmq.Socket[Any]", take: Callable[[list[bytes]], None]) -> None:
        self._socket, self._take = socket, take
        self._loop = asyncio.get_running_loop()
        self._fd = int(socket.get(zmq.FD))
        self._is_due = False
        self._loop.add_reader(self._fd, self._notice)
        # ZeroMQ tells of what comes to a socket that was found empty, and of nothing before.
        self._look_soon()

    def send(self, frames: Sequence[bytes]) -> None:
        """Done at once. Raises ZMQError where nobody is there, unless the socket drops it then."""
        try:
            self._socket.send_multipart(frames, flags=zmq.DONTWAIT)
        finally:
            # ZeroMQ tells once that something has come, and whoever calls it next hears of it.
            if int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
                self._look_soon()

    def close(self, linger: int | None = None) -> None:
        """Closes the socket, too; ``linger`` as the socket has it."""
        if not self._socket.closed:
            self._loop.remove_reader(self._fd)
            self._socket.close(linger)

    def _notice(self) -> None:
        if not self._is_due:
            self._take_some()

    def _look_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._take_some)

    def _take_some(self) -> None:
        self._is_due = False
        for _ in range(_AT_ONCE):
            if self._socket.closed:
                return
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self._take(frames)
        self._look_soon()
