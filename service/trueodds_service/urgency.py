"""How a request hurries: set where it enters, read wherever work is put in order."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

# A caller of at most this many prompts waits for each answer; a caller of more waits for the last.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Urgency:
    """``deadline`` is in the time of ``time.monotonic``, None for ever.

    ``in_bulk`` is whether others go first; None where the number of prompts tells.
    """

    deadline: float | None = None
    in_bulk: bool | None = None


_NONE = Urgency()
_current: ContextVar[Urgency] = ContextVar("urgency", default=_NONE)


def seconds_left() -> float | None:
    """Until nobody waits any more for what is done now; negative once that is so."""
    deadline = _current.get().deadline
    return None if deadline is None else deadline - time.monotonic()


def is_in_bulk(prompts: int) -> bool:
    """Whether others go before ``prompts`` prompts of what is done now."""
    in_bulk = _current.get().in_bulk
    return prompts > _FEW if in_bulk is None else in_bulk


@contextmanager
def hurrying(seconds: float | None, *, in_bulk: bool | None = None) -> Iterator[None]:
    """What is done inside has ``seconds``; tasks that are started meanwhile have the same."""
    deadline = None if seconds is None else time.monotonic() + seconds
    token = _current.set(Urgency(deadline, in_bulk))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def settled(prompts: int) -> Iterator[None]:
    """Inside, parts of ``prompts`` prompts are in bulk if the whole is."""
    token = _current.set(replace(_current.get(), in_bulk=is_in_bulk(prompts)))
    try:
        yield
    finally:
        _current.reset(token)
