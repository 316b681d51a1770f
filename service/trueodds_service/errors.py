"""The error tree: everything that the service says on purpose.

Each error carries a stable ``reason`` for programs and a sentence for people; some name the
field at fault. ``rpc`` and ``http`` map the tree to status codes. No message ever holds a prompt.

    ServiceError
    ├── InvalidInput        a field is wrong                        INVALID_ARGUMENT
    ├── TooLarge            too much in one request                 INVALID_ARGUMENT
    ├── NotFound            no such model or calibrator             NOT_FOUND
    ├── NotReady            the state does not allow it             FAILED_PRECONDITION
    │   └── ModelFault      this model cannot come up               FAILED_PRECONDITION
    ├── PromptFault         what this one prompt does to an engine  FAILED_PRECONDITION
    ├── Unauthenticated     who asks is not known                   UNAUTHENTICATED
    ├── Forbidden           who asks may not                        PERMISSION_DENIED
    ├── Expired             its deadline passes before its answer   DEADLINE_EXCEEDED
    ├── Unavailable         try again soon                          UNAVAILABLE
    │   └── Exhausted       too much at once, or for this caller    RESOURCE_EXHAUSTED
    ├── StartError          the processes do not come up            (at start-up)
    └── ConfigError         the configuration file is wrong         (at start-up)
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class ServiceError(Exception):
    """The root. ``reason`` is UPPER_SNAKE_CASE and never changes its meaning.

    ``code`` is the name of its status, as in google.rpc.Code.
    """

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive pickling by themselves, and errors cross
        # process boundaries.
        return _rebuild, (type(self), self.__dict__)


def _rebuild(kind: type[ServiceError], state: dict[str, object]) -> ServiceError:
    error = kind.__new__(kind)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


def class_and_place(error: BaseException) -> str:
    """What a log may say of any error, such as "ValueError at reader.py:12".

    The message of a foreign error can hold a prompt or a password; its class and place cannot.
    """
    steps = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(steps[-1].filename).name}:{steps[-1].lineno}" if steps else ""
    return f"{type(error).__name__}{place}"


class InvalidInput(ServiceError):
    """A field of a request is wrong.

    ``field`` is its path in the request, such as ``questions[3].options[1].label``.
    """

    code = "INVALID_ARGUMENT"

    def __init__(self, field: str, message: str, *, reason: str = "INVALID_FIELD") -> None:
        super().__init__(message, reason=reason)
        self.field = field

    def under(self, parent: str) -> "InvalidInput":
        """The same error, seen from a message that holds this one at ``parent``."""
        return InvalidInput(f"{parent}.{self.field}", self.message, reason=self.reason)


@contextmanager
def field(name: str) -> Iterator[None]:
    """Puts ``name`` before the field of an InvalidInput raised inside."""
    try:
        yield
    except InvalidInput as error:
        raise error.under(name) from error


class TooLarge(ServiceError):
    """Each field is right, and the request as a whole is more than one may hold."""

    code = "INVALID_ARGUMENT"


class NotFound(ServiceError):
    """A named resource does not exist."""

    code = "NOT_FOUND"

    def __init__(self, message: str, *, reason: str = "NOT_FOUND") -> None:
        super().__init__(message, reason=reason)


class NotReady(ServiceError):
    """The request is right, but not in this state: a scope that does not match, say."""

    code = "FAILED_PRECONDITION"


class PromptFault(ServiceError):
    """What this one prompt does to an engine: sent again, it does the same again."""

    code = "FAILED_PRECONDITION"

    @classmethod
    def of_engine(cls) -> "PromptFault":
        """An engine fails at the prompt, and lives on."""
        return cls("the engine failed at this prompt", reason="ENGINE_FAULT")


class Unavailable(ServiceError):
    """Temporary: the same request can succeed after ``retry_seconds``."""

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, reason: str, retry_seconds: float = 1.0) -> None:
        super().__init__(message, reason=reason)
        self.retry_seconds = retry_seconds


class Exhausted(Unavailable):
    """There is no room, or no more of a quota: the same request, later, or less at once."""

    code = "RESOURCE_EXHAUSTED"


class Overloaded(Exhausted):
    """Its turn would come after its deadline.

    There are ``work`` seconds of work before it, and ``left`` until its deadline.
    """

    def __init__(self, work: float, left: float) -> None:
        super().__init__(
            f"the model has {work:.1f} seconds of work before this, and its deadline is in "
            f"{left:.1f}",
            reason="OVERLOADED",
            retry_seconds=work - left,
        )


class Unauthenticated(ServiceError):
    """No credentials, or none that are known. The message never tells which part was wrong."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="UNAUTHENTICATED")


class Forbidden(ServiceError):
    """The caller lacks the permission that the message names, or is a page of another site."""

    code = "PERMISSION_DENIED"

    def __init__(self, message: str, *, reason: str = "FORBIDDEN") -> None:
        super().__init__(message, reason=reason)


class Expired(ServiceError):
    """The request's deadline passed, or would pass, before its answer: it is not worked on."""

    code = "DEADLINE_EXCEEDED"

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="DEADLINE")


class ModelFault(NotReady):
    """A model cannot come up as it is configured; the message is the cause alone."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause, reason="MODEL_FAILED")


class ConfigError(ServiceError):
    """The configuration is wrong; the message names the file and the field."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="BAD_CONFIG")


class StartError(ServiceError):
    """The service's processes did not come up."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="START_FAILED")
