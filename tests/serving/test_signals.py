"""A signal is not lost, wherever it meets the process."""

import signal
import subprocess
import sys

import pytest

from trueodds_service.serving.signals import _ENDS, Signals

# What a handler raises in either place is dropped by Python. Each says when it is there.
_PLACES = {
    "a finalizer": """
class Last:
    def __del__(self):
        print("here", flush=True)
        wait()

Last()
""",
    "a callback of a fork": """
def around():
    print("here", flush=True)
    wait()

os.register_at_fork(after_in_parent=around)
if not os.fork():
    time.sleep(1)
    os._exit(0)
""",
}
_PROCESS = """
import os, time
from trueodds_service.serving.signals import end_on_signals

def wait():
    # Not at once: a signal that comes just as a sleep begins is noticed when that ends.
    for _ in range(600):
        time.sleep(0.1)

end_on_signals()
try:
{place}
    wait()
finally:
    print("stopped what was started", flush=True)
"""


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_the_process_where_exceptions_are_dropped(place, number):
    code = _PROCESS.format(place=_PLACES[place].replace("\n", "\n    "))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        said, wrong = process.communicate(timeout=50)
    assert (process.returncode, said, wrong) == (0, "stopped what was started\n", "")


def test_once_it_runs_they_are_noted_and_nothing_is_raised():
    before = {number: signal.getsignal(number) for number in (*_ENDS, signal.SIGUSR1)}
    signals = Signals()
    try:
        signals.take_reload()
        signal.raise_signal(signal.SIGUSR1)
        assert signals.reload.is_set(), "while it starts, too"
        signals.take()
        assert not signals.stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert signals.stop.is_set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
