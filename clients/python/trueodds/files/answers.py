"""Which option is right: the readings that an answer may have, and which one a file's have."""

import re
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from itertools import permutations
from typing import Any

from trueodds.files.cells import is_missing
from trueodds.files.errors import BadRow
from trueodds.files.options import Options


class Answers(str, Enum):
    """What the answers of a file are; one meaning for all of its rows."""

    LABELS = "labels"
    """The labels that the file gives the options."""
    LETTERS = "letters"
    FROM_0 = "from-0"
    FROM_1 = "from-1"
    TEXT = "text"
    MARKED = "marked"
    """In the options themselves: a 1 beside the right one, or the highest score."""

    def __str__(self) -> str:
        return self.value


# A reading outweighs another where it alone explains this many times as much: what the other one
# explains are then mistakes.
_OUTWEIGHS = 20

_SEVERAL = -1


def right_option(value: Any, options: Options, answers: Answers) -> int | None:
    """The index of the right option. None where the row keeps it to itself; BadRow where it is
    no option, or several.
    """
    if answers is Answers.MARKED:
        if options.right is None:
            return None
        if len(options.right) != 1:
            raise BadRow(f"has {len(options.right) or 'no'} right answers")
        return options.right[0]
    if says_nothing(value, options):
        return None
    found = _readings(value, options).get(answers)
    if found is None:
        raise BadRow(f"is no option ({answers.value})")
    if found == _SEVERAL:
        raise BadRow("is the text of several options")
    return found


def says_nothing(value: Any, options: Options) -> bool:
    """Whether a row keeps its answer to itself; some data sets say -1 then."""
    said = "" if is_missing(value) else str(value).strip()
    return not said or (said == "-1" and _by_text(said, options.texts) is None)


class Evidence:
    """What the answers of a whole file say of their meaning, in constant memory."""

    def __init__(self) -> None:
        self.said = 0
        self.marked = 0
        self.numbers = 0
        self._fits: Counter[Answers] = Counter()
        self._only: Counter[tuple[Answers, Answers]] = Counter()
        self._differ: set[tuple[Answers, Answers]] = set()

    def add(self, value: Any, options: Options) -> None:
        self.marked += options.right is not None
        if says_nothing(value, options):
            return
        self.said += 1
        self.numbers += isinstance(value, int)
        found = _readings(value, options)
        self._fits.update(found.keys())
        for one, other in _PAIRS:
            if one in found and other not in found:
                self._only[one, other] += 1
            elif one in found and found[one] != found[other]:
                self._differ.add((one, other))

    def possible(self) -> list[Answers]:
        """The readings that may be meant, the likeliest first: one where it is certain, none
        where no answer is an option.
        """
        if not self._fits:
            return []
        if self._fits[Answers.LABELS] * _OUTWEIGHS >= self.said * (_OUTWEIGHS - 1):
            return [Answers.LABELS]
        best = max(Answers, key=lambda each: self._fits[each])
        return [best, *(each for each in self._fits if each != best and self._rivals(each, best))]

    def fits(self, answers: Answers) -> int:
        """How many answers this reading makes an option of."""
        return self._fits[answers]

    def against(self, told: Answers) -> list[Answers]:
        """The readings that explain more of the answers than this one."""
        return [each for each in self._fits if self._only[each, told] > self._only[told, each]]

    def _rivals(self, one: Answers, best: Answers) -> bool:
        alone, against = self._only[one, best], self._only[best, one]
        if alone * _OUTWEIGHS <= against and against:
            return False
        return bool(alone) or (one, best) in self._differ


_READ = (Answers.LABELS, Answers.LETTERS, Answers.FROM_0, Answers.FROM_1, Answers.TEXT)
_PAIRS = list(permutations(_READ, 2))


def _readings(value: Any, options: Options) -> dict[Answers, int]:
    """The options that a cell may mean, by each reading that makes one of it."""
    whole = isinstance(value, float) and value.is_integer()
    said = str(int(value)) if whole else str(value).strip()
    count = len(options.texts)
    found: dict[Answers, int | None] = {Answers.TEXT: _by_text(str(value).strip(), options.texts)}
    if options.labels and said in options.labels:
        found[Answers.LABELS] = options.labels.index(said)
    if (match := re.fullmatch(r"[(\[]?([A-Za-z])[)\].:]?", said)) is not None:
        found[Answers.LETTERS] = ord(match[1].upper()) - ord("A")
    elif re.fullmatch(r"[0-9]{1,9}", said):
        found |= {Answers.FROM_0: int(said), Answers.FROM_1: int(said) - 1}
    return {
        name: place
        for name, place in found.items()
        if place is not None and (0 <= place < count or name is Answers.TEXT)
    }


def _by_text(said: str, texts: Sequence[str]) -> int | None:
    places = [place for place, each in enumerate(texts) if each.strip() == said]
    if len(places) > 1:
        return _SEVERAL
    return places[0] if places else None
