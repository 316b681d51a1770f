"""Pictures as PNG. Needs the extra `report`: resvg, and matplotlib for the letters it brings."""

from __future__ import annotations

from importlib.resources import as_file, files

ZOOM = 2.0
"""Pixels for a unit of the drawing."""

FAMILY = "DejaVu Sans"
FACES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf")


def png(svg: str) -> bytes:
    """Rasterise a picture; the same picture gives the same bytes, whatever fonts a machine has.

    Raises ModuleNotFoundError where the extra is not installed.
    """
    import resvg_py  # noqa: PLC0415 (an extra)

    with as_file(files("matplotlib") / "mpl-data" / "fonts" / "ttf") as folder:
        picture: bytes = resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=ZOOM,
            skip_system_fonts=True,
            font_files=[str(folder / face) for face in FACES],
            font_family=FAMILY,
            sans_serif_family=FAMILY,
        )
    return picture
