"""Numbers and choices of the service, compared with a reference's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# What two ways to compute the same number in fp32 may differ by: in nats, and in parts of it. An
# option of many tokens is a sum of hundreds of nats, and fp32 holds seven digits.
TOLERANCE = 1e-4
RELATIVE = 1e-6
# Two scores of a question this near could stand in either order within the tolerance.
TIE = 2 * TOLERANCE


@dataclass(frozen=True)
class Result:
    """What became of a case of ``n`` questions.

    ``max_abs_diff`` is the largest difference of two numbers, and ``at`` the reference's one
    there; None where the case has no numbers. ``choice_agreement`` is a share, outside ties.
    ``ratio`` is a figure of the service's over the reference's, where that is what counts.
    """

    name: str
    reference: str
    n: int
    max_abs_diff: float | None
    at: float | None
    choice_agreement: float | None
    passed: bool
    note: str = ""
    ratio: float | None = None


class Comparison:
    """Collects what is compared in a case."""

    def __init__(self) -> None:
        self.n = 0
        self.ties = 0
        self._largest: tuple[float, float] | None = None
        self._far = False
        self._choices = self._agreed = 0

    def numbers(self, found: ArrayLike | Sequence[float | None], expected: ArrayLike) -> None:
        """Two arrays of one shape; anything else, and a number that is missing, is far."""
        a, b = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
        if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            self._far, self._largest = True, (np.inf, np.nan)
            return
        diffs = np.abs(a - b)
        self._far |= bool((diffs > TOLERANCE + RELATIVE * np.abs(b)).any())
        worst = int(diffs.argmax())
        largest = float(diffs.flat[worst]), float(b.flat[worst])
        self._largest = max(self._largest or largest, largest)

    def choice(self, found: int, scores: ArrayLike) -> None:
        """Whether the choice is where the reference's largest score is; a tie is not counted."""
        array = np.asarray(scores, dtype=float)
        first, second = np.sort(array)[::-1][:2]
        if first - second <= TIE:
            self.ties += 1
            return
        self.agree(found == int(array.argmax()))

    def agree(self, agreed: bool) -> None:
        self._choices += 1
        self._agreed += agreed

    def result(self, name: str, reference: str, *, note: str = "") -> Result:
        ties = f"{self.ties} ties" if self.ties else ""
        diff, at = self._largest or (None, None)
        return Result(
            name=name,
            reference=reference,
            n=self.n,
            max_abs_diff=diff,
            at=at,
            choice_agreement=self._agreed / self._choices if self._choices else None,
            passed=not self._far and self._agreed == self._choices,
            note=", ".join(part for part in (note, ties) if part),
        )
