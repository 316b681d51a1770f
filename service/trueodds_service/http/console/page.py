"""What stands between a page's address and the page: the gate, the session and the form."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.metrics.recent import Looks
from trueodds_service.errors import (
    Forbidden,
    InvalidInput,
    ServiceError,
    Unauthenticated,
    class_and_place,
)
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.http.arrivals import CERTIFICATE_NAMES, read_body, while_awaited
from trueodds_service.http.console.contract import Contract, full_name
from trueodds_service.http.console.sessions import COOKIE, Sessions, keep
from trueodds_service.http.console.visit import Visit, sentence
from trueodds_service.http.refusals import code, headers

Show = Callable[[Visit], Awaitable[Response]]

_log = logging.getLogger(__name__)

_FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 4 * 2**20
_MOST_FIELDS = 100


@dataclass(frozen=True, slots=True)
class House:
    """What the pages share."""

    gate: Gate
    contract: Contract
    calibrators: Calibrators
    looks: Looks
    sessions: Sessions

    def visit(self, request: Request, session: str, *, has_key: bool) -> Visit:
        return Visit(
            request,
            self.contract,
            self.calibrators,
            self.looks,
            token=self.sessions.token(session),
            has_key=has_key,
        )


@dataclass(frozen=True)
class Page:
    """An ASGI application. ``method`` is what the gate is told that the page asks for."""

    house: House
    method: str
    show: Show

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        sessions = self.house.sessions
        session = request.cookies.get(COOKIE, "")
        key = sessions.key(session)
        is_new = key is None
        if key is None:
            key, session = "", sessions.begin()
        visit = self.house.visit(request, session, has_key=bool(key))
        try:
            response = await self._answer(visit, key)
        except asyncio.CancelledError:  # its caller has left
            return
        if is_new and "set-cookie" not in response.headers:
            keep(session, request, response)
        await response(scope, receive, send)

    async def _answer(self, visit: Visit, key: str) -> Response:
        refusal = None
        try:
            async with self.house.gate.admitted(arrival(self.method, visit.request, key)):
                try:
                    visit = await with_form(visit, self.house.sessions)
                    async with while_awaited(visit.request):
                        return await self.show(visit)
                except Exception as error:
                    # Here, where the caller is known; and on, for the gate counts it.
                    refusal = refused(visit, error)
                    raise
        except Unauthenticated:
            return visit.redirect("/sign-in", **({"ended": "yes"} if key else {}))
        except Exception as error:
            return refusal or refused(visit, error)


def arrival(method: str, request: Request, key: str) -> Arrival:
    """What the gate is told: a key from the session, as any other client would send it, and whom
    the browser's certificate names.
    """
    metadata = {name: value for name, value in request.headers.items() if name != "cookie"}
    if key:
        metadata["authorization"] = f"Bearer {key}"
    return Arrival(full_name(method), metadata, request.scope["state"][CERTIFICATE_NAMES])


async def with_form(visit: Visit, sessions: Sessions) -> Visit:
    """The same with its form read, where it brought one. Raises Forbidden if it is not ours."""
    request = visit.request
    if not visit.is_form:
        return visit
    if request.headers.get("content-type", "").partition(";")[0] != _FORM:
        raise InvalidInput("content-type", f"has to be {_FORM}", reason="UNKNOWN_MEDIA_TYPE")
    body = await read_body(request, _MOST_BYTES)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InvalidInput("body", "is no form", reason="NO_FORM") from None
    form = {name: value.replace("\r\n", "\n") for name, value in pairs}
    if not sessions.is_token(form.pop("token", ""), request.cookies.get(COOKIE, "")):
        raise Forbidden("the form is of a session that has ended; open the page again")
    return replace(visit, form=form)


def refused(visit: Visit, error: Exception) -> Response:
    """An error page: why the request was refused, or that the service failed."""
    said, reason = "The service failed at this page. It may be tried again.", "INTERNAL"
    if isinstance(error, ServiceError):
        said, reason = sentence(error), error.reason
    else:
        _log.error("%s", class_and_place(error))
    response = visit.page("refused.html", code(error), said=said, reason=reason)
    response.headers.update(headers(error))
    return response
