"""A service that gets SIGKILL leaves no process and no socket behind."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

# Starts a child in a session of its own, which starts one that has lost the mark, as Ray's do.
_PARENT = """
import subprocess, sys
from trueodds_service.serving.reaper import reaped

child = (
    "import subprocess, time;"
    "print(subprocess.Popen(['sleep', '1000'], env={}).pid, flush=True);"
    "time.sleep(1000)"
)
with reaped() as folder:
    print(folder, flush=True)
    (folder / "socket").touch()
    started = subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
    print(started.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("way", ["killed", "ended"])
def test_what_a_service_has_started_ends_with_it(way):
    service = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    folder = Path(service.stdout.readline().strip())
    started = [psutil.Process(int(service.stdout.readline())) for _ in range(2)]
    reaper = [each for each in psutil.Process(service.pid).children() if each not in started]
    assert len(reaper) == 1
    if way == "killed":
        service.send_signal(signal.SIGKILL)
    else:
        service.stdin.close()
    service.wait(60)
    gone, alive = psutil.wait_procs([*started, *reaper], timeout=60)
    assert len(gone) == 3
    assert alive == []
    assert not folder.exists()
