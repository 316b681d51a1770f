"""Where a server is: what its address means, and whether a proxy stands before it."""

import ipaddress
import os
import re

from trueodds.errors import InvalidRequest

DEFAULT_SERVER = "localhost:50051"

_SCHEME = re.compile("(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):")
# Those that gRPC reads, in its order.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


def server_address(server: str | None) -> str:
    """What was given, else TRUEODDS_SERVER, else this machine.

    Raises InvalidRequest where it is neither HOST:PORT nor a target of gRPC with a scheme.
    """
    address = server or os.environ.get("TRUEODDS_SERVER") or DEFAULT_SERVER
    if _SCHEME.match(address):
        return address
    host, _, port = address.rpartition(":")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise InvalidRequest(
            f"{address!r}: an IPv6 address stands in brackets, as in [::1]:50051", field="server"
        )
    if not host or not port.isdecimal():
        raise InvalidRequest(
            f"{address!r} is not HOST:PORT, as in {DEFAULT_SERVER}", field="server"
        )
    return address


def is_loopback(address: str) -> bool:
    """Whether the server is this machine, where no proxy belongs between."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = _host(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_before(address: str) -> str:
    """The variable whose proxy gRPC goes through to get there; empty where it goes by itself."""
    exceptions = next((os.environ[name] for name in _EXCEPTIONS if os.environ.get(name)), "")
    host = _host(address)
    ends = [each.strip() for each in exceptions.split(",") if each.strip()]
    if is_loopback(address) or any(host.endswith(end) for end in ends):
        return ""
    return next((name for name in _PROXIES if os.environ.get(name)), "")


def _host(address: str) -> str:
    """The host's name or number, without scheme, port and brackets, in lower case."""
    rest = _SCHEME.sub("", address).rpartition("/")[2]
    host = rest.rpartition(":")[0] or rest
    return host.strip("[]").lower()
