"""The path of a look at drift: a calibrator's outcomes → does it keep its promise?"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.checks import Checks, Comparison, beside_fit, evidence_of
from trueodds_service.flows.evaluate import Evaluation, compared
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.flows.promises import Answers, Promise, PromiseTests
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.checks import Check
from trueodds_service.store.outcomes import Kept

DEFAULT_WINDOW = 1000
MAX_PERIOD = 10_000
_MAX_CHECKS = 100


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
    and hold at most ``MAX_PERIOD`` of them, the newest. ``checks`` are the newest, the last first.
    """

    calibrator: Calibrator
    outcomes: int
    unknown: int
    since_first: Period | None
    window: Period | None
    tests: Mapping[Promise, Evidence]
    checks: Sequence[Comparison]


async def drift(
    model: str,
    calibrator_id: str,
    window: int,
    calibrators: Calibrators,
    outcomes: Outcomes,
    checks: Checks,
) -> Drift:
    """Looks at a calibrator's outcomes, the newest ``window`` of them apart, and at its checks."""
    calibrator = await calibrators.get(model, calibrator_id)
    seen = _Seen()
    async for page in outcomes.of_calibrator(calibrator.id):
        await long_work(seen.add, page)
    return await long_work(_drift, calibrator, seen, await checks.of(calibrator), window)


class _Seen:
    """What is kept of outcomes that are seen once: there may be many more than fit into memory."""

    def __init__(self) -> None:
        self.tests = PromiseTests()
        self.known = self.unknown = 0
        # Those with a right option.
        self.newest: deque[Kept] = deque(maxlen=MAX_PERIOD)

    def add(self, page: Sequence[Kept]) -> None:
        """Takes up more outcomes, in the order in which they came; blocks."""
        self.tests.add(Answers.of(page))
        known = [each for each in page if each.option is not None]
        self.known += len(known)
        self.unknown += len(page) - len(known)
        self.newest.extend(known)


def _drift(calibrator: Calibrator, seen: _Seen, checks: Sequence[Check], window: int) -> Drift:
    answers = Answers.of(seen.newest)
    moments = [each.answered_at for each in seen.newest]
    since_first = _period(answers, moments, MAX_PERIOD)
    # Where there are few outcomes the window is all of them, and measuring takes seconds.
    is_all = len(moments) <= window
    return Drift(
        calibrator=calibrator,
        outcomes=seen.known,
        unknown=seen.unknown,
        since_first=since_first,
        window=since_first if is_all else _period(answers, moments, window),
        tests={**seen.tests.evidence, Promise.DISAGREES: evidence_of(calibrator, checks)},
        checks=[beside_fit(calibrator, each) for each in checks[: -_MAX_CHECKS - 1 : -1]],
    )


def _period(answers: Answers, moments: Sequence[datetime], most: int) -> Period | None:
    """The last ``most`` of the answers, measured; ``moments`` are when they were given."""
    if not moments:
        return None
    last, moments = answers.only(slice(-most, None)), moments[-most:]
    before, after, _ = compared(last.raw, last.calibrated, last.right)
    return Period(len(moments), min(moments), max(moments), before, after)
