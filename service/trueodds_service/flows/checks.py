"""The path of a check: fresh questions → do model and teacher disagree as at the fit? → a refit.

What is found needs no truth, and says nothing of calibration by itself: a reason to look.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.calibrators.methods import SPECS, Method
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.core.monitoring.same_rate import same_rate_p_value
from trueodds_service.core.monitoring.shifted import ShiftTest
from trueodds_service.errors import InvalidInput, Unavailable
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.alerts import Alerts
from trueodds_service.flows.apply_calibrator import mismatch
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.catalog import Catalog, ModelEntry
from trueodds_service.flows.evaluate import check_asked
from trueodds_service.flows.fit import (
    PATIENCE_SECONDS,
    FitQuery,
    asked_of,
    check_enough,
    prior_of,
    record_of,
)
from trueodds_service.flows.fit_data import (
    Asked,
    FitQuestions,
    Progress,
    ask,
    common_key,
    prompts_hash,
)
from trueodds_service.flows.fit_record import DISAGREEMENT, Bias, disagreeing
from trueodds_service.flows.promises import ALPHA, Promise
from trueodds_service.flows.proposals import Proposals
from trueodds_service.flows.store_calls import patiently
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.checks import Check, SqlCheckStore


@dataclass(frozen=True, slots=True)
class CheckQuery:
    """A calibrator, by its model and id, and fresh questions; what answers they have is not used.

    ``teacher`` is a model's name; None for that of the fit, or the configured one. With ``propose``
    a calibrator is fitted on the questions, too.
    """

    model: str
    calibrator: str
    source: FitQuestions
    reading: Reading
    teacher_reading: Reading
    teacher: str | None
    propose: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A check beside the fit's questions: how many, and on how many of them the two disagreed.

    ``fit`` and ``p_value`` are None where the calibrator's record does not tell.
    """

    check: Check
    fit: tuple[int, int] | None
    p_value: float | None


class Checks:
    """The checks of a store. Use it inside one event loop."""

    def __init__(
        self,
        store: SqlCheckStore,
        catalog: Catalog,
        calibrators: Calibrators,
        alerts: Alerts,
        proposals: Proposals,
    ) -> None:
        self._store = store
        self._catalog, self._calibrators = catalog, calibrators
        self._alerts, self._proposals = alerts, proposals

    async def of(self, calibrator: Calibrator) -> list[Check]:
        """A calibrator's checks, the oldest first."""
        return await self._alerts.ask(self._store.of_calibrator, calibrator.id)

    async def check(self, query: CheckQuery) -> AsyncIterator[Progress | Comparison]:
        """Compares, and keeps what is found: progress first, the comparison last.

        The same questions again, in whichever order, are no other check. Raises a ServiceError.
        """
        calibrator = await self._calibrators.get(query.model, query.calibrator)
        model = self._catalog.find(query.model)
        check_asked(calibrator, query.source.questions, query.reading, model.revision)
        teacher = self._teacher(query, calibrator, model)
        fit = _fit_query(query, calibrator)
        if query.propose:
            check_enough(fit)
        asked = asked_of(fit, model, teacher)
        if await long_work(prompts_hash, asked) == calibrator.provenance.prompts_hash:
            raise InvalidInput("questions", "are those of the fit: ask fresh ones")
        # Before engines work: a store that is away, or takes no more, then costs them nothing.
        prior = None
        prompts = await long_work(_hash_of_check, calibrator, asked)
        if query.propose:
            before = await self.of(calibrator)
            if not any(each.prompts_hash == prompts and each.proposal for each in before):
                await self._calibrators.check_room()
            prior = await prior_of(fit, calibrator.scope, teacher, self._calibrators)
        async for event in ask(asked):
            if isinstance(event, Progress):
                yield event
            else:
                said = event
        check = Check(
            calibrator=calibrator.id,
            prompts_hash=prompts,
            teacher=teacher.name,
            questions=len(said[0].scores),
            disagreeing=disagreeing(said[0].scores, said[1].scores),
            created_at=datetime.now(UTC),
        )
        # What is kept twice is kept once.
        check = await patiently(partial(self._keep, calibrator, check), PATIENCE_SECONDS)
        if query.propose and not _is_judged(check):
            refit = await long_work(
                record_of, fit, calibrator.scope, asked, model, teacher, said, prior
            )
            check = await self._propose(calibrator, refit, check)
        yield beside_fit(calibrator, check)

    def _teacher(self, query: CheckQuery, calibrator: Calibrator, model: ModelEntry) -> ModelEntry:
        """That of the fit, as it was read then; of a fit without one, whichever is named."""
        kept = calibrator.provenance
        if kept.teacher and query.teacher not in (None, kept.teacher):
            raise InvalidInput("teacher", f"is models/{kept.teacher}, as at the fit")
        name = kept.teacher or query.teacher or model.teacher
        if name is None:
            raise InvalidInput("teacher", f"models/{model.name} has none configured; name one")
        if name == model.name:
            raise InvalidInput("teacher", "a model cannot teach itself")
        teacher = self._catalog.find(name)
        if not kept.teacher:
            return teacher
        if teacher.revision != kept.teacher_revision:
            raise mismatch("another revision of the teacher")
        key = common_key(query.source.questions, query.teacher_reading)
        if key != kept.teacher_reading:
            raise InvalidInput(
                "teacher_reading", f"has to be {kept.teacher_reading!r}, as at the fit"
            )
        return teacher

    async def _keep(self, calibrator: Calibrator, check: Check) -> Check:
        """The check that is kept, with an alert where all of them are evidence enough."""
        check = await self._alerts.ask(self._store.add, check)
        checks = await self.of(calibrator)
        evidence = await long_work(evidence_of, calibrator, checks)
        at_fit = fit_counts(calibrator)
        if at_fit and evidence.alarm_at and self._calibrators.is_active(calibrator):
            asked = sum(each.questions for each in checks)
            now = sum(each.disagreeing for each in checks) / asked
            effect = at_fit[1] / at_fit[0], now
            await self._alerts.record(calibrator, Promise.DISAGREES, evidence, effect)
        return check

    async def _propose(self, calibrator: Calibrator, refit: Calibrator, check: Check) -> Check:
        judged = partial(self._proposals.judged, calibrator, refit)
        found, note = await patiently(judged, PATIENCE_SECONDS)
        proposal = found.proposal(check.questions, note)
        # Before it is activated, as of a proposal from outcomes.
        keep = partial(self._alerts.ask, self._store.propose, check, proposal)
        kept = await patiently(keep, PATIENCE_SECONDS)
        try:
            has_taken_over = await self._proposals.take_over(calibrator, found)
        except Unavailable:  # what is proposed is there, to be activated by hand
            return kept
        if has_taken_over:
            keep = partial(
                self._alerts.ask, self._store.propose, check, replace(proposal, activated=True)
            )
            kept = await patiently(keep, PATIENCE_SECONDS)
        return kept

    def close(self) -> None:
        """Asks the store for nothing more."""
        self._store.close()


