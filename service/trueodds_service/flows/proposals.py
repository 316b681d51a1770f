"""The path of a proposal: outcomes since an alert → a new fit → compared with the present one.

The earlier half of the outcomes is for the fit, and the later one tells what it is worth: they are
those after the alert, for those before it were looked at until they spoke against the calibrator.
A fit from questions, ``flows/checks.py`` makes it, has all of them to be compared on.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from trueodds_service.caller import Caller, Permission, acting_for
from trueodds_service.core.arrays.log_floor import LOG_FLOOR
from trueodds_service.core.calibrators.methods import SPECS, Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.errors import InvalidInput, NotReady
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.alerts import Alerts
from trueodds_service.flows.apply_calibrator import applied_by
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.evaluate import Estimate, compared
from trueodds_service.flows.fit import PATIENCE_SECONDS
from trueodds_service.flows.fit_data import data_hash
from trueodds_service.flows.fit_record import Bias, fitted_record, versions
from trueodds_service.flows.promises import Answers
from trueodds_service.store.alerts import Proposal, Wanted
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Provenance

_log = logging.getLogger(__name__)

# How many outcomes, the newest, it is made of: to draw from more takes minutes.
_MOST = 4000
# Longer than any fit of that many: a gateway that has not told by then has died.
_LEASE = timedelta(minutes=10)
_METRICS = ("accuracy", "brier", "ece", "nll")
# What the two are judged by: unlike the log loss it knows bounds.
_JUDGE = "brier"


@dataclass(frozen=True, slots=True)
class Refit:
    """A new calibrator, and its metrics less the present one's, on outcomes it has not seen.

    There are no ``differences`` where these are too few.
    """

    calibrator: Calibrator
    held_out: int
    differences: Mapping[str, Estimate]

    @property
    def is_better(self) -> bool:
        judged = self.differences.get(_JUDGE)
        return judged is not None and judged.high < 0 and not self.calibrator.degenerate

    def proposal(self, fitted: int, note: str = "") -> Proposal:
        """For the store: it was fitted on so many outcomes, or questions."""
        differences = {
            name: (each.value, each.low, each.high) for name, each in self.differences.items()
        }
        return Proposal(
            note=note,
            proposed=self.calibrator.id,
            fitted=fitted,
            held_out=self.held_out,
            differences=differences or None,
        )


class Proposals:
    """Makes what alerts ask for; every gateway does, and each proposal is claimed by one."""

    def __init__(
        self,
        alerts: Alerts,
        calibrators: Calibrators,
        *,
        min_outcomes: int,
        activate: bool,
        again_seconds: float,
    ) -> None:
        """``activate`` those that are better. Where outcomes are too few it is tried again."""
        self._alerts, self._calibrators = alerts, calibrators
        self._min_outcomes, self._activate = min_outcomes, activate
        self._again = timedelta(seconds=again_seconds)

    async def propose(self) -> None:
        """Makes all that are due. Raises a ServiceError while the store is away."""
        # Those of now: what is put off is for the next round, however long this one takes.
        due, claim = datetime.now(UTC), self._alerts.store.claim_proposal
        while wanted := await self._alerts.ask(claim, _LEASE, due):
            calibrator = self._calibrators.answering.get(wanted.calibrator)
            if calibrator is None:  # or another gateway has just activated it
                await self._calibrators.refresh()
                calibrator = self._calibrators.answering.get(wanted.calibrator)
            if calibrator is None:
                gone = Proposal(note="another calibrator has taken its place")
                await self._keep(wanted, gone)
            else:
                # What is changed here is the tenant's, and the audit log tells by whom.
                by = Caller(calibrator.scope.tenant, "alerts", frozenset({Permission.FIT}))
                with acting_for(by):
                    await self._refit(wanted, calibrator)

    async def _refit(self, wanted: Wanted, calibrator: Calibrator) -> None:
        kept = await self._alerts.ask(
            self._alerts.outcomes.newest, calibrator.id, _MOST, after=wanted.after
        )
        if len(kept) < self._min_outcomes:
            few = f"{len(kept)} of {self._min_outcomes} outcomes since the alert"
            await self._keep(wanted, Proposal(note=few), self._again)
            return
        try:
            found = await long_work(_refitted, calibrator, Answers.of(kept))
            await self._calibrators.keep(found.calibrator, activate=False, request=None)
        except (InvalidInput, NotReady) as error:  # such as of a tenant that may have no more
            await self._keep(wanted, Proposal(note=error.message), self._again)
            return
        proposal = found.proposal(len(kept) - found.held_out)
        # Before it is activated: who dies in between leaves the choice to people.
        await self._keep(wanted, proposal)
        _report(calibrator, found)
        if await self.take_over(calibrator, found):
            await self._keep(wanted, replace(proposal, activated=True))

    async def judged(self, present: Calibrator, refit: Calibrator) -> tuple[Refit, str]:
        """A fit from questions, kept, and compared on the present one's outcomes: those since its
        alert, where it has one. Where they are too few, a note that it was not.
        """
        await self._calibrators.keep(refit, activate=False, request=None, patience=PATIENCE_SECONDS)
        after = await self._alerts.ask(self._alerts.store.broken_at, present.id)
        kept = await self._alerts.ask(self._alerts.outcomes.newest, present.id, _MOST, after=after)
        # As many as a fit from outcomes would have for this.
        least = self._min_outcomes // 2
        if len(kept) < least:
            few = f"not compared: {len(kept)} of {least} outcomes that tell of the present one"
            return Refit(refit, 0, {}), few
        answers = Answers.of(kept)
        found = Refit(refit, len(kept), await long_work(_differences, refit, answers))
        _report(present, found)
        return found, ""

    async def take_over(self, present: Calibrator, found: Refit) -> bool:
        """Activates what is better, where that is allowed; whether it has."""
        if not (self._activate and found.is_better):
            return False
        try:
            await self._calibrators.activate(found.calibrator, instead_of=present.id)
        except NotReady:  # somebody has just activated another: theirs holds
            return False
        return True

    async def _keep(
        self, wanted: Wanted, proposal: Proposal, again: timedelta | None = None
    ) -> None:
        await self._alerts.ask(self._alerts.store.propose, wanted.calibrator, proposal, again)


def _refitted(calibrator: Calibrator, answers: Answers) -> Refit:
    half = len(answers.right) // 2
    first, second = answers.only(slice(half)), answers.only(slice(half, None))
    scores = _scores(first)
    options = None if calibrator.scope.options else first.options
    data = FitData(scores, first.right, options=options)
    provenance = Provenance(
        items=half,
        labelled=half,
        data_hash=data_hash(scores, first.right),
        versions=versions(),
        outcomes_of=calibrator.id,
    )
    method, bias = _method(calibrator)
    refit = fitted_record(calibrator.scope, method, data, bias, 1.0, provenance)
    return Refit(refit, len(second.right), _differences(refit, second))


def _differences(refit: Calibrator, answers: Answers) -> Mapping[str, Estimate]:
    """What the answers' metrics would be with another calibrator, less what they are."""
    proposed = applied_by(refit).apply(_scores(answers))
    _, _, differences = compared(answers.calibrated, proposed, answers.right)
    return {name: differences[name] for name in _METRICS}


