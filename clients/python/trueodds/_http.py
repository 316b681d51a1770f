"""The service's HTTP door, for what the contract of gRPC has no method for."""

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from trueodds._address import is_loopback
from trueodds._convert.models import models_of
from trueodds._security import Security
from trueodds.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NoServer,
    ServiceFailed,
    Starting,
    TlsFailed,
    TrueoddsError,
    from_http,
)
from trueodds.options import ConnectionOptions

DEFAULT_HTTP = "http://localhost:50080"

_OK = 200
_POLL_SECONDS = 0.5
_POLL_ANSWER_SECONDS = 5.0


class HttpDoor:
    """An HTTP door, asked one thing after the other."""

    def __init__(self, url: str | None, options: ConnectionOptions) -> None:
        """That at a URL, else at TRUEODDS_HTTP's, else on this machine; of ``options`` the URL says
        ``tls``. Raises InvalidRequest at what does not fit together.
        """
        self.url = url or os.environ.get("TRUEODDS_HTTP") or DEFAULT_HTTP
        scheme, address = _scheme_and_address(self.url)
        security = Security.of({**options, "tls": scheme == "https"}, address)
        self._headers = dict(security.metadata)
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if is_loopback(address):  # where no proxy belongs between
            handlers.append(urllib.request.ProxyHandler({}))
        if security.context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=_trusting(security.context)))
        self._opener = urllib.request.build_opener(*handlers)

    def post(self, path: str, body: bytes, timeout: float) -> Any:
        """What is answered to a body of JSON. Raises a TrueoddsError."""
        headers = {"content-type": "application/json", "request-timeout": str(timeout)}
        status, told = self._ask(path, timeout, body, headers | self._headers)
        answer = _json(told)
        if status == _OK and answer is not None:
            return answer
        error = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(error, dict):
            raise ServiceFailed(
                f"{self.url} answers {status}, and not as trueodds does: is it the HTTP door, and "
                "of this version?"
            )
        raise from_http(status, error)

    def wait_until_ready(self, timeout: float, model: str) -> None:
        """Until a model answers. Raises what was in the way at the last."""
        ends = time.monotonic() + timeout
        while (problem := self._problem(model)) is not None:
            if time.monotonic() + _POLL_SECONDS > ends:
                raise problem
            time.sleep(_POLL_SECONDS)

    def _problem(self, model: str) -> TrueoddsError | None:
        """Why a model does not answer yet. None if it does, or never will: a request tells why."""
        try:
            _, told = self._ask("/readyz", _POLL_ANSWER_SECONDS)
        except (NoServer, DeadlineExceeded) as error:
            return error
        answer = _json(told)
        models = answer.get("models", {}) if isinstance(answer, dict) else {}
        for name in models_of(model):
            if models.get(name) in ("STARTING", "LOST"):
                return Starting(f"models/{name} is starting", reason="MODEL_STARTING")
        return None

    def _ask(
        self,
        path: str,
        timeout: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body, whatever they are."""
        request = urllib.request.Request(  # noqa: S310 (http or https)
            self.url.rstrip("/") + path, body, dict(headers or {})
        )
        try:
            with self._opener.open(request, timeout=timeout) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()
        except urllib.error.URLError as error:
            raise self._unreached(error.reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreached(error) from error

    def _unreached(self, why: object) -> TrueoddsError:
        if isinstance(why, TimeoutError):
            return DeadlineExceeded(
                f"{self.url} did not answer in time; raise the timeout", reason="TIMEOUT"
            )
        if isinstance(why, ssl.SSLCertVerificationError):
            return TlsFailed(
                f"{self.url} shows a certificate that is not to be trusted here: "
                f"{why.verify_message}; --ca or TRUEODDS_CA names a CA",
                reason="UNTRUSTED_CERTIFICATE",
            )
        return NoServer(
            f"no HTTP door of trueodds answers at {self.url}. The `http` of a configuration opens "
            f"one; --http or TRUEODDS_HTTP names another. ({why})",
            reason="NO_SERVER",
        )


def _scheme_and_address(url: str) -> tuple[str, str]:
    """``https`` and HOST:PORT. Raises InvalidRequest at a URL that has something else."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        parts, port = urlsplit(""), 0
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not parts.hostname or more:
        raise InvalidRequest(
            f"{url!r} is not http://HOST:PORT or https://HOST:PORT, as in {DEFAULT_HTTP}",
            field="http",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts.scheme, f"{host}:{port}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Nobody else is sent the key, or the questions."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _trusting(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context with this machine's own authorities where none are named."""
    if not context.cert_store_stats()["x509"]:
        context.load_default_certs()
    return context


def _json(content: bytes) -> Any:
    """None where it is none."""
    try:
        return json.loads(content)
    except ValueError:
        return None
