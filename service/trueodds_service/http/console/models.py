"""Models: which are served, what each does now, and what is active for it."""

import asyncio
from typing import Any

from starlette.responses import Response

from trueodds_service.http.console.listing import active_of
from trueodds_service.http.console.visit import Visit

_STATES = {
    "STATE_READY": ("ready", "Ready", "answers questions"),
    "STATE_STARTING": ("waiting", "Starting", "loads its weights and answers once it is up"),
    "STATE_LOST": ("waiting", "Lost", "lost its engine, which is being replaced"),
    "STATE_FAILED": ("failed", "Failed", "cannot come up as it is configured"),
}


async def show(visit: Visit) -> Response:
    models = await visit.models()
    active = await asyncio.gather(*(active_of(visit.contract, each["id"]) for each in models))
    shown = [
        {**model, "mark": _state(model), "active": found, "damaged": damaged}
        for model, (found, damaged) in zip(models, active, strict=True)
    ]
    return visit.page("models.html", models=shown, summary=_summary(models))


def _state(model: dict[str, Any]) -> tuple[str, str, str]:
    return _STATES.get(model["state"], ("waiting", model["state"], ""))


def _summary(models: Any) -> str:
    ready = sum(each["state"] == "STATE_READY" for each in models)
    failed = sum(each["state"] == "STATE_FAILED" for each in models)
    if ready == len(models):
        return {1: "The model answers.", 2: "Both models answer."}.get(
            ready, f"All {ready} models answer."
        )
    said = f"{ready} of {len(models)} models {'answers' if ready == 1 else 'answer'}"
    if failed:
        return f"{said}; {failed} {'has' if failed == 1 else 'have'} failed."
    return f"{said}; the rest will."
