"""Answers and truths → the numbers of the report."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueodds import Answer, Calibrator
from trueodds_demo.report import Bin, Example, TaskResult
from trueodds_demo.world import Example as WorldExample
from trueodds_service.core.metrics.evaluate import evaluate
from trueodds_service.core.metrics.reliability import reliability_bins


def task_result(
    task: str,
    examples: Sequence[WorldExample],
    answers: Sequence[Answer],
    teacher: Sequence[Answer],
    calibrator: Calibrator,
) -> TaskResult:
    """What one pass over a task says: every answer carries before and after."""
    labels = np.array([example.answer for example in examples])
    raw = np.array([[option.probability for option in answer.options] for answer in answers])
    calibrated = np.array(
        [[option.calibrated_probability for option in answer.options] for answer in answers]
    )
    taught = np.array([[option.probability for option in answer.options] for answer in teacher])
    before, after = evaluate(raw, labels), evaluate(calibrated, labels)
    teaching = evaluate(taught, labels)
    return TaskResult(
        task=task,
        n=len(examples),
        options=raw.shape[1],
        accuracy_before=before.accuracy,
        accuracy_after=after.accuracy,
        confidence_before=before.confidence,
        confidence_after=after.confidence,
        ece_before=before.ece,
        ece_after=after.ece,
        teacher_ece=teaching.ece,
        temperature=calibrator.temperature or 1.0,  # TEACHER_KL always ends in one
        calibrator=calibrator.name,
        null_ece_before=before.null_ece,
        null_ece_after=after.null_ece,
        teacher_accuracy=teaching.accuracy,
        nll_before=before.nll,
        nll_after=after.nll,
        brier_before=before.brier,
        brier_after=after.brier,
        format_probability=float(np.mean([answer.format_probability for answer in answers])),
        bins_before=_bins(raw, labels),
        bins_after=_bins(calibrated, labels),
        example=_typical(examples, raw, calibrated, taught),
    )


def _bins(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[Bin, ...]:
    correct = probabilities.argmax(axis=1) == labels
    bins = reliability_bins(probabilities.max(axis=1), correct)
    return tuple(
        Bin(
            lower=float(bins.lower[place]),
            upper=float(bins.upper[place]),
            count=int(count),
            # An empty bin has no mean; a diagram leaves it out.
            confidence=float(bins.confidence[place]) if count else 0.0,
            accuracy=float(bins.accuracy[place]) if count else 0.0,
        )
        for place, count in enumerate(bins.count)
    )


def _typical(
    examples: Sequence[WorldExample],
    raw: NDArray[np.float64],
    calibrated: NDArray[np.float64],
    taught: NDArray[np.float64],
) -> Example:
    """The question whose overconfidence is the task's median: neither the best nor the worst."""
    truth = np.array([example.distribution for example in examples])
    rows = np.arange(len(examples))
    excess = raw.max(axis=1) - truth[rows, raw.argmax(axis=1)]
    row = int(np.argsort(excess, kind="stable")[len(excess) // 2])
    question = examples[row].question
    passage = f"{question.passage}\n" if question.passage else ""
    return Example(
        question=passage + question.text,
        options=question.options,
        truth=tuple(truth[row].tolist()),
        raw=tuple(raw[row].tolist()),
        calibrated=tuple(calibrated[row].tolist()),
        teacher=tuple(taught[row].tolist()),
    )
