"""Whether the process lives, and whether every model answers, for who places and balances."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from trueodds_service.flows.catalog import Catalog, State


def health_routes(catalog: Catalog) -> list[Route]:
    """``GET /healthz`` and ``GET /readyz``, which ask nobody who they are."""

    async def alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        states = catalog.states()
        is_ready = all(state is State.READY for state in states.values())
        told = {name: state.name for name, state in states.items()}
        return JSONResponse({"ready": is_ready, "models": told}, 200 if is_ready else 503)

    return [Route("/healthz", alive), Route("/readyz", ready)]
