"""Text of a file: its encoding, and what is told where it has another."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trueodds.files.errors import FileError

_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written, where its name does not tell; None is to be found.

    ``quoting`` is "minimal", where quotes around a cell are none of its text, or "none".
    """

    delimiter: str | None = None
    quoting: str | None = None
    encoding: str | None = None


def open_text(path: Path, encoding: str | None) -> IO[str]:
    """The file, its lines as they are. UTF-8, unless told or a byte order mark says otherwise.

    Bytes that are no UTF-8 come as halves of surrogate pairs: they concern who takes them for
    something, see ``foreign_byte``.
    """
    if encoding is None:
        with path.open("rb") as file:
            start = file.read(4)
        encoding = next((name for bom, name in _BOMS.items() if start.startswith(bom)), "utf-8")
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise FileError(f"no encoding is named {encoding!r}; utf-8 and latin-1 are") from error
    return path.open(encoding=encoding, errors="surrogateescape", newline="\n")


def foreign_byte(text: str) -> str | None:
    """Why a text is none, where a byte of it is not of the file's encoding."""
    for place, character in enumerate(text, 1):
        if "\udc80" <= character <= "\udcff":
            byte = ord(character) - 0xDC00
            return (
                f"byte 0x{byte:02x} at character {place} is not UTF-8; --encoding latin-1 reads it"
            )
    return None
