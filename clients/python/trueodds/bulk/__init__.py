"""Whole files of questions, scored into Parquet. Needs the extra ``bulk``.

``score_file`` is what the command `trueodds bulk` calls; ``trueodds.files`` reads its input.
"""

from trueodds.bulk.errors import BulkError
from trueodds.bulk.job import Summary, score_file

__all__ = ["BulkError", "Summary", "score_file"]
