"""Rows of any file as questions: one reader for all commands.

``open_source`` opens a file, ``understand`` decides once what its columns and answers mean, and
``read_item`` makes a question of a row. What is uncertain is refused, never guessed.
"""

from trueodds.files.columns import Columns, Wanted
from trueodds.files.errors import BadRow, FileError
from trueodds.files.items import Item, read_item, read_shots
from trueodds.files.preview import preview
from trueodds.files.source import Source, open_source
from trueodds.files.text import Dialect
from trueodds.files.understand import understand

__all__ = [
    "BadRow",
    "Columns",
    "Dialect",
    "FileError",
    "Item",
    "Source",
    "Wanted",
    "open_source",
    "preview",
    "read_item",
    "read_shots",
    "understand",
]
