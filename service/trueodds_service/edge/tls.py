"""The certificate that the doors show, read again whenever its files change."""

import logging
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from trueodds_service.config import Tls
from trueodds_service.errors import ConfigError

_log = logging.getLogger(__name__)

_CERTIFICATE = "PEM certificate"
_Parsed = TypeVar("_Parsed")
_Signature = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Pem:
    """What the files hold: a certificate with those between it and its CA, the key, and the CA
    that clients' certificates have to be from, None where they need none; and until when each is
    valid, by the names of the settings.
    """

    chain: bytes
    key: bytes
    client_ca: bytes | None
    valid_until: Mapping[str, datetime]


class Certificates:
    """The files of ``tls``, as they are now; thread-safe.

    Files that cannot be used are told once in the log, and those of before stay: certificate and
    key are seldom replaced in the same instant.
    """

    def __init__(self, tls: Tls) -> None:
        """Raises ConfigError, which names the file and what is wrong with it."""
        self._tls = tls
        self._lock = threading.Lock()
        self._signature = _signature(tls)
        self._pem = read(tls)
        self._context: ssl.SSLContext | None = None
        self._complaint = ""

    def pem(self) -> Pem:
        """To be asked for each new connection: unchanged files cost no more than a look."""
        with self._lock:
            self._look()
            return self._pem

    def seconds_left(self) -> dict[str, float]:
        """How long what is shown is valid still, by the names of the settings; negative since it
        has expired.
        """
        now = datetime.now(UTC)
        valid_until = self.pem().valid_until
        return {name: (until - now).total_seconds() for name, until in valid_until.items()}

    @property
    def resumable(self) -> bool:
        """Whether a connection may go on with the session of one before it. Where clients show
        certificates none may: theirs would not be looked at again, whatever has become of it and of
        its CA. Each then needs a context of its own.
        """
        return self._tls.client_ca is None

    def context(self) -> ssl.SSLContext:
        """The same for a server of Python's ``ssl``, to be asked for each new connection. Raises
        ConfigError.
        """
        with self._lock:
            self._look()
            if self._context is None:
                try:
                    self._context = _context(self._tls)
                except (OSError, ssl.SSLError) as error:  # changed since it was read
                    raise ConfigError(f"tls.cert: {self._tls.cert} cannot be used") from error
            kept, signature = self._context, self._signature
        if self.resumable:
            return kept
        try:
            fresh = _context(self._tls)
        except (OSError, ssl.SSLError):
            return kept
        # Files that were refused, or change at this moment, are not what is shown.
        return fresh if _signature(self._tls) == signature else kept

    def _look(self) -> None:
        """Takes new files over, where they are right as a whole."""
        try:
            signature = _signature(self._tls)
            if signature == self._signature:
                return
            pem = read(self._tls)
            context = _context(self._tls) if self._context is not None else None
        except (ConfigError, OSError) as error:  # of OSErrors, what OpenSSL says
            said = error.message if isinstance(error, ConfigError) else type(error).__name__
            if said != self._complaint:
                _log.error("the certificate of before stays: %s", said)
                self._complaint = said
            return
        if pem != self._pem:
            _log.warning("a new certificate is shown from now on: %s", self._tls.cert)
        self._signature, self._pem, self._context, self._complaint = signature, pem, context, ""


def read(tls: Tls) -> Pem:
    """The files, found to be right: of one pair, valid today. Raises ConfigError."""
    chain, key = _content("tls.cert", tls.cert), _content("tls.key", tls.key)
    client_ca = None if tls.client_ca is None else _content("tls.client_ca", tls.client_ca)
    leaf, *_ = _parsed("tls.cert", tls.cert, _CERTIFICATE, x509.load_pem_x509_certificates, chain)
    private = _parsed("tls.key", tls.key, "PEM key without a passphrase", _without_passphrase, key)
    if _public(leaf.public_key()) != _public(private.public_key()):
        raise ConfigError(f"tls.key: {tls.key} is not the key of {tls.cert}")
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        raise ConfigError(f"tls.cert: {tls.cert} has expired ({leaf.not_valid_after_utc:%Y-%m-%d})")
    if now < leaf.not_valid_before_utc:
        begins = leaf.not_valid_before_utc
        raise ConfigError(f"tls.cert: {tls.cert} is not valid before {begins:%Y-%m-%d %H:%M} UTC")
    valid_until = {"cert": leaf.not_valid_after_utc}
    if client_ca is not None:
        name, path = "tls.client_ca", tls.client_ca
        among = _parsed(name, path, _CERTIFICATE, x509.load_pem_x509_certificates, client_ca)
        # Several where one takes the place of another: as long as one of them is.
        valid_until["client_ca"] = max(each.not_valid_after_utc for each in among)
    return Pem(chain, key, client_ca, valid_until)


def _content(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read ({error.strerror})") from error


def _parsed(
    name: str, path: Path | None, what: str, parse: Callable[[bytes], _Parsed], content: bytes
) -> _Parsed:
    try:
        return parse(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not with its cause: that can quote what the file holds.
        raise ConfigError(f"{name}: {path} holds no {what}") from None


def _without_passphrase(content: bytes) -> PrivateKeyTypes:
    return load_pem_private_key(content, password=None)


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.cert, tls.key, password="")
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        # A CA below another is trusted by itself, as gRPC does.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.num_tickets = 0
    return context


def _signature(tls: Tls) -> _Signature:
    """What tells that a file is another one, or changed, or is gone."""
    return tuple(map(_file_signature, filter(None, (tls.cert, tls.key, tls.client_ca))))


def _file_signature(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
