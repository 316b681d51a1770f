"""The path of a score: questions → reads → answer distribution → calibrator → answers."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service import metering, watching
from trueodds_service.core.arrays.distributions import entropy
from trueodds_service.core.calibrators.base import Calibrator as Applied
from trueodds_service.errors import NotReady, ServiceError, field
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import (
    SetRule,
    answer_sets,
    distributions,
    mismatch,
    options_mismatch,
    reading_mismatch,
)
from trueodds_service.flows.catalog import Cascade, Catalog, ModelEntry, ServedModel
from trueodds_service.flows.read import Read, Timings, read
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.prompts.question import Question, Shot
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Scope
from trueodds_service.watching import Answered, Stage, stage


@dataclass(frozen=True, slots=True)
class ScoreQuery:
    """Questions of one task for one model. ``calibrator`` is an id; None for the active one.

    ``tasks``, one a question where there are any, go before ``task``.
    An answer abstains where the options hold less than ``min_option_mass``, None for what the
    model that is asked has for decisions, or where the calibrated confidence is below
    ``min_confidence``. ``answer_sets`` are rules by the id of the
    calibrator whose threshold each has; an answer of another calibrator has no set.
    With ``require_calibrated`` a question that no calibrator applies to is refused; so it is
    with ``min_confidence``, a threshold that raw confidences are not to be held against.
    """

    model: str
    task: str
    reading: Reading
    shots: tuple[Shot, ...]
    calibrator: str | None
    questions: tuple[Question, ...]
    min_option_mass: float | None = 0.0
    min_confidence: float = 0.0
    require_calibrated: bool = False
    answer_sets: Mapping[str, SetRule] = dataclasses.field(default_factory=dict)
    top_tokens: int = 0
    receipts: bool = False
    tasks: tuple[str, ...] = ()

    def task_of(self, place: int) -> str:
        """The task of the question at a place."""
        return self.tasks[place] if self.tasks else self.task

    def least_mass(self, model: ModelEntry) -> float:
        """What the options of a model's answers have to hold."""
        return model.min_option_mass if self.min_option_mass is None else self.min_option_mass

    @property
    def needs_calibrator(self) -> bool:
        """Whether an answer that is not calibrated is none."""
        return self.require_calibrated or self.min_confidence > 0


@dataclass(frozen=True, slots=True)
class Turn:
    """Why it was whose turn in a cascade: its calibrator, whose thresholds decided; or, where none
    held, why its last model alone was asked.
    """

    calibrator: Calibrator | None
    skipped_because: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question of k options.

    ``probabilities`` and ``calibrated``, shape (k,), each sum to one, and are the same where
    ``calibrator`` is None. ``choice`` is the option with the largest of ``calibrated``.
    ``entropy`` is that of ``probabilities``, in nats. ``read`` holds what they were made of.
    ``answer_set`` are the options of the set that was asked for, the likeliest first.
    ``raw_because`` says why there is no calibrator, where there is none. ``prompt_tokens`` are
    those of all prompts: in each order that was asked, and of all models. The engines had
    ``cached_tokens`` of them in their caches; ``cost`` is that of the others, by the prices of
    their models. ``min_option_mass`` is what the options had to hold; ``turn`` is how a cascade
    came to it.
    """

    read: Read
    probabilities: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    choice: int
    entropy: float
    option_mass: float
    min_option_mass: float
    abstained: bool
    scope: Scope
    calibrator: Calibrator | None
    prompt_tokens: int
    cached_tokens: int
    cost: float
    answer_set: tuple[int, ...] = ()
    raw_because: str = ""
    turn: Turn | None = None

    @property
    def has_too_little_mass(self) -> bool:
        """Whether its options hold less than they had to."""
        return self.option_mass < self.min_option_mass


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model as it was asked: meanwhile it may have lost its engine."""

    model: ModelEntry
    served: ServedModel


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """One outcome a question, in their order, and the models that were asked, by name.

    ``stale``: what is active may have changed, and the store was away.
    """

    asked: Mapping[str, AskedModel]
    outcomes: list[Answer | ServiceError]
    timings: Timings
    stale: bool


async def score(query: ScoreQuery, catalog: Catalog, calibrators: Calibrators) -> ScoreResult:
    """Answers a query of one model. A question that cannot be answered has its error as outcome.

    Raises a ServiceError for what is wrong with the query as a whole.
    """
    model = catalog.find(query.model)
    served = await model.ready()
    named = await named_calibrator(query, model, calibrators)
    timings = Timings(0.0, 0.0)
    outcomes: list[Answer | ServiceError] = [*_refusals(model, named, calibrators, query)]
    if outcomes:
        metering.current().check()
    else:
        with field("settings"):
            reads, timings = await read(
                served, query.questions, query.shots, query.reading, top_tokens=query.top_tokens
            )
        with stage(Stage.CALIBRATE):
            outcomes = _outcomes(reads, model, named, calibrators, query)
    watching.current().answered(_counted(model.name, outcomes))
    return ScoreResult(
        {model.name: AskedModel(model, served)}, outcomes, timings, calibrators.stale
    )


def _counted(model: str, outcomes: Sequence[Answer | ServiceError]) -> Answered:
    """What is told of the answers to who watches."""
    answers = [each for each in outcomes if isinstance(each, Answer)]
    return Answered(
        model,
        calibrated=sum(each.calibrator is not None for each in answers),
        raw=sum(each.calibrator is None for each in answers),
        failed=Counter(each.reason for each in outcomes if isinstance(each, ServiceError)),
        prompt_tokens=sum(each.prompt_tokens for each in answers),
    )


