"""Where the service listens: found free before anything starts."""

import socket

from trueodds_service.errors import ConfigError


def free_address(listen: str) -> str:
    """The address with its port: port 0 is made one, so that a gateway that is replaced keeps it.

    Raises ConfigError where nobody could listen: known at once, not once Ray has started.
    """
    host, _, port = listen.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
            return f"{host}:{trial.getsockname()[1]}"
    except OSError as error:
        raise ConfigError(f"listen: {listen} cannot be listened on ({error.strerror})") from error
