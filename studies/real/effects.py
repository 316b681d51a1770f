"""What alignment and worked examples do to calibration: every model and way, and the differences.

Intervals are over questions drawn anew, the same ones for what is compared.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.real.readings import Answers, Readings
from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS
from trueodds_service.core.metrics.reliability import null_ece

Floats = NDArray[np.float64]
_RESAMPLES = 1_000


def table(readings: Readings, ways: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each model, way and task."""
    return [
        {"model": model, "way": way, "task": task, **_row(readings.of(model, way, task))}
        for model in readings.models
        for way in ways
        for task in readings.tasks
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
    readings: Readings,
    one: tuple[str, str],
    other: tuple[str, str],
    task: str,
    measure: str = "ece",
) -> dict[str, float]:
    """What one model and way has more of than another, on the same questions."""
    first, second = readings.both(one, other, task)
    found = [_judged(each) for each in (first, second)]

    def less(counts: Floats) -> Floats:
        before, after = (
            _MEASURES[measure](confidence, right, counts) for right, confidence in found
        )
        return np.asarray(before - after)

    return interval(less, len(first))


def gap_of_gaps(
    readings: Readings, model: str, wide: tuple[str, str], narrow: tuple[str, str], task: str
) -> dict[str, float]:
    """How much nearer a model's ECE in two ways is than in two others, on the same questions."""
    parts = [readings.of(model, way, task) for way in (*wide, *narrow)]
    common = set.intersection(*(set(each.place.tolist()) for each in parts))
    kept = [each.take(np.isin(each.place, list(common))) for each in parts]
    found = [_judged(each) for each in kept]

    def nearer(counts: Floats) -> Floats:
        a, b, c, d = (ece(confidence, right, counts) for right, confidence in found)
        return np.asarray(np.abs(a - b) - np.abs(c - d))

    return interval(nearer, len(kept[0]))


def interval(
    measure: Callable[[Floats], Floats], n: int, resamples: int = _RESAMPLES
) -> dict[str, float]:
    """A measure of n questions and its 95 % interval; it is given counts of them, (r, n)."""
    rng = np.random.default_rng(0)
    value = float(measure(np.ones((1, n)))[0])
    drawn = [
        measure(rng.multinomial(n, np.full(n, 1 / n), size=100).astype(np.float64))
        for _ in range(resamples // 100)
    ]
    low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5])
    return {"mean": value, "low": float(low), "high": float(high), "n": n}


def ece(confidence: Floats, right: Floats, counts: Floats) -> Floats:
    """In ten bins of equal width, (r,), of questions that were met so often, (r, n)."""
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


def _judged(answers: Answers) -> tuple[Floats, Floats]:
    """Whether each choice is right, and its confidence, (n,)."""
    probs = answer_distribution(answers.logprobs)
    chosen = probs.argmax(axis=1)
    return (chosen == answers.labels).astype(np.float64), np.minimum(probs.max(axis=1), 1.0)
