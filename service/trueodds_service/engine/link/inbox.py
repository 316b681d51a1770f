"""What comes to a ZeroMQ socket, taken in the turn of the event loop that notices it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import zmq


class Inbox:
    """Calls ``take`` with the frames of each message that comes to a socket.

    pyzmq's sockets for asyncio make a future of each message, and a turn of the event loop of each
    step. ``take`` raises nothing. Make and use it inside one event loop.
    """

    def __init__(self, socket: "zmq.Socket[Any]", take: Callable[[list[bytes]], None]) -> None:
        self._socket, self._take = socket, take
        self._loop = asyncio.get_running_loop()
        self._fd = int(socket.get(zmq.FD))
        self._loop.add_reader(self._fd, self._drain)
        # ZeroMQ tells of what comes to a socket that was found empty, and of nothing before.
        self._loop.call_soon(self._drain)

    def send(self, frames: Sequence[bytes]) -> None:
        """Done at once. Raises ZMQError where nobody is there, unless the socket drops it then."""
        try:
            self._socket.send_multipart(frames, flags=zmq.DONTWAIT)
        finally:
            # ZeroMQ tells once that something has come, and whoever calls it next hears of it.
            if int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
                self._loop.call_soon(self._drain)

    def close(self, linger: int | None = None) -> None:
        """Closes the socket, too; ``linger`` as the socket has it."""
        if not self._socket.closed:
            self._loop.remove_reader(self._fd)
            self._socket.close(linger)

    def _drain(self) -> None:
        while not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self._take(frames)
