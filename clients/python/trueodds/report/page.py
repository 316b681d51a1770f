"""A page of one file: it needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trueodds.report.palette import DARK, LIGHT, sheet, variables
from trueodds.report.text import ARROW

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(*, title: str, brand: str, top: str, sections: Iterable[str], foot: str,
             css: str = "") -> str:  # fmt: skip
    """Put a page together; `top` is what stands above the sections, `css` adds to the style."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{title}</title><style>{_styles()}{css}</style></head><body>"
        f'<header class="top"><p class="brand">trueodds <span>{brand}</span></p>{top}</header>'
        f"<main>{''.join(sections)}</main><footer><p>{foot}</p></footer></body></html>\n"
    )


def section(key: str, title: str, body: str) -> str:
    """Give a part of the page with its heading; `key` must be unique on the page."""
    return (
        f'<section id="{key}" aria-labelledby="{key}-h"><h2 id="{key}-h">{title}</h2>'
        f"{body}</section>"
    )


def notes(pairs: Sequence[tuple[str, str]]) -> str:
    """Explain, in short columns that begin with a word in bold."""
    items = "".join(f"<p><b>{head}</b> {text}</p>" for head, text in pairs)
    return f'<div class="notes">{items}</div>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """List names and values."""
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{items}</dl>'


def table(
    caption: str,
    head: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    total: Sequence[str] | None = None,
) -> str:
    """Tabulate: the first cell of a row is its name; `head` gives each column's title and class.

    The classes are `t` for text and `n` for numbers, or the page's own.
    """
    heads = "".join(
        f'<th scope="col" class="{css}">{text}</th>' if text else f'<td class="{css}"></td>'
        for text, css in head
    )
    kinds = [css for _, css in head]
    body = "".join(_row(row, kinds) for row in rows)
    foot = f"<tfoot>{_row(total, kinds)}</tfoot>" if total else ""
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table>'
        f'<caption class="hidden">{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div>"
    )


def change(before: str, after: str) -> str:
    """Write what a number was and what it is now."""
    return (
        f'<span class="was">{before}</span> <span class="to">{ARROW}</span> '
        f'<span class="now">{after}</span>'
    )


def _row(cells: Sequence[str], kinds: Sequence[str]) -> str:
    rest = "".join(
        f'<td class="{css}">{cell}</td>' for cell, css in zip(cells[1:], kinds[1:], strict=True)
    )
    return f'<tr><th scope="row">{cells[0]}</th>{rest}</tr>'


def _styles() -> str:
    light, dark = variables(LIGHT), variables(DARK)
    return (
        f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        + sheet("diagram.css")
        + sheet("style.css")
    )
