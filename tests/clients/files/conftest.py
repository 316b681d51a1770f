"""Rows as a file that is understood."""

from collections import namedtuple

import pytest

from trueodds.files import Wanted, open_source, read_item, understand

Understood = namedtuple("Understood", "columns items")


@pytest.fixture
def understood(write):
    """The columns and the items of rows, written one a line."""

    def understood(*rows, wanted=Wanted()):  # noqa: B008 (frozen)
        source = open_source(write(*rows))
        columns = understand(source, wanted)
        placed = source.placed(0, columns.names())
        return Understood(columns, [read_item(row, columns, place) for place, row in placed])

    return understood
