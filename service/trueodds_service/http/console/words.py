"""How numbers and names are written on the pages."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

NARROW = "\u202f"
_NEARLY_ALL, _NEARLY_NONE = 0.995, 0.005
_REST = 0.0005
_WHOLE, _TENTH = 100, 0.1
_SECOND = 1000

METHODS = {
    "METHOD_IDENTITY": "nothing: raw probabilities",
    "METHOD_CONSTANT": "a temperature that somebody gave",
    "METHOD_TEACHER_KL": "a temperature taught by the pre-trained model",
    "METHOD_AGREEMENT_KL": "a temperature taught where both models agree",
    "METHOD_TEACHER_POOLED": "a temperature taught, and drawn towards other tasks’",
    "METHOD_TEMPERATURE": "a temperature fitted to answers",
    "METHOD_KDE": "kernel densities of right and wrong answers",
    "METHOD_BETA": "beta calibration of the confidence",
    "METHOD_VECTOR": "vector scaling",
    "METHOD_MATRIX": "matrix scaling",
    "METHOD_ISOTONIC": "isotonic regression of the confidence",
    "METHOD_SCALING_BINNING": "scaling, then binning",
    "METHOD_CASCADE": "a threshold: who answers in a cascade",
}


def percent(share: float) -> str:
    """A share as a percentage; what is nearly all or nothing is not written as if it were."""
    share = float(share) + 0.0
    if share in (0, 1) or _NEARLY_NONE < share < _NEARLY_ALL:
        return f"{100 * share:.0f}{NARROW}%"
    if share < _REST:
        return f"under 0.1{NARROW}%"
    if share >= 1 - _REST:
        return f"over 99.9{NARROW}%"
    return f"{100 * share:.1f}{NARROW}%"


def decimal(value: float, digits: int = 3) -> str:
    """A number with ``digits`` decimals and a true minus sign, which no zero has."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "−")


def temperature(value: float | None) -> str:
    """A temperature to three figures, or whole where it has more."""
    if value is None:
        return "–"
    # Below, three figures do without an exponent.
    return f"{value:.3g}" if value < _WHOLE else count(round(value))


def count(value: float) -> str:
    """A whole number, its thousands set apart."""
    return f"{int(value):,}".replace(",", NARROW)


def plural(number: float, noun: str) -> str:
    """A number with its noun."""
    return f"{count(number)} {noun}" if int(number) == 1 else f"{count(number)} {noun}s"


def rate(per_second: float) -> str:
    """A number a second, with as many digits as one can tell apart."""
    if per_second >= _WHOLE:
        return count(per_second)
    if not per_second:
        return "0"
    return f"under {_TENTH}" if per_second < _TENTH / 2 else f"{per_second:.1f}"


def duration(seconds: float | None) -> str:
    """A latency, in milliseconds or in seconds."""
    if seconds is None:
        return "–"
    milliseconds = round(1000 * seconds)
    return f"{milliseconds} ms" if milliseconds < _SECOND else f"{seconds:.1f} s"


def sentence(text: str) -> str:
    """The same with a large letter at its beginning, and abbreviations as they are."""
    return text[:1].upper() + text[1:]


def when(timestamp: str) -> str:
    """A time of protobuf's JSON, to the minute."""
    return f"{datetime.fromisoformat(timestamp):%-d %B %Y, %H:%M} UTC"


def short(hash_: str) -> str:
    """The beginning of a hash, enough to tell it from others by eye."""
    return hash_[:8]


def last_part(name: str) -> str:
    """The last part of a resource name."""
    return name.rpartition("/")[2]


def method(name: str) -> str:
    """What a method of the contract does, in a few words."""
    return METHODS.get(name, name.removeprefix("METHOD_").replace("_", " ").lower())


def task(name: str) -> str:
    """A task, or what a calibrator without one is for."""
    return name or "every task without its own"


def options(number: int) -> str:
    """How many options the questions of a scope have."""
    return plural(number, "option") if number else "any number of options"


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        percent,
        decimal,
        temperature,
        count,
        plural,
        rate,
        duration,
        sentence,
        when,
        short,
        last_part,
        method,
        task,
        options,
    )
}
