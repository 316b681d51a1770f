"""A model and its teacher, drawn at random: tasks whose best temperatures are known.

Honest logits h are normal; the labels are drawn from softmax(h). The teacher says h, the aligned
model T · h, each with noise of its own. The defaults give the few-shot ranges that the project
started from: with T = 2.5 the temperature of least NLL is near 2.57.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.fitting.data import FitData

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """How models answer.

    A question has ``options`` options, and its honest logits the standard deviation ``spread``.
    ``model_noise`` and ``teacher_noise`` are the standard deviations of what model and teacher add
    to them. ``disagreement``, in [0, 1], is the share of questions on which the model believes
    something else entirely. The teacher's logits are multiplied by ``teacher_sharpness``: above 1
    it is overconfident itself.
    """

    options: int = 4
    spread: float = 1.5
    model_noise: float = 0.2
    teacher_noise: float = 0.1
    disagreement: float = 0.0
    teacher_sharpness: float = 1.0

    def draw(self, rng: np.random.Generator, n: int, log_t: float) -> tuple[FitData, Floats]:
        """n questions of a task, with their labels, and the odds, (n, k), of the labels."""
        shape = (n, self.options)
        honest = rng.normal(0, self.spread, shape)
        elsewhere = rng.random((n, 1)) < self.disagreement
        believed = np.where(elsewhere, rng.normal(0, self.spread, shape), honest)
        model = np.exp(log_t) * (believed + rng.normal(0, self.model_noise, shape))
        teacher = self.teacher_sharpness * (honest + rng.normal(0, self.teacher_noise, shape))
        odds = softmax(honest)
        labels = (odds.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        labels = np.minimum(labels, self.options - 1)
        return FitData(model, labels=labels, teacher_logprobs=teacher), odds

    def tasks(self, rng: np.random.Generator, n: int, log_ts: Sequence[float]) -> list[FitData]:
        """n questions of each of a model's tasks."""
        return [self.draw(rng, n, log_t)[0] for log_t in log_ts]
