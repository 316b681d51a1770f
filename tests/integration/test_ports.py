"""Nobody but this machine reaches a service that listens on its loopback, nor its Ray and vLLM."""

import ipaddress

import psutil


def test_everything_listens_on_loopback(server: str) -> None:
    processes = {each.pid: each for each in psutil.Process().children(recursive=True)}
    listening = [
        (processes[each.pid].name(), each.laddr.ip)
        for each in psutil.net_connections("inet")
        if each.status == psutil.CONN_LISTEN and each.pid in processes
    ]
    assert len(listening) > 5, "Ray has a dozen"
    assert [each for each in listening if not _is_loopback(each[1])] == []


def _is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    inside = getattr(found, "ipv4_mapped", None)
    return (inside or found).is_loopback
