"""The error tree as HTTP: a code, the headers that go with it, and a body in the caller's terms."""

import json
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from trueodds_service.errors import InvalidInput, ServiceError, Unauthenticated, Unavailable

JSON = "application/json"

SYSTEMONE = "/v1/systemone"

# As google/rpc/code.proto maps them.
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# What HTTP has a code of its own for.
_OF_REASON = {
    "BODY_TOO_LARGE": 413,
    "BODY_TOO_SLOW": 408,
    "HEAD_TOO_LARGE": 431,
    "REQUEST_TOO_LONG": 413,
    "NO_SUCH_METHOD": 405,
    "UNKNOWN_MEDIA_TYPE": 415,
}

Refuse = Callable[[Exception], Response]
"""Answers a request that failed."""


def code(error: Exception) -> int:
    """The HTTP status of whatever was raised."""
    if not isinstance(error, ServiceError):
        return 500
    return _OF_REASON.get(error.reason) or _CODES[error.code]


def as_status(write: Callable[[Exception], bytes]) -> Refuse:
    """Refuses with a ``google.rpc.Status``, which ``write`` makes."""
    return lambda error: Response(write(error), code(error), headers(error), JSON)


def headers(error: Exception) -> dict[str, str]:
    """When to try again, and how to say who one is."""
    if isinstance(error, Unavailable):
        return {
            "retry-after": str(max(math.ceil(error.retry_seconds), 1)),
            "retry-after-ms": str(round(error.retry_seconds * 1000)),
        }
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": "Bearer"}
    return {}


_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_FIRST_OF_OURS = 500


def as_openai(write: Callable[[Exception], bytes]) -> Refuse:
    """Refuses with OpenAI's error object, in the words of the Status that ``write`` makes."""

    def refuse(error: Exception) -> Response:
        kind = "server_error" if code(error) >= _FIRST_OF_OURS else "invalid_request_error"
        told = {"type": _OPENAI_TYPES.get(code(error), kind), "code": _reason(error)}
        return _object(error, write, told)

    return refuse


def as_vllm(write: Callable[[Exception], bytes]) -> Refuse:
    """Refuses as vLLM's routes do, whose ``code`` is HTTP's; ``reason`` is ours."""

    def refuse(error: Exception) -> Response:
        status = HTTPStatus(code(error))
        name = status.phrase.title().replace(" ", "").removesuffix("Error")
        told = {"type": f"{name}Error", "code": status.value, "reason": _reason(error)}
        return _object(error, write, told)

    return refuse


def refuse_at(path: str, write: Callable[[Exception], bytes]) -> Refuse:
    """In the terms of the callers that a path is for, whether anything is there or not."""
    if path == SYSTEMONE:
        return as_vllm(write)
    return as_openai(write) if path.startswith("/v1/") else as_status(write)


def _object(
    error: Exception, write: Callable[[Exception], bytes], told: Mapping[str, Any]
) -> Response:
    message = json.loads(write(error))["message"]
    param = error.field if isinstance(error, InvalidInput) else None
    body = {"error": {"message": message, "param": param, **told}}
    return Response(json.dumps(body).encode(), code(error), headers(error), JSON)


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, ServiceError) else "INTERNAL"
