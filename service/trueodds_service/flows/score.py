"""The path of a score: questions → prompts → engine → uncertainty → calibrator → answers."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.calibrators import TemperatureScaling
from trueodds_service.core.distributions import answer_distribution, option_mass
from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.errors import InvalidInput, NotReady, ServiceError
from trueodds_service.flows.calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog, ModelEntry
from trueodds_service.prompts.formats import FORMAT_VERSION, Format
from trueodds_service.prompts.question import Question, Shot
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Scope


@dataclass(frozen=True, slots=True)
class ScoreQuery:
    """Questions of one task for one model. ``calibrator`` is an id; None for the active one."""

    model: str
    task: str
    format: Format
    shots: tuple[Shot, ...]
    calibrator: str | None
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question of k options.

    ``logprobs`` (k,) are raw and in nats; ``probabilities`` and ``calibrated`` (k,) each sum to
    one, and are the same where ``calibrator`` is None.
    """

    labels: tuple[str, ...]
    logprobs: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    format_probability: float
    option_mass: float
    prompt_tokens: int
    revision: str
    calibrator: Calibrator | None

    @property
    def choice(self) -> int:
        """The likeliest option. A temperature keeps the order, so there is one choice."""
        return int(self.logprobs.argmax())


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: until the prompts were ready, until the engine had answered."""

    tokenize: float
    engine: float


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """One outcome a question, in their order."""

    outcomes: list[Answer | ServiceError]
    timings: Timings


async def score(query: ScoreQuery, catalog: Catalog, calibrators: Calibrators) -> ScoreResult:
    """Answers a query. A question that cannot be answered has its error as its outcome.

    Raises a ServiceError for what is wrong with the query as a whole.
    """
    started = time.perf_counter()
    model = catalog.find(query.model)
    served = model.ready()
    named = await _named_calibrator(query, model, calibrators)
    prompts = await asyncio.to_thread(
        served.tokenizer.prompts, query.questions, query.shots, query.format
    )
    tokenized = time.perf_counter()
    scores = iter(await served.engine.score([p for p in prompts if isinstance(p, TokenPrompt)]))
    outcomes: list[Answer | ServiceError | None] = [
        prompt if isinstance(prompt, InvalidInput) else None for prompt in prompts
    ]
    scored = [
        _Scored(place, question, prompt, next(scores))
        for place, (question, prompt) in enumerate(zip(query.questions, prompts, strict=True))
        if isinstance(prompt, TokenPrompt)
    ]
    for count in {len(item.question.options) for item in scored}:
        # The number of options is all that a scope adds to the query: one calibrator a group.
        group = [item for item in scored if len(item.question.options) == count]
        scope = scope_of(model, query.task, query.format, count)
        calibrator = named or calibrators.active(scope)
        for item, outcome in zip(group, _answers(group, scope, calibrator), strict=True):
            outcomes[item.place] = outcome
    timings = Timings(tokenized - started, time.perf_counter() - tokenized)
    return ScoreResult([outcome for outcome in outcomes if outcome is not None], timings)


async def score_tokens(
    model: ModelEntry, questions: Sequence[Question], shots: Sequence[Shot], answer_format: Format
) -> list[TokenScore | InvalidInput]:
    """The engine's scores alone, for the flow that fits."""
    served = model.ready()
    prompts = await asyncio.to_thread(served.tokenizer.prompts, questions, shots, answer_format)
    scores = iter(await served.engine.score([p for p in prompts if isinstance(p, TokenPrompt)]))
    return [next(scores) if isinstance(prompt, TokenPrompt) else prompt for prompt in prompts]


def scope_of(model: ModelEntry, task: str, answer_format: Format, options: int) -> Scope:
    """The scope that a calibrator has to match."""
    return Scope(model.name, model.revision, task, answer_format.value, FORMAT_VERSION, options)


class _Scored(NamedTuple):
    place: int
    question: Question
    prompt: TokenPrompt
    score: TokenScore


def _answers(
    group: Sequence[_Scored], scope: Scope, calibrator: Calibrator | None
) -> list[Answer | ServiceError]:
    """The answers to questions of the same number of options, k, as one (n, k) array."""
    if calibrator is not None and calibrator.scope.options != scope.options:
        return [_mismatch(f"{calibrator.scope.options} options, not {scope.options}")] * len(group)
    logprobs = np.stack([item.score.options for item in group])
    usable = np.isfinite(logprobs.max(axis=1))
    # A row without any mass has no distribution; it is replaced here and reported below.
    safe = np.where(usable[:, None], logprobs, 0.0)
    probabilities = answer_distribution(safe)
    mass = option_mass(safe)
    calibrated = (
        probabilities
        if calibrator is None
        else TemperatureScaling(calibrator.temperature).apply(safe)
    )
    return [
        Answer(
            labels=item.question.labels,
            logprobs=logprobs[row],
            probabilities=probabilities[row],
            calibrated=calibrated[row],
            format_probability=_format_probability(item.score, mass[row]),
            option_mass=float(mass[row]),
            prompt_tokens=item.prompt.length,
            revision=scope.revision,
            calibrator=calibrator,
        )
        if usable[row]
        else NotReady("the model gives no option any probability", reason="NO_OPTION_MASS")
        for row, item in enumerate(group)
    ]


def _format_probability(score: TokenScore, mass: float) -> float:
    """p(F | x): of the format identifier, or the option mass where the format has none."""
    return float(mass) if score.identifier is None else math.exp(min(score.identifier, 0.0))


async def _named_calibrator(
    query: ScoreQuery, model: ModelEntry, calibrators: Calibrators
) -> Calibrator | None:
    """The calibrator that the caller names; it is never applied outside its scope."""
    if query.calibrator is None:
        return None
    named = await calibrators.get(model.name, query.calibrator)
    scope = scope_of(model, query.task, query.format, named.scope.options)
    if named.scope.task and named.scope.task != scope.task:
        raise _mismatch("another task")
    if named.scope.format != scope.format or named.scope.format_version != scope.format_version:
        raise _mismatch("another format")
    if named.scope.revision != scope.revision:
        raise _mismatch("another revision of the model")
    return named


def _mismatch(fitted_for: str) -> NotReady:
    return NotReady(f"the calibrator was fitted for {fitted_for}", reason="SCOPE_MISMATCH")
