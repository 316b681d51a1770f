"""Names by which a caller over HTTP says that it reaches this machine."""

import ipaddress
import re

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


def is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine, and not a name that only leads here.

    Another site's name can be made to lead to the loopback address (DNS rebinding), and its pages
    could then read ours.
    """
    found = _HOST.fullmatch(host)
    name = found["name"].lower().removesuffix(".").strip("[]") if found else ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
