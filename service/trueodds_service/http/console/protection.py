"""What a browser is told to refuse, and what is refused of it, before any page is made."""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trueodds_service.http.own_pages import parts

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # Not "no-referrer": a browser would then leave out the origin of a form as well.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_SAFE = {"GET", "HEAD"}


class Protected:
    """An ASGI application around the console's."""

    def __init__(self, inner: ASGIApp, is_own_host: Callable[[str], bool]) -> None:
        self._inner = inner
        self._is_own_host = is_own_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._inner
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            answer = PlainTextResponse(refusal, 403)
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str:
        """Why this is no request of a page of ours; empty where it may be one."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own_host(host):
            return "The console is not served under this name of the host.\n"
        if scope["method"] in _SAFE:
            return ""
        # Every browser names the origin of a form that changes something.
        if parts(headers.get("origin", "")).netloc != host:
            return "The form comes from another site.\n"
        return ""


def any_host(_: str) -> bool:
    """For an address that others reach, by names that only they know."""
    return True
