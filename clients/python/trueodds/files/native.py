"""The rows of this project's own: as `trueodds score --help` shows them.

    {"question": "…", "options": ["…", "…"], "passage": "…", "labels": ["…", "…"], "answer": 0}

``answer`` is an index from 0. Instead of ``question`` there may be a whole ``prompt``, after which
the options are read, or ``messages`` for the model's chat template, with an ``answer_prefix``.
"""

from typing import Any

from trueodds.files.errors import BadRow
from trueodds.question import Chat, Question

_ASKED_BY = ("question", "prompt", "messages")
NATIVE_KEYS = frozenset(
    {*_ASKED_BY, "options", "passage", "labels", "answer", "answer_prefix", "id", "task"}
)


def is_native(row: dict[str, Any]) -> bool:
    if "messages" in row:
        return True
    options = row.get("options")
    return (
        {*row} <= NATIVE_KEYS
        and isinstance(options, list)
        and not any(isinstance(each, dict | int | float) for each in options)
    )


def native_question(row: dict[str, Any]) -> Question:
    """Raises BadRow, TypeError and ValueError, which name the field."""
    asked_by = [key for key in _ASKED_BY if key in row]
    if len(asked_by) != 1:
        raise BadRow(
            *(("is missing", "question") if not asked_by else ("is one too many", asked_by[1]))
        )
    if "answer_prefix" in row and "messages" not in row:
        raise BadRow("goes with messages only", "answer_prefix")
    if "options" not in row:
        raise BadRow("is missing", "options")
    for key in ("question", "prompt"):
        if key in row and not isinstance(row[key], str):
            raise BadRow(f"has to be a string, not {row[key]!r:.60}", key)
    for key in ("options", "labels"):
        if isinstance(row.get(key), dict):
            raise BadRow(f"has to be a list of strings, not {row[key]!r:.60}", key)
    passage = row.get("passage")
    return Question(
        text=row.get("question", ""),
        options=row["options"],
        passage="" if passage is None else passage,
        labels=row.get("labels"),
        prompt=_chat(row) if "messages" in row else row.get("prompt"),
    )


def _chat(row: dict[str, Any]) -> Chat:
    messages = row["messages"]
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise BadRow("has to be a list of objects with role and content", "messages")
    return Chat(messages, row.get("answer_prefix") or "")
