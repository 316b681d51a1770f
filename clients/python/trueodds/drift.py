"""Whether a calibrator keeps its promise, by what became of its answers: the nouns of drift."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from trueodds._numbers import place
from trueodds.calibrator import Calibrator
from trueodds.errors import TrueoddsError
from trueodds.evaluation import Estimate, Evaluation


@dataclass(frozen=True, slots=True)
class Outcome:
    """Which option of an answered question was right: its index, from 0; None: nobody knows.

    ``answer`` is ``Answer.receipt``, of an answer that was asked for with ``receipts``, or the
    ``answer_id`` that it is kept under. Raises TypeError and ValueError when ``option`` is no
    index.
    """

    answer: bytes | str
    option: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "option", place(self.option, "option"))


@dataclass(frozen=True, slots=True)
class RecordedOutcomes:
    """How many outcomes were new, corrected what was said before, or said the same again.

    ``errors`` are those of which nothing was kept, with their places, from 0.
    """

    recorded: int
    corrected: int
    unchanged: int
    errors: Sequence[tuple[int, TrueoddsError]] = ()


class Promise(Enum):
    """What a sequential test has evidence of, where it has any.

    ``TOO_HIGH``, ``TOO_LOW``: calibrated confidences are so. ``MISCALIBRATED``: wrong in any way
    that bins of confidence tell. ``WORSE_THAN_RAW``: the raw probabilities score better.
    ``SHIFTED``: confidences are not distributed as at first. ``DISAGREES``: on the questions of
    checks the teacher disagrees otherwise than at the fit. These two need no truth and break no
    promise: a reason to look.
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
class SequentialTest:
    """Evidence against a promise. While it is kept, an alarm ever comes with a probability of at
    most ``alpha``, however often one looks.

    ``log_evidence`` is the logarithm of the evidence (an e-value) now, ``largest_log_evidence`` at
    its highest; −ln α is an alarm. ``alarm_at`` is the number of outcomes after which it came, of
    questions for ``DISAGREES``.
    """

    promise: Promise
    alpha: float
    log_evidence: float
    largest_log_evidence: float
    alarm_at: int | None

    @property
    def alarm(self) -> bool:
        """Whether there was ever evidence enough."""
        return self.alarm_at is not None

    @property
    def share_of_alarm(self) -> float:
        """How far the evidence is towards an alarm now: at least 1 is one."""
        return max(self.log_evidence, 0.0) / -math.log(self.alpha)


@dataclass(frozen=True, slots=True)
class Period:
    """Outcomes of some time, measured: the answer distribution and the calibrated one."""

    outcomes: int
    start: datetime
    end: datetime
    before: Evaluation
    after: Evaluation


@dataclass(frozen=True, slots=True)
class Proposal:
    """A refit from the outcomes since a calibrator's first alert, one for all of its alerts; or
    from the questions of a check.

    ``calibrator`` is its name; None while there is none, for the reason in ``note``, and it is
    tried again while ``waiting``. ``differences``, by metric, are the proposal's less the present
    calibrator's, on ``held_out`` outcomes other than the ``fitted`` ones, or questions; without
    them ``note`` says why. ``activated``: the service has activated it by itself, as its operator
    allowed.
    """

    calibrator: str | None
    note: str
    waiting: bool
    fitted: int
    held_out: int
    differences: Mapping[str, Estimate]
    activated: bool


@dataclass(frozen=True, slots=True)
class TeacherCheck:
    """On ``disagreeing`` of so many fresh ``questions`` a model and its ``teacher`` chose different
    options; and of those of the calibrator's fit, where its record tells: else 0, and no
    ``p_value``.

    ``p_value`` is that of these questions by themselves, for who looks once: of the same kind of
    questions it is below 0.01 one time in a hundred. ``Promise.DISAGREES`` has all checks together.
    """

    created: datetime
    teacher: str
    questions: int
    disagreeing: int
    fit_questions: int
    fit_disagreeing: int
    p_value: float | None
    proposal: Proposal | None


@dataclass(frozen=True, slots=True)
class Drift:
    """A calibrator and the outcomes of its answers: ``outcomes`` known, ``unknown`` not.

    ``since_first`` measures the newest 10,000 of them at most, ``window`` the newest alone; None
    without outcomes. ``checks`` are the newest hundred, the last first.
    """

    calibrator: Calibrator
    outcomes: int
    unknown: int
    since_first: Period | None
    window: Period | None
    tests: tuple[SequentialTest, ...]
    checks: tuple[TeacherCheck, ...] = ()

    @property
    def alarms(self) -> tuple[SequentialTest, ...]:
        """The tests that found their promise broken; a reason to look is none."""
        return tuple(each for each in self.tests if each.alarm and each.promise.is_broken)


class DeliveryState(Enum):
    """How far the operator's webhook is told of an alert; NONE where there was no webhook."""

    NONE = "none"
    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """How many ``attempts``, the ``fault`` of the last one, and when it was ``delivered``."""

    state: DeliveryState
    attempts: int = 0
    delivered: datetime | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """That a test found evidence against a calibrator while it was active.

    ``log_evidence`` is that of the moment, and the alarm came after ``outcomes`` outcomes. The
    newest thousand had the confidence ``expected`` and the accuracy ``observed``; for
    ``WORSE_THAN_RAW`` they are the raw Brier score and the calibrated one, and for ``SHIFTED`` the
    confidence at first and then. For ``DISAGREES`` the alarm came after so many questions, and they
    are how often model and teacher disagree at the fit and in all checks. ``proposal`` is None
    while no alert of the calibrator asks for one.
    """

    id: str
    calibrator: str
    task: str
    promise: Promise
    alpha: float
    log_evidence: float
    outcomes: int
    expected: float
    observed: float
    created: datetime
    delivery: AlertDelivery
    proposal: Proposal | None
