"""What systemd is told, where it has started `trueodds serve`: the datagrams of sd_notify(3)."""

import contextlib
import os
import socket
import time
from collections.abc import Callable


class Systemd:
    """Nothing is told where nobody listens: started by hand, or in a container.

    It never waits for systemd: what cannot be sent is sent when it is said again.
    """

    def __init__(
        self,
        address: str = "",
        watchdog_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        # Half of what is allowed, so that one that comes late is not missed.
        self._pause = None if watchdog_seconds is None else watchdog_seconds / 2
        self._clock = clock
        self._alive_at = float("-inf")
        self._is_ready = False
        self._status = self._unsaid = ""

    @classmethod
    def of_environment(cls) -> "Systemd":
        """Its variables are taken out: no process of Ray's is to speak for the service."""
        here = str(os.getpid())
        address = os.environ.pop("NOTIFY_SOCKET", "")
        watched = os.environ.pop("WATCHDOG_PID", here)
        allowed = os.environ.pop("WATCHDOG_USEC", "")
        is_watched = watched == here and allowed.isdecimal() and int(allowed) > 0
        return cls(address, int(allowed) / 1e6 if is_watched else None)

    def status(self, line: str) -> None:
        """For `systemctl status`."""
        if line != self._status and self._send(f"STATUS={line}"):
            self._status = line

    def ready(self) -> None:
        """It has started, or what it runs is replaced."""
        if not self._is_ready and self._say_what_is_left():
            self._is_ready = self._send("READY=1")

    def reloading(self) -> None:
        """Until the next ``ready``. Not while it starts: that would then end the start."""
        if self._is_ready:
            # By its moment systemd knows which of its signals is answered.
            self._unsaid = f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
            self._is_ready = False
            self._say_what_is_left()

    def alive(self) -> None:
        """To be said again and again, while all is well."""
        now = self._clock()
        is_due = self._pause is not None and now - self._alive_at >= self._pause
        if is_due and self._send("WATCHDOG=1"):
            self._alive_at = now

    def _say_what_is_left(self) -> bool:
        if self._unsaid and self._send(self._unsaid):
            self._unsaid = ""
        return not self._unsaid

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> bool:
        """Whether nothing is left to be said."""
        if self._address[:1] not in ("/", "@"):
            return True
        address = os.fsencode(self._address)
        if address.startswith(b"@"):
            address = b"\0" + address[1:]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(message.encode(), address)
            return True
        return False
