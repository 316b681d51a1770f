"""The reliability diagram: how often the model was right, against how sure it was."""

from __future__ import annotations

from collections.abc import Sequence

from trueodds_demo.report.geometry import Frame, Scale, shares
from trueodds_demo.report.model import Bin
from trueodds_demo.report.text import count, esc, percent, px

MINI = Frame(left=10.0, top=10.0, size=130.0)
MINI_RADIUS = 9.0
MINI_WIDTH = 11.5


def field(frame: Frame, ticks: Sequence[float]) -> str:
    """Draw the empty square: grid, edges, and the diagonal of perfect calibration."""
    left, right, top, bottom = map(px, (frame.left, frame.right, frame.top, frame.bottom))
    lines = [f'<rect class="field" x="{left}" y="{top}" width="{px(frame.size)}" '
             f'height="{px(frame.size)}"/>']  # fmt: skip
    for tick in ticks:
        x, y = px(frame.x(tick)), px(frame.y(tick))
        lines.append(f'<path class="grid" d="M{x} {top}V{bottom}M{left} {y}H{right}"/>')
    lines.append(f'<path class="ideal" d="M{left} {bottom}L{right} {top}"/>')
    return "".join(lines)


def marks(bins: Sequence[Bin], frame: Frame, scale: Scale) -> str:
    """Draw each bin's dot at (confidence, accuracy), and the gap to the diagonal behind it."""
    pairs = [(b, s) for b, s in zip(bins, shares(bins), strict=True) if b.count]
    gaps = "".join(_gap(b, share, frame, scale) for b, share in pairs)
    pairs.sort(key=lambda pair: -pair[1])
    return gaps + "".join(_dot(b, share, frame, scale) for b, share in pairs)


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


def svg(body: str, *, key: str, title: str, desc: str, box: tuple[float, float], css: str) -> str:
    """Wrap a drawing as an accessible inline SVG; `key` must be unique on the page."""
    return (
        f'<svg class="{css}" viewBox="0 0 {px(box[0])} {px(box[1])}" role="img" '
        f'aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{esc(title)}</title>'
        f'<desc id="{key}-d">{esc(desc)}</desc>{body}</svg>'
    )


def mini(bins: Sequence[Bin], scale: Scale, *, key: str, title: str, side: str) -> str:
    """Draw a small diagram for a grid of many; `side` is `before` or `after`."""
    body = field(MINI, (0.5,)) + marks(bins, MINI, scale)
    return svg(body, key=key, title=title, desc=describe(bins), box=(150, 150),
               css=f"dia mini {side}")  # fmt: skip
