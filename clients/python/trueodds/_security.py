"""TLS, trusted certificates and credentials of a client."""

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from typing_extensions import Self

from trueodds._address import is_loopback
from trueodds.errors import InvalidRequest
from trueodds.options import CONNECTION, ConnectionOptions, FilePath, completed

_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Security:
    """``credentials`` are None in the clear; ``metadata`` travels with each call.

    ``context`` is what ``credentials`` are to gRPC to others. It trusts the CAs that are named.
    """

    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def of(cls, given: ConnectionOptions, address: str) -> Self:
        """That of a client of the server at this address; the environment is asked for what is
        not given. Raises InvalidRequest, which names the option and never holds the key.
        """
        told = completed(given, CONNECTION)
        ca = _file(told["ca"], "TRUEODDS_CA")
        cert = _file(told["cert"], "TRUEODDS_CERT")
        cert_key = _file(told["cert_key"], "TRUEODDS_CERT_KEY")
        has_tls = _has_tls(told["tls"], needed_by=[each for each in (ca, cert) if each])
        api_key = told["api_key"] or os.environ.get("TRUEODDS_API_KEY") or ""
        if api_key and not (has_tls or is_loopback(address) or told["plaintext_key"]):
            raise InvalidRequest(
                f"the API key would travel in the clear to {address}: use TLS (--tls, "
                "TRUEODDS_TLS, https), or say plaintext_key (--plaintext-key) where nobody can "
                "listen",
                field="api_key",
            )
        if not has_tls:
            return cls(metadata=_metadata(api_key))
        context = _context(ca, cert, cert_key)
        credentials = grpc.ssl_channel_credentials(
            *(None if path is None else path.read_bytes() for path in (ca, cert_key, cert))
        )
        return cls(credentials, _metadata(api_key), context)


def _file(given: FilePath | None, variable: str) -> Path | None:
    told = given or os.environ.get(variable)
    return Path(told) if told else None


def _has_tls(given: bool | None, needed_by: Sequence[Path]) -> bool:
    said = os.environ.get("TRUEODDS_TLS", "").strip().lower()
    if said and said not in _WORDS:
        raise InvalidRequest(f"TRUEODDS_TLS is {said!r}, and neither true nor false", field="tls")
    if given is None:
        given = _WORDS[said] if said else bool(needed_by)
    if needed_by and not given:
        raise InvalidRequest(f"{needed_by[0]} is for TLS, which is not wanted", field="tls")
    return given


def _context(ca: Path | None, cert: Path | None, cert_key: Path | None) -> ssl.SSLContext:
    """What these files make. Those that gRPC would only log are told by name."""
    if (cert is None) != (cert_key is None):
        missing = "cert_key" if cert_key is None else "cert"
        raise InvalidRequest("cert and cert_key go together", field=missing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise _unusable("ca", ca, "holds no PEM certificate", error) from None
    if cert is not None and cert_key is not None:
        try:
            context.load_cert_chain(cert, cert_key, password="")
        except OSError as error:
            fault = f"and {cert_key} are no PEM certificate and its key without a passphrase"
            raise _unusable("cert", cert, fault, error) from None
    return context


def _unusable(name: str, path: Path, fault: str, error: OSError) -> InvalidRequest:
    if isinstance(error, ssl.SSLError):
        return InvalidRequest(f"{path} {fault}", field=name)
    unread = error.filename or path
    return InvalidRequest(f"{unread} cannot be read ({error.strerror})", field=name)


def _metadata(api_key: str) -> tuple[tuple[str, str], ...]:
    if not api_key:
        return ()
    if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
        raise InvalidRequest("the API key holds characters that no key has", field="api_key")
    return (("authorization", f"Bearer {api_key}"),)
