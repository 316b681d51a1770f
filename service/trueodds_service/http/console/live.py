"""What the service does now."""

from starlette.responses import Response

from trueodds_service.http.console.visit import Visit


async def show(visit: Visit) -> Response:
    return visit.page("live.html")


async def numbers(visit: Visit) -> Response:
    return visit.page("live-numbers.html")
