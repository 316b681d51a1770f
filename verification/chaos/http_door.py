"""Calls of the contract over HTTP, ending as over gRPC, and the paths that are HTTP's own."""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import trustme
from google.protobuf import json_format
from google.rpc import status_pb2
from tests.contract import NOBODY

from trueodds_service.caller import Permission
from verification.chaos.http_attacks import BODIES
from verification.chaos.service import MODEL
from verification.fuzz.calls import Call, Ending

# As docs/http.md has them.
_STATUSES = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CALL_SECONDS = 60.0

OWN_PATHS: Mapping[str, tuple[Permission, bytes]] = {
    "/v1/decisions": (Permission.SCORE, BODIES["/v1/decisions"]),
    "/v1/systemone": (Permission.SCORE, BODIES["/v1/systemone"]),
    "/v1/decisions/calibrators": (Permission.FIT, b"{}"),
    "/v1/decisions/temperatures/import": (Permission.FIT, b"{}"),
    "/v1/decisions/temperatures/export": (Permission.SCORE, b'{"model": "%b"}' % MODEL.encode()),
}
"""What each takes besides a key."""


def pages(calibrator: str) -> Mapping[str, Permission]:
    """The console's, of a calibrator of this id where they are of one, and what they take."""
    one = f"/console/calibrators/{MODEL}/{calibrator}"
    plain = ("/console/", "/console/question", "/console/calibrators", "/console/compare")
    of_one = (one, f"{one}/drift", f"{one}/activate", f"{one}/roll-back", f"{one}/measure")
    live = ("/console/live", "/console/live/numbers")
    scored = dict.fromkeys((*plain, *of_one), Permission.SCORE)
    return scored | dict.fromkeys(live, Permission.ADMIN)


def forms() -> Sequence[str]:
    """The console's pages to which a browser sends something."""
    one = f"/console/calibrators/{MODEL}/{NOBODY}"
    return ("/console/question", f"{one}/activate", f"{one}/roll-back", f"{one}/measure")


class NoConnectionError(Exception):
    """TLS has refused it."""


@dataclass(frozen=True)
class HttpDoor:
    """One who calls at an address, and shows a certificate or none."""

    client: httpx.Client

    @classmethod
    def at(cls, address: str, ca: trustme.CA, own: trustme.LeafCert | None) -> "HttpDoor":
        context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
        if own is not None:
            own.configure_cert(context)
        return cls(
            httpx.Client(base_url=f"https://{address}", verify=context, timeout=_CALL_SECONDS)
        )

    def ask(
        self, verb: str, path: str, headers: Any = (), content: bytes | None = None
    ) -> httpx.Response:
        """Raises NoConnectionError."""
        given = [*headers, *([("content-type", "application/json")] if content is not None else [])]
        try:
            return self.client.request(verb, path, headers=given, content=content)
        except httpx.TimeoutException:  # which refuses nobody
            raise
        except httpx.TransportError as error:
            raise NoConnectionError(str(error)) from error

    def __call__(self, call: Call) -> Ending:
        """How a call ends; UNKNOWN where HTTP's status is not that of the code that is told."""
        # One line: methods that stream take several.
        content = json_format.MessageToJson(call.message(), indent=None).encode()
        try:
            response = self.ask("POST", call.method.path, call.metadata, content)
        except NoConnectionError:
            return Ending(grpc.StatusCode.UNAVAILABLE, None, ())
        if response.status_code != httpx.codes.OK:
            return _failed(response.json(), response.status_code, ())
        if not call.method.streams_responses:
            return Ending(grpc.StatusCode.OK, None, (_message(call, response.json()),))
        lines = [json.loads(line) for line in response.text.splitlines()]
        told = tuple(_message(call, line["result"]) for line in lines if "result" in line)
        if lines and "error" in lines[-1]:
            return _failed(lines[-1]["error"], None, told)
        return Ending(grpc.StatusCode.OK, None, told)


def _message(call: Call, told: Any) -> Any:
    return json_format.ParseDict(told, call.method.response())


def _failed(told: Any, http_status: int | None, responses: tuple[Any, ...]) -> Ending:
    status = status_pb2.Status(code=told["code"], message=told["message"])
    code = _CODES[told["code"]]
    if http_status not in (None, _STATUSES.get(code.name)):
        status.message = f"HTTP's status is {http_status} at {code.name}"
        code = grpc.StatusCode.UNKNOWN
    return Ending(code, status, responses)
