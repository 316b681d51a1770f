"""The risk-coverage curve: how often answers are wrong, if only the surest are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trueodds.evaluation import AbstentionRule, Report, RiskCoverage
from trueodds.report.svg import inline, standalone
from trueodds.report.text import esc, percent, px

WIDTH, HEIGHT = 948.0, 430.0
MARGIN = 22.0
SETTLED = 0.05
"""The coverage above which the highest risk decides the scale: a few answers decide nothing."""

TITLE = "Risk and coverage, before and after calibration"


@dataclass(frozen=True, slots=True)
class Plot:
    """The drawing's rectangle: coverage from 0 to 1 across, risk from 0 to `top` up."""

    top: float
    left: float = 56.0
    right: float = WIDTH - 28.0
    upper: float = 52.0
    lower: float = HEIGHT - 50.0

    def x(self, coverage: float) -> float:
        """Place a coverage."""
        return self.left + min(max(coverage, 0.0), 1.0) * (self.right - self.left)

    def y(self, risk: float) -> float:
        """Place a risk; what is above the plot lies on its edge."""
        return self.lower - min(max(risk, 0.0) / self.top, 1.0) * (self.lower - self.upper)


def curve(report: Report) -> str:
    """Draw the curves for the page."""
    return inline(
        _body(report), key="risk", title=TITLE, desc=_describe(report), box=(WIDTH, HEIGHT),
        css="dia wide",
    )  # fmt: skip


def curve_picture(report: Report) -> str:
    """Draw the curves as one SVG file."""
    body = f'<g transform="translate({px(MARGIN)} {px(MARGIN)})">{_body(report)}</g>'
    box = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
    return standalone(body, title=TITLE, desc=_describe(report), box=box)


def plot_of(report: Report) -> Plot:
    """Choose the scale: a round risk above all that the curves and the rules show."""
    curves = (*report.before.risk_coverage, *report.after.risk_coverage)
    risks = [p.risk for p in curves if p.coverage >= SETTLED]
    risks += [rule.risk_upper_bound for rule in _kept(report.abstentions)]
    highest = max(risks, default=0.0)
    step = _step(highest)
    return Plot(max(step * math.ceil(highest / step - 1e-9), step))


def _step(highest: float) -> float:
    return next((s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if highest <= 5 * s), 0.25)


def _body(report: Report) -> str:
    plot = plot_of(report)
    return "".join((
        _grid(plot),
        _line(report.before.risk_coverage, plot, "before"),
        _line(report.after.risk_coverage, plot, "after"),
        "".join(_rule(rule, plot) for rule in _kept(report.abstentions)),
        f'<text class="key before" x="{px(plot.left)}" y="24">before</text>',
        f'<text class="key after" x="{px(plot.left + 62)}" y="24">after</text>',
        _rule_key(plot) if _kept(report.abstentions) else "",
    ))  # fmt: skip


def _grid(plot: Plot) -> str:
    left, right, upper, lower = map(px, (plot.left, plot.right, plot.upper, plot.lower))
    out = [f'<rect class="field" x="{left}" y="{upper}" width="{px(plot.right - plot.left)}" '
           f'height="{px(plot.lower - plot.upper)}"/>']  # fmt: skip
    step = _step(plot.top)
    for i in range(round(plot.top / step) + 1):
        y = plot.y(i * step)
        out.append(f'<path class="grid" d="M{left} {px(y)}H{right}"/>'
                   f'<text class="tick" text-anchor="end" x="{px(plot.left - 8)}" '
                   f'y="{px(y + 4)}">{100 * i * step:.0f}</text>')  # fmt: skip
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = px(plot.x(share))
        out.append(f'<path class="grid" d="M{x} {upper}V{lower}"/><text class="tick" '
                   f'text-anchor="middle" x="{x}" y="{px(plot.lower + 18)}">{100 * share:.0f}'
                   "</text>")  # fmt: skip
    out.append(f'<text class="axis" text-anchor="middle" x="{px(plot.x(0.5))}" '
               f'y="{px(plot.lower + 42)}">questions that are answered, the surest first, %</text>'
               f'<text class="axis" text-anchor="middle" transform="translate(16 '
               f'{px((plot.upper + plot.lower) / 2)}) rotate(-90)">wrong answers among them, %'
               "</text>")  # fmt: skip
    return "".join(out)


def _line(points: Sequence[RiskCoverage], plot: Plot, css: str) -> str:
    if not points:
        return ""
    places = " L".join(f"{px(plot.x(p.coverage))} {px(plot.y(p.risk))}" for p in points)
    return f'<path class="curve {css}" d="M{places}"/>'


def _kept(rules: Sequence[AbstentionRule]) -> list[AbstentionRule]:
    return [rule for rule in rules if rule.min_confidence is not None]


def _rule(rule: AbstentionRule, plot: Plot) -> str:
    x, y, bound = plot.x(rule.coverage), plot.y(rule.risk), plot.y(rule.risk_upper_bound)
    label = (
        f"at least {percent(rule.min_confidence or 0.0, 1)} sure: answers "
        f"{percent(rule.coverage)}, wrong {percent(rule.risk, 1)}, at most "
        f"{percent(rule.risk_upper_bound, 1)}"
    )
    return (
        f'<path class="bound" d="M{px(x - 5)} {px(bound)}H{px(x + 5)}M{px(x)} {px(bound)}'
        f'V{px(y)}"/><circle class="rule" cx="{px(x)}" cy="{px(y)}" r="5">'
        f"<title>{label}</title></circle>"
        f'<text class="mark" text-anchor="middle" x="{px(x)}" y="{px(bound - 7)}">'
        f"{percent(rule.target_risk)}</text>"
    )


def _rule_key(plot: Plot) -> str:
    x = plot.left + 122
    return (
        f'<circle class="rule" cx="{px(x + 5)}" cy="19" r="5"/>'
        f'<text class="note" x="{px(x + 18)}" y="24">'
        "thresholds for a risk, and the bound that they keep it within</text>"
    )


def _describe(report: Report) -> str:
    told = []
    for side, points in (("Before", report.before.risk_coverage),
                         ("After", report.after.risk_coverage)):  # fmt: skip
        for share in (0.25, 0.5, 0.75, 1.0):
            near = min(points, key=lambda p: abs(p.coverage - share), default=None)
            if near is not None:
                told.append(f"{side}, answering {percent(near.coverage)}: wrong "
                            f"{percent(near.risk, 1)}.")  # fmt: skip
    return esc(" ".join(told) or "No questions.")
