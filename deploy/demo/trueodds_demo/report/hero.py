"""The pooled diagrams, before and after: on the page, and as a picture that stands alone."""

from __future__ import annotations

from trueodds_demo.report.diagram import describe, svg
from trueodds_demo.report.model import Report
from trueodds_demo.report.palette import LIGHT, explicit, sheet
from trueodds_demo.report.panel import HEIGHT, WIDTH, common_scale, panel
from trueodds_demo.report.summary import Side, summarise
from trueodds_demo.report.text import count, decimal, esc, percent, plural

GAP, MARGIN = 28.0, 22.0


def _sides(report: Report) -> list[tuple[str, str, str, Side, str]]:
    summary = summarise(report)
    scale = common_scale(summary.before.bins, summary.after.bins)
    labels = (
        ("before", "Before", "raw probabilities", summary.before),
        ("after", "After", "one temperature a task", summary.after),
    )
    return [
        (key, heading, note, side, panel(side.bins, scale, heading=heading, note=note))
        for key, heading, note, side in labels
    ]


def hero_figures(report: Report) -> str:
    """Draw both panels for the page, one SVG each, so that a phone can stack them."""
    return "".join(
        svg(
            body,
            key=f"hero-{key}",
            title=f"{heading} calibration, all tasks",
            desc=f"{_sentence(side)} {describe(side.bins)}",
            box=(WIDTH, HEIGHT),
            css=f"dia large {key}",
        )
        for key, heading, _, side, body in _sides(report)
    )


def hero_svg(report: Report) -> str:
    """Draw both panels as one file with its own ground, legible on light and on dark pages."""
    sides = _sides(report)
    summary = summarise(report)
    width, height = 2 * WIDTH + GAP + 2 * MARGIN, HEIGHT + 2 * MARGIN + 30
    groups = "".join(
        f'<g class="{key}" transform="translate({MARGIN + i * (WIDTH + GAP):g} {MARGIN:g})">'
        f"{body}</g>"
        for i, (key, _, _, _, body) in enumerate(sides)
    )
    caption = (
        f"{count(summary.questions)} questions, {plural(len(report.tasks), 'task')} · "
        "dot: questions of like confidence, area by number · shaded area: the calibration error"
    )
    desc = f"Before: {_sentence(summary.before)} After: {_sentence(summary.after)}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="dia" '
        f'width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="t d">'
        '<title id="t">Reliability before and after calibration, all tasks</title>'
        f'<desc id="d">{esc(desc)}</desc><style>{explicit(sheet("diagram.css"), LIGHT)}</style>'
        f'<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="10" '
        f'fill="{LIGHT["paper"]}" stroke="{LIGHT["rule"]}"/>{groups}'
        f'<text class="note" text-anchor="middle" x="{width / 2:g}" y="{height - 20:g}">{caption}'
        "</text></svg>\n"
    )


def _sentence(side: Side) -> str:
    return (
        f"The model said {percent(side.confidence)} and was right {percent(side.accuracy)} of the "
        f"time; pooled calibration error {decimal(side.pooled_ece)}."
    )
