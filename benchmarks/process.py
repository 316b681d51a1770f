"""Systems under test in processes of their own, which start, score when told, and end."""

import asyncio
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.workload import Task
from trueodds_service.config import VllmSettings

_START_SECONDS = 400.0
_MEASURE_SECONDS = 400.0
_STOP_SECONDS = 60.0
_TOLD = 4000


@dataclass(frozen=True)
class Scores:
    """What a system found: the options' logprobs, one array of shape (k,) a question, in order.

    NaN where it does not tell. ``latencies`` are in seconds, where questions went one at a time.
    """

    logprobs: list[NDArray[np.float64]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """Scores, and how many seconds they took."""

    seconds: float
    scores: Scores


class System(Protocol):
    """Scores tasks by one or more methods, each ``async (tasks) -> Scores``."""

    def close(self) -> None: ...


Start = Callable[[Path, VllmSettings], System]


# What systems say while they start and score.
LOG = Path("build/bench/systems.log")


class Failed(Exception):
    """The system did not start, or did not score; the message is the end of its trace."""

    def __str__(self) -> str:
        """With the end of what all systems said: the cause is often in a process behind."""
        said = LOG.read_text(encoding="utf-8", errors="replace") if LOG.exists() else ""
        return f"{said[-_TOLD:]}\n{super().__str__()}"


class SystemProcess:
    """A system in a process. ``start`` runs there, inside its event loop."""

    def __init__(self, start: Start, weights: Path, settings: VllmSettings) -> None:
        """Returns at once; the first measurement waits for the system."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(start, weights, settings, theirs))
        self._started = time.perf_counter()
        self._ready = False
        self._process.start()
        theirs.close()

    def wait(self) -> float:
        """Until the system is ready to score; the seconds since it was started. Raises Failed."""
        try:
            self._answer(_START_SECONDS)
        except Failed:
            self._kill()
            raise
        self._ready = True
        return time.perf_counter() - self._started

    def measure(self, method: str, tasks: Sequence[Task]) -> Measured:
        """Raises Failed; the system may be asked again."""
        if not self._ready:
            self.wait()
        try:
            self._connection.send((method, tasks))
        except OSError as error:
            raise Failed("the process ended") from error
        return self._answer(_MEASURE_SECONDS)

    def seconds(self, tasks: Sequence[Task]) -> float:
        """How long the system takes to score the prompts of all tasks."""
        return self.measure("score", tasks).seconds

    def stop(self) -> None:
        """Ends the process and all that it started."""
        with suppress(OSError):
            self._connection.send(None)
            self._process.join(_STOP_SECONDS)
        self._kill()

    def _answer(self, seconds: float) -> Measured:
        try:
            if not self._connection.poll(seconds):
                raise Failed(f"no answer in {seconds:g} s")
            found = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise Failed("the process ended") from error
        if not isinstance(found, Measured):
            raise Failed(str(found))
        return found

    def _kill(self) -> None:
        if not self._process.is_alive():
            return
        process = psutil.Process(self._process.pid)
        for each in [*process.children(recursive=True), process]:
            each.kill()
        self._process.join()


def _run(start: Start, weights: Path, settings: VllmSettings, connection: Connection) -> None:
    _say_into(LOG)

    async def main() -> None:
        try:
            system = start(weights, settings)
        except Exception:
            connection.send(traceback.format_exc()[-2000:])
            return
        connection.send(Measured(0.0, Scores()))
        while (wanted := await asyncio.to_thread(connection.recv)) is not None:
            method, tasks = wanted
            score = getattr(system, method)
            try:
                started = time.perf_counter()
                scores = await score(tasks)
                connection.send(Measured(time.perf_counter() - started, scores))
            except Exception:
                connection.send(traceback.format_exc()[-2000:])
        system.close()

    asyncio.run(main())


def _say_into(log: Path) -> None:
    """What this process and its children print goes to a file, in unbuffered writes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
