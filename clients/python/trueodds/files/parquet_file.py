"""Rows of Parquet, in the memory of a few of them. Needs the extra ``bulk``."""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from trueodds.files.cells import UNREADABLE, Row
from trueodds.files.names import check_names

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

# What is decoded at once: rows, and about how many bytes at most, but for a row that is larger.
_ROWS = 128
_BYTES = 2**26
# Writers keep dictionaries to a megabyte, but for the value that goes past it.
_USUAL = 2**21
_BUFFER = 2**16

# How a page begins, in Thrift: what kind it is, and the first byte of its size once unpacked.
_DATA = (b"\x15\x00\x15", b"\x15\x06\x15")
_DICTIONARY = b"\x15\x04\x15"

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
        batches = _batches(file, path, first, columns)
        rows = (row for batch in batches for row in _rows_of(batch))
        for number, row in enumerate(islice(rows, start - skipped, None), start + 1):
            yield f"row {number}", row


def _opened(path: Path) -> "parquet.ParquetFile":
    from pyarrow import parquet  # noqa: PLC0415 (the extra bulk)

    # Piece by piece: a row group can be the whole of the file.
    return parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)


def _batches(
    file: "parquet.ParquetFile", path: Path, first: int, columns: Collection[str]
) -> Iterator["pa.RecordBatch"]:
    """The rows from a row group on, as many at once as are small.

    A file of a kilobyte can hold thousands of rows that each unpack to megabytes. What was decoded
    says how many rows the next batch may have, and dictionaries say how large any value can be:
    without them large rows after small ones would come by the hundred.
    """
    groups = range(first, file.num_row_groups)
    batches = file.iter_batches(batch_size=1, row_groups=groups, columns=list(columns) or None)
    rows, most, ahead = 1, _ROWS, 0
    with path.open("rb") as pages:
        following = iter(groups)
        for batch in batches:
            size = max(batch.get_total_buffer_size(), 1)
            if size <= _BYTES:
                yield batch
            else:  # Python's values take as much again
                yield from (batch.slice(each, 1) for each in range(batch.num_rows))
            ahead -= batch.num_rows
            while ahead < _ROWS and (place := next(following, None)) is not None:
                group = file.metadata.row_group(place)
                if group.num_rows:  # else there may be no page
                    ahead += group.num_rows
                    most = min(most, _most_rows(group, pages, columns))
            rows = max(1, min(2 * rows, _BYTES * batch.num_rows // size, most))
            file.reader.set_batch_size(rows)  # heard from the next batch on


def _most_rows(
    group: "parquet.RowGroupMetaData", pages: IO[bytes], columns: Collection[str]
) -> int:
    """How many rows of a group may be decoded at once, were each to have the largest texts."""
    size = 0
    for place in range(group.num_columns):
        column = group.column(place)
        if column.physical_type.endswith("BYTE_ARRAY") and _is_read(column, columns):
            found = _dictionary(column, pages)
            # Every file of texts has some of the usual size, and they are of many short values.
            size += found if found > _USUAL else found // 8
    return max(1, min(_ROWS, _BYTES // max(size, 1)))


def _is_read(column: "parquet.ColumnChunkMetaData", columns: Collection[str]) -> bool:
    """Whether it is one of these, or inside of one; all are where none are told."""
    inside = f"{column.path_in_schema}."
    return not columns or any(inside.startswith(f"{name}.") for name in columns)


def _dictionary(column: "parquet.ColumnChunkMetaData", pages: IO[bytes]) -> int:
    """How large a column's dictionary is once unpacked, and so how large a value can be that is
    written once for many rows. Only the page itself says it.
    """
    data = column.data_page_offset
    pages.seek(min(column.dictionary_page_offset or data, data))
    head = pages.read(8)
    if head.startswith(_DATA):
        return 0
    if not head.startswith(_DICTIONARY):
        return _BYTES  # written in no way that is known: a row at a time
    size = 0
    for place, byte in enumerate(head[3:]):
        size |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 (the number's last)
            break
    return size >> 1


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
