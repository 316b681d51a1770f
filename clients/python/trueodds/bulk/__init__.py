"""Whole files of questions, scored into Parquet. Needs the extra ``bulk``.

``score_file`` is what the command `trueodds bulk` calls.
"""

from trueodds.bulk.columns import Columns, Wanted, find_columns
from trueodds.bulk.errors import BulkError
from trueodds.bulk.items import read_shots
from trueodds.bulk.job import Summary, score_file
from trueodds.bulk.source import Source, open_source

__all__ = [
    "BulkError",
    "Columns",
    "Source",
    "Summary",
    "Wanted",
    "find_columns",
    "open_source",
    "read_shots",
    "score_file",
]
