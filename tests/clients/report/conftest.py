"""Reports of simulated questions: overconfident before, mended by a temperature after."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from trueodds import (
    AbstentionRule,
    AnswerSetCalibration,
    AnswerSetMethod,
    AnswerSetRule,
    Calibrator,
    Candidate,
    Estimate,
    Evaluation,
    Method,
    ReliabilityBin,
    Report,
    RiskCoverage,
    Selection,
)

Z = 1.959964


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def wilson(right, n):
    share, square = right / n, Z * Z / n
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / n + square / (4 * n)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def bins_of(confidence, right, edges):
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, len(edges) - 2)
    found = []
    for index in range(len(edges) - 1):
        here = place == index
        if here.any():
            n, share = int(here.sum()), float(right[here].mean())
            said = float(confidence[here].mean())
            bounds = wilson(right[here].sum(), n)
            found.append(ReliabilityBin(float(edges[index]), float(edges[index + 1]), n, said,
                                        share, *map(float, bounds)))  # fmt: skip
    return tuple(found)


def ece(confidence, right):
    place = np.minimum((confidence * 10).astype(int), 9)
    gaps = np.bincount(place, weights=right - confidence, minlength=10)
    return float(np.abs(gaps).sum() / len(right))


def measured(probabilities, labels, rng):
    """Each metric's value, and that of bootstrap draws with the given rows."""
    n, rows = len(labels), np.arange(len(labels))
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(float)
    losses = -np.log(np.clip(probabilities[rows, labels], 1e-12, 1))
    squares = ((probabilities - np.eye(probabilities.shape[1])[labels]) ** 2).sum(axis=1)
    null = [ece(confidence, (rng.random(n) < confidence).astype(float)) for _ in range(100)]

    def at(draw):
        return {
            "accuracy": right[draw].mean(),
            "confidence": confidence[draw].mean(),
            "nll": losses[draw].mean(),
            "brier": squares[draw].mean(),
            "ece": ece(confidence[draw], right[draw]),
        }

    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(1 - right[order]) / (rows + 1)
    picks = np.unique(np.linspace(0, n - 1, min(n, 200)).astype(int))
    curve = tuple(
        RiskCoverage(float(confidence[order][i]), float((i + 1) / n), float(wrong[i]))
        for i in picks
    )
    quantiles = np.unique(np.quantile(confidence, np.linspace(0, 1, 11)))
    evaluation = {
        "equal_width": bins_of(confidence, right, np.linspace(0, 1, 11)),
        "equal_mass": bins_of(confidence, right, quantiles if len(quantiles) > 1 else [0, 1]),
        "risk_coverage": curve,
    }
    return at, evaluation, float(np.mean(null)), (confidence[order], wrong)


def simulated(n=1000, k=4, over=2.5, temperature=2.5, seed=0, **changes):
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(k, 0.6), size=n) * 0.96 + 0.04 / k
    labels = np.array([rng.choice(k, p=row / row.sum()) for row in truth])
    logits = over * np.log(truth)
    sides = [measured(softmax(logits / t), labels, rng) for t in (1.0, temperature)]
    draws = [rng.integers(0, n, n) for _ in range(100)]
    whole = np.arange(n)
    values = [at(whole) for at, *_ in sides]
    resampled = [[at(draw) for draw in draws] for at, *_ in sides]

    def estimate(value, samples):
        low, high = np.quantile(samples, [0.025, 0.975])
        return Estimate(float(value), float(min(low, value)), float(max(high, value)))

    evaluations = []
    for value, samples, (_, evaluation, null, _) in zip(values, resampled, sides, strict=True):
        metrics = {m: estimate(value[m], [s[m] for s in samples]) for m in value}
        metrics["null_ece"] = Estimate(null, null, null)
        evaluations.append(Evaluation(metrics=metrics, **evaluation))
    differences = {
        m: estimate(values[1][m] - values[0][m],
                    [b[m] - a[m] for a, b in zip(*resampled, strict=True)])
        for m in values[0]
    }  # fmt: skip
    confidence, wrong = sides[1][3]
    abstentions = []
    for target in (0.01, 0.05, 0.1, 0.2):
        bounds = [wilson(risk * (i + 1), i + 1)[1] for i, risk in enumerate(wrong)]
        kept = [i for i, bound in enumerate(bounds) if bound <= target]
        abstentions.append(
            AbstentionRule(target, float(confidence[kept[-1]]), (kept[-1] + 1) / n,
                           float(wrong[kept[-1]]), float(bounds[kept[-1]]))
            if kept else AbstentionRule(target, None, 0.0, 0.0, 0.0)
        )  # fmt: skip
    fields = {
        "calibrator": CALIBRATOR_OF(k, temperature),
        "items": n,
        "before": evaluations[0],
        "after": evaluations[1],
        "differences": differences,
        "abstentions": tuple(abstentions),
        "answer_sets": (
            AnswerSetCalibration(0.1, AnswerSetRule(AnswerSetMethod.LAC, 0.7612345678), 1.84,
                                 0.901, 0.42),
            AnswerSetCalibration(0.1, AnswerSetRule(AnswerSetMethod.APS, 0.9412345678), 2.31,
                                 0.934, 0.25),
        ),
        "data_hash": "sha256:8c1f0a",
    }  # fmt: skip
    return Report(**{**fields, **changes})


def CALIBRATOR_OF(k, temperature):  # noqa: N802
    return Calibrator(
        name="models/llama-3.1-8b-instruct/calibrators/0f3a9c81d2b4e576",
        model="models/llama-3.1-8b-instruct",
        model_revision="sha256:41b7",
        task="mmlu/anatomy",
        reading="paren",
        options=k,
        method=Method.TEACHER_POOLED,
        temperature=temperature,
        at_bound=False,
        undetermined=False,
        teacher="models/llama-3.1-8b",
        items=5,
        created=datetime(2026, 11, 5, 12, 30, tzinfo=UTC),
        active=False,
        metrics={"kl_before": 0.52, "kl_after": 0.03},
        versions={"numpy": "2.3.4", "trueodds": "0.1.0"},
        format_version=1,
        parameters={"temperature": (temperature,)},
        keeps_choice=True,
        selection=Selection(
            "nll, 5-fold, 10 times",
            "the least score; no other is within one standard error",
            (
                Candidate(Method.TEACHER_POOLED, 0.8123, 0.0121),
                Candidate(Method.TEACHER_KL, 0.8301, 0.0151),
                Candidate(Method.MATRIX, excluded="needs 200 answers, has 0"),
            ),
        ),
        data_hash="sha256:77aa",
        teacher_revision="sha256:9d20",
        teacher_reading="paren",
    )


@pytest.fixture(scope="session")
def simulate():
    """Makes a report of ``n`` questions with ``k`` options; ``over`` is the overconfidence."""
    return simulated
