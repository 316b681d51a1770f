"""What `trueodds serve` runs: the service until a signal, and its state in plain lines."""

import signal
import socket
import sys
import threading
from pathlib import Path

from trueodds_service import config
from trueodds_service.errors import ConfigError, ServiceError

_POLL_SECONDS = 0.5


def run(path: Path, *, listen: str | None = None) -> int:
    """Serves a configuration until SIGINT or SIGTERM; the exit status.

    Prints a line when it listens, and one when every model is ready.
    """
    stop = threading.Event()
    _stop_on_signals(stop)
    try:
        settings = config.load(path, listen=listen)
        settings = settings.model_copy(update={"listen": _free_address(settings.listen)})
        # Ray and vLLM take seconds to import: a wrong configuration should not wait for them.
        from trueodds_service.serving import local  # noqa: PLC0415

        print("starting …", flush=True)
        with local.serving(settings) as address:
            # Ray has put its own handlers in place, which end the process at once.
            _stop_on_signals(stop)
            print(f"listening on {address}", flush=True)
            while not stop.is_set() and not local.is_ready():
                stop.wait(_POLL_SECONDS)
            if not stop.is_set():
                names = ", ".join(model.name for model in settings.models)
                print(f"ready: {names}", flush=True)
            stop.wait()
            print("stopping …", flush=True)
    except ServiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _free_address(listen: str) -> str:
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


def _stop_on_signals(stop: threading.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
