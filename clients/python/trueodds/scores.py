"""Scores that you have, and what a calibrator makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from trueodds._numbers import number_or_none, numbers, place, truth


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores that you have of a question's options, for a fit or an evaluation.

    ``logprobs`` are the model's, as ``OptionScore.score`` tells them, and ``teacher_logprobs``
    the teacher's, where the method needs one; instead of either there may be probabilities, in
    [0, 1]. ``answer`` is the index of the right option, from 0; None where it is not known.
    ``teacher_format_probability`` is how likely the teacher answers in the format, in [0, 1],
    where it is known: no method weighs items by it.

    Of another service's answer that tells its ``confidence`` alone, in [0, 1], there is nothing
    else to say but whether it is ``correct``.

    Rows become tuples. Raises TypeError and ValueError, which name the field.
    """

    logprobs: Sequence[float] = ()
    answer: int | None = None
    teacher_logprobs: Sequence[float] = ()
    teacher_format_probability: float | None = None
    probabilities: Sequence[float] = ()
    teacher_probabilities: Sequence[float] = ()
    confidence: float | None = None
    correct: bool | None = None

    def __post_init__(self) -> None:
        for name in ("logprobs", "teacher_logprobs", "probabilities", "teacher_probabilities"):
            object.__setattr__(self, name, numbers(getattr(self, name), name))
        for name in ("teacher_format_probability", "confidence"):
            number_or_none(getattr(self, name), name)
        object.__setattr__(self, "answer", place(self.answer, "answer"))
        object.__setattr__(self, "correct", truth(self.correct, "correct"))


@dataclass(frozen=True, slots=True)
class CalibratedScores:
    """What a calibrator makes of scores that you have; as in ``Answer``.

    Of a confidence alone there are no probabilities, and ``choice`` is None.
    """

    probabilities: tuple[float, ...]
    calibrated_probabilities: tuple[float, ...]
    choice: int | None
    confidence: float
    calibrated_confidence: float
    calibrator: str = ""
    calibration_stale: bool = False