def _refusals(
    model: ModelEntry, named: Calibrator | None, calibrators: Calibrators, query: ScoreQuery
) -> list[ServiceError]:
    """Why no question can have the calibrator that it needs; empty where one can.

    The engine need not be asked then.
    """
    if named is None and not query.needs_calibrator:
        return []
    found: list[ServiceError] = []
    for place, question in enumerate(query.questions):
        key = query.reading.key(question)
        scope = model.scope(query.task_of(place), key, len(question.options))
        refusal = _calibrator_of(scope, named, calibrators, query)
        if not isinstance(refusal, ServiceError):
            return []
        found.append(refusal)
    return found


def _calibrator_of(
    scope: Scope, named: Calibrator | None, calibrators: Calibrators, query: ScoreQuery
) -> Calibrator | ServiceError | None:
    """What answers in a scope, or why nothing may; None where the answer is raw."""
    calibrator = named or calibrators.active(scope)
    if calibrator is None:
        return calibrators.none_active(scope) if query.needs_calibrator else None
    if isinstance(calibrator, ServiceError):
        return calibrator
    return out_of_scope(calibrator, scope) or calibrator


def _outcomes(
    reads: Sequence[Read | ServiceError],
    model: ModelEntry,
    named: Calibrator | None,
    calibrators: Calibrators,
    query: ScoreQuery,
) -> list[Answer | ServiceError]:
    """The answers to what was read, or why there is none; the order is kept."""
    outcomes: list[Answer | ServiceError | None] = [
        each if isinstance(each, ServiceError) else None for each in reads
    ]
    by_scope: dict[Scope, list[tuple[int, Read]]] = {}
    for place, each in enumerate(reads):
        if isinstance(each, Read):
            scope = model.scope(query.task_of(place), each.key, len(each.scores))
            by_scope.setdefault(scope, []).append((place, each))
    for scope, placed in by_scope.items():
        # One calibrator a scope, so one array.
        calibrator = _calibrator_of(scope, named, calibrators, query)
        answers: Sequence[Answer | ServiceError]
        if isinstance(calibrator, ServiceError):
            answers = [calibrator] * len(placed)
        else:
            group = [each for _, each in placed]
            answers = _scope_answers(group, scope, calibrator, calibrators, query, model)
        for (place, _), answer in zip(placed, answers, strict=True):
            outcomes[place] = answer
    return [outcome for outcome in outcomes if outcome is not None]


def _scope_answers(
    group: Sequence[Read],
    scope: Scope,
    calibrator: Calibrator | None,
    calibrators: Calibrators,
    query: ScoreQuery,
    model: ModelEntry,
) -> Sequence[Answer | ServiceError]:
    """The answers to questions of one scope, or why there is none."""
    if calibrator is None:
        raw_because = calibrators.raw_because(scope)
        return _answers(group, scope, None, None, query, model, raw_because)
    applied = calibrators.applied(calibrator)
    if isinstance(applied, ServiceError):
        return [applied] * len(group)
    return _answers(group, scope, calibrator, applied, query, model)


def out_of_scope(calibrator: Calibrator, scope: Scope) -> NotReady | None:
    """Why a calibrator of the model and task is not for what is asked in a scope, if it is not."""
    if wrong := options_mismatch(calibrator, scope.options):
        return wrong
    if calibrator.scope.reading != scope.reading:
        return reading_mismatch(calibrator, scope.reading)
    return None


def _answers(
    group: Sequence[Read],
    scope: Scope,
    calibrator: Calibrator | None,
    applied: Applied | None,
    query: ScoreQuery,
    model: ModelEntry,
    raw_because: str = "",
) -> Sequence[Answer]:
    """The answers to questions of one scope, with k options each, as one (n, k) array."""
    scores = np.stack([each.scores for each in group])
    found = distributions(scores, calibrator, applied)
    choices = found.choices.tolist()
    entropies = entropy(found.answer)
    masses = [each.as_asked.option_mass for each in group]
    least_mass = query.least_mass(model)
    rule = None if calibrator is None else query.answer_sets.get(calibrator.id)
    sets = answer_sets(found.calibrated, rule)
    return [
        Answer(
            read=each,
            probabilities=found.answer[row],
            calibrated=found.calibrated[row],
            choice=choices[row],
            entropy=float(entropies[row]),
            option_mass=masses[row],
            min_option_mass=least_mass,
            abstained=bool(
                masses[row] < least_mass
                or found.calibrated[row, choices[row]] < query.min_confidence
            ),
            scope=scope,
            calibrator=calibrator,
            prompt_tokens=each.prompt_tokens,
            cached_tokens=each.cached_tokens,
            cost=(each.prompt_tokens - each.cached_tokens) * model.price,
            answer_set=sets[row],
            raw_because=raw_because,
        )
        for row, each in enumerate(group)
    ]


async def named_calibrator(
    query: ScoreQuery, model: ModelEntry | Cascade, calibrators: Calibrators
) -> Calibrator | None:
    """The calibrator that the caller names; it is never applied outside its scope."""
    if query.calibrator is None:
        return None
    named = await calibrators.get(model.name, query.calibrator)
    if named.scope.task and named.scope.task != query.task:
        raise mismatch(f"another task, {named.scope.task!r}")
    if named.scope.format_version != FORMAT_VERSION:
        raise mismatch("another version of the formats")
    if named.scope.revision != model.revision:
        raise mismatch("another revision of the model")
    return named
