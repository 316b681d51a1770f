"""The few numbers that say what happened, over all tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trueodds.report.bins import ece
from trueodds_demo.report.model import Bin, Report

REPAIRED = 0.4
NARROWED = 0.9


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison, before or after, over all tasks."""

    accuracy: float
    confidence: float
    mean_ece: float
    mean_floor: float
    pooled_ece: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Both sides, and what may be claimed about them."""

    before: Side
    after: Side
    questions: int
    improved: int

    @property
    def verdict(self) -> str:
        """Say what the fitted temperatures did, no more than the numbers carry."""
        ratio = self.after.mean_ece / max(self.before.mean_ece, 1e-12)
        if ratio > NARROWED:
            return "did not repair it"
        at_floor = self.after.mean_ece <= 1.5 * self.after.mean_floor
        return "repaired it" if ratio <= REPAIRED or at_floor else "narrowed the gap"


def pool(groups: Iterable[Sequence[Bin]]) -> tuple[Bin, ...]:
    """Merge bins with the same bounds, weighted by their counts."""
    merged: dict[tuple[float, float], list[Bin]] = {}
    for bins in groups:
        for item in bins:
            merged.setdefault((round(item.lower, 9), round(item.upper, 9)), []).append(item)
    return tuple(_merge(lower, upper, merged[lower, upper]) for lower, upper in sorted(merged))


def _merge(lower: float, upper: float, bins: Sequence[Bin]) -> Bin:
    total = sum(b.count for b in bins)
    if not total:
        return Bin(lower, upper, 0, 0.0, 0.0)
    confidence = sum(b.count * b.confidence for b in bins) / total
    accuracy = sum(b.count * b.accuracy for b in bins) / total
    return Bin(lower, upper, total, min(confidence, 1.0), min(accuracy, 1.0))


def summarise(report: Report) -> Summary:
    """Draw a report's tasks together."""
    tasks = report.tasks
    total = sum(t.n for t in tasks)
    bins_before = pool(t.bins_before for t in tasks)
    bins_after = pool(t.bins_after for t in tasks)
    before = Side(
        accuracy=sum(t.n * t.accuracy_before for t in tasks) / total,
        confidence=sum(t.n * t.confidence_before for t in tasks) / total,
        mean_ece=sum(t.ece_before for t in tasks) / len(tasks),
        mean_floor=sum(t.null_ece_before for t in tasks) / len(tasks),
        pooled_ece=ece(bins_before),
        bins=bins_before,
    )
    after = Side(
        accuracy=sum(t.n * t.accuracy_after for t in tasks) / total,
        confidence=sum(t.n * t.confidence_after for t in tasks) / total,
        mean_ece=sum(t.ece_after for t in tasks) / len(tasks),
        mean_floor=sum(t.null_ece_after for t in tasks) / len(tasks),
        pooled_ece=ece(bins_after),
        bins=bins_after,
    )
    return Summary(before, after, total, sum(t.ece_after < t.ece_before for t in tasks))
