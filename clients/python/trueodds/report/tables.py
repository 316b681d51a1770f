"""The numbers: every metric, every threshold, every bin."""

from __future__ import annotations

from collections.abc import Sequence

from trueodds.answer import AnswerSetMethod
from trueodds.evaluation import Estimate, Evaluation, ReliabilityBin, Report
from trueodds.report.metrics import NULL, Metric, difference, effect, listed
from trueodds.report.page import table
from trueodds.report.text import NARROW, count, decimal, esc, percent, px, signed, upwards

WIDTH, HEIGHT, INSET = 120.0, 22.0, 6.0

SET_NAMES = {AnswerSetMethod.LAC: "LAC", AnswerSetMethod.APS: "APS"}


def metrics_table(report: Report) -> str:
    """Tabulate the metrics before and after, what chance would show, and the difference."""
    head = (
        ("Metric", "t"), ("Before", "n"), ("After", "n"), ("If calibrated", "n"),
        ("Difference", "n"), ("", "r"), ("", "t"),
    )  # fmt: skip
    rows = [_metric_row(report, metric) for metric in listed(report)]
    return table("Metrics before and after calibration, with 95 % intervals", head, rows)


def _metric_row(report: Report, metric: Metric) -> tuple[str, ...]:
    sides, name = (report.before, report.after), metric.name
    change = difference(report, name)
    verb = {1: '<span class="now">better</span>', -1: '<span class="was">worse</span>'}
    told = verb.get(effect(change, metric.sign), "")
    if metric.sign and change is not None and not told:
        told = '<span class="to">may be chance</span>' if change.value else "the same"
    return (
        f"{esc(metric.title)} <small>{esc(metric.hint)}</small>",
        *(_estimate(side.metrics.get(name), share=metric.share) for side in sides),
        _estimate(report.after.metrics.get(f"{NULL}{name}"), share=metric.share),
        "" if change is None else _change(change, share=metric.share),
        "" if change is None else interval(change, metric.sign),
        told,
    )


def _estimate(estimate: Estimate | None, *, share: bool) -> str:
    if estimate is None:
        return ""
    write = _points if share else decimal
    if estimate.lower == estimate.upper:
        return write(estimate.value)
    return (
        f"{write(estimate.value)} <small>{write(estimate.lower)} – {write(estimate.upper)}</small>"
    )


def _points(value: float) -> str:
    return percent(value, 1)


def _change(change: Estimate, *, share: bool) -> str:
    scale, decimals = (100.0, 1) if share else (1.0, 3)
    value, lower, upper = (
        signed(scale * each, decimals) for each in (change.value, change.lower, change.upper)
    )
    value += f"{NARROW}pp" if share else ""
    return value if change.lower == change.upper else f"{value} <small>{lower} to {upper}</small>"


def interval(change: Estimate, sign: int) -> str:
    """Draw a difference and its interval beside zero, on a scale of its own."""
    reach = max(abs(change.lower), abs(change.upper), abs(change.value))
    if not reach:
        return ""
    half = WIDTH / 2 - INSET

    def x(value: float) -> str:
        return px(WIDTH / 2 + half * value / reach)

    css = {1: "now", -1: "was"}.get(effect(change, sign), "to")
    middle = px(HEIGHT / 2)
    return (
        f'<svg class="range {css}" viewBox="0 0 {px(WIDTH)} {px(HEIGHT)}" aria-hidden="true">'
        f'<path class="zero" d="M{px(WIDTH / 2)} 2V{px(HEIGHT - 2)}"/>'
        f'<path class="span" d="M{x(change.lower)} {middle}H{x(change.upper)}"/>'
        f'<circle cx="{x(change.value)}" cy="{middle}" r="4"/></svg>'
    )


def abstention_table(report: Report) -> str:
    """Tabulate the least confidence to answer at, for each risk."""
    head = (
        ("Wrong answers, at most", "t"), ("Set min_confidence to", "n"), ("It answers", "n"),
        ("Wrong among these", "n"), ("95 % bound", "n"),
    )  # fmt: skip
    rows = [
        (
            percent(rule.target_risk, 1),
            f"<code>{upwards(rule.min_confidence)}</code>",
            percent(rule.coverage, 1),
            percent(rule.risk, 1),
            percent(rule.risk_upper_bound, 1),
        )
        if rule.min_confidence is not None
        else (
            percent(rule.target_risk, 1),
            f'<span class="to">none keeps it on {count(report.items)} questions</span>', "", "", "",
        )
        for rule in report.abstentions
    ]  # fmt: skip
    return table("Abstention thresholds", head, rows)


def answer_set_table(report: Report) -> str:
    """Tabulate the thresholds of answer sets, and how large the sets are."""
    head = (
        ("Holds the right option, at least", "t"), ("Set method", "t"), ("and threshold to", "n"),
        ("It held it", "n"), ("Options in a set", "n"), ("Sets of one", "n"),
    )  # fmt: skip
    rows = [
        (
            percent(1 - each.miscoverage, 1),
            SET_NAMES[each.rule.method],
            f"<code>{upwards(each.rule.threshold)}</code>",
            percent(each.coverage, 1),
            decimal(each.mean_size, 2),
            percent(each.singletons, 1),
        )
        for each in report.answer_sets
    ]
    return table("Answer sets", head, rows)


def bin_tables(report: Report) -> str:
    """Tabulate every bin of both diagrams, before and after."""
    return "".join(
        _bins(f"{name}, bins of equal {kind}", bins)
        for kind in ("width", "mass")
        for name, side in (("Before", report.before), ("After", report.after))
        if (bins := _of(side, kind))
    )


def _of(side: Evaluation, kind: str) -> tuple[ReliabilityBin, ...]:
    return side.equal_width if kind == "width" else side.equal_mass


def _bins(caption: str, bins: Sequence[ReliabilityBin]) -> str:
    head = (
        ("Confidence", "t"), ("Questions", "n"), ("Said", "n"), ("Right", "n"),
        ("95 % interval", "n"),
    )  # fmt: skip
    rows = [
        (
            f"{percent(b.lower, 1)} – {percent(b.upper, 1)}",
            count(b.count),
            percent(b.confidence, 1),
            percent(b.accuracy, 1),
            f"{percent(b.accuracy_lower, 1)} – {percent(b.accuracy_upper, 1)}",
        )
        for b in bins
    ]
    return f"<div><h3>{caption}</h3>{table(caption, head, rows)}</div>"
