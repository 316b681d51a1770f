"""The console's pages by their addresses."""

from collections.abc import Callable, Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from trueodds_service.edge.gate import Gate
from trueodds_service.edge.hosts import is_this_machine
from trueodds_service.edge.metrics.recent import Looks
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.http.console import (
    calibrator,
    calibrators,
    change,
    compare,
    drift,
    live,
    measure,
    models,
    question,
)
from trueodds_service.http.console.contract import Contract
from trueodds_service.http.console.page import House, Page, Show
from trueodds_service.http.console.protection import Protected, any_host
from trueodds_service.http.console.secret import session_secret
from trueodds_service.http.console.sessions import Sessions
from trueodds_service.http.console.sign_in import SignIn, SignOut
from trueodds_service.rpc.as_json import JsonMethod

_STATIC = Path(__file__).parent / "static"
_AT = "/console"

_GET = "CalibrationService/GetCalibrator"
_CALIBRATOR = "/calibrators/{model}/{id}"
# Address, what the gate is told that is asked for, and what shows it; forms are sent.
_READ: tuple[tuple[str, str, Show], ...] = (
    ("/", "ModelService/ListModels", models.show),
    ("/question", "ModelService/ListModels", question.show),
    ("/calibrators", "CalibrationService/ListCalibrators", calibrators.show),
    ("/compare", _GET, compare.show),
    (_CALIBRATOR, _GET, calibrator.show),
    (f"{_CALIBRATOR}/drift", "CalibrationService/GetDrift", drift.show),
    (f"{_CALIBRATOR}/activate", _GET, change.show_activation),
    (f"{_CALIBRATOR}/roll-back", _GET, change.show_rollback),
    (f"{_CALIBRATOR}/measure", _GET, measure.show),
    ("/live", "ModelService/ListModels", live.show),
    ("/live/numbers", "ModelService/ListModels", live.numbers),
)
_SENT: tuple[tuple[str, str, Show], ...] = (
    ("/question", "ScoringService/Score", question.answer),
    (f"{_CALIBRATOR}/activate", "CalibrationService/ActivateCalibrator", change.activate),
    (f"{_CALIBRATOR}/roll-back", "CalibrationService/RollbackCalibrator", change.roll_back),
    (f"{_CALIBRATOR}/measure", "CalibrationService/EvaluateCalibrator", measure.measure),
)


def console_routes(
    methods: Iterable[JsonMethod],
    calibrators: Calibrators,
    gate: Gate,
    metrics: Callable[[], bytes],
    *,
    is_loopback: bool,
) -> list[BaseRoute]:
    """The console at ``/console``, and the way there from ``/``.

    ``metrics`` is what is counted, as Prometheus reads it. ``is_loopback``: the door's address is
    this machine's alone, so that pages under another name are not for whom they seem to be.
    """
    sessions = Sessions(session_secret())
    house = House(gate, Contract(methods), calibrators, Looks(metrics), sessions)
    application = Starlette(
        routes=_routes(house),
        exception_handlers={HTTPException: _no_page},  # type: ignore[dict-item]
    )
    application.router.redirect_slashes = False
    protected = Protected(application, is_this_machine if is_loopback else any_host)

    async def go(_: Request) -> Response:
        return RedirectResponse(f"{_AT}/", 307)

    return [Route("/", go), Route(_AT, go), Mount(_AT, protected)]


def _routes(house: House) -> list[BaseRoute]:
    read = [Route(at, Page(house, name, show), methods=["GET"]) for at, name, show in _READ]
    sent = [Route(at, Page(house, name, show), methods=["POST"]) for at, name, show in _SENT]
    return [
        *read,
        *sent,
        Route("/sign-in", SignIn(house), methods=["GET", "POST"]),
        Route("/sign-out", SignOut(house), methods=["POST"]),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]


async def _no_page(_: Request, error: HTTPException) -> Response:
    return PlainTextResponse("There is no such page.\n", error.status_code)
