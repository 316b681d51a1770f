"""Which option is right, in the ways that benchmarks say it."""

import re
from collections.abc import Sequence
from typing import Any

from trueodds.bulk.cells import is_missing
from trueodds.bulk.errors import BadRow


def answer_index(
    value: Any, texts: Sequence[str], labels: Sequence[str] | None, first: int, by: str = ""
) -> int | None:
    """Which option a cell says is right, from 0: ``by`` its "place" or its "text"; "" is either.

    None where it says nothing. Raises BadRow where it is no option, or may be either of two.
    """
    if _says_nothing(value, texts):
        return None
    found = readings(value, texts, labels, first)
    if by:
        found = {name: index for name, index in found.items() if name == by}
    if not found:
        raise BadRow("is no option")
    if len({*found.values()}) > 1 and not (labels and value in labels):
        raise BadRow("is the letter or number of one option and the text of another")
    return next(iter(found.values()))


def readings(
    value: Any, texts: Sequence[str], labels: Sequence[str] | None, first: int
) -> dict[str, int]:
    """The options that a cell may mean: by "place", by "text", or both."""
    if _says_nothing(value, texts):
        return {}
    both = {"place": _by_place(value, texts, labels, first), "text": _by_text(value, texts)}
    return {name: index for name, index in both.items() if index is not None}


def _says_nothing(value: Any, texts: Sequence[str]) -> bool:
    """Whether a row keeps its answer to itself; some data sets say -1 then."""
    said = "" if is_missing(value) else str(value).strip()
    return not said or (said == "-1" and _by_text(value, texts) is None)


def _by_place(
    value: Any, texts: Sequence[str], labels: Sequence[str] | None, first: int
) -> int | None:
    """The option with this label, letter, or number counted from ``first``."""
    whole = isinstance(value, float) and value.is_integer()
    said = str(int(value)) if whole else str(value).strip()
    if labels and said in labels:
        return list(labels).index(said)
    if (match := re.fullmatch(r"[(\[]?([A-Za-z])[)\].:]?", said)) is not None:
        index = ord(match[1].upper()) - ord("A")
    elif re.fullmatch(r"[0-9]{1,9}", said):
        index = int(said) - first
    else:
        return None
    return index if 0 <= index < len(texts) else None


def _by_text(value: Any, texts: Sequence[str]) -> int | None:
    said, stripped = str(value).strip(), [each.strip() for each in texts]
    return stripped.index(said) if said in stripped else None
