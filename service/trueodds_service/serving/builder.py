"""The service for `serve deploy` and KubeRay: `trueodds_service.serving.builder:build`."""

import logging
import time
from typing import Any

import yaml
from ray import serve

from trueodds_service.config import Settings
from trueodds_service.errors import ConfigError
from trueodds_service.serving import node_folders
from trueodds_service.serving.application import application
from trueodds_service.serving.deployment_names import APP

PATH = f"{__name__}:build"

_log = logging.getLogger(__name__)

# KubeRay deploys as soon as its first node is up; those with GPUs come later.
_NODES_SECONDS = 300.0
_PAUSE_SECONDS = 2.0


def build(settings: Settings) -> serve.Application:
    """Serve's application builder: its arguments are a configuration, with absolute paths.

    Raises ConfigError when the models want more GPUs than the cluster has, also after some minutes,
    or a node lacks a folder of weights.
    """
    end = time.monotonic() + _NODES_SECONDS
    while True:
        try:
            made = application(settings, sockets=None)
        except ConfigError as error:
            if time.monotonic() > end:
                raise
            _log.warning("waiting for nodes: %s", error.message)
        else:
            node_folders.check(settings.models)
            return made
        time.sleep(_PAUSE_SECONDS)


def serve_config(settings: Settings) -> str:
    """What `serve deploy` takes, in YAML, for a configuration whose paths are absolute."""
    arguments = settings.model_dump(mode="json", exclude_unset=True)
    for model in arguments["models"]:
        if model.get("base") is not None:  # an adapter: it takes these from its base
            del model["weights"], model["engine"]
    application: dict[str, Any] = {
        "name": APP,
        "route_prefix": None,
        "import_path": PATH,
        "args": arguments,
    }
    content = {"proxy_location": "Disabled", "applications": [application]}
    return yaml.safe_dump(content, sort_keys=False)
