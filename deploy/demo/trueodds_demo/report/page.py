"""The page: one self-contained HTML file."""

from __future__ import annotations

from trueodds.report.page import document, section
from trueodds.report.palette import sheet
from trueodds_demo.report.cards import examples, multiples
from trueodds_demo.report.hero import hero_figures
from trueodds_demo.report.model import Report
from trueodds_demo.report.prose import (
    FOOT,
    headline,
    how_it_works,
    how_to_read,
    lede,
    table_notes,
    this_run,
)
from trueodds_demo.report.summary import summarise
from trueodds_demo.report.tables import results_table, scores_table


def render(report: Report) -> str:
    """Draw the whole report; the same report always gives the same page."""
    summary = summarise(report)
    sections = (
        section("pooled", "All tasks together", hero_figures(report) + how_to_read()),
        section("numbers", "Task by task", results_table(report, summary) + table_notes(report)),
        section("diagrams", "Every task, drawn", multiples(report)),
        _examples(report),
        section("method", "How it works", how_it_works(report)),
        section("scores", "Further measures", scores_table(report)),
        section("run", "This run", this_run(report)),
    )
    return document(
        title="trueodds: the demo’s report",
        brand="demo report",
        top=headline(report, summary) + lede(report, summary),
        sections=sections,
        foot=FOOT,
        css=sheet("demo.css", __package__),
    )


def _examples(report: Report) -> str:
    if all(task.example is None for task in report.tasks):
        return ""
    intro = (
        '<p class="intro">The questions come from a made-up world in which the true odds of every '
        "answer are known. The upright tick on each bar marks them: a calibrated bar ends at its "
        "tick.</p>"
    )
    return section("examples", "One question of each", intro + examples(report))
