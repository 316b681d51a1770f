"""The service, run for the demo as a user would run it, and stopped without a trace."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import yaml

MODELS = Path(__file__).parent / "models"
BASE = "demo-base"
ALIGNED = "demo-aligned"

_LISTENING = re.compile(r"listening on (\S+)")
_STOP_SECONDS = 60.0


class ServiceError(Exception):
    """The service did not start, or ended; the message is the end of what it said."""


def demo_config(folder: Path) -> Path:
    """Writes a configuration of the demo pair, with a store of its own, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("calibrators.sqlite*"):
        stale.unlink()
    # One starts sooner than the several that a GPU would have of so small a model.
    engine = {"replicas": 1}
    config = {
        "listen": "127.0.0.1:0",
        "store": "sqlite:///calibrators.sqlite",
        "models": [
            {"name": BASE, "weights": str(MODELS / "base"), "engine": engine},
            {
                "name": ALIGNED,
                "weights": str(MODELS / "aligned"),
                "teacher": BASE,
                "engine": engine,
            },
        ],
    }
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


@contextlib.contextmanager
def running(config: Path) -> Iterator[str]:
    """`trueodds serve` on a configuration; the value is the address where it listens.

    On leaving, the service and every process that it started are gone. An error inside becomes a
    ServiceError where the service has ended by itself.
    """
    log = config.with_suffix(".log")
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "trueodds", "serve", str(config)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # Ctrl-C in the terminal is for the demo, which then stops the service itself.
            start_new_session=True,
        )
    try:
        yield _address(process, log)
    except Exception as error:
        if process.poll() is None:
            raise
        raise ServiceError(f"the service has ended:\n{_end(log)}") from error
    finally:
        _stop(process)


def _address(process: "subprocess.Popen[str]", log: Path) -> str:
    said = []
    for line in process.stdout or ():
        said.append(line)
        if found := _LISTENING.match(line):
            return found[1]
    raise ServiceError(f"the service did not start:\n{''.join(said[-3:])}{_end(log)}")


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-2000:]


def _stop(process: "subprocess.Popen[str]") -> None:
    started = _descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(started, timeout=10)
    for survivor in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
