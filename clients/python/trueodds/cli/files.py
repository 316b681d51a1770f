"""Questions in JSON Lines: one object a line.

    {"question": "…", "options": ["…", "…"], "passage": "…", "labels": ["…", "…"], "answer": 0}

``passage``, ``labels`` and ``answer`` may be missing. ``answer`` is an index from 0.
"""

import json
from pathlib import Path
from typing import Any

from trueodds.types import Example, Question

_KEYS = {"question", "options", "passage", "labels", "answer"}


class FileError(Exception):
    """The file is wrong; the message names the line and the reason."""


def read_examples(path: Path) -> list[Example]:
    """Raises FileError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    examples = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            examples.append(_example(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise FileError(f"{path}, line {number}: {reason}") from error
    if not examples:
        raise FileError(f"{path} holds no questions")
    return examples


def _example(row: Any) -> Example:
    if not isinstance(row, dict):
        raise TypeError("not a JSON object")
    if unknown := sorted(row.keys() - _KEYS):
        raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    answer = row.get("answer")
    if answer is not None and (isinstance(answer, bool) or not isinstance(answer, int)):
        raise TypeError("answer has to be an index, from 0")
    labels = row.get("labels")
    question = Question(
        text=_text(row["question"], "question"),
        options=_texts(row["options"], "options"),
        passage=_text(row.get("passage") or "", "passage"),
        labels=None if labels is None else _texts(labels, "labels"),
    )
    return Example(question, answer)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} has to be a string")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{name} has to be a list of strings")
    return tuple(_text(each, name) for each in value)
