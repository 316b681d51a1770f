"""Which task a question is of: the request's own, or what the question is called."""

from collections.abc import Callable

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
        task = parse_task(header, HEADER)
        return lambda name, field: task
    return lambda name, field: parse_task(name or "", field)
