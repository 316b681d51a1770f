"""Which server a command asks, and how: the options of every command that asks one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from trueodds._http import DEFAULT_HTTP
from trueodds.cli.options import Command, Table, takes
from trueodds.options import ConnectionOptions

_PANEL = "Connection"


@dataclass(frozen=True, slots=True)
class Target:
    """The server, or the URL of its HTTP door, None for the usual one, and how to speak to it."""

    address: str | None
    options: ConnectionOptions = field(repr=False)


def _option(*names: str, **told: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_PANEL, **told)


_SERVER: Table = {
    "server": (
        Annotated[
            str | None,
            _option(
                metavar="HOST:PORT",
                help="The server; when left out, TRUEODDS_SERVER, else localhost:50051.",
            ),
        ],
        None,
    ),
    "tls": (
        Annotated[
            bool | None,
            _option("--tls/--no-tls", help="Speak TLS; else TRUEODDS_TLS, or as --ca and --cert."),
        ],
        None,
    ),
}
_HTTP: Table = {
    "http": (
        Annotated[
            str | None,
            _option(
                metavar="URL",
                help=f"The server's HTTP door; when left out, TRUEODDS_HTTP, else {DEFAULT_HTTP}.",
            ),
        ],
        None,
    ),
}
_SECURITY: Table = {
    "ca": (
        Annotated[Path | None, _option(help="The CAs to trust, in PEM; else TRUEODDS_CA.")],
        None,
    ),
    "cert": (
        Annotated[Path | None, _option(help="Your certificate, in PEM; else TRUEODDS_CERT.")],
        None,
    ),
    "cert_key": (
        Annotated[Path | None, _option(help="Its key, in PEM; else TRUEODDS_CERT_KEY.")],
        None,
    ),
    "api_key": (
        Annotated[
            str | None,
            _option(
                metavar="KEY",
                help="Your API key. Others see it in the list of processes: rather set "
                "TRUEODDS_API_KEY, or name a file.",
            ),
        ],
        None,
    ),
    "api_key_file": (
        Annotated[Path | None, _option(help="A file that holds your API key, and no more.")],
        None,
    ),
    "plaintext_key": (
        Annotated[
            bool,
            _option("--plaintext-key", help="Send the key without TLS to another machine, too."),
        ],
        False,
    ),
}


def asks_server(function: Command) -> Command:
    """Gives a command these options, as its parameter ``server``. The outermost of such: they are
    told last.
    """
    return takes("server", {**_SERVER, **_SECURITY}, _target)(function)


def asks_http(function: Command) -> Command:
    """The same of a command that asks the HTTP door."""
    return takes("server", {**_HTTP, **_SECURITY}, _target)(function)


def _target(told: dict[str, Any]) -> Target:
    if told["api_key"] and told["api_key_file"]:
        raise typer.BadParameter("give --api-key or --api-key-file")
    return Target(
        told["http"] if "http" in told else told["server"],
        {
            "tls": told.get("tls"),  # which a URL says itself
            "ca": told["ca"],
            "cert": told["cert"],
            "cert_key": told["cert_key"],
            "api_key": told["api_key"] or _held_by(told["api_key_file"]),
            "plaintext_key": told["plaintext_key"],
        },
    )


def _held_by(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(
            f"{file} cannot be read ({getattr(error, 'strerror', None) or 'no text'})",
            param_hint="--api-key-file",
        ) from None
    if not key:
        raise typer.BadParameter(f"{file} holds no key", param_hint="--api-key-file")
    return key
