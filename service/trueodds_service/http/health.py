"""Whether the process lives, and whether every model answers, for who places and balances."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from trueodds_service.flows.catalog import Catalog


def health_routes(catalog: Catalog) -> list[Route]:
    """``GET /healthz`` and ``GET /readyz``, which ask nobody who they are."""

    async def alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        states = {entry.name: entry.state.name for entry in catalog}
        is_ready = all(entry.served is not None for entry in catalog)
        return JSONResponse({"ready": is_ready, "models": states}, 200 if is_ready else 503)

    return [Route("/healthz", alive), Route("/readyz", ready)]
