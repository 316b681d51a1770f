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


async def drift(
    model: str, calibrator_id: str, window: int, calibrators: Calibrators, outcomes: Outcomes
) -> Drift:
    """Looks at the outcomes of a calibrator, the newest ``window`` of them apart."""
    calibrator = await calibrators.get(model, calibrator_id)
    kept = await outcomes.of_calibrator(calibrator.id)
    return await long_work(_drift, calibrator, kept, window)


def _drift(calibrator: Calibrator, kept: Sequence[Kept], window: int) -> Drift:
    known = [each for each in kept if each.option is not None]
    everyone = _answers(kept)
    shifted = ShiftTest(alpha=ALPHA)
    shifted.add(_confidences(everyone))
    answers = _answers(known)
    calibrated, improvement = CalibrationTest(ALPHA), ImprovementTest(ALPHA)
    calibrated.add(_confidences(answers), answers.choices == answers.right)
    if known:
        improvement.add(answers.raw, answers.calibrated, answers.right)
    return Drift(
        calibrator=calibrator,
        outcomes=len(known),
        unknown=len(kept) - len(known),
        since_first=_period(known[-MAX_PERIOD:], answers),
        window=_period(known[-window:][-MAX_PERIOD:], answers),
        tests={
            Promise.TOO_HIGH: calibrated.too_high,
            Promise.TOO_LOW: calibrated.too_low,
            Promise.MISCALIBRATED: calibrated.any,
            Promise.WORSE_THAN_RAW: improvement.worse_than_raw,
            Promise.SHIFTED: shifted.shifted,
        },
    )


def _period(kept: Sequence[Kept], answers: _Answers) -> Period | None:
    """The last of all outcomes, measured; ``answers`` are those of all."""
    if not kept:
        return None
    last = slice(len(answers.right) - len(kept), None)
    before, after, _ = compared(answers.raw[last], answers.calibrated[last], answers.right[last])
    moments = [each.answered_at for each in kept]
    return Period(len(kept), min(moments), max(moments), before, after)


def _answers(kept: Sequence[Kept]) -> _Answers:
    """Options that a question does not have hold nothing."""
    counts = [len(each.probabilities) // 4 for each in kept]
    held = np.arange(max(counts, default=0)) < np.array(counts, dtype=int)[:, np.newaxis]
    raw, calibrated = np.zeros(held.shape), np.zeros(held.shape)
    raw[held] = np.frombuffer(b"".join(each.probabilities for each in kept), "<f4")
    calibrated[held] = np.frombuffer(b"".join(each.calibrated for each in kept), "<f4")
    return _Answers(
        raw,
        calibrated,
        np.array([each.choice for each in kept], dtype=np.int64),
        np.array([-1 if each.option is None else each.option for each in kept], dtype=np.int64),
    )


def _confidences(answers: _Answers) -> NDArray[np.float64]:
    places = np.arange(len(answers.choices))
    return np.asarray(np.minimum(answers.calibrated[places, answers.choices], 1.0))
