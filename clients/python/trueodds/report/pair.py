"""Two panels beside each other, before and after: on a page, and as a picture that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trueodds.report.bins import Bin, means
from trueodds.report.diagram import describe
from trueodds.report.panel import HEIGHT, WIDTH, common_scale, panel
from trueodds.report.svg import inline, standalone
from trueodds.report.text import esc, percent

GAP, MARGIN = 28.0, 22.0
CAPTION = (
    "dot: questions of like confidence, area by number · coloured: the calibration error · "
    "grey: chance"
)


@dataclass(frozen=True, slots=True)
class Side:
    """One panel: its bins and what is written above it; the rest as `panel` takes it."""

    key: str
    heading: str
    note: str
    figure: str
    unit: str
    bins: Sequence[Bin]
    intervals: str = ""
    histogram: Sequence[Bin] | None = None

    @property
    def sentence(self) -> str:
        """What the panel shows, in words."""
        confidence, accuracy = means(self.bins)
        return (
            f"The model said {percent(confidence)} and was right {percent(accuracy)} of the "
            f"time; {self.unit} {self.figure}."
        )


def _bodies(sides: Sequence[Side]) -> list[str]:
    scale = common_scale(*(side.bins for side in sides))
    return [
        panel(
            side.bins,
            scale,
            heading=esc(side.heading),
            note=esc(side.note),
            figure=esc(side.figure),
            unit=esc(side.unit),
            intervals=side.intervals,
            histogram=side.histogram,
        )
        for side in sides
    ]


def pair(sides: Sequence[Side], *, key: str, title: str) -> str:
    """Draw the panels for a page, one SVG each, so that a phone can stack them."""
    figures = "".join(
        inline(
            body,
            key=f"{key}-{side.key}",
            title=f"{side.heading}: {title}",
            desc=f"{side.sentence} {describe(side.bins)}",
            box=(WIDTH, HEIGHT),
            css=f"dia large {side.key}",
        )
        for side, body in zip(sides, _bodies(sides), strict=True)
    )
    return f'<div class="hero">{figures}</div>'


def picture(sides: Sequence[Side], *, title: str, caption: str) -> str:
    """Draw the panels as one SVG file."""
    width = len(sides) * (WIDTH + GAP) - GAP + 2 * MARGIN
    height = HEIGHT + 2 * MARGIN + 30
    groups = "".join(
        f'<g class="{side.key}" transform="translate({MARGIN + i * (WIDTH + GAP):g} {MARGIN:g})">'
        f"{body}</g>"
        for i, (side, body) in enumerate(zip(sides, _bodies(sides), strict=True))
    )
    foot = (
        f'<text class="note" text-anchor="middle" x="{width / 2:g}" y="{height - 20:g}">'
        f"{esc(caption)}</text>"
    )
    desc = " ".join(f"{side.heading}: {side.sentence}" for side in sides)
    return standalone(groups + foot, title=title, desc=desc, box=(width, height))