def _method(calibrator: Calibrator) -> tuple[Method, Bias]:
    """Its own, where outcomes are what it learns from; else a temperature.

    An outcome has the answer distribution and the right option: neither what a teacher says, nor
    what the model says without content, for which the mean over the answers stands in.
    """
    method, bias = Method(calibrator.method), Bias(calibrator.bias_correction)
    return (
        method if SPECS[method].needs_labels else Method.TEMPERATURE,
        Bias.NONE if bias is Bias.NONE else Bias.BATCH,
    )


def _scores(answers: Answers) -> NDArray[np.float64]:
    """Scores that have these answer distributions; options that a question lacks have -inf."""
    held = np.arange(answers.raw.shape[1]) < answers.options[:, np.newaxis]
    return np.where(held, np.log(np.maximum(answers.raw, np.exp(LOG_FLOOR))), -np.inf)


def _report(calibrator: Calibrator, found: Refit) -> None:
    judged = found.differences[_JUDGE]
    fields = {
        "calibrator": calibrator.name,
        "proposed": found.calibrator.name,
        "tenant": calibrator.scope.tenant,
        "held_out": found.held_out,
        _JUDGE: [round(each, 5) for each in (judged.value, judged.low, judged.high)],
    }
    _log.warning("a calibrator is proposed", extra={"fields": fields})
