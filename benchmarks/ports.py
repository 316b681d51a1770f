"""A port of this machine's own for a server that has to be told one."""

import socket


def free_port() -> int:
    """One on which nothing listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
