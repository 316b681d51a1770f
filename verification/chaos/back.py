"""Whether another process works in the place of one that was killed, where callers do not tell:
they are answered without Serve's controller, and without one of two gateways.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psutil

from trueodds import Client, TrueoddsError
from verification.chaos.load import QUESTIONS
from verification.chaos.service import MODEL, Service

_LOOK_SECONDS = 0.05
_CALL_SECONDS = 5.0
_BACK_SECONDS = 120.0
# Within which an engine has to notice that its replica is gone.
_GONE_SECONDS = 60.0
ENGINE_CORE = "VLLM::EngineCore"
GATEWAY, CONTROLLER = "trueodds:gateway", "ServeController"

Wait = Callable[[psutil.Process], None]
"""Returns once another works in the place of this one. Raises TimeoutError."""
Waiting = Callable[[Service], AbstractContextManager[Wait]]


def _until(is_so: Callable[[], bool], seconds: float, late: str) -> None:
    """Raises TimeoutError, which says what did not come in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(late)
        time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def gateway(served: Service) -> Iterator[Wait]:
    """One that was not there before answers somebody who comes to it."""
    known = set(served.processes(GATEWAY))

    def wait(_: psutil.Process) -> None:
        def is_back() -> bool:
            return any(_answers(served, each) for each in set(served.processes(GATEWAY)) - known)

        _until(is_back, _BACK_SECONDS, "no other gateway answers")
        known.update(served.processes(GATEWAY))

    yield wait


def _answers(served: Service, gateway: psutil.Process) -> bool:
    """Whether a call on a new connection is answered that is with this gateway: the kernel says
    with which one it is.
    """
    port = int(served.address.rpartition(":")[2])
    before = _ends(psutil.Process(), port)
    with contextlib.suppress(TrueoddsError, psutil.Error), Client(served.address) as client:
        client.score(QUESTIONS[0], model=MODEL, timeout=_CALL_SECONDS)
        return bool((_ends(psutil.Process(), port) - before) & _others(gateway, port))
    return False


def _ends(process: psutil.Process, port: int) -> set[int]:
    """The process's own ports, of its connections to this one."""
    found = process.net_connections("tcp")
    return {each.laddr.port for each in found if each.raddr and each.raddr.port == port}


def _others(process: psutil.Process, port: int) -> set[int]:
    """The ports of those who have a connection with the process at this one."""
    found = process.net_connections("tcp")
    return {each.raddr.port for each in found if each.raddr and each.laddr.port == port}


@contextlib.contextmanager
def controller(served: Service) -> Iterator[Wait]:
    """Another controller answers those who ask it: Ray writes into its title what it is doing."""

    def wait(killed: psutil.Process) -> None:
        def is_back() -> bool:
            return bool(set(served.processes(*_ANSWERING)) - {killed})

        _until(is_back, _BACK_SECONDS, "no other controller answers")

    yield wait


# Gateways and who else wants to know of changes ask it all the time; it tells after half a minute
# where there are none. While it is made its title is another.
_ANSWERING = ("ray::ServeController.listen_for_change",)


@contextlib.contextmanager
def replica(served: Service) -> Iterator[Wait]:
    """The engine's own process of the replica that was killed has ended: it would hold on to what
    the next one needs.
    """
    known = set(served.processes(ENGINE_CORE))

    def wait(_: psutil.Process) -> None:
        def is_gone() -> bool:
            return not any(map(_runs, known))

        _until(is_gone, _GONE_SECONDS, f"one of {known} goes on without its replica")
        known.clear()
        known.update(served.processes(ENGINE_CORE))
        if not known:
            raise RuntimeError("there is no engine's process to be killed with its replica")

    yield wait


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