def _fit_query(query: CheckQuery, calibrator: Calibrator) -> FitQuery:
    """A fit of the calibrator's scope: by its own method where a teacher is what it learns from."""
    method, scope = Method(calibrator.method), calibrator.scope
    return FitQuery(
        model=query.model,
        task=scope.task,
        reading=query.reading,
        method=method if SPECS[method].needs_teacher else Method.TEACHER_KL,
        temperature=1.0,
        teacher=None,
        source=query.source,
        teacher_reading=query.teacher_reading,
        bias=Bias(calibrator.bias_correction),
        any_options=scope.options == 0,
    )


def _hash_of_check(calibrator: Calibrator, asked: Sequence[Asked]) -> str:
    """The same of the same questions to the same teacher, however they are mixed."""
    prompts = prompts_hash(
        [replace(each, questions=sorted(each.questions, key=repr)) for each in asked]
    )
    if calibrator.provenance.teacher:  # which a check cannot change
        return prompts
    teacher = asked[1].entry
    return hashlib.sha256(repr((prompts, teacher.name, teacher.revision)).encode()).hexdigest()


def _is_judged(check: Check) -> bool:
    """Whether a proposal from these questions was compared: that is done once."""
    return check.proposal is not None and check.proposal.held_out > 0


def beside_fit(calibrator: Calibrator, check: Check) -> Comparison:
    """A check beside the fit of the calibrator."""
    fit = fit_counts(calibrator)
    if fit is None:
        return Comparison(check, None, None)
    questions, differ = fit
    p_value = same_rate_p_value((differ, check.disagreeing), (questions, check.questions))
    return Comparison(check, fit, p_value)


def fit_counts(calibrator: Calibrator) -> tuple[int, int] | None:
    """The items of a fit, and on how many of them the two disagreed; None if nobody knows, or
    whose the teacher's scores were.
    """
    share = calibrator.metrics.get(DISAGREEMENT)
    if share is None or not calibrator.provenance.teacher:
        return None
    items = calibrator.provenance.items
    return items, round(share * items)


def evidence_of(calibrator: Calibrator, checks: Sequence[Check], alpha: float = ALPHA) -> Evidence:
    """That the questions of checks are others than those of the fit: it may be looked at after each
    check. There is none where nobody knows of the fit.
    """
    fit = fit_counts(calibrator)
    if fit is None:
        return Evidence(alpha)
    # Values are all but equal, and lots rank them: each calibrator has lots of its own, and the
    # same at each look. The order of a check's questions says nothing.
    seed = int(calibrator.id, 16)
    test = ShiftTest(_values(*fit), alpha, seed)
    for number, check in enumerate(checks, 1):
        order = np.random.default_rng([seed, number])
        test.add(order.permutation(_values(check.questions, check.disagreeing)))
    return test.shifted


def _values(questions: int, differ: int) -> NDArray[np.float64]:
    return np.repeat([1.0, 0.0], [differ, questions - differ])
