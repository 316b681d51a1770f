"""The pooled diagrams, before and after: on the page, and as a picture that stands alone."""

from __future__ import annotations

from trueodds.report.pair import CAPTION, Side, pair, picture
from trueodds.report.text import count, decimal, plural
from trueodds_demo.report.model import Report
from trueodds_demo.report.summary import summarise

UNIT = "calibration error, pooled"


def hero_figures(report: Report) -> str:
    """Draw both panels for the page."""
    return pair(_sides(report), key="hero", title="calibration, all tasks")


def hero_svg(report: Report) -> str:
    """Draw both panels as one file."""
    asked = f"{count(summarise(report).questions)} questions, {plural(len(report.tasks), 'task')}"
    title = "Reliability before and after calibration, all tasks"
    return picture(_sides(report), title=title, caption=f"{asked} · {CAPTION}")


def _sides(report: Report) -> list[Side]:
    summary = summarise(report)
    return [
        Side(key, heading, note, decimal(side.pooled_ece), UNIT, side.bins)
        for key, heading, note, side in (
            ("before", "Before", "raw probabilities", summary.before),
            ("after", "After", "one temperature a task", summary.after),
        )
    ]
