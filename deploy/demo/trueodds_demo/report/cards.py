"""The small multiples, and one question of each task with its true odds."""

from __future__ import annotations

from collections.abc import Sequence

from trueodds.report.diagram import describe, field, marks
from trueodds.report.geometry import Frame, Scale
from trueodds.report.svg import inline
from trueodds.report.text import decimal, esc, percent
from trueodds_demo.report.model import Bin, Example, Report, TaskResult

MINI = Frame(left=10.0, top=10.0, size=130.0)
MINI_RADIUS = 9.0
MINI_WIDTH = 11.5

SERIES = (
    ("true", "True odds", "the odds the label was drawn from"),
    ("before", "Raw", "the aligned model"),
    ("after", "Calibrated", "the same, after temperature"),
    ("teacher", "Teacher", "the pre-trained model"),
)


def multiples(report: Report) -> str:
    """Draw every task's two diagrams on one scale, and a key to them."""
    sides = [bins for t in report.tasks for bins in (t.bins_before, t.bins_after)]
    scale = Scale.fit(*sides, radius=MINI_RADIUS, width=MINI_WIDTH)
    cards = [_multiple(task, i, scale) for i, task in enumerate(report.tasks)]
    return f'<div class="multiples">{"".join(cards)}{_key()}</div>'


def _multiple(task: TaskResult, index: int, scale: Scale) -> str:
    figures = "".join(
        "<figure>"
        + _mini(bins, scale, key=f"m{index}-{side}", title=f"{task.task}, {side}", side=side)
        + f'<figcaption class="{css}">{decimal(ece)}</figcaption></figure>'
        for side, css, bins, ece in (
            ("before", "was", task.bins_before, task.ece_before),
            ("after", "now", task.bins_after, task.ece_after),
        )
    )
    return (
        f'<article class="multiple"><header><h3>{esc(task.task)}</h3>'
        f"<p>T = {decimal(task.temperature, 2)}</p></header>"
        f'<div class="pair">{figures}</div></article>'
    )


def _mini(bins: Sequence[Bin], scale: Scale, *, key: str, title: str, side: str) -> str:
    body = field(MINI, (0.5,)) + marks(bins, MINI, scale)
    return inline(body, key=key, title=title, desc=describe(bins), box=(150, 150),
                  css=f"dia mini {side}")  # fmt: skip


def _key() -> str:
    dot = marks((Bin(0.8, 0.9, 1, 0.85, 0.5),), MINI, Scale(1.0, MINI_RADIUS, MINI_WIDTH))
    labels = (
        ("middle", 75, 136, "said"), ("start", 14, 21, "100"),
        ("start", 14, 136, "0"), ("end", 136, 136, "100"),
    )  # fmt: skip
    texts = "".join(
        f'<text text-anchor="{anchor}" x="{x}" y="{y}">{text}</text>'
        for anchor, x, y, text in labels
    )
    upright = '<text text-anchor="middle" transform="translate(22 75) rotate(-90)">right</text>'
    return (
        '<article class="multiple legend"><header><h3>Key</h3></header><div class="pair"><figure>'
        '<svg class="dia mini" viewBox="0 0 150 150" aria-hidden="true">'
        f"{field(MINI, (0.5,))}{dot}{texts}{upright}</svg></figure>"
        '<p>Left <b class="was">before</b>, right <b class="now">after</b>, each with its ECE. '
        f"This dot said {percent(0.85)} and was right {percent(0.5)} of the time.</p>"
        "</div></article>"
    )


def examples(report: Report) -> str:
    """Show one question of each task: the true odds, and what each model made of them."""
    cards = [_example(t.task, t.example) for t in report.tasks if t.example is not None]
    return f'<div class="examples">{"".join(cards)}</div>'


def _example(task: str, example: Example) -> str:
    heads = "".join(
        f'<th scope="col" class="{css}" title="{hint}">{name}</th>' for css, name, hint in SERIES
    )
    columns = (example.truth, example.raw, example.calibrated, example.teacher)
    rows = []
    for i, option in enumerate(example.options):
        cells = "".join(
            bar(values[i], example.truth[i], css)
            for values, (css, _, _) in zip(columns, SERIES, strict=True)
        )
        rows.append(f'<tr><th scope="row" dir="auto">{esc(option)}</th>{cells}</tr>')
    table = f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return (
        f'<article class="example"><div><h3>{esc(task)}</h3>'
        f'<p class="question" dir="auto">{esc(example.question)}</p></div>{table}</article>'
    )


def bar(value: float, truth: float, css: str) -> str:
    """Give a table cell with a probability, its bar, and a tick where the true odds lie."""
    tick = "" if css == "true" else f'<i class="tick" style="left:{100 * truth:.1f}%"></i>'
    return (
        f'<td class="{css}"><span class="track"><i class="fill" style="width:{100 * value:.1f}%">'
        f'</i>{tick}</span><span class="value">{percent(value)}</span></td>'
    )
