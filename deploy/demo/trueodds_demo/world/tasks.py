"""The seven tasks by name, in the order of the paper's tables."""

from collections.abc import Callable
from random import Random

from trueodds_demo.world import (
    completion,
    knowledge,
    logic,
    openbook,
    sentiment,
    toxicity,
    truth,
)
from trueodds_demo.world.example import Draft

COMPOSERS: dict[str, Callable[[Random], Draft]] = {
    "knowledge": knowledge.compose,
    "completion": completion.compose,
    "openbook": openbook.compose,
    "truth": truth.compose,
    "logic": logic.compose,
    "toxicity": toxicity.compose,
    "sentiment": sentiment.compose,
}

TASKS = tuple(COMPOSERS)
