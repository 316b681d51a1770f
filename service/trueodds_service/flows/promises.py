"""What a calibrator promises, and the tests of it, which take up outcomes as they come."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.monitoring.better_than_raw import ImprovementTest
from trueodds_service.core.monitoring.calibrated import CalibrationTest
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.core.monitoring.shifted import ShiftTest
from trueodds_service.flows.receipts import FLOAT
from trueodds_service.store.outcomes import Kept

ALPHA = 0.01


class Promise(StrEnum):
    """What is tested: what there is evidence of, when there is any.

    The values are part of stored records.
    """

    TOO_HIGH = "too_high"
    TOO_LOW = "too_low"
    MISCALIBRATED = "miscalibrated"
    WORSE_THAN_RAW = "worse_than_raw"
    SHIFTED = "shifted"
    DISAGREES = "disagrees"

    @property
    def is_broken(self) -> bool:
        """Whether evidence of it breaks the promise, and is not just a reason to look."""
        return self not in (Promise.SHIFTED, Promise.DISAGREES)


@dataclass(frozen=True, slots=True)
class Answers:
    """n outcomes as arrays: distributions, (n, k), choices and right options, (n,).

    ``options``, (n,), are how many each has: what a question does not have holds nothing. Where
    nobody knows, -1 is right.
    """

    raw: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    choices: NDArray[np.int64]
    right: NDArray[np.int64]
    options: NDArray[np.int64]

    @classmethod
    def of(cls, kept: Collection[Kept]) -> "Answers":
        counts = [len(each.probabilities) // FLOAT.itemsize for each in kept]
        options = np.array(counts, dtype=np.int64)
        held = np.arange(max(counts, default=0)) < options[:, np.newaxis]
        raw, calibrated = np.zeros(held.shape), np.zeros(held.shape)
        raw[held] = np.frombuffer(b"".join(each.probabilities for each in kept), FLOAT)
        calibrated[held] = np.frombuffer(b"".join(each.calibrated for each in kept), FLOAT)
        return cls(
            raw,
            calibrated,
            np.array([each.choice for each in kept], dtype=np.int64),
            np.array([-1 if each.option is None else each.option for each in kept], dtype=np.int64),
            options,
        )

    def only(self, wanted: slice | NDArray[np.bool_]) -> "Answers":
        return Answers(
            self.raw[wanted],
            self.calibrated[wanted],
            self.choices[wanted],
            self.right[wanted],
            self.options[wanted],
        )

    @property
    def known(self) -> "Answers":
        """Those with a right option."""
        return self.only(self.right >= 0)

    @property
    def confidences(self) -> NDArray[np.float64]:
        """What the calibrated distributions give to the choices, (n,)."""
        places = np.arange(len(self.choices))
        return np.asarray(np.minimum(self.calibrated[places, self.choices], 1.0))


class PromiseTests:
    """Every test of one calibrator that outcomes tell of, after all that were added."""

    def __init__(self) -> None:
        self._calibrated, self._improvement = CalibrationTest(ALPHA), ImprovementTest(ALPHA)
        self._shifted = ShiftTest(alpha=ALPHA)

    def add(self, answers: Answers) -> None:
        """Takes up more answers, in the order that their outcomes came in; blocks."""
        if len(answers.choices):
            self._shifted.add(answers.confidences)
        known = answers.known
        if len(known.right):
            self._calibrated.add(known.confidences, known.choices == known.right)
            self._improvement.add(known.raw, known.calibrated, known.right)

    @property
    def evidence(self) -> Mapping[Promise, Evidence]:
        return {
            Promise.TOO_HIGH: self._calibrated.too_high,
            Promise.TOO_LOW: self._calibrated.too_low,
            Promise.MISCALIBRATED: self._calibrated.any,
            Promise.WORSE_THAN_RAW: self._improvement.worse_than_raw,
            Promise.SHIFTED: self._shifted.shifted,
        }
