"""The service for `serve deploy` and KubeRay: `trueodds_service.serving.builder:build`."""

from typing import Any

import yaml
from ray import serve

from trueodds_service.config import Settings
from trueodds_service.serving.application import application
from trueodds_service.serving.names import APP

PATH = f"{__name__}:build"


def build(settings: Settings) -> serve.Application:
    """Serve's application builder: its arguments are a configuration, with absolute paths.

    Raises ConfigError when the models want more GPUs than the cluster has.
    """
    return application(settings, sockets=None)


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
