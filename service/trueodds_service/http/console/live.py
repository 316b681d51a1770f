"""What the gateways of this node do now: rates, latencies and what waits."""

import asyncio
from typing import Any

from starlette.responses import Response

from trueodds_service.caller import Permission, current
from trueodds_service.edge.identity.permissions import require
from trueodds_service.edge.metrics.recent import Recent
from trueodds_service.http.console.visit import Visit
from trueodds_service.http.console.words import percent, plural, rate

# What the pages themselves ask for is not what anybody looks for here.
_WORK = ("ScoringService/", "CalibrationService/Calibrate", "CalibrationService/Stream")
_LONG_WORK = ("CalibrationService/FitCalibrator", "CalibrationService/EvaluateCalibrator")

# From here on a time is told in minutes.
_LONG_SECONDS = 120


async def show(visit: Visit) -> Response:
    return visit.page("live.html", **await _numbers(visit))


async def numbers(visit: Visit) -> Response:
    """What the page asks for again and again, to put in its place."""
    return visit.page("live-numbers.html", **await _numbers(visit))


async def _numbers(visit: Visit) -> dict[str, Any]:
    # They are of all tenants.
    require(Permission.ADMIN, current())
    recent = await asyncio.to_thread(visit.looks.recent)
    methods = [each for each in recent.methods if each.name.startswith((*_WORK, *_LONG_WORK))]
    return {"recent": recent, "methods": methods, "summary": _summary(recent)}


def _summary(recent: Recent) -> str:
    asked = sum(each.calibrated + each.raw + each.failed for each in recent.models)
    if not recent.seconds:
        # Without JavaScript nothing comes by itself.
        return "Rates take two looks: they are here in a moment, or with the page loaded again."
    if not asked:
        return f"Nobody has asked anything in the last {_span(recent)}."
    calibrated = sum(each.calibrated for each in recent.models)
    return (
        f"{plural(round(asked * recent.seconds), 'question')} in the last {_span(recent)}, "
        f"{rate(asked)} a second; {percent(calibrated / asked)} answered with a calibrator."
    )


def _span(recent: Recent) -> str:
    seconds = round(recent.seconds)
    if seconds >= _LONG_SECONDS:
        return plural(round(seconds / 60), "minute")
    return "second" if seconds <= 1 else plural(seconds, "second")
