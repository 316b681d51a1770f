"""Signing in with an API key, and out again."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trueodds_service.errors import Unauthenticated
from trueodds_service.http.console.page import House, arrival, refused, with_form
from trueodds_service.http.console.sessions import COOKIE, forget, keep
from trueodds_service.http.console.visit import Visit
from trueodds_service.http.refusals import code

_WRONG = "This key is not known here, or is no longer valid."
_ENDED = "You have been signed out. Sign in again to go on."


@dataclass(frozen=True)
class SignIn:
    """An ASGI application, outside of the gate: it has to be there for who is not let in."""

    house: House

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        sessions = self.house.sessions
        session = request.cookies.get(COOKIE, "")
        is_new = sessions.key(session) is None
        if is_new:
            session = sessions.begin()
        visit = self.house.visit(request, session, has_key=False)
        try:
            visit = await with_form(visit, sessions)
            response = await self._answer(visit)
        except asyncio.CancelledError:  # the service stops
            return
        except Exception as error:
            response = refused(visit, error)
        if is_new and "set-cookie" not in response.headers:
            keep(session, request, response)
        await response(scope, receive, send)

    async def _answer(self, visit: Visit) -> Response:
        if not visit.is_form:
            return visit.page("sign-in.html", said=_ENDED if visit.asked("ended") else "")
        key = visit.form.get("key", "").strip()
        try:
            if not (key.isascii() and key.isprintable() and key):
                raise Unauthenticated("no key")
            asked = arrival("ModelService/ListModels", visit.request, key)
            async with self.house.gate.admitted(asked):
                pass
        except Unauthenticated as error:
            return visit.page("sign-in.html", code(error), said=_WRONG)
        response = visit.redirect("/")
        # A session of its own: one that was there before may be known to somebody else.
        keep(self.house.sessions.begin(key), visit.request, response)
        return response


@dataclass(frozen=True)
class SignOut:
    """An ASGI application."""

    house: House

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        house = self.house
        visit = house.visit(request, request.cookies.get(COOKIE, ""), has_key=False)
        try:
            await with_form(visit, house.sessions)
            response = visit.redirect("/sign-in")
            forget(request, response)
        except asyncio.CancelledError:
            return
        except Exception as error:
            response = refused(visit, error)
        await response(scope, receive, send)
