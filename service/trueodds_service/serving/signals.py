"""A signal ends the process wherever it is, also where Python drops what a handler raises."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

_ENDS = (signal.SIGINT, signal.SIGTERM)
# The place that dropped it is left by then.
_AGAIN_SECONDS = 0.1


def end_on_signals() -> None:
    """SIGINT and SIGTERM raise SystemExit in the main thread; what was started is stopped on the
    way out.

    An exception is dropped in finalizers and in what runs around a fork, and Ray forks many times
    while it starts: there the signal is sent again.
    """
    _exit_at_once()
    tell = sys.unraisablehook

    def again(dropped: "sys.UnraisableHookArgs") -> None:
        if isinstance(dropped.exc_value, SystemExit):
            threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM)).start()
        else:
            tell(dropped)

    sys.unraisablehook = again


@contextlib.contextmanager
def kept_from_ray() -> Iterator[None]:
    """For ``ray.init``, which puts handlers of its own in the place of these: that of its C++ ends
    the process by SIGABRT three seconds after SIGTERM, whatever is still being stopped (ray#64830).
    """
    try:
        yield
    finally:
        signal.alarm(0)
        _exit_at_once()


def _exit_at_once() -> None:
    for number in _ENDS:
        signal.signal(number, lambda *_: sys.exit(0))


class Signals:
    """Which have come: to reload since ``take_reload``, to stop since ``take``, after which nothing
    is raised any more.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reload = threading.Event()

    def take_reload(self) -> None:
        """From the first moment: systemd may send it to a service that still loads its models."""
        # SIGHUP goes on to end it: that is a terminal that was closed.
        signal.signal(signal.SIGUSR1, lambda *_: self.reload.set())

    def take(self) -> None:
        for number in _ENDS:
            signal.signal(number, lambda *_: self.stop.set())
