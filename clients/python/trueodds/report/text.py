"""How numbers and foreign text are written on the page."""

from __future__ import annotations

import html
from decimal import ROUND_CEILING, Decimal

NARROW = "\u202f"
_BRIEF = 10.0  # seconds
_THOUSANDS, _MILLIONS = 10_000, 10_000_000
ARROW = "→"
_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
)  # fmt: skip


def esc(text: str) -> str:
    """Make foreign text safe inside an element or a quoted attribute, in HTML and in XML."""
    clean = "".join(c for c in text if c in "\n\t" or c >= " ").replace("\x7f", "")
    return html.escape(clean.encode("utf-8", "replace").decode("utf-8"), quote=True)


def percent(value: float, decimals: int = 0) -> str:
    """Write a share as a percentage, such as `86 %`."""
    return f"{100 * value + 0.0:.{decimals}f}{NARROW}%"


def decimal(value: float, decimals: int = 3) -> str:
    """Write an error or a score with a fixed number of decimals and a true minus sign."""
    return f"{value:.{decimals}f}".replace("-", "−")


def count(value: float) -> str:
    """Write a whole number with its thousands set apart."""
    return f"{value:,.0f}"


def word(number: int) -> str:
    """Write a small whole number as a word."""
    return _WORDS[number] if 0 <= number < len(_WORDS) else count(number)


def plural(number: int, noun: str) -> str:
    """Write a number and its noun, such as `five questions`."""
    return f"{word(number)} {noun}" if number == 1 else f"{word(number)} {noun}s"


def duration(seconds: float) -> str:
    """Write a span of time the way one would say it."""
    if seconds < _BRIEF:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def px(value: float) -> str:
    """Write a coordinate: one decimal, none where it is whole, never a negative zero."""
    return f"{round(value, 1) + 0.0:g}"


def brief(number: int) -> str:
    """Write a count in at most five characters up to ten million: `9,999`, then `12k`."""
    if number < _THOUSANDS:
        return count(number)
    return f"{number / 1e3:.0f}k" if number < _MILLIONS else f"{number / 1e6:.0f}M"


def upwards(value: float) -> str:
    """Write a threshold to be copied: at most six decimals, never less than it is.

    What is above a threshold keeps its promise, and what is below by a last digit may not.
    """
    rounded = Decimal(repr(value)).quantize(Decimal("0.000001"), ROUND_CEILING).normalize()
    return f"{rounded:f}"


def signed(value: float, decimals: int = 3) -> str:
    """Write a difference with its sign; zero has none."""
    text = decimal(value, decimals)
    return f"+{text}" if float(f"{value:.{decimals}f}") > 0 else text.removeprefix("−") if (
        float(f"{value:.{decimals}f}") == 0) else text  # fmt: skip
