"""Who is told how a request fares: set where it enters, told wherever it is worked on."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType


class Stage(StrEnum):
    """What takes time on a request's way; a batch of a stream goes through them by itself."""

    ADMISSION = "admission"
    """Who asks, and whether there is room."""
    TOKENIZE = "tokenize"
    """Questions become prompts in tokens."""
    QUEUE = "queue"
    """Prompts wait in the gateway for a replica; a part of what ``ENGINE`` takes."""
    ENGINE = "engine"
    """From when the prompts are there until all have been scored."""
    CALIBRATE = "calibrate"
    """Scores become answers."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of some questions for a model: how many of each, and the prompts' tokens.

    ``failed`` are counts by reason.
    """

    model: str
    calibrated: int
    raw: int
    failed: Mapping[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0


class Watcher:
    """Watches one request. This one ignores all."""

    def __init__(self, request_id: str = "", traceparent: str = "") -> None:
        """``traceparent`` names its span to other processes, as W3C Trace Context does."""
        self.request_id, self.traceparent = request_id, traceparent

    def passed(self, stage: Stage, started: float, ended: float) -> None:
        """It has gone through a stage, in seconds of ``time.perf_counter``."""

    def answered(self, answered: Answered) -> None:
        """Some of its questions have their answers."""


_current: ContextVar[Watcher] = ContextVar("watcher", default=Watcher())  # noqa: B039 (has no state)


def current() -> Watcher:
    """Who watches the request that is worked on now, also in the tasks that it started."""
    return _current.get()


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """What is done inside is told to ``watcher``."""
    token = _current.set(watcher)
    try:
        yield
    finally:
        _current.reset(token)


class stage:  # noqa: N801 (used as a context manager; a class costs half of a generator)
    """What is done inside is a stage of the request."""

    __slots__ = ("_stage", "_started")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _current.get().passed(self._stage, self._started, time.perf_counter())
