"""What is active, changed: first what would come of it, then, once confirmed, the change."""

from starlette.responses import Response

from trueodds_service.errors import ServiceError, Unauthenticated
from trueodds_service.http.console.calibrator import active_in_scope, curve_of, effect_in_words
from trueodds_service.http.console.compare import differences
from trueodds_service.http.console.contract import Fields
from trueodds_service.http.console.drawing import Square
from trueodds_service.http.console.listing import all_of, damaged_in_scope, get
from trueodds_service.http.console.visit import Visit, sentence
from trueodds_service.http.refusals import code
from trueodds_service.rpc.names import calibrator_name


async def show_activation(visit: Visit) -> Response:
    return await _confirm(visit, "activate")


async def show_rollback(visit: Visit) -> Response:
    return await _confirm(visit, "roll-back")


async def activate(visit: Visit) -> Response:
    request = {"name": _name(visit), "force": visit.form.get("force") == "yes"}
    try:
        await visit.contract.ask("CalibrationService/ActivateCalibrator", request)
    except Unauthenticated:
        raise
    except ServiceError as error:
        return await _confirm(visit, "activate", error)
    return visit.redirect(_page(visit), done="activated")


async def roll_back(visit: Visit) -> Response:
    try:
        await visit.contract.ask("CalibrationService/RollbackCalibrator", {"name": _name(visit)})
    except Unauthenticated:
        raise
    except ServiceError as error:
        return await _confirm(visit, "roll-back", error)
    return visit.redirect(_page(visit), done="back")


async def _confirm(visit: Visit, change: str, error: ServiceError | None = None) -> Response:
    """What answers now beside what would, by what they make of a confidence."""
    parameters = visit.request.path_params
    shown = await get(visit.contract, parameters["model"], parameters["id"])
    now: Fields | None
    then: Fields | None
    damaged = ""
    if change == "activate":
        (now, damaged), then = await _active(visit, shown), shown
    else:
        now, then = shown, await _before(visit, shown)
    curves = [await curve_of(visit, each) if each else [] for each in (now, then)]
    return visit.page(
        "change.html",
        200 if error is None else code(error),
        change=change,
        calibrator=shown,
        now=now,
        damaged=damaged,
        then=then,
        curves=curves,
        effects=[effect_in_words(each) for each in curves],
        rows=differences(now, then) if now and then else [],
        square=Square(),
        said="" if error is None else sentence(error),
    )


async def _active(visit: Visit, calibrator: Fields) -> tuple[Fields | None, str]:
    """What answers in the same scope, where anything does; or the id of what would, if it were
    not damaged.
    """
    found, damaged = await all_of(visit.contract, calibrator["model"], calibrator["scope"]["task"])
    return active_in_scope(found, calibrator), damaged_in_scope(damaged, calibrator)


async def _before(visit: Visit, calibrator: Fields) -> Fields | None:
    """What answers once the activation of a calibrator is taken back; None where nothing does."""
    previous = await visit.calibrators.before(calibrator["model"], calibrator["id"])
    return None if previous is None else await get(visit.contract, calibrator["model"], previous)


def _name(visit: Visit) -> str:
    parameters = visit.request.path_params
    return calibrator_name(parameters["model"], parameters["id"])


def _page(visit: Visit) -> str:
    parameters = visit.request.path_params
    return f"/calibrators/{parameters['model']}/{parameters['id']}"
