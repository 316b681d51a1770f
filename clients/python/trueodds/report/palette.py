"""The colours, safe for the colour-blind: vermilion before, blue after, ink for the truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

LIGHT: Mapping[str, str] = {
    "paper": "#fbfaf7",
    "card": "#ffffff",
    "ink": "#1b2130",
    "muted": "#5a6272",
    "faint": "#9aa0ab",
    "rule": "#dfdcd4",
    "grid": "#eceae4",
    "before": "#c4481a",
    "after": "#1668ad",
    "teacher": "#6d6a8a",
    "floor": "#d5d2c9",
}
DARK: Mapping[str, str] = {
    "paper": "#10131a",
    "card": "#171b24",
    "ink": "#edebe5",
    "muted": "#a3acba",
    "faint": "#6d7686",
    "rule": "#2d3340",
    "grid": "#232936",
    "before": "#ff8d55",
    "after": "#63b1f7",
    "teacher": "#aaa5d3",
    "floor": "#3b4250",
}


def variables(colours: Mapping[str, str]) -> str:
    """Give the colours as CSS custom properties."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def sheet(name: str, package: str = __package__) -> str:
    """Read one of a package's style sheets."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def explicit(css: str, colours: Mapping[str, str]) -> str:
    """Put the colours themselves where a style sheet names them."""
    return re.sub(r"var\(--([a-z]+)\)", lambda match: colours[match[1]], css)
