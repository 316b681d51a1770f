"""Which task a question is of: the request's own, or what the question is called."""

from collections.abc import Callable

from trueodds_service.errors import InvalidInput
from trueodds_service.rpc.questions import parse_task

HEADER = "x-trueodds-task"

TaskOf = Callable[[str | None, str], str]
"""The task of a question by its name, and the field that the name is in. Raises InvalidInput."""


def task_of(header: str | None, own: str | None) -> TaskOf:
    """Raises InvalidInput at a task that is none."""
    if own is not None:
        task = parse_task(own, "task")
        return lambda name, field: task
    if header is not None:
        task = parse_task(_as_utf8(header), HEADER)
        return lambda name, field: task
    return lambda name, field: parse_task(name or "", field)


def _as_utf8(header: str) -> str:
    """What was sent: bytes of a header are read as Latin-1, and clients write them as UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise InvalidInput(HEADER, "has to be UTF-8") from None
