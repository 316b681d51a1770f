"""Numbers that callers give. A truth value is a number to Python, and never meant as one."""

import operator
from collections.abc import Iterable
from typing import Any

# What the contract holds a whole number in.
_TOO_LARGE = 2**32
# There may be millions: what they are called is only made where one is something else.
_PLAIN = frozenset((int, float))


def number(value: Any, name: str) -> Any:
    """The value as it is. Raises TypeError where it is no number."""
    if _is_truth(value) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise TypeError(f"{name} has to be a number, not a {type(value).__name__}")
    return value


def number_or_none(value: Any, name: str) -> Any:
    """The same of what may be left out."""
    return None if value is None else number(value, name)


def numbers(values: Iterable[Any] | None, name: str) -> tuple[Any, ...]:
    """All of them, also of an array. Raises TypeError, which says which one is no number."""
    if values is None or (isinstance(values, tuple) and not values):
        return ()
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise TypeError(f"{name} has to be a list of numbers, not a {type(values).__name__}")
    found = tuple(values)
    if not _PLAIN.issuperset(map(type, found)):
        for place, value in enumerate(found):
            number(value, f"{name}[{place}]")
    return found


def whole(value: Any, name: str, what: str = "a whole number") -> int:
    """The value as an int, also of NumPy's. Raises TypeError where it is none."""
    if _is_truth(value) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} has to be {what}, not a {type(value).__name__}")
    return operator.index(value)


def place(value: Any, name: str) -> int | None:
    """The index of an option that is not at hand; None stays. Raises TypeError and ValueError."""
    if value is None:
        return None
    index = whole(value, name, "an index from 0")
    if not 0 <= index < _TOO_LARGE:
        raise ValueError(f"{name}: {index} is no option; from 0")
    return index


def truth(value: Any, name: str) -> bool | None:
    """True or false, also as 1 and 0, which tables have; None stays. Raises TypeError."""
    if value is None:
        return None
    if isinstance(value, str | bytes) or value not in (0, 1):
        raise TypeError(f"{name} has to be true or false")
    return bool(value)


def _is_truth(value: Any) -> bool:
    """Also NumPy's, which is called so or so by its version."""
    return type(value).__name__ in ("bool", "bool_")
