"""What systemd is told, by a socket as its own is."""

import contextlib
import os
import socket
import time
import uuid

import pytest
from tests.clock import Clock

from trueodds_service.serving.systemd import Systemd


class Listener:
    """Systemd's end of $NOTIFY_SOCKET."""

    def __init__(self, address):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0") if address[0] == "@" else address)
        self._socket.setblocking(False)

    def heard(self):
        """What was sent since the last call; datagrams on one machine are there at once."""
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(self._socket.recv(4096).decode())
        return messages

    def close(self):
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def listens(request, tmp_path):
    path = tmp_path / "notify"
    address = str(path) if request.param == "a path" else f"@{uuid.uuid4().hex}"
    listener = Listener(address)
    yield address, listener
    listener.close()


def test_each_change_is_told_once(listens):
    address, listener = listens
    systemd = Systemd(address)
    systemd.status("starting")
    systemd.status("starting")
    systemd.ready()
    systemd.ready()
    systemd.alive()  # without a watchdog nobody waits for it
    systemd.stopping()
    assert listener.heard() == ["STATUS=starting", "READY=1", "STOPPING=1"]


def test_a_change_while_it_runs_has_a_beginning_and_an_end(listens):
    address, listener = listens
    systemd = Systemd(address)
    systemd.reloading()
    assert listener.heard() == [], "the ready that follows would end the start"
    systemd.ready()
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    systemd.ready()
    ready, reloading, again = listener.heard()
    kind, _, at = reloading.partition("\nMONOTONIC_USEC=")
    assert (ready, kind, again) == ("READY=1", "RELOADING=1", "READY=1")
    assert before <= int(at) <= time.monotonic_ns() // 1000


def test_a_change_that_could_not_be_told_is_told_before_its_end(listens, monkeypatch):
    address, listener = listens
    systemd = Systemd(address)
    systemd.ready()
    send = systemd._send
    monkeypatch.setattr(systemd, "_send", lambda _: False)
    systemd.reloading()
    systemd.ready()
    monkeypatch.setattr(systemd, "_send", send)
    systemd.ready()
    assert [each.partition("\n")[0] for each in listener.heard()] == [
        "READY=1",
        "RELOADING=1",
        "READY=1",
    ]


def test_the_watchdog_hears_of_it_at_half_of_its_time(listens):
    address, listener = listens
    clock = Clock()
    systemd = Systemd(address, 20.0, clock)
    heard = []
    for _ in range(25):
        systemd.alive()
        heard += [(clock.now - 100, each) for each in listener.heard()]
        clock.now += 1
    assert heard == [(0, "WATCHDOG=1"), (10, "WATCHDOG=1"), (20, "WATCHDOG=1")]


def test_systemd_is_not_waited_for_and_hears_later_what_it_could_not_take(listens):
    address, listener = listens
    systemd, full = Systemd(address, 0.0), 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"of another", address.replace("@", "\0"))
                full += 1
    systemd.ready()
    systemd.alive()
    systemd.status("1 of 1 models ready")
    assert listener.heard() == ["of another"] * full
    systemd.ready()
    systemd.alive()
    systemd.status("1 of 1 models ready")
    assert listener.heard() == ["READY=1", "WATCHDOG=1", "STATUS=1 of 1 models ready"]


@pytest.mark.parametrize(
    ("whose", "usec", "is_watched"),
    [
        ("this", "60000000", True),
        (None, "60000000", True),
        ("another's", "60000000", False),
        ("this", None, False),
        ("this", "0", False),
    ],
)
def test_its_variables_are_read_once_and_nobody_inherits_them(
    listens, monkeypatch, whose, usec, is_watched
):
    address, listener = listens
    told = {"this": str(os.getpid()), "another's": "1", None: None}[whose]
    found = {"NOTIFY_SOCKET": address, "WATCHDOG_PID": told, "WATCHDOG_USEC": usec}
    for name, value in found.items():
        if value is not None:
            monkeypatch.setitem(os.environ, name, value)
    systemd = Systemd.of_environment()
    assert os.environ.keys() & found.keys() == set()
    systemd.alive()
    assert listener.heard() == ["WATCHDOG=1"] * is_watched


def test_without_systemd_nothing_is_told(tmp_path):
    for address in ("", "vsock:2:1234", str(tmp_path / "nobody")):
        systemd = Systemd(address, 1.0)
        systemd.ready()
        systemd.alive()
        systemd.stopping()
