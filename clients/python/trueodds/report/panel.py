"""The large diagram: reliability above, how often each confidence was voiced below."""

from __future__ import annotations

from collections.abc import Sequence

from trueodds.report.bins import Bin, means, shares
from trueodds.report.diagram import band, field, marks
from trueodds.report.geometry import Frame, Scale
from trueodds.report.text import brief, count, percent, px

WIDTH, HEIGHT = 460.0, 622.0
FRAME = Frame(left=56.0, top=72.0, size=376.0)
STRIP_TOP, STRIP_BOTTOM = 492.0, 552.0
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
RADIUS, BAR = 18.0, 34.0
LABEL = 74.0
SPOKEN = 30
"""Questions below which a dot is not read aloud: its accuracy is mostly chance."""


def common_scale(*sides: Sequence[Bin]) -> Scale:
    """Choose the scale of dots and bars that the panels share."""
    return Scale.fit(*sides, radius=RADIUS, width=BAR)


def panel(
    bins: Sequence[Bin],
    scale: Scale,
    *,
    heading: str,
    note: str,
    figure: str,
    unit: str,
    intervals: str = "",
    histogram: Sequence[Bin] | None = None,
) -> str:
    """Draw one side in a space of WIDTH × HEIGHT; the caller sets the class `before` or `after`.

    `figure` with its `unit` stands above; `intervals` are drawn behind the dots; the strip shows
    the bins of `histogram`, or the same.
    """
    strip = bins if histogram is None else histogram
    return "".join((
        f'<text class="head tint" x="{px(FRAME.left)}" y="26">{heading}</text>',
        f'<text class="note" x="{px(FRAME.left)}" y="48">{note}</text>',
        f'<text class="figure tint" text-anchor="end" x="{px(FRAME.right)}" y="27">{figure}</text>',
        f'<text class="note" text-anchor="end" x="{px(FRAME.right)}" y="48">{unit}</text>',
        field(FRAME, TICKS[1:-1], band(bins, FRAME)),
        _axes(),
        marks(bins, FRAME, scale, intervals),
        callout(bins, scale) if max((b.count for b in bins), default=0) >= SPOKEN else "",
        _strip(strip),
        _means(*means(bins)),
    ))  # fmt: skip


def _axes() -> str:
    out = []
    for tick in TICKS:
        x, y, label = px(FRAME.x(tick)), px(FRAME.y(tick) + 4), f"{100 * tick:.0f}"
        out.append(f'<text class="tick" text-anchor="end" x="{px(FRAME.left - 8)}" y="{y}">'
                   f"{label}</text>")  # fmt: skip
        out.append(f'<text class="tick" text-anchor="middle" x="{x}" y="588">{label}</text>')
    middle = FRAME.y(0.5)
    out.append(f'<text class="axis" text-anchor="middle" transform="translate(16 {px(middle)}) '
               f'rotate(-90)">how often it was right, %</text>')  # fmt: skip
    out.append(f'<text class="axis" text-anchor="middle" x="{px(FRAME.x(0.5))}" y="612">'
               "how sure it said it was, %</text>")  # fmt: skip
    out.append(f'<text class="side" x="{px(FRAME.left + 10)}" y="{px(FRAME.top + 20)}">'
               "too modest</text>")  # fmt: skip
    out.append(f'<text class="side" text-anchor="end" x="{px(FRAME.right - 10)}" '
               f'y="{px(FRAME.bottom - 10)}">too sure</text>')  # fmt: skip
    return "".join(out)


def callout(bins: Sequence[Bin], scale: Scale) -> str:
    """Read the largest dot aloud, where the room below it is free."""
    largest = max(bins, key=lambda b: b.count, default=None)
    if largest is None or not largest.count:
        return ""
    x, y = FRAME.x(largest.confidence), FRAME.y(largest.accuracy)
    end = largest.confidence > 1 - LABEL / FRAME.size - 0.02
    near, far = (FRAME.right - LABEL - 24, FRAME.right) if end else (x - 12, x + LABEL + 24)
    low = max(FRAME.y(min(b.accuracy, b.confidence)) + scale.dot(share)
              for b, share in zip(bins, shares(bins), strict=True)
              if b.count and near - 14 <= FRAME.x(b.confidence) <= far + 14)  # fmt: skip
    low = max(low, y + 18)
    if low + 62 > FRAME.bottom - 24:
        return ""
    anchor, at = ("end", FRAME.right - 10) if end else ("start", x - 4)
    start = y + scale.dot(scale.largest_share) + 3
    return (
        f'<path class="leader" d="M{px(x)} {px(start)}V{px(low + 14)}"/>'
        f'<text class="call" text-anchor="{anchor}" x="{px(at)}" y="{px(low + 30)}">'
        f"said {percent(largest.confidence)},</text>"
        f'<text class="call" text-anchor="{anchor}" x="{px(at)}" y="{px(low + 48)}">'
        f"right {percent(largest.accuracy)}</text>"
    )


def _strip(bins: Sequence[Bin]) -> str:
    """Draw a bar for each bin, its number of questions written below."""
    out, highest = [], max(shares(bins), default=0.0)
    for item, share in zip(bins, shares(bins), strict=True):
        if not item.count:
            continue
        height = (STRIP_BOTTOM - STRIP_TOP) * share / highest
        x, width = FRAME.x(item.lower), (item.upper - item.lower) * FRAME.size
        out.append(f'<rect class="bar" x="{px(x + 1)}" y="{px(STRIP_BOTTOM - height)}" '
                   f'width="{px(max(width - 2, 0.5))}" height="{px(height)}"><title>'
                   f"{count(item.count)} questions, {percent(share, 1)}</title></rect>"
                   f'<text class="count" text-anchor="middle" x="{px(x + width / 2)}" '
                   f'y="{px(STRIP_BOTTOM + 14)}">{brief(item.count)}</text>')  # fmt: skip
    out.append(f'<path class="base" d="M{px(FRAME.left)} {px(STRIP_BOTTOM)}H{px(FRAME.right)}"/>')
    return "".join(out)


def _means(confidence: float, accuracy: float) -> str:
    """Mark the mean confidence and the accuracy above the strip, the labels turned outwards."""
    y = px(STRIP_TOP - 14)
    low, high = sorted((accuracy, confidence))
    right = min(FRAME.x(high) + 5, WIDTH - LABEL + 6)
    left = min(FRAME.x(low) - 5, right - 8)
    out = []
    for value, css, verb in ((accuracy, "right", "right"), (confidence, "said tint", "said")):
        x = px(FRAME.x(value))
        outward = value == high and (css != "right" or accuracy > confidence)
        at, anchor = (right, "start") if outward else (left, "end")
        out.append(f'<path class="mean {css}" d="M{x} {px(STRIP_TOP - 25)}V{px(STRIP_BOTTOM)}"/>'
                   f'<text class="{css} mark" text-anchor="{anchor}" x="{px(at)}" y="{y}">'
                   f"{verb} {percent(value)}</text>")  # fmt: skip
    return "".join(out)
