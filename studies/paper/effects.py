"""What alignment and worked examples do to calibration: every model and way, and the differences.

Intervals are over questions drawn anew, the same ones for what is compared.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.paper.readings import Answers, Readings
from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS
from trueodds_service.core.metrics.reliability import null_ece

Floats = NDArray[np.float64]
# A model, and the way in which it was asked.
Asked = tuple[str, str]
_RESAMPLES = 1_000


def table(readings: Readings) -> list[dict[str, Any]]:
    """A row for each model, way and task of which something was asked."""
    return [
        {"model": model, "way": way, "task": task, **_row(readings.of(model, way, task))}
        for model in readings.models
        for way in readings.ways(model)
        for task in readings.asked(model, way)
    ]


def _row(answers: Answers) -> dict[str, Any]:
    right, confidence = _judged(answers)
    probs = answer_distribution(answers.logprobs)
    nll = -np.log(np.maximum(probs[np.arange(len(answers)), answers.labels], 1e-38))
    shares = np.bincount(probs.argmax(axis=1), minlength=probs.shape[1]) / len(answers)
    return {
        "n": len(answers),
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "ece": interval(lambda counts: ece(confidence, right, counts), len(answers)),
        "null_ece": null_ece(confidence),
        "nll": float(nll.mean()),
        "format_probability": float(answers.format.mean()),
        "option_mass": float(answers.mass.mean()),
        "likeliest_label": float(shares.max()),
    }


def difference(
    readings: Readings, one: Asked, other: Asked, task: str, measure: str = "ece"
) -> dict[str, float]:
    """What one model and way has more of than another, on the same questions."""
    return _compared(readings, (one, other), task, np.subtract, measure)


def gap_of_gaps(
    readings: Readings, wide: Sequence[Asked], narrow: Sequence[Asked], task: str
) -> dict[str, float]:
    """How much nearer the ECEs of two are than those of two others, on the same questions."""

    def nearer(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
        return np.asarray(np.abs(a - b) - np.abs(c - d))

    return _compared(readings, (*wide, *narrow), task, nearer)


def above_all(
    readings: Readings, one: Asked, others: Sequence[Asked], task: str
) -> dict[str, float]:
    """What its ECE is above the highest of all others', on the same questions."""

    def above(first: Floats, *rest: Floats) -> Floats:
        return np.asarray(first - np.max(rest, axis=0))

    return _compared(readings, (one, *others), task, above)


def _compared(
    readings: Readings,
    asked: Sequence[Asked],
    task: str,
    of: Callable[..., Floats],
    measure: str = "ece",
) -> dict[str, float]:
    """What is made ``of`` a measure of each, on the questions that all were asked."""
    found = [_judged(each) for each in readings.common(asked, task)]

    def made(counts: Floats) -> Floats:
        return of(*(_MEASURES[measure](confidence, right, counts) for right, confidence in found))

    return interval(made, len(found[0][0]))


def interval(measure: Callable[[Floats], Floats], n: int) -> dict[str, float]:
    """A measure of n questions and its 95 % interval; it is given counts of them, (r, n)."""
    value = float(measure(np.ones((1, n)))[0])
    drawn = [measure(part.astype(np.float64)) for part in np.split(_drawn(n), _RESAMPLES // 100)]
    low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5])
    return {"mean": value, "low": float(low), "high": float(high), "n": n}


@lru_cache(8)
def _drawn(n: int) -> NDArray[np.uint16]:
    """How often each of n questions is met when they are drawn anew, (resamples, n)."""
    rng = np.random.default_rng(0)
    return rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.uint16)


def ece(confidence: Floats, right: Floats, counts: Floats) -> Floats:
    """In ten bins of equal width, (r,); ``counts``, (r, n), is how often each question was met."""
    place = np.minimum((confidence * DEFAULT_BINS).astype(np.intp), DEFAULT_BINS - 1)
    gaps = (place[:, None] == np.arange(DEFAULT_BINS)) * (confidence - right)[:, None]
    return np.asarray(np.abs(counts @ gaps).sum(axis=1) / counts.sum(axis=1))


def overconfidence(confidence: Floats, right: Floats, counts: Floats) -> Floats:
    """Mean confidence less accuracy, (r,)."""
    return np.asarray(counts @ (confidence - right) / counts.sum(axis=1))


_MEASURES = {"ece": ece, "overconfidence": overconfidence}


def overconfident(readings: Readings, one: tuple[str, str], task: str) -> dict[str, float]:
    """By how much a model claims more than it keeps."""
    right, confidence = _judged(readings.of(*one, task))
    return interval(lambda counts: overconfidence(confidence, right, counts), len(right))


def format_left_in(readings: Readings, one: Asked, task: str) -> dict[str, float]:
    """The ECE of p(label | x, F) · p(F | x), the format left in, less that of the first alone."""
    answers = readings.of(*one, task)
    right, confidence = _judged(answers)
    whole = confidence * np.minimum(answers.format, 1.0)
    return interval(
        lambda counts: ece(whole, right, counts) - ece(confidence, right, counts), len(right)
    )


def _judged(answers: Answers) -> tuple[Floats, Floats]:
    """Whether each choice is right, and its confidence, (n,)."""
    probs = answer_distribution(answers.logprobs)
    chosen = probs.argmax(axis=1)
    return (chosen == answers.labels).astype(np.float64), np.minimum(probs.max(axis=1), 1.0)
