"""The sockets of this process: one ZeroMQ context, which never keeps it from ending."""

import atexit
import contextlib
from typing import Any

import zmq


def context() -> "zmq.Context[zmq.Socket[Any]]":
    """The same for all. At the end of the process its sockets are closed with what they hold:
    ZeroMQ would else wait for each that is open.
    """
    found: zmq.Context[zmq.Socket[Any]] = zmq.Context.instance()
    atexit.unregister(_destroy)
    atexit.register(_destroy)
    return found


def speak_to(socket: "zmq.Socket[Any]", endpoint: str) -> None:
    """Before ``socket`` binds or connects to ``endpoint``: IPv6 has to be asked for."""
    if endpoint.startswith("tcp://"):
        host, _, _ = endpoint.removeprefix("tcp://").rpartition(":")
        socket.ipv6 = ":" in host


def _destroy() -> None:
    # Their event loop may be gone.
    with contextlib.suppress(zmq.ZMQError, RuntimeError):
        zmq.Context.instance().destroy(linger=0)
