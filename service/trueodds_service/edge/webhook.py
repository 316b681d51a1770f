"""The operator's webhook: messages posted there, signed as standardwebhooks.com has it."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import ssl
import time
from urllib.parse import urlsplit

from trueodds_service.config import Webhook
from trueodds_service.errors import ConfigError

_POST_SECONDS = 15.0
_PREFIX = "whsec_"
_LEAST_BYTES = 24
_ACCEPTED = range(200, 300)


class WebhookClient:
    """Posts to one address. Only the status of an answer is read; no redirect is followed."""

    def __init__(self, settings: Webhook) -> None:
        """Raises ConfigError where there is no secret."""
        self._settings = settings
        read_secret(settings)
        self._to = urlsplit(settings.url)
        # With the CAs of the system; SSL_CERT_FILE names others.
        self._tls = ssl.create_default_context() if self._to.scheme == "https" else None

    async def post(self, message: str, body: bytes) -> str:
        """Sends a message under its id. Returns the fault in words; empty if the message was
        accepted.
        """
        try:
            async with asyncio.timeout(_POST_SECONDS):
                status = await self._status(message, body)
        except ConfigError:
            return "its secret cannot be read"
        # Time, TLS, DNS, and what is no HTTP.
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            return type(error).__name__
        return "" if status in _ACCEPTED else f"status {status}"

    async def _status(self, message: str, body: bytes) -> int:
        # Read each time: secrets are replaced, and this is seldom.
        request = self._request(message, body, read_secret(self._settings))
        to = self._to
        port = to.port or (80 if self._tls is None else 443)
        reader, writer = await asyncio.open_connection(to.hostname, port, ssl=self._tls)
        try:
            writer.write(request)
            await writer.drain()
            protocol, status, *_ = (await reader.readuntil(b"\n")).split()
            if not protocol.startswith(b"HTTP/1."):
                raise ValueError("it speaks no HTTP")
            return int(status)
        finally:
            writer.close()

    def _request(self, message: str, body: bytes, secret: bytes) -> bytes:
        path = (self._to.path or "/") + (f"?{self._to.query}" if self._to.query else "")
        now = int(time.time())
        lines = (
            f"POST {path} HTTP/1.1",
            f"Host: {self._to.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
            f"webhook-id: {message}",
            f"webhook-timestamp: {now}",
            f"webhook-signature: {signature(secret, message, now, body)}",
        )
        return "\r\n".join((*lines, "", "")).encode() + body


def signature(secret: bytes, message: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body, with its version."""
    digest = hmac.digest(secret, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def read_secret(settings: Webhook) -> bytes:
    """The key of signatures. Raises ConfigError, which says where it was looked for."""
    where, text = f"alerts.webhook.secret_env: {settings.secret_env}", ""
    if settings.secret_env is not None:
        text = os.environ.get(settings.secret_env, "")
    elif settings.secret_file is not None:
        where = f"alerts.webhook.secret_file: {settings.secret_file}"
        try:
            text = settings.secret_file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not ASCII"
            raise ConfigError(f"{where} cannot be read: {why}") from error
    try:
        secret = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) < _LEAST_BYTES:
        raise ConfigError(f"{where} has to hold base64 of at least {_LEAST_BYTES} bytes")
    return secret
