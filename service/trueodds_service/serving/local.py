"""The service on this machine: Ray is started for it and stopped with it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray import serve
from ray._private import worker as ray_worker
from ray.serve.config import ProxyLocation

from trueodds_service.config import Settings
from trueodds_service.edge import logs
from trueodds_service.errors import StartError, class_and_place
from trueodds_service.serving.application import LOGGING
from trueodds_service.serving.reaper import reaped
from trueodds_service.serving.running import Running, deployed
from trueodds_service.serving.signals import kept_from_ray
from trueodds_service.serving.weights import pinned, read_weights

_log = logging.getLogger(__name__)

_ATTEMPTS = 2
_OBJECT_STORE_BYTES = 128 * 2**20


@contextmanager
def serving(settings: Settings) -> Iterator[Running]:
    """Runs the service. It listens, and engines may still load.

    On leaving, everything that was started is stopped, requests under way after a grace.
    """
    settings = pinned(settings)  # so that what is read here is what the processes will have
    read_weights(settings)
    logs.write("serve")
    with reaped() as sockets, logs.collected(sockets), _serving(settings, sockets) as running:
        yield running


@contextmanager
def _serving(settings: Settings, sockets: Path) -> Iterator[Running]:
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        session = _start_ray()
        with deployed(settings, sockets) as running:
            yield running
    except StartError as error:
        if not ray.is_initialized():
            raise
        raise StartError(f"{error.message}\n  the logs of its processes: {session}/logs") from None
    finally:
        ray.shutdown()


def _silence_ray() -> None:
    """Ray prints paragraphs about each worker that is lost, and has no switch for them; what is
    lost and back, `trueodds serve` tells in a line.
    """
    setattr(ray_worker, "print_to_stdstream", lambda *_, **__: None)  # noqa: B010 (not typed)


def _start_ray() -> str:
    """Starts Ray and Serve; the folder of their session. Raises StartError.

    They give their processes a fixed time to answer, which a busy machine may exceed: a second
    attempt finds their files in memory.
    """
    _silence_ray()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with kept_from_ray():
                context = ray.init(
                    # Whatever other Ray runs here, or the environment names, is somebody else's.
                    address="local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="CRITICAL",
                    object_store_memory=_OBJECT_STORE_BYTES,
                )
            serve.start(
                proxy_location=ProxyLocation.Disabled,
                logging_config=LOGGING,
            )
            return str(context.address_info["session_dir"])
        except Exception as error:
            cause = _first_line(error)
            _log.debug("attempt %d to start Ray: %s", attempt, class_and_place(error))
            ray.shutdown()
    raise StartError(f"Ray did not start, the second time either: {cause}")


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
