"""The page: one self-contained HTML file."""

from __future__ import annotations

from trueodds_demo.report.cards import examples, multiples
from trueodds_demo.report.hero import hero_figures
from trueodds_demo.report.model import Report
from trueodds_demo.report.palette import DARK, LIGHT, sheet, variables
from trueodds_demo.report.prose import (
    facts,
    footer,
    headline,
    how_it_works,
    how_to_read,
    lede,
    table_notes,
)
from trueodds_demo.report.summary import summarise
from trueodds_demo.report.tables import results_table, scores_table

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(report: Report) -> str:
    """Draw the whole report; the same report always gives the same page."""
    summary = summarise(report)
    sections = (
        _section("pooled", "All tasks together",
                 f'<div class="hero">{hero_figures(report)}</div>{how_to_read()}'),
        _section("numbers", "Task by task",
                 results_table(report, summary) + table_notes(report)),
        _section("diagrams", "Every task, drawn", multiples(report)),
        _examples(report),
        _section("method", "How it works", how_it_works(report)),
        _section("scores", "Further measures", scores_table(report)),
        _section("run", "This run", facts(report, summary)),
    )  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>trueodds: the demo’s report</title><style>{_styles()}</style></head><body>"
        f'<header class="top"><p class="brand">trueodds <span>demo report</span></p>'
        f"{headline(report, summary)}{lede(report, summary)}</header>"
        f"<main>{''.join(sections)}</main>{footer()}</body></html>\n"
    )


def _section(key: str, title: str, body: str) -> str:
    return (
        f'<section id="{key}" aria-labelledby="{key}-h"><h2 id="{key}-h">{title}</h2>'
        f"{body}</section>"
    )


def _examples(report: Report) -> str:
    if all(task.example is None for task in report.tasks):
        return ""
    intro = (
        '<p class="intro">The questions come from a made-up world in which the true odds of every '
        "answer are known. The upright tick on each bar marks them: a calibrated bar ends at its "
        "tick.</p>"
    )
    return _section("examples", "One question of each", intro + examples(report))


def _styles() -> str:
    light, dark = variables(LIGHT), variables(DARK)
    return (
        f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        + sheet("diagram.css")
        + sheet("style.css")
    )
