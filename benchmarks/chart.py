"""The ratios of one result as bars."""

from html import escape
from typing import Any

_LEFT, _WIDTH, _BAR, _GAP = 290, 760, 16, 8
_TOP = 34
_OURS, _OTHERS, _BASE = "#0b7285", "#868e96", "#343a40"


def svg(title: str, rows: list[dict[str, Any]]) -> str:
    """Bars of ``ratio_to_offline``, each with a line from its lowest to its highest."""
    scale = (_WIDTH - _LEFT - 60) / max(row["highest_ratio"] for row in rows)
    height = _TOP + len(rows) * (_BAR + _GAP) + 8
    one = _LEFT + scale
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="18" font-size="14" font-weight="600">{escape(title)}</text>',
    ]
    for place, row in enumerate(rows):
        top = _TOP + place * (_BAR + _GAP)
        middle = top + _BAR / 2
        ratio = row["ratio_to_offline"]
        low, high = (_LEFT + scale * row[name] for name in ("lowest_ratio", "highest_ratio"))
        parts += [
            f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end" fill="{_BASE}">'
            f"{escape(row['name'])}</text>",
            f'<rect x="{_LEFT}" y="{top}" width="{scale * ratio:.1f}" height="{_BAR}" '
            f'fill="{_colour(row)}"/>',
            f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="#000"/>',
            f'<text x="{max(high, _LEFT + scale * ratio) + 6:.1f}" y="{middle + 4}" '
            f'fill="{_BASE}">{ratio:.2f}</text>',
        ]
    bottom = height - 8
    parts += [
        f'<line x1="{one:.1f}" y1="{_TOP - 6}" x2="{one:.1f}" y2="{bottom}" stroke="{_BASE}" '
        'stroke-dasharray="3 3"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _colour(row: dict[str, Any]) -> str:
    if row["key"] == "offline":
        return _BASE
    return _OURS if row["name"].startswith("service") else _OTHERS
