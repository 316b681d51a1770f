"""The SQLSTATE with which a PostgreSQL server refuses all connections.

Of a connection that does not come about libpq tells words alone, in the server's language. A server
that starts, stops or recovers answers the first message of the protocol with it, before anything
else (PostgreSQL's manual, "Message Formats": StartupMessage and ErrorResponse).
"""

import socket
import struct
from contextlib import suppress
from typing import Any

_PROTOCOL_3 = 3 << 16
_SECONDS = 2.0
_MOST_BYTES = 8192
_STATE = b"C"


def refusal_state(error: Any) -> str:
    """With what state the server refuses, where psycopg's ``error`` says that no connection came
    about; "" where it refuses nothing by now, or cannot be reached.
    """
    connection = getattr(error, "pgconn", None)
    if connection is None:
        return ""
    host, port = (each.decode() for each in (connection.host, connection.port))
    with suppress(OSError, ValueError), _connected(host, int(port)) as server:
        user = b"user\0" + connection.user + b"\0\0"
        server.sendall(struct.pack("!ii", len(user) + 8, _PROTOCOL_3) + user)
        # Once, and no more: a server that refuses nobody asks for a password next, and waits.
        return _state(server.recv(_MOST_BYTES))
    return ""


def _connected(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout=_SECONDS)
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(_SECONDS)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def _state(answer: bytes) -> str:
    """The state in an ErrorResponse: a kind, a length, and fields that begin with their letter."""
    if answer[:1] != b"E":
        return ""
    fields = answer[5:].split(b"\0")
    return next((each[1:].decode() for each in fields if each[:1] == _STATE), "")
