"""The path of questions to a model or a cascade: whose turn it is, and whose answer stands."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from trueodds_service import metering
from trueodds_service.core.decisions.abstention import NEVER
from trueodds_service.errors import NotReady, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.cascade_promise import MIN_CONFIDENCE
from trueodds_service.flows.catalog import Cascade, Catalog, ModelEntry, ServedModel
from trueodds_service.flows.read import Timings
from trueodds_service.flows.score import (
    Answer,
    ScoreQuery,
    ScoreResult,
    Turn,
    named_calibrator,
    out_of_scope,
    score,
)
from trueodds_service.prompts.question import Question
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Scope

Written = Callable[[ServedModel], Awaitable[tuple[Question, ...]]]


async def answer(
    query: ScoreQuery, catalog: Catalog, calibrators: Calibrators, written: Written | None = None
) -> ScoreResult:
    """Answers a query, as ``score`` does, of a model or of a cascade.

    ``written`` makes the questions for the model that is asked, where they depend on it; they then
    take the place of the query's.
    """
    cascade = catalog.cascade(query.model)
    if cascade is not None:
        return await _InTurn(query, cascade, catalog, calibrators, written).answer()
    if written is not None:
        query = replace(query, questions=await written(await catalog.find(query.model).ready()))
    return await score(query, catalog, calibrators)


@dataclass(frozen=True, slots=True)
class _InTurn:
    """One query of a cascade."""

    query: ScoreQuery
    cascade: Cascade
    catalog: Catalog
    calibrators: Calibrators
    written: Written | None

    async def answer(self) -> ScoreResult:
        if self.query.answer_sets:
            raise NotReady(
                "a cascade has no answer sets: a threshold is for the calibrator of one model",
                reason="IS_CASCADE",
            )
        named = await named_calibrator(self.query, self.cascade, self.calibrators)
        questions = await self._questions(self.cascade.last)
        turns = self._turns(questions, named)
        outcomes: dict[int, Answer | ServiceError] = {
            place: turn for place, turn in enumerate(turns) if isinstance(turn, ServiceError)
        }
        results: list[ScoreResult] = []
        passed_on: defaultdict[int, list[Answer]] = defaultdict(list)
        for number, model in enumerate(self.cascade.others):
            asked = [
                place
                for place, turn in enumerate(turns)
                if place not in outcomes and _asks(turn, number)
            ]
            if not asked:
                continue
            # The threshold holds only where the model's own calibrator answers.
            part = replace(self.query, require_calibrated=True)
            found = await self._ask(model, part, await self._questions(model), asked, results)
            for place, outcome in zip(asked, found, strict=True):
                if _stands(outcome, turns[place], number):
                    outcomes[place] = outcome
                elif isinstance(outcome, Answer):
                    passed_on[place].append(outcome)
        if left := [place for place in range(len(turns)) if place not in outcomes]:
            found = await self._ask(self.cascade.last, self.query, questions, left, results)
            outcomes |= zip(left, found, strict=True)
        return ScoreResult(
            asked={name: asked for each in results for name, asked in each.asked.items()},
            outcomes=[
                _told(outcomes[place], turn, passed_on[place]) for place, turn in enumerate(turns)
            ],
            # One was asked after the other.
            timings=Timings(
                sum(each.timings.tokenize for each in results),
                sum(each.timings.engine for each in results),
            ),
            stale=self.calibrators.stale,
        )

    async def _questions(self, model: ModelEntry) -> tuple[Question, ...]:
        if self.written is None:
            return self.query.questions
        return await self.written(await model.ready())

    async def _ask(
        self,
        model: ModelEntry,
        query: ScoreQuery,
        questions: Sequence[Question],
        places: Sequence[int],
        results: list[ScoreResult],
    ) -> Sequence[Answer | ServiceError]:
        """What one of the models says of the questions at some places; joins the ``results``."""
        part = replace(
            query,
            model=model.name,
            calibrator=None,
            questions=tuple(questions[place] for place in places),
            tasks=tuple(query.task_of(place) for place in places),
        )
        # The query has begun, and what the models before this one were asked is paid for.
        with metering.going_on() if results else nullcontext():
            results.append(await score(part, self.catalog, self.calibrators))
        return results[-1].outcomes

    def _turns(
        self, questions: Iterable[Question], named: Calibrator | None
    ) -> list[Turn | ServiceError]:
        by_scope: dict[Scope, Turn | ServiceError] = {}
        turns = []
        for place, question in enumerate(questions):
            key, options = self.query.reading.key(question), len(question.options)
            scope = self.cascade.scope(self.query.task_of(place), key, options)
            if scope not in by_scope:
                by_scope[scope] = self._turn(scope, named)
            turns.append(by_scope[scope])
        return turns

    def _turn(self, scope: Scope, named: Calibrator | None) -> Turn | ServiceError:
        """By what it is decided who answers in a scope of the cascade's, or why nobody may.

        A threshold that does not hold is never used in silence: the last model answers and says
        why, or nobody where the caller wants no answer that is not calibrated.
        """
        decides = named or self.calibrators.active(scope)
        if decides is None:
            if self.query.require_calibrated:
                return self.calibrators.none_active(scope)
            return Turn(None, self.calibrators.raw_because(scope))
        if isinstance(decides, ServiceError):
            return decides
        return out_of_scope(decides, scope) or self._turn_by(decides, scope)

    def _turn_by(self, decides: Calibrator, scope: Scope) -> Turn | ServiceError:
        """The same by a calibrator of the scope, while its thresholds hold."""
        because = (
            f"{decides.name}: {decides.degenerate}"
            if decides.degenerate
            else self._outdated(decides, scope)
        )
        if not because:
            return Turn(decides)
        if self.query.require_calibrated:
            return NotReady(because, reason="NOT_CALIBRATED")
        return Turn(None, because)

    def _outdated(self, decides: Calibrator, scope: Scope) -> str:
        """Why its thresholds do not hold now, in words; empty where they do."""
        measured_with = decides.provenance.measured_with
        for model, name in zip(self.cascade.others, measured_with, strict=True):
            answers = self.calibrators.active(model.scope(scope.task, scope.reading, scope.options))
            if not isinstance(answers, Calibrator) or answers.name != name:
                return (
                    f"the threshold of {decides.name} was measured with {name}, which is not "
                    "what answers there now"
                )
        return ""


def _asks(turn: Turn | ServiceError, number: int) -> bool:
    """Whether a model before the last, by its number, is asked: not if no answer could stand."""
    if isinstance(turn, ServiceError) or turn.calibrator is None:
        return False
    return turn.calibrator.parameters[MIN_CONFIDENCE][number] < NEVER


def _stands(said: Answer | ServiceError, turn: Turn | ServiceError, number: int) -> bool:
    """Whether what a model before the last says is the cascade's answer."""
    if isinstance(said, ServiceError) or isinstance(turn, ServiceError):
        return False
    if said.calibrator is None or turn.calibrator is None:
        return False
    # Another calibrator may have become active since its turn was decided.
    is_measured = said.calibrator.name == turn.calibrator.provenance.measured_with[number]
    least = turn.calibrator.parameters[MIN_CONFIDENCE][number]
    confidence = min(float(said.calibrated.max()), 1.0)  # a certainty may be rounded up
    return is_measured and not said.abstained and confidence >= least


def _told(
    outcome: Answer | ServiceError, turn: Turn | ServiceError, before: Sequence[Answer]
) -> Answer | ServiceError:
    """The outcome with whose turn it was, and with the tokens of those ``before``, who passed it
    on.
    """
    if isinstance(outcome, ServiceError) or isinstance(turn, ServiceError):
        return outcome
    asked = (*before, outcome)
    return replace(
        outcome,
        turn=turn,
        prompt_tokens=sum(each.prompt_tokens for each in asked),
        cached_tokens=sum(each.cached_tokens for each in asked),
        cost=sum(each.cost for each in asked),
    )
