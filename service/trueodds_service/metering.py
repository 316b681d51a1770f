"""What a request is charged: set where it enters, told wherever it makes work."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar


class Meter:
    """Of one request. This one charges nothing."""

    def check(self) -> None:
        """Raises a ServiceError where no more may be asked now: to be called before any work."""

    def preparing(self, prompt_tokens: int) -> None:
        """So many are in the prompts that are made so far. Raises a ServiceError where it is too
        much: to be called while they are made, or what is to be refused is made whole first.
        """

    def asking(self, questions: int, prompt_tokens: int) -> AbstractContextManager[None]:
        """So much is asked of an engine inside. Raises a ServiceError where it is too much."""
        return nullcontext()


_current: ContextVar[Meter] = ContextVar("meter", default=Meter())  # noqa: B039 (has no state)


def current() -> Meter:
    """What the request is charged by that is worked on now, also in the tasks that it started."""
    return _current.get()


@contextmanager
def metered_by(meter: Meter) -> Iterator[None]:
    """What is done inside is charged by ``meter``."""
    token = _current.set(meter)
    try:
        yield
    finally:
        _current.reset(token)
