"""Who has signed in: an API key, sealed in a cookie that ends by itself."""

import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "trueodds_console"
HOURS = 8
_SECONDS = HOURS * 3600
# Before the key: so that no two sessions are alike.
_NONCE_CHARACTERS = 32


class Sessions:
    """The key goes to the gate with each request, so a session is worth what the key is worth then.

    Nothing is kept here: every gateway that has the secret can open what another sealed. A session
    without a key is a visitor's where nobody is asked who they are.
    """

    def __init__(self, secret: bytes) -> None:
        self._fernet = Fernet(secret)
        self._secret = secret

    def begin(self, key: str = "") -> str:
        """A session, as its cookie has it."""
        nonce = secrets.token_hex(_NONCE_CHARACTERS // 2)
        return self._fernet.encrypt(f"{nonce}{key}".encode()).decode()

    def key(self, session: str) -> str | None:
        """The key of a session, which may be empty; None where it has ended or is none."""
        try:
            opened = self._fernet.decrypt(session.encode(), ttl=_SECONDS).decode()
        except (InvalidToken, ValueError):
            return None
        return opened[_NONCE_CHARACTERS:]

    def token(self, session: str) -> str:
        """What a form of this session has to bring back."""
        return hmac.new(self._secret, session.encode(), hashlib.sha256).hexdigest()

    def is_token(self, token: str, session: str) -> bool:
        """Whether a form was given out to this session; compared in constant time."""
        return hmac.compare_digest(token.encode(), self.token(session).encode())


def keep(session: str, request: Request, response: Response) -> None:
    """Gives the browser a session: no script reads it, and no other site sends it along."""
    response.set_cookie(
        COOKIE,
        session,
        path=request.scope["root_path"] or "/",
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )


def _is_https(request: Request) -> bool:
    """Whether the browser speaks TLS: with the door, or with a proxy in front of it."""
    return "https" in (request.url.scheme, request.headers.get("origin", "").partition(":")[0])


def forget(request: Request, response: Response) -> None:
    """Takes the session away."""
    response.delete_cookie(COOKIE, path=request.scope["root_path"] or "/")
