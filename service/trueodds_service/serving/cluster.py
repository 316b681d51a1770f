"""The service on a Ray cluster that others have started."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray import serve
from ray.exceptions import AuthenticationError
from ray.serve.config import ProxyLocation

from trueodds_service.config import Settings
from trueodds_service.errors import StartError
from trueodds_service.serving import node_folders
from trueodds_service.serving.application import LOGGING
from trueodds_service.serving.ray_access import answers_anybody
from trueodds_service.serving.running import Running, deployed
from trueodds_service.serving.signals import kept_from_ray


@contextmanager
def serving(settings: Settings, address: str) -> Iterator[Running]:
    """Runs the service on the cluster at ``address``, as ``local.serving`` does on this machine.

    Where the application is there already, it becomes the one of ``settings``. On leaving it is
    deleted; if this process is killed it stays, as other applications of Serve do.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        with kept_from_ray():
            ray.init(address=address, log_to_driver=False, logging_level="CRITICAL")
    except (ConnectionError, RuntimeError, ValueError, AuthenticationError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StartError(f"--ray-address: {address} cannot be joined ({said})") from error
    try:
        _refuse_if_open(address)
        node_folders.check(settings.models)
        # What runs there keeps its proxies.
        serve.start(proxy_location=ProxyLocation.Disabled, logging_config=LOGGING)
        with deployed(settings, sockets=None) as running:
            yield running
    finally:
        ray.shutdown()


def _refuse_if_open(address: str) -> None:
    """Raises StartError where the cluster asks nobody for a token, unless that is said to be so."""
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        return
    if answers_anybody(ray.get_runtime_context().gcs_address):
        raise StartError(
            f"--ray-address: {address} lets in everybody who can reach it: start its nodes with "
            "RAY_AUTH_MODE=token, or set RAY_AUTH_MODE=disabled here where others are kept away"
        )
