"""The options of a row, in the ways that benchmarks write them."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from string import ascii_uppercase
from typing import Any

from trueodds.files.cells import cell, check_bytes, is_missing
from trueodds.files.errors import BadRow

_LETTERED = re.compile(r"\s*[(\[]?([A-Z])[)\].:]\s*")


@dataclass(frozen=True, slots=True)
class Options:
    """``labels`` where the row has any. ``right`` are the places that the options themselves mark
    as right, None where they mark none of them.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    right: tuple[int, ...] | None = None


def read_options(row: dict[str, Any], columns: Sequence[str]) -> Options:
    """The options, from one column that holds them all or from one each. Raises BadRow.

    A column may hold a list of texts; of objects with text and label; an object with these two
    lists, or with choices and labels of 0 and 1; an object of a score for each option; or one of
    these written in JSON, or by Python, as CSV has to.
    """
    if len(columns) > 1:
        values = [cell(row, name) for name in columns]
        while values and is_missing(values[-1]):  # not every question has as many
            values.pop()
        return Options(_texts(values, columns[0]))
    [name] = columns
    value: Any = cell(row, name)
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        check_bytes(value, name)
        value = _written(value, name)
    if isinstance(value, dict):
        return _of_object(value, name)
    labels: Any = None
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        objects: list[dict[str, Any]] = value
        labels = [each.get("label") for each in objects]
        value = [each.get("text") for each in objects]
    return Options(_list(value, name), _labels(labels, value, name))


def without_letters(options: Options) -> Options | None:
    """The options without "(A)", "(B)", … before them; None unless all have theirs."""
    if len(options.texts) > len(ascii_uppercase):
        return None
    matches = [_LETTERED.match(each) for each in options.texts]
    found = "".join(match[1] for match in matches if match)
    if found != ascii_uppercase[: len(options.texts)]:
        return None
    pairs = zip(options.texts, matches, strict=True)
    texts = tuple(each[match.end() :] for each, match in pairs if match)
    return replace(options, texts=texts) if all(texts) else None


def _of_object(value: dict[str, Any], name: str) -> Options:
    if "choices" in value and "labels" in value:
        texts, marks = _list(value["choices"], name), value["labels"]
        if not isinstance(marks, list) or len(marks) != len(texts) or not {*marks} <= {0, 1}:
            raise BadRow("labels has to hold a 0 or a 1 for each of choices", name)
        return Options(texts, right=tuple(place for place, mark in enumerate(marks) if mark))
    if "text" in value:
        return Options(_list(value["text"], name), _labels(value.get("label"), value["text"], name))
    if value and all(each is None or isinstance(each, int | float) for each in value.values()):
        return _scored(value, name)
    raise BadRow("is not a list of options", name)


def _scored(scores: Mapping[str, float | None], name: str) -> Options:
    """BIG-bench's target_scores; the right options have the highest score, above 0."""
    # Parquet gives each row the options of all; those of others are null.
    own = {text: score for text, score in scores.items() if score is not None}
    most = max(own.values())
    places = (place for place, score in enumerate(own.values()) if score == most and score > 0)
    return Options(_texts([*own], name), right=tuple(places))


def _written(value: str, name: str) -> Any:
    """What a cell says in JSON or in Python's own way. Raises BadRow."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        found = ast.literal_eval(value.strip())
        words = [
            token.type for token in tokenize.generate_tokens(io.StringIO(value.strip()).readline)
        ]
    except (ValueError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise BadRow("is not a list in JSON or Python", name) from error
    if any(one == other == tokenize.STRING for one, other in pairwise(words)):
        # NumPy writes no commas, and Python would make one text of all.
        raise BadRow("is a list without commas between its texts", name)
    return list(found) if isinstance(found, tuple) else found


def _list(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadRow("is missing" if value is None else "is not a list of options", name)
    return _texts(value, name)


def _labels(labels: Any, texts: Any, name: str) -> tuple[str, ...] | None:
    """Labels that are text or whole numbers; None where a row has none."""
    if not isinstance(labels, list) or not labels:
        return None
    if not all(isinstance(each, str | int) and each != "" for each in labels):
        return None
    if len(labels) != len(texts):
        raise BadRow(f"has {len(labels)} labels for {len(texts)} options", name)
    return tuple(map(str, labels))


def _texts(values: Sequence[Any], name: str) -> tuple[str, ...]:
    for each in values:
        number = isinstance(each, int | float) and not is_missing(each)
        if not number and not (isinstance(each, str) and each.strip()):
            raise BadRow("holds an option that is not text", name)
        check_bytes(str(each), name)
    return tuple(map(str, values))
