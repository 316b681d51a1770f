"""Questions in JSON Lines: one object a line.

    {"question": "…", "options": ["…", "…"], "passage": "…", "labels": ["…", "…"], "answer": 0}

``passage``, ``labels`` and ``answer`` may be missing or null. ``answer`` is an index from 0.
Instead of ``question`` there may be a whole ``prompt``, after which the options are read, or
``messages`` for the model's chat template, with an ``answer_prefix`` or without:

    {"messages": [{"role": "user", "content": "…"}], "options": ["…", "…"]}
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trueodds.types import Chat, Example, Question

STDIN = Path("-")

_ASKED_BY = ("question", "prompt", "messages")
_KEYS = (*_ASKED_BY, "options", "passage", "labels", "answer", "answer_prefix")


class FileError(Exception):
    """The file is wrong; the message names it, the line and the reason."""


def read_examples(path: Path | None) -> list[Example]:
    """The file's examples; ``-`` is standard input, and None holds none. Raises FileError."""
    return [] if path is None else list(_examples(path))


def _examples(path: Path) -> Iterator[Example]:
    name = "standard input" if path == STDIN else str(path)
    try:
        content = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        # JSON may hold what splitlines() takes for the end of a line, such as U+2028.
        lines = content.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise FileError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(f"{name}, line {line}: is not UTF-8") from error
    found = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _example(json.loads(line))
        except json.JSONDecodeError as error:
            reason = f"is not JSON ({error.msg}, column {error.colno})"
            raise FileError(f"{name}, line {number}: {reason}") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise FileError(f"{name}, line {number}: {error}") from error
        found = True
    if not found:
        raise FileError(f"{name} holds no questions")


def _example(row: Any) -> Example:
    if not isinstance(row, dict):
        raise TypeError("is not a JSON object")
    if unknown := [key for key in row if key not in _KEYS]:
        raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}")
    asked_by = [key for key in _ASKED_BY if key in row]
    if len(asked_by) != 1:
        raise ValueError(
            "question is missing" if not asked_by else f"{asked_by[1]} is one too many"
        )
    if "answer_prefix" in row and "messages" not in row:
        raise ValueError("answer_prefix goes with messages only")
    if "options" not in row:
        raise ValueError("options is missing")
    for key in ("question", "prompt"):
        if key in row and not isinstance(row[key], str):
            raise TypeError(f"{key} has to be a string, not {row[key]!r}")
    for key in ("options", "labels"):
        if isinstance(row.get(key), dict):
            raise TypeError(f"{key} has to be a list of strings, not {row[key]!r}")
    passage = row.get("passage")
    question = Question(
        text=row.get("question", ""),
        options=row["options"],
        passage="" if passage is None else passage,
        labels=row.get("labels"),
        prompt=_chat(row) if "messages" in row else row.get("prompt"),
    )
    return Example(question, row.get("answer"))


def _chat(row: dict[str, Any]) -> Chat:
    messages = row["messages"]
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise TypeError("messages has to be a list of objects with role and content")
    return Chat(messages, row.get("answer_prefix") or "")
