"""Where the service listens: found free before anything starts, and held while it runs."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from trueodds_service.config import Settings
from trueodds_service.errors import ConfigError

NODE = "NODE"
"""In place of a host: the address that Ray knows a node by."""


def listening_on(settings: Settings, address: str) -> Settings:
    """The settings of a gateway on the node of that address."""
    update = {name: on_node(each, address) for name, each in addresses(settings).items()}
    return settings.model_copy(update=update)


def addresses(settings: Settings) -> dict[str, str]:
    """Where the doors listen, by the name of the setting."""
    doors = {"listen": settings.listen, "http": settings.http, "metrics": settings.metrics}
    return {name: address for name, address in doors.items() if address is not None}


def on_node(listen: str, address: str) -> str:
    host, _, port = listen.rpartition(":")
    bracketed = f"[{address}]" if ":" in address else address
    return f"{bracketed}:{port}" if host == NODE else listen


def check_fixed(listen: str, name: str = "listen") -> None:
    """Raises ConfigError where gateways of several nodes would each have another port."""
    if listen.rpartition(":")[2] == "0":
        raise ConfigError(f"{name}: {listen} has to name a port, which all gateways have")


def check_address(listen: str, name: str = "listen") -> None:
    """Raises ConfigError where nobody could listen, or somebody does."""
    with _listening(listen, name):
        pass


@contextmanager
def held_addresses(settings: Settings) -> Iterator[dict[str, str]]:
    """``held_address`` for each door, by the name of the setting."""
    with ExitStack() as held:
        yield {
            name: held.enter_context(held_address(address, name))
            for name, address in addresses(settings).items()
        }


@contextmanager
def held_address(listen: str, name: str = "listen") -> Iterator[str]:
    """The address with its port: port 0 is made one. It is this service's inside.

    Gateways of the same user that set SO_REUSEPORT may listen there; another service that asks in
    the same way is refused, also while no gateway listens. Raises ConfigError as
    ``check_address`` does.
    """
    with _listening(listen, name) as listening:
        host, _, _ = listen.rpartition(":")
        address = listening.getsockname()
        # It is alone at the port; from now on others may join that set the option, too.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with socket.socket(listening.family, listening.type, listening.proto) as holding:
            # Bound and never listening, it keeps the port and gets no connections.
            holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holding.bind(address)
            # With it, others that set it could bind beside a socket that does not listen.
            holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            listening.close()
            yield f"{host}:{address[1]}"


@contextmanager
def _listening(listen: str, name: str) -> Iterator[socket.socket]:
    """A socket that listens there, alone."""
    host, _, port = listen.rpartition(":")
    if host == NODE:
        raise ConfigError(f"{name}: {listen} is for clusters; a machine has its own address")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        trial = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # the second where it can be no host's name
        raise _refused(listen, name, error) from error
    with trial:
        try:
            # Connections that a service of before has ended do not keep it away.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
        except OSError as error:
            raise _refused(listen, name, error) from error
        yield trial


def _refused(listen: str, name: str, error: OSError | UnicodeError) -> ConfigError:
    why = error.strerror if isinstance(error, OSError) else "no host has that name"
    return ConfigError(f"{name}: {listen} cannot be listened on ({why})")
