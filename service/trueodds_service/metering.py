"""What a request is charged: set where it enters, told wherever it makes work."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar


class Stream:
    """The messages of one stream. This one may be of any size."""

    async def room(self) -> None:
        """Waits until another message may be read."""

    def check_room(self) -> None:
        """Raises a ServiceError where no other message may be read now."""

    def hold(self, size: int) -> None:
        """So many bytes more are held, or fewer: of messages, and of answers not taken yet."""

    def close(self) -> None:
        """It holds nothing any more."""


class Prompts:
    """Prompts that an engine is asked for together. These may be of any size."""

    def made(self, tokens: int) -> None:
        """Those made so far have ``tokens``. Raises a ServiceError where that is too much: to be
        called while they are made, or what is to be refused is made whole first.
        """

    def ask(self, questions: int) -> None:
        """An engine is asked for them, and for this many questions by them."""


class Meter:
    """Charges one request. This one charges nothing."""

    @property
    def is_only(self) -> bool:
        """Whether no prompts of its tenant's are under way here."""
        return False

    def stream(self) -> Stream:
        """Of a request that is a stream of messages. To be closed."""
        return Stream()

    def check(self) -> None:
        """Raises a ServiceError where no more may be asked now: to be called before any work."""

    def prompts(self) -> AbstractContextManager[Prompts]:
        """Prompts that are under way inside: made, and then asked."""
        return nullcontext(Prompts())


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


class _GoingOn(Meter):
    """Charges what has begun, which is refused no more."""

    def __init__(self, begun: Meter) -> None:
        self._begun = begun

    @property
    def is_only(self) -> bool:
        return self._begun.is_only

    def stream(self) -> Stream:
        return self._begun.stream()

    def prompts(self) -> AbstractContextManager[Prompts]:
        return self._begun.prompts()


def going_on() -> AbstractContextManager[None]:
    """What is done inside belongs to what was charged before: no quota ends it half-way."""
    return metered_by(_GoingOn(current()))
