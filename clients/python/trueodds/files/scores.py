"""Rows of scores that the caller has: logprobs, probabilities, or a confidence alone.

    {"probabilities": [0.7, 0.3], "answer": 0}
    {"logprobs": [-0.4, -1.2], "teacher_logprobs": [-0.5, -0.9]}
    {"confidence": 0.93, "correct": true}

They are told from questions by these names, and by having no options to choose from.
"""

import math
from itertools import islice
from typing import Any

from trueodds.files.cells import Row, is_missing
from trueodds.files.columns import ONE_OPTION, OPTIONS
from trueodds.files.errors import BadRow, FileError
from trueodds.files.source import Source
from trueodds.scores import Scores

_ROWS = ("logprobs", "probabilities", "teacher_logprobs", "teacher_probabilities")
_NUMBERS = ("confidence", "teacher_format_probability")
_QUESTIONS = (*OPTIONS, "prompt", "messages")
_TRUTH = {"true": True, "false": False}


def holds_scores(source: Source) -> bool:
    """Whether the first row that can be read is one of scores."""
    first = next((row for row in islice(source.rows(), 16) if isinstance(row, dict)), {})
    one_each = [name for name in first if ONE_OPTION.fullmatch(name)]
    if len(one_each) > 1 or any(name in first for name in _QUESTIONS):
        return False
    return "confidence" in first or any(isinstance(first.get(name), list) for name in _ROWS[:2])


def read_scores(source: Source) -> list[Scores]:
    """All rows. Raises FileError at the first that is none of scores."""
    found = []
    for place, row in source.placed():
        try:
            found.append(_scores(row))
        except BadRow as error:
            raise FileError(f"{source.name or source.path}, {place}: {error}") from error
    return found


def _scores(row: Row) -> Scores:
    if isinstance(row, BadRow):
        raise row
    told: dict[str, Any] = {name: _numbers(row, name) for name in _ROWS}
    told |= {name: _number(row.get(name), name) for name in _NUMBERS}
    if not (told["logprobs"] or told["probabilities"]) and told["confidence"] is None:
        raise BadRow("has neither logprobs nor probabilities nor a confidence")
    return Scores(**told, answer=_answer(row), correct=_correct(row))


def _numbers(row: dict[str, Any], name: str) -> list[float]:
    values = row.get(name)
    if is_missing(values):
        return []
    if not isinstance(values, list):
        raise BadRow("has to be a list of numbers", name)
    numbers = [_number(value, name) for value in values]
    if None in numbers:
        raise BadRow("has a gap: every option has a number", name)
    return [number for number in numbers if number is not None]


def _number(value: Any, name: str) -> float | None:
    """Also of a cell of CSV, which is text."""
    if is_missing(value):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise BadRow(f"{str(value)[:40]!r} is not a number", name)
    return number


def _answer(row: dict[str, Any]) -> int | None:
    value = _number(row.get("answer"), "answer")
    if value is None:
        return None
    if not (value.is_integer() and 0 <= value < 2**31):
        raise BadRow("has to be the index of the right option, from 0", "answer")
    return int(value)


def _correct(row: dict[str, Any]) -> bool | None:
    value = row.get("correct")
    if is_missing(value):
        return None
    known = _TRUTH.get(str(value).lower())
    if known is None and (known := {"1.0": True, "0.0": False}.get(_as_float(value))) is None:
        raise BadRow("has to be true or false, or 1 or 0", "correct")
    return known


def _as_float(value: Any) -> str:
    try:
        return str(float(value))
    except (TypeError, ValueError, OverflowError):
        return ""
