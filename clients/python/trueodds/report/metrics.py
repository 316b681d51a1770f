"""The metrics' names, what they mean, and whether one got better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trueodds.evaluation import Estimate, Report

NULL = "null_"


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is written: `sign` is −1 where less is better, +1 where more is, 0 neither."""

    name: str
    title: str
    hint: str
    sign: int
    share: bool = False


METRICS = (
    Metric("nll", "Log loss", "mean −ln p(right option), nats", -1),
    Metric("brier", "Brier score", "squared distance to the right answer", -1),
    Metric("brier_reliability", "Brier: miscalibration", "its part that calibration removes", -1),
    Metric("brier_resolution", "Brier: resolution", "what the confidence tells apart", +1),
    Metric("brier_uncertainty", "Brier: uncertainty", "of the questions themselves", 0),
    Metric("ece", "Calibration error (ECE)", "bins of equal width", -1),
    Metric("ece_equal_mass", "ECE, equal mass", "bins of as many questions each", -1),
    Metric("ece_debiased", "ECE, debiased", "less what chance adds", -1),
    Metric("ece_smooth", "Smooth ECE", "without bins", -1),
    Metric("ece_classwise", "ECE by option", "of every label’s probability", -1),
    Metric("mce", "Largest calibration error", "of one bin", -1),
    Metric("accuracy", "Accuracy", "share of right choices", +1, share=True),
    Metric("confidence", "Confidence", "what the model says, on average", 0, share=True),
    Metric("overconfidence", "Overconfidence", "by how much it says too much", -1),
    Metric("underconfidence", "Underconfidence", "by how much it says too little", -1),
    Metric("auroc", "AUROC of confidence", "right above wrong answers", +1),
    Metric("aurc", "Area under risk-coverage", "mean risk over all thresholds", -1),
)


def listed(report: Report) -> Iterator[Metric]:
    """Go through the metrics that the report has; those that nobody knows here come last."""
    present = {**report.before.metrics, **report.after.metrics}
    known = {metric.name for metric in METRICS}
    yield from (metric for metric in METRICS if metric.name in present)
    for name in sorted(present.keys() - known):
        if not name.startswith(NULL) or name.removeprefix(NULL) not in present:
            yield Metric(name, name, "", 0)


def difference(report: Report, name: str) -> Estimate | None:
    """Give after less before, with its interval; None where one of them is missing.

    Where the report has no paired interval, the widest that the two intervals allow.
    """
    before, after = report.before.metrics.get(name), report.after.metrics.get(name)
    if before is None or after is None:
        return None
    widest = Estimate(
        after.value - before.value, after.lower - before.upper, after.upper - before.lower
    )
    return report.differences.get(name, widest)


def effect(estimate: Estimate | None, sign: int) -> int:
    """Tell whether a difference is for the better (+1), for the worse (−1), or may be chance (0).

    A difference without an interval may be chance.
    """
    if estimate is None or estimate.lower == estimate.upper:
        return 0
    if estimate.lower > 0.0:
        return sign
    return -sign if estimate.upper < 0.0 else 0
