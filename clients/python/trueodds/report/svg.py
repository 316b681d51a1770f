"""Drawings as SVG: inside a page, and as files of their own."""

from __future__ import annotations

from trueodds.report.palette import LIGHT, explicit, sheet
from trueodds.report.text import esc, px


def inline(
    body: str, *, key: str, title: str, desc: str, box: tuple[float, float], css: str
) -> str:
    """Wrap a drawing for a page, accessibly; `key` must be unique on the page."""
    return (
        f'<svg class="{css}" viewBox="0 0 {px(box[0])} {px(box[1])}" role="img" '
        f'aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{esc(title)}</title>'
        f'<desc id="{key}-d">{esc(desc)}</desc>{body}</svg>'
    )


def standalone(body: str, *, title: str, desc: str, box: tuple[float, float]) -> str:
    """Wrap a drawing as a file with its own ground, legible on light and on dark pages."""
    width, height = map(px, box)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="dia" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-labelledby="t d"><title id="t">{esc(title)}</title><desc id="d">{esc(desc)}</desc>'
        f"<style>{explicit(sheet('diagram.css'), LIGHT)}</style>"
        f'<rect x=".5" y=".5" width="{px(box[0] - 1)}" height="{px(box[1] - 1)}" rx="10" '
        f'fill="{LIGHT["paper"]}" stroke="{LIGHT["rule"]}"/>{body}</svg>\n'
    )
