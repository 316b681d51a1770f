"""The path of a look at drift: a calibrator's outcomes → does it keep its promise?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.monitoring.better_than_raw import ImprovementTest
from trueodds_service.core.monitoring.calibrated import CalibrationTest
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.core.monitoring.shifted import ShiftTest
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.evaluate import Evaluation, compared
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.flows.receipts import FLOAT
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.outcomes import Kept

ALPHA = 0.01
DEFAULT_WINDOW = 1000
MAX_PERIOD = 10_000


class Promise(StrEnum):
    """What is tested: what there is evidence of, when there is any."""

    TOO_HIGH = "too_high"
    TOO_LOW = "too_low"
    MISCALIBRATED = "miscalibrated"
    WORSE_THAN_RAW = "worse_than_raw"
    SHIFTED = "shifted"


@dataclass(frozen=True, slots=True)
class Period:
    """Outcomes of some time, measured: the answer distribution and the calibrated one."""

    outcomes: int
    start: datetime
    end: datetime
    before: Evaluation
    after: Evaluation


@dataclass(frozen=True, slots=True)
class Drift:
    """``outcomes`` have a right option, ``unknown`` have none. Periods are None without outcomes,
    and hold at most ``MAX_PERIOD`` of them, the newest.
    """

    calibrator: Calibrator
    outcomes: int
    unknown: int
    since_first: Period | None
    window: Period | None
    tests: Mapping[Promise, Evidence]


@dataclass(frozen=True, slots=True)
class _Answers:
    """n outcomes as arrays: distributions, (n, k), choices and right options, (n,)."""

    raw: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    choices: NDArray[np.int64]
    right: NDArray[np.int64]

    def only(self, wanted: slice | NDArray[np.bool_]) -> "_Answers":
        return _Answers(
            self.raw[wanted], self.calibrated[wanted], self.choices[wanted], self.right[wanted]
        )

    @property
    def confidences(self) -> NDArray[np.float64]:
        """What the calibrated distributions give to the choices, (n,)."""
        places = np.arange(len(self.choices))
        return np.asarray(np.minimum(self.calibrated[places, self.choices], 1.0))


async def drift(
    model: str, calibrator_id: str, window: int, calibrators: Calibrators, outcomes: Outcomes
) -> Drift:
    """Looks at the outcomes of a calibrator, the newest ``window`` of them apart."""
    calibrator = await calibrators.get(model, calibrator_id)
    kept = await outcomes.of_calibrator(calibrator.id)
    return await long_work(_drift, calibrator, kept, window)


def _drift(calibrator: Calibrator, kept: Sequence[Kept], window: int) -> Drift:
    everyone = _answers(kept)
    shifted = ShiftTest(alpha=ALPHA)
    shifted.add(everyone.confidences)
    answers = everyone.only(everyone.right >= 0)
    known = len(answers.right)
    calibrated, improvement = CalibrationTest(ALPHA), ImprovementTest(ALPHA)
    calibrated.add(answers.confidences, answers.choices == answers.right)
    if known:
        improvement.add(answers.raw, answers.calibrated, answers.right)
    moments = [each.answered_at for each in kept if each.option is not None]
    since_first = _period(answers, moments, MAX_PERIOD)
    # Of few outcomes the window is all of them, and measuring takes seconds.
    is_all = min(known, MAX_PERIOD) <= window
    return Drift(
        calibrator=calibrator,
        outcomes=known,
        unknown=len(kept) - known,
        since_first=since_first,
        window=since_first if is_all else _period(answers, moments, window),
        tests={
            Promise.TOO_HIGH: calibrated.too_high,
            Promise.TOO_LOW: calibrated.too_low,
            Promise.MISCALIBRATED: calibrated.any,
            Promise.WORSE_THAN_RAW: improvement.worse_than_raw,
            Promise.SHIFTED: shifted.shifted,
        },
    )


def _period(answers: _Answers, moments: Sequence[datetime], most: int) -> Period | None:
    """The last ``most`` of the answers, measured; ``moments`` are when they were given."""
    if not moments:
        return None
    last, moments = answers.only(slice(-most, None)), moments[-most:]
    before, after, _ = compared(last.raw, last.calibrated, last.right)
    return Period(len(moments), min(moments), max(moments), before, after)


def _answers(kept: Sequence[Kept]) -> _Answers:
    """Options that a question does not have hold nothing; -1 is right where nobody knows."""
    counts = [len(each.probabilities) // FLOAT.itemsize for each in kept]
    held = np.arange(max(counts, default=0)) < np.array(counts, dtype=int)[:, np.newaxis]
    raw, calibrated = np.zeros(held.shape), np.zeros(held.shape)
    raw[held] = np.frombuffer(b"".join(each.probabilities for each in kept), FLOAT)
    calibrated[held] = np.frombuffer(b"".join(each.calibrated for each in kept), FLOAT)
    return _Answers(
        raw,
        calibrated,
        np.array([each.choice for each in kept], dtype=np.int64),
        np.array([-1 if each.option is None else each.option for each in kept], dtype=np.int64),
    )
