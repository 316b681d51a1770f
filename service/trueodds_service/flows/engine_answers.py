"""Whether an engine's answer to a prompt is what it was asked for."""

import logging
import math
from itertools import chain
from typing import Any

from trueodds_service.engine.base import Outcome, TokenScore
from trueodds_service.errors import PromptFault

_log = logging.getLogger(__name__)


def checked(outcome: Outcome, continuations: int) -> Outcome:
    """The outcome, or the fault that it is: not a score of each continuation, or not numbers."""
    if isinstance(outcome, PromptFault):
        return outcome
    if not _is_score(outcome, continuations):
        _log.error("an engine answered with something else than it was asked for")
        return PromptFault.of_engine()
    top = (logprob for _, logprob in outcome.top_tokens)
    numbers = chain(outcome.continuations, (outcome.identifier,), top)
    # Minus infinity is a token that is ruled out; NaN is below nothing.
    if not all(number < math.inf for number in numbers):
        return PromptFault("the model's logits for this prompt are NaN", reason="LOGITS_NAN")
    return outcome


def _is_score(outcome: Any, continuations: int) -> bool:
    return (
        isinstance(outcome, TokenScore)
        and len(outcome.continuations) == len(outcome.greedy) == continuations
    )
