"""Rows of Parquet, in the memory of a few of them. Needs the extra ``bulk``."""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueodds.files.cells import UNREADABLE, Row
from trueodds.files.names import check_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

_ROWS = 128
_BUFFER = 2**16

# What Python has no value for, such as a time in a zone that it does not know.
_FOREIGN = (OverflowError, ValueError, LookupError, NotImplementedError)


def count_rows(path: Path) -> int:
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def parquet_rows(path: Path, start: int, columns: Collection[str]) -> Iterator[tuple[str, Row]]:
    """The rows from ``start``, with these columns or, where none are told, all."""
    with _opened(path) as file:
        check_names(file.schema_arrow.names, path)
        first, skipped = 0, 0
        sizes = [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]
        while first < len(sizes) and skipped + sizes[first] <= start:
            skipped += sizes[first]
            first += 1
        if first == len(sizes):
            return
        batches = file.iter_batches(
            batch_size=_ROWS,
            row_groups=range(first, len(sizes)),
            columns=list(columns) or None,
        )
        rows = (row for batch in batches for row in _rows_of(batch))
        for number, row in enumerate(islice(rows, start - skipped, None), start + 1):
            yield f"row {number}", row


def _opened(path: Path) -> "parquet.ParquetFile":
    from pyarrow import parquet  # noqa: PLC0415 (the extra bulk)

    # Piece by piece: a row group can be the whole of the file.
    return parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)


def _rows_of(batch: "pa.RecordBatch") -> Iterator[Row]:
    columns = {name: _values(batch.column(place)) for place, name in enumerate(batch.schema.names)}
    for place in range(batch.num_rows):  # of which there are some even without columns
        yield {name: values[place] for name, values in columns.items()}


def _values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except _FOREIGN:
        return [_value(each) for each in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except _FOREIGN:
        return UNREADABLE
