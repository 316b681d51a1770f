"""The path of questions to a model or a cascade: whose turn it is, and whose answer stands."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from trueodds_service import metering
from trueodds_service.errors import NotReady, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
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

MIN_CONFIDENCE = "min_confidence"
"""What the parameter of a cascade's calibrator is called."""

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
        results = []
        passed_on: dict[int, Answer] = {}
        if asked := [place for place, turn in enumerate(turns) if _asks_first(turn)]:
            # The threshold holds only where the first model's own calibrator answers.
            part = replace(self.query, require_calibrated=True)
            model = self.cascade.first
            first = await self._ask(model, part, await self._questions(model), asked)
            results.append(first)
            for place, outcome in zip(asked, first.outcomes, strict=True):
                if _stands(outcome, turns[place]):
                    outcomes[place] = outcome
                elif isinstance(outcome, Answer):
                    passed_on[place] = outcome
        if left := [place for place in range(len(turns)) if place not in outcomes]:
            with metering.going_on() if asked else nullcontext():
                last = await self._ask(self.cascade.last, self.query, questions, left)
            results.append(last)
            outcomes |= zip(left, last.outcomes, strict=True)
        return ScoreResult(
            asked={name: asked for each in results for name, asked in each.asked.items()},
            outcomes=[
                _told(outcomes[place], turn, passed_on.get(place))
                for place, turn in enumerate(turns)
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
    ) -> ScoreResult:
        """What one of the models says of the questions at some places."""
        part = replace(
            query,
            model=model.name,
            calibrator=None,
            questions=tuple(questions[place] for place in places),
            tasks=tuple(query.task_of(place) for place in places),
        )
        return await score(part, self.catalog, self.calibrators)

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
        """The same by a calibrator of the scope, while its threshold holds."""
        first = self.cascade.first.scope(scope.task, scope.reading, scope.options)
        answers = self.calibrators.active(first)
        measured_with = decides.provenance.first_calibrator
        if decides.degenerate:  # nothing would reach it
            because = f"{decides.name}: {decides.degenerate}"
        elif isinstance(answers, Calibrator) and answers.name == measured_with:
            return Turn(decides)
        else:
            because = (
                f"the threshold of {decides.name} was measured with {measured_with}, which is not "
                "what answers there now"
            )
        if self.query.require_calibrated:
            return NotReady(because, reason="NOT_CALIBRATED")
        return Turn(None, because)


def _asks_first(turn: Turn | ServiceError) -> bool:
    return isinstance(turn, Turn) and turn.calibrator is not None


def _stands(said: Answer | ServiceError, turn: Turn | ServiceError) -> bool:
    """Whether what the first model says is the cascade's answer."""
    if isinstance(said, ServiceError) or isinstance(turn, ServiceError):
        return False
    if said.calibrator is None or turn.calibrator is None:
        return False
    # Another calibrator may have become active since its turn was decided.
    is_measured = said.calibrator.name == turn.calibrator.provenance.first_calibrator
    (least,) = turn.calibrator.parameters[MIN_CONFIDENCE]
    confidence = min(float(said.calibrated.max()), 1.0)  # a certainty may be rounded up
    return is_measured and not said.abstained and confidence >= least


def _told(
    outcome: Answer | ServiceError, turn: Turn | ServiceError, first: Answer | None
) -> Answer | ServiceError:
    """The outcome with whose turn it was, and with the tokens of the first's, who passed it on."""
    if isinstance(outcome, ServiceError) or isinstance(turn, ServiceError):
        return outcome
    if first is None:
        return replace(outcome, turn=turn)
    return replace(
        outcome,
        turn=turn,
        prompt_tokens=first.prompt_tokens + outcome.prompt_tokens,
        cached_tokens=first.cached_tokens + outcome.cached_tokens,
    )
