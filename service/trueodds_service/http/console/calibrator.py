"""One calibrator: what it does, what it was fitted on, and whether it answers now."""

from collections.abc import Sequence

from starlette.responses import Response

from trueodds_service.errors import ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.http.console.contract import Fields
from trueodds_service.http.console.drawing import Square
from trueodds_service.http.console.listing import all_of, at, effect, get
from trueodds_service.http.console.visit import Visit
from trueodds_service.http.console.words import percent

_SAID = 0.95
_DONE = {
    "activated": "It is active now: every answer in its scope goes through it.",
    "back": "Its activation was taken back.",
}


async def show(visit: Visit) -> Response:
    parameters = visit.request.path_params
    shown = await get(visit.contract, parameters["model"], parameters["id"])
    found, _ = await all_of(visit.contract, shown["model"], shown["scope"]["task"])
    curve = await curve_of(visit, shown)
    return visit.page(
        "calibrator.html",
        calibrator=shown,
        active=active_in_scope(found, shown),
        others=[each for each in found if each["id"] != shown["id"]],
        curve=curve,
        square=Square(),
        effect=effect_in_words(curve),
        history=await history(visit.calibrators, shown),
        done=_DONE.get(visit.asked("done"), ""),
    )


def active_in_scope(found: Sequence[Fields], calibrator: Fields) -> Fields | None:
    """What answers where this calibrator would, of those found; None where nothing does."""
    rivals = (each for each in found if each["scope"] == calibrator["scope"])
    return next((each for each in rivals if each["active"]), None)


async def curve_of(visit: Visit, calibrator: Fields) -> Sequence[tuple[float, float]]:
    """As ``effect``; empty as well where the calibrator cannot be applied any more."""
    try:
        return await effect(visit.contract, calibrator)
    except ServiceError:
        return []


def effect_in_words(curve: Sequence[tuple[float, float]]) -> str:
    """What a curve does, by an example."""
    becomes = at(curve, _SAID)
    if becomes is None:
        return ""
    return f"Where the model says {percent(_SAID)}, this says {percent(becomes)}."


async def history(calibrators: Calibrators, calibrator: Fields) -> list[Fields]:
    """The activations in its scope, the newest first: when, and what answered from then on."""
    found = await calibrators.history(calibrator["model"], calibrator["id"])
    return [
        {"at": each.created_at.isoformat(), "id": each.calibrator_id or ""}
        for each in reversed(found)
    ]
