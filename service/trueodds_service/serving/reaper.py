"""What ends the service's processes, and removes its sockets, when it was killed and could not.

Ray's processes outlive a driver that gets SIGKILL, and with them every engine and its memory. So
`trueodds serve` starts this beside itself, in a session of its own, and holds the writing end of
a pipe that this reads. The system closes it however the service ends. Every process that the
service starts inherits a mark in its environment; the children of marked processes count too.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

from trueodds_service.serving.environment import socket_root

_MARK = "TRUEODDS_SERVICE"
# A process that is killed starts no other, but one may have started while it was looked for.
_ROUNDS = 20
_ROUND_SECONDS = 0.5


@contextlib.contextmanager
def reaped() -> Iterator[Path]:
    """What is started inside ends with this process, whatever ends it, or else on leaving.

    Gives a new folder that ends with it, too.
    """
    mark = os.environ[_MARK] = uuid.uuid4().hex
    # Else setproctitle writes the titles of Ray's processes over the environment that is read.
    os.environ.setdefault("SPT_NOENV", "1")
    folder = tempfile.mkdtemp(prefix="trueodds-", dir=socket_root())
    reading, writing = os.pipe()
    command = [sys.executable, "-m", __name__, mark, folder]
    reaper = subprocess.Popen(command, stdin=reading, start_new_session=True)  # noqa: S603
    os.close(reading)
    try:
        yield Path(folder)
    finally:
        os.close(writing)
        reaper.wait()
        del os.environ[_MARK]


def reap(mark: str) -> None:
    """Kills every process that has the mark, with its children; this process is spared."""
    for _ in range(_ROUNDS):
        found = _marked(mark)
        if not found:
            return
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=_ROUND_SECONDS)


def _marked(mark: str) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
                found.update(process.children(recursive=True))
    return found - {psutil.Process()}


if __name__ == "__main__":
    sys.stdin.read()
    reap(sys.argv[1])
    shutil.rmtree(sys.argv[2], ignore_errors=True)
