"""The reliability diagram: how often the model was right, against how sure it was."""

from __future__ import annotations

from collections.abc import Sequence

from trueodds.evaluation import ReliabilityBin
from trueodds.report.bins import Bin, consistency, shares
from trueodds.report.geometry import Frame, Scale
from trueodds.report.text import count, percent, px


def field(frame: Frame, ticks: Sequence[float], chance: str = "") -> str:
    """Draw the empty square: edges, what `chance` drew, grid, and the diagonal of calibration."""
    left, right, top, bottom = map(px, (frame.left, frame.right, frame.top, frame.bottom))
    lines = [f'<rect class="field" x="{left}" y="{top}" width="{px(frame.size)}" '
             f'height="{px(frame.size)}"/>', chance]  # fmt: skip
    for tick in ticks:
        x, y = px(frame.x(tick)), px(frame.y(tick))
        lines.append(f'<path class="grid" d="M{x} {top}V{bottom}M{left} {y}H{right}"/>')
    lines.append(f'<path class="ideal" d="M{left} {bottom}L{right} {top}"/>')
    return "".join(lines)


def band(bins: Sequence[Bin], frame: Frame) -> str:
    """Shade where each bin's dot would lie, 95 times in a hundred, if it were calibrated.

    A bin so small that this is anywhere is left out.
    """
    out = []
    for item in bins:
        low, high = consistency(item.count, item.confidence) if item.count else (0.0, 1.0)
        if (low, high) == (0.0, 1.0):
            continue
        out.append(f'<rect class="chance" x="{px(frame.x(item.lower))}" y="{px(frame.y(high))}" '
                   f'width="{px((item.upper - item.lower) * frame.size)}" '
                   f'height="{px((high - low) * frame.size)}"/>')  # fmt: skip
    return "".join(out)


def whiskers(bins: Sequence[ReliabilityBin], frame: Frame) -> str:
    """Draw the 95 % interval of each bin's accuracy."""
    return "".join(
        f'<path class="whisker" d="M{px(frame.x(b.confidence))} {px(frame.y(b.accuracy_upper))}'
        f'V{px(frame.y(b.accuracy_lower))}"/>'
        for b in bins
        if b.count
    )


def marks(bins: Sequence[Bin], frame: Frame, scale: Scale, intervals: str = "") -> str:
    """Draw each bin's dot at (confidence, accuracy); behind it its gap and its interval."""
    pairs = [(b, s) for b, s in zip(bins, shares(bins), strict=True) if b.count]
    gaps = "".join(_gap(b, share, frame, scale) for b, share in pairs)
    pairs.sort(key=lambda pair: -pair[1])
    return gaps + intervals + "".join(_dot(b, share, frame, scale) for b, share in pairs)


def _gap(item: Bin, share: float, frame: Frame, scale: Scale) -> str:
    width = scale.bar(share)
    top = frame.y(max(item.confidence, item.accuracy))
    height = abs(item.confidence - item.accuracy) * frame.size
    x = min(frame.x(item.confidence) - width / 2, frame.right - width)
    return (
        f'<rect class="gap" x="{px(x)}" y="{px(top)}" width="{width:.2f}" height="{height:.2f}"/>'
    )


def _dot(item: Bin, share: float, frame: Frame, scale: Scale) -> str:
    label = (
        f"{count(item.count)} questions: said {percent(item.confidence)}, "
        f"right {percent(item.accuracy)}"
    )
    return (
        f'<circle class="dot" cx="{px(frame.x(item.confidence))}" '
        f'cy="{px(frame.y(item.accuracy))}" r="{px(max(scale.dot(share), 1.8))}">'
        f"<title>{label}</title></circle>"
    )


def describe(bins: Sequence[Bin]) -> str:
    """Say in words what the dots show, for those who cannot see them."""
    told = [
        f"{count(b.count)} answers at {percent(b.confidence)} confidence were right "
        f"{percent(b.accuracy)} of the time"
        for b in bins
        if b.count
    ]
    return "; ".join(told) + "." if told else "No questions."
