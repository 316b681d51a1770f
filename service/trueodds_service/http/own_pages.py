"""Pages of other sites, in a browser that reaches the door: what they ask for is not for them.

Where the service knows nobody, whoever reaches it may do everything. A browser of this machine
reaches it, and shows pages of all the world.
"""

from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from trueodds_service.edge.hosts import is_this_machine
from trueodds_service.errors import Forbidden
from trueodds_service.http.refusals import refuse_at
from trueodds_service.rpc.as_json import status_json


class OwnPages:
    """An ASGI application that passes on to ``inner`` what no page of another site asks.

    ``is_loopback``: the door's address is this machine's alone.
    """

    def __init__(self, inner: ASGIApp, *, is_loopback: bool) -> None:
        self._inner = inner
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._inner
        if scope["type"] == "http" and (problem := self._problem(Headers(scope=scope))):
            error = Forbidden(problem, reason="FOREIGN_PAGE")
            answer = refuse_at(scope["path"], status_json)(error)
        await answer(scope, receive, send)

    def _problem(self, headers: Headers) -> str:
        """Why it may be another site's; empty where it is not."""
        host, origin = headers.get("host"), headers.get("origin")
        if self._is_loopback and host is not None and not is_this_machine(host):
            return (
                "Host: names another machine than this one, as a page does whose name was made to "
                "lead here; a proxy has to set it to localhost, or access to be keys"
            )
        if origin is None:
            return ""
        scheme, site = parts(origin)[:2]
        is_own = site == host or (self._is_loopback and is_this_machine(site))
        if is_own and scheme in ("http", "https"):
            return ""
        return "Origin: is another site than this one"


def parts(url: str) -> SplitResult:
    """The parts of what a browser sent; empty where it is no address at all."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
