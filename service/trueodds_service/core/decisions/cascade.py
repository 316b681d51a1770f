"""A cascade: models answer in turn, each where it is sure enough, and the last one the rest.

How sure is enough is what ``abstention_threshold`` finds for each model, and its promise the same:
of what each model but the last answers, no more is wrong than the target, with probability 1 − δ
for all of them together. Nothing is promised of what goes on to the last. Or the promise is one of
cost: no more than a share of the questions goes on to the last of two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_labels, as_probabilities, require_items
from trueodds_service.core.arrays.distributions import choice
from trueodds_service.core.decisions.abstention import NEVER, abstention_threshold
from trueodds_service.core.metrics.bin_edges import as_confidence

METHOD = "cascade"
"""What stored records call how a cascade's thresholds are found."""


class Target(StrEnum):
    """What is promised to be no more than a share; the values are part of stored records."""

    RISK = "target_risk"
    """Wrong ones among the answers of each model but the last."""
    PASSED_ON = "target_passed_on"
    """Questions that go on to the last of two models."""


@dataclass(frozen=True, slots=True)
class InTurn:
    """By which model, from 0, each of n questions is answered, (n,), and what it says, (n, k)."""

    by: NDArray[np.int64]
    probs: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CascadeThresholds:
    """The least confidence at which each model but the last answers.

    It is above 1 for a model that is to answer nothing. ``coverage`` is the share of the items that
    they answer together, and ``risk`` the share of wrong answers among these, in [0, 1] each.
    ``risk_bound`` is what the risk of new items is at most, with probability 1 − δ, whichever of
    them answers; 1 where none does.
    """

    min_confidence: tuple[float, ...]
    coverage: float
    risk: float
    risk_bound: float


@dataclass(frozen=True, slots=True)
class PassedOn:
    """The least confidence at which the first of two models answers; above 1, where the items are
    too few to tell.

    ``share`` of the items are below it, and go on; of new ones no more than ``bound``, with
    probability 1 − δ. Both are in [0, 1].
    """

    min_confidence: float
    share: float
    bound: float


def in_turn(probs: Sequence[ArrayLike], min_confidence: Sequence[float]) -> InTurn:
    """What a cascade answers, of what each of its models would, (n, k) each, in their order.

    Raises ValueError where probabilities are malformed, or are not of the same questions.
    """
    arrays = _of_same_items(probs)
    by = np.full(len(arrays[0]), len(arrays) - 1)
    for place, (own, least) in reversed([*enumerate(zip(arrays, min_confidence, strict=False))]):
        by[_reaches(own, least)] = place
    return InTurn(by, np.stack(arrays)[by, np.arange(len(by))])


def risk_thresholds(
    probs: Sequence[ArrayLike],
    labels: ArrayLike,
    target_risk: float,
    delta: float = 0.05,
    *,
    may_stand: Sequence[NDArray[np.bool_]] | None = None,
) -> CascadeThresholds:
    """Thresholds that keep ``target_risk``, of what all models but the last say, (n, k) each.

    The items are dealt out to the models by chance, so that each threshold is found on items that
    no threshold before it was: those of its own that are passed on to it are a sample of all that
    will be. Each may fail with probability δ divided by their number. A model that is passed on
    nothing, or for which no threshold keeps the target, answers nothing. ``may_stand``, (n,) each,
    is which of a model's answers may be the cascade's, whatever their confidence; None is all.

    Raises ValueError where probabilities or labels are malformed, or are not of the same
    questions, or ``target_risk`` or ``delta`` is not in (0, 1).
    """
    arrays = _of_same_items(probs)
    mays = may_stand or [np.ones(len(each), dtype=bool) for each in arrays]
    require_items(arrays[0], "probs")
    right = as_labels(labels, *arrays[0].shape)
    dealt = np.random.default_rng(0).permutation(len(right)) % len(arrays)
    left = np.ones(len(right), dtype=bool)
    found, bounds, wrong = [], [], 0
    for place, (own, may) in enumerate(zip(arrays, mays, strict=True)):
        seen = left & may & (dealt == place)
        least = NEVER
        if seen.any():
            threshold = abstention_threshold(
                own[seen], right[seen], target_risk, delta / len(arrays)
            )
            least = threshold.min_confidence
        found.append(least)
        if least < NEVER:
            bounds.append(threshold.risk_bound)
        answered = left & may & _reaches(own, least)
        wrong += int((choice(own) != right)[answered].sum())
        left &= ~answered
    count = len(left) - int(left.sum())
    return CascadeThresholds(
        tuple(found), count / len(left), wrong / max(count, 1), max(bounds, default=1.0)
    )


def passed_on_threshold(confidence: ArrayLike, target: float, delta: float = 0.05) -> PassedOn:
    """The largest threshold below which lie no more than ``target`` of the first's confidences.

    ``confidence`` has shape (n,), and is in [0, 1]. With probability 1 − δ over the items, the
    share of new ones below a threshold exceeds that of the items by no more than √(ln(1/δ) / 2n),
    whichever threshold it is, so that one may be chosen by the items (Dvoretzky, Kiefer and
    Wolfowitz 1956; Massart 1990, Annals of Probability). No answers are needed.

    Raises ValueError where confidences are malformed, ``target`` is not in (0, 1), or ``delta`` not
    in (0, 0.5].
    """
    ranked = np.sort(as_confidence(confidence))
    if not 0 < target < 1:
        raise ValueError(f"target must lie in (0, 1), got {target}")
    if not 0 < delta <= 0.5:  # noqa: PLR2004 (what the inequality holds for)
        raise ValueError(f"delta must lie in (0, 0.5], got {delta}")
    margin = math.sqrt(math.log(1 / delta) / (2 * len(ranked)))
    if margin > target:
        return PassedOn(NEVER, 1.0, 1.0)
    least = float(ranked[math.floor((target - margin) * len(ranked))])
    share = float((ranked < least).mean())
    return PassedOn(least, share, share + margin)


def _of_same_items(probs: Sequence[ArrayLike]) -> list[NDArray[np.float64]]:
    arrays = [as_probabilities(each, f"probs[{place}]") for place, each in enumerate(probs)]
    if len({each.shape for each in arrays}) > 1:
        raise ValueError(f"probs differ in shape: {', '.join(str(each.shape) for each in arrays)}")
    return arrays


def _reaches(probs: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    # A certainty may be rounded up.
    reaches: NDArray[np.bool_] = np.minimum(probs.max(axis=1), 1.0) >= least
    return reaches
