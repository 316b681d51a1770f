"""JSON bodies: faults of a whole body, and where in it they are."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from trueodds_service.errors import InvalidInput
from trueodds_service.flows.messages import message_work

# Names in a body are the caller's, and of any length.
_MOST_CHARACTERS = 64
# Read or written in about a millisecond.
_SHORT_BYTES = 2**16

Told = TypeVar("Told")


async def beside(size: int, work: Callable[[], Told]) -> Told:
    """What comes of reading or writing ``size`` bytes: in another thread where they are many, so
    that nobody else waits for it.
    """
    return work() if size <= _SHORT_BYTES else await message_work(work)


def not_json() -> InvalidInput:
    """What is said of a body that is none."""
    return InvalidInput("body", "is not one object of JSON in UTF-8", reason="NO_JSON")


def path_of(place: Sequence[str | int]) -> str:
    """The names and indices that lead to a value, as errors have them."""
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{_cut(part)}" if path else _cut(part)
    return path or "body"


def check_names(body: bytes) -> None:
    """Raises InvalidInput where an object of a body has the same name twice, and where the body is
    no JSON: the parser that told of the name may have stopped there.
    """
    is_repeated = False

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal is_repeated
        found = dict(pairs)
        if len(found) < len(pairs):
            is_repeated = True
            return _Repeated(pairs)
        return found

    try:
        whole = json.loads(body, object_pairs_hook=as_object)
    except (ValueError, RecursionError):
        raise not_json() from None
    if is_repeated:
        raise InvalidInput(path_of(_first_repeated(whole)), "is here twice")


class _Repeated(dict[str, Any]):
    """An object that has names twice; ``first`` is the first of them."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.first = _first_twice(name for name, _ in pairs)


def _first_twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("all names differ")


def _first_repeated(whole: Any) -> tuple[str | int, ...]:
    """Where the first name is that is there twice; of a body that has one."""
    left: list[tuple[Any, tuple[str | int, ...]]] = [(whole, ())]
    while True:
        value, place = left.pop()
        if isinstance(value, _Repeated):
            return (*place, value.first)
        parts: Any = ()
        if isinstance(value, dict):
            parts = value.items()
        elif isinstance(value, list):
            parts = enumerate(value)
        left += reversed([(inner, (*place, name)) for name, inner in parts])


def _cut(name: str) -> str:
    return name if len(name) <= _MOST_CHARACTERS else f"{name[:_MOST_CHARACTERS]}…"
