"""The path of a decision: typed questions about one state → questions with labels → scores."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import SetRule
from trueodds_service.flows.cascade import answer
from trueodds_service.flows.catalog import Catalog, ServedModel
from trueodds_service.flows.score import ScoreQuery, ScoreResult
from trueodds_service.prompts.formats import DECISION
from trueodds_service.prompts.question import Kind, Question
from trueodds_service.prompts.reading import OrderCorrection, Reading

# How many options a question may have, in both contracts.
FEWEST_OPTIONS, MOST_OPTIONS = 2, 255

# How many questions are labelled in less time than a thread takes to begin.
_FEW_QUESTIONS = 8


@dataclass(frozen=True, slots=True)
class DecisionQuestion:
    """What is asked of a state. ``options`` are told to the model, each after its label; "" where
    the label says it all, as yes and no do. ``task`` is that of its calibrators.
    """

    kind: Kind
    text: str
    options: tuple[str, ...]
    task: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A state and what is asked of it; ``system`` is told to the model before both.

    ``cyclic`` asks choices in every cyclic order of their options, and averages. ``label_seed``
    gives each choice's options the labels in an order by chance, the same for the same seed and
    place. The others are as a ``ScoreQuery`` has them; without a ``min_option_mass`` each model's
    own holds.
    """

    model: str
    state: str
    questions: tuple[DecisionQuestion, ...]
    system: str = ""
    cyclic: bool = False
    label_seed: int | None = None
    min_option_mass: float | None = None
    min_confidence: float = 0.0
    require_calibrated: bool = False
    answer_sets: Mapping[str, SetRule] = field(default_factory=dict)


async def decide(decision: Decision, catalog: Catalog, calibrators: Calibrators) -> ScoreResult:
    """An outcome a question, in their order. All are asked in one call: the state is read once.

    Raises a ServiceError for what is wrong with the decision as a whole; the field of a question's
    error is relative to the domain's ``Question``.
    """
    query = ScoreQuery(
        model=decision.model,
        task="",
        tasks=tuple(each.task for each in decision.questions),
        reading=reading_of(cyclic=decision.cyclic, redrawn=decision.label_seed is not None),
        shots=(),
        calibrator=None,
        questions=(),
        min_option_mass=decision.min_option_mass,
        min_confidence=decision.min_confidence,
        require_calibrated=decision.require_calibrated,
        answer_sets=decision.answer_sets,
    )

    async def written(served: ServedModel) -> tuple[Question, ...]:
        if len(decision.questions) <= _FEW_QUESTIONS:
            return labelled(served, decision)
        return await asyncio.to_thread(labelled, served, decision)

    return await answer(query, catalog, calibrators, written)


def reading_of(*, cyclic: bool, redrawn: bool) -> Reading:
    """How decisions are read; part of the scope of their calibrators, as the kinds are."""
    order = OrderCorrection.CYCLIC if cyclic else OrderCorrection.NONE
    return Reading(DECISION, order=order, redrawn=redrawn)


def labelled(served: ServedModel, decision: Decision) -> tuple[Question, ...]:
    """The questions, with labels that the model's tokenizer takes as one token."""
    return tuple(
        _question(served, decision, each, place) for place, each in enumerate(decision.questions)
    )


def _question(
    served: ServedModel, decision: Decision, asked: DecisionQuestion, place: int
) -> Question:
    labels = list(served.tokenizer.decision_labels(asked.kind, len(asked.options)))
    if decision.label_seed is not None and asked.kind is Kind.CHOICE:
        random.Random(f"{decision.label_seed} {place}").shuffle(labels)  # noqa: S311 (no secret)
    return Question(
        text=asked.text,
        options=asked.options,
        labels=tuple(labels),
        passage=decision.state,
        kind=asked.kind,
        system=decision.system,
    )
