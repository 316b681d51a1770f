"""The contract as JSON: a path for each of its methods, as Connect has them."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trueodds_service.http.endpoints import Answer, Endpoint, Entry, StreamEndpoint
from trueodds_service.http.refusals import JSON, as_status
from trueodds_service.rpc.as_json import JsonMethod, status_json


def contract_routes(methods: list[JsonMethod], entry: Entry) -> list[Route]:
    """``POST /trueodds.v1.ScoringService/Score`` and all others."""
    return [Route(f"/{each.name}", _endpoint(each, entry), methods=["POST"]) for each in methods]


def _endpoint(method: JsonMethod, entry: Entry) -> Endpoint | StreamEndpoint:
    refuse = as_status(status_json)
    if method.gives_stream:
        return StreamEndpoint(entry, method.name, method.answers, refuse, method.takes_stream)
    return Endpoint(entry, method.name, _answer(method), refuse)


def _answer(method: JsonMethod) -> Answer:
    async def answer(body: bytes, _: Request) -> Response:
        return Response(await method.answer(body), media_type=JSON)

    return answer
