"""``GET /openapi.json``: what the door answers, made from the protos and from the bodies."""

from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trueodds_service.http.decisions import fitting, openai_body, systemone, temperatures
from trueodds_service.http.endpoints import NDJSON
from trueodds_service.http.refusals import JSON
from trueodds_service.rpc.as_json import JsonMethod
from trueodds_service.rpc.schemas import STATUS, reference, schemas

_BODIES: dict[str, tuple[str, type[BaseModel]]] = {
    "/v1/decisions": ("OpenAI's decisions", openai_body.Request),
    "/v1/systemone": ("vLLM's structured decisions", systemone.Request),
    "/v1/decisions/calibrators": ("Calibrators from recorded decisions", fitting.Request),
    "/v1/decisions/temperatures/import": (
        "Calibrators of temperatures that were fitted elsewhere",
        temperatures.ImportRequest,
    ),
    "/v1/decisions/temperatures/export": (
        "The active temperatures, as a file that others read",
        temperatures.ExportRequest,
    ),
}


def openapi_route(methods: list[JsonMethod]) -> Route:
    document = openapi(methods)

    async def told(_: Request) -> Response:
        return JSONResponse(document)

    return Route("/openapi.json", told)


def openapi(methods: list[JsonMethod]) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    paths = {f"/{method.name}": {"post": _operation(method)} for method in methods}
    components = schemas(
        message for method in methods for message in (method.asked, method.answered)
    )
    for path, (summary, body) in _BODIES.items():
        name = f"{path.removeprefix('/v1/').replace('/', '.')}.Request"
        schema = body.model_json_schema(ref_template=f"#/components/schemas/{name}.{{model}}")
        for part, each in schema.pop("$defs", {}).items():
            components[f"{name}.{part}"] = each
        components[name] = schema
        paths[path] = {
            "post": {
                "operationId": name.removesuffix(".Request"),
                "summary": summary,
                "requestBody": _content({"$ref": f"#/components/schemas/{name}"}, JSON),
                "responses": {"200": {"description": "OK", **_content({"type": "object"}, JSON)}},
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "trueodds", "version": version("trueodds-service")},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _operation(method: JsonMethod) -> dict[str, Any]:
    service, _, name = method.name.rpartition("/")
    answer = reference(method.answered)
    if method.gives_stream:
        line = {"type": "object", "properties": {"result": answer, "error": reference(STATUS)}}
        told = _content(line, NDJSON)
    else:
        told = _content(answer, JSON)
    asked = reference(method.asked)
    return {
        "operationId": method.name.replace("/", "."),
        "tags": [service],
        "summary": name,
        "requestBody": {
            "required": True,
            **_content(asked, NDJSON if method.takes_stream else JSON),
        },
        "responses": {
            "200": {"description": "OK", **told},
            "default": {"description": "An error", **_content(reference(STATUS), JSON)},
        },
    }


def _content(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"content": {kind: {"schema": schema}}}
