"""What ``grpc.health.v1`` says, by name; docs/operations.md tells who is to ask which."""

from collections.abc import Mapping

from trueodds_service.rpc.services import DESCRIPTORS

SERVICES = _SCORING, _CALIBRATION, _MODELS = [service.full_name for service in DESCRIPTORS]

ALIVE = ""
"""The process, from when it listens until it stops."""
READY = "ready"
"""Every model."""


def health(models: Mapping[str, bool]) -> Mapping[str, bool]:
    """Whether each name is SERVING, while the process is; ``models`` are those that answer.

    A model's own name is ``models/NAME``. What is asked of one model is no matter of another: a
    service that needs an engine is there while any model is, and the list of models always.
    """
    any_is_ready = any(models.values())
    return {
        ALIVE: True,
        READY: all(models.values()),
        _SCORING: any_is_ready,
        _CALIBRATION: any_is_ready,
        _MODELS: True,
        **{f"models/{name}": is_ready for name, is_ready in models.items()},
    }
