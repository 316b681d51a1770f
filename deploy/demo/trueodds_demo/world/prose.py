"""Small helpers for English sentences."""

from collections.abc import Sequence


def listing(parts: Sequence[str]) -> str:
    """Parts in a row, as English writes them: "a", "a and b", "a, b and c"."""
    *start, last = parts
    return f"{', '.join(start)} and {last}" if start else last
