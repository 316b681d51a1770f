"""Rows of files, as other libraries write them."""

import csv
import json
import os
import tracemalloc

import pyarrow as pa
import pytest
from pyarrow import parquet

from trueodds.files import BadRow, Dialect, FileError, Wanted, open_source, read_item, understand
from trueodds.files.cells import UNREADABLE, few
from trueodds.files.parquet_file import _batches, _opened

ROWS = [
    {"question": f'Is {number} even,\n"really"? – \u2028', "options": ["yes", "no"]}
    for number in range(3000)
]


@pytest.fixture
def path(request, tmp_path):
    path = tmp_path / f"rows.{request.param}"
    if request.param == "jsonl":
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n")
    elif request.param == "parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=700)
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if request.param == "tsv" else ",")
            writer.writerow(["question", "options"])
            writer.writerows([row["question"], json.dumps(row["options"])] for row in ROWS)
    return path


@pytest.mark.parametrize("path", ["jsonl", "parquet", "csv", "tsv"], indirect=True)
@pytest.mark.parametrize("start", [0, 1, 699, 700, 2999, 3000])
def test_rows_come_in_their_order_from_anywhere(path, start):
    source = open_source(path)
    assert source.count == len(ROWS)
    found = list(source.rows(start))
    assert [row["question"] for row in found] == [row["question"] for row in ROWS[start:]]
    options = found[0]["options"] if found else ["yes", "no"]
    assert options in (["yes", "no"], '["yes", "no"]')


def test_a_file_is_known_by_what_it_says(tmp_path):
    one, other, third = (tmp_path / f"{name}.jsonl" for name in "abc")
    one.write_text('{"a": 1}\n')
    other.write_text('{"a": 1}\n')
    third.write_text('{"a": 2}\n')
    assert open_source(one).digest == open_source(other).digest != open_source(third).digest


def test_bad_lines_are_rows_of_their_own(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"a": 1}\n\n{"a"\n[1]\n"\xff"\n' + b"[" * 100_000 + b'\n{"a": 2}'
    )
    source = open_source(path)
    rows = list(source.rows())
    assert source.count == len(rows) == 6
    assert [isinstance(row, BadRow) for row in rows] == [False, True, True, True, True, False]


def test_a_name_twice_or_a_number_of_any_length_costs_no_other_row(tmp_path):
    """Of a name twice the first was lost without a word, and such a number ended the file."""
    path = tmp_path / "rows.jsonl"
    long = "1" * 5000
    path.write_text(f'{{"a": {long}}}\n{{"a": 1, "b": {{"c": 1, "c": 2}}}}\n{{"a": 3}}\n')
    *wrong, row = open_source(path).rows()
    assert list(map(str, wrong)) == ["has a number of too many digits", "has 'c' twice"]
    assert row == {"a": 3}


def test_a_csv_row_of_another_length_is_bad(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("question,options\nq,o\nq,o,more\nq\nq,o\n")
    assert [isinstance(row, BadRow) for row in open_source(path).rows()] == [
        *(False, True, True, False)
    ]


def test_mmlu_has_no_header(tmp_path):
    path = tmp_path / "anatomy_test.csv"
    path.write_text("Which one?,w,x,y,z,C\nAnd here?,1,2,3,4,A\n")
    assert list(open_source(path).rows()) == [
        {"question": "Which one?", "A": "w", "B": "x", "C": "y", "D": "z", "answer": "C"},
        {"question": "And here?", "A": "1", "B": "2", "C": "3", "D": "4", "answer": "A"},
    ]


@pytest.mark.parametrize(
    "names", [["id", "prompt", "A", "B", "C", "D"], ["id", "topic", "prompt", "A", "B"]]
)
def test_names_of_options_are_a_header(tmp_path, names):
    path = tmp_path / "rows.csv"
    path.write_text(f"{','.join(names)}\n{','.join('x' for _ in names)}\n")
    assert list(open_source(path).rows()) == [dict.fromkeys(names, "x")]


def test_a_quote_in_the_wrong_place_is_a_bad_row(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('question,options\nq,o\n"He said "yes"",o\nq,"o"\n')
    assert [isinstance(row, BadRow) for row in open_source(path).rows()] == [False, True, False]


@pytest.mark.parametrize("later", ["", '50,"is, 50?",a,b\n', f"{'x' * 1000}\n" * 2**15])
def test_a_quote_that_is_not_closed_is_told(tmp_path, later):
    path = tmp_path / "rows.csv"
    rows = "".join(f"{number},is {number}?,a,b\n" for number in range(4, 50))
    path.write_text(f'id,question,A,B\n1,q,a,b\n3,"is 3?,a,b\n{rows}{later}')
    with pytest.raises(FileError, match="a quote in line 3 "):
        open_source(path)


def test_bytes_that_are_no_text_cost_no_other_row(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"id,question\n1,q\nNo\xe9l,q\n3,q\n")
    assert [row["id"] for row in open_source(path).rows()] == ["1", "No\udce9l", "3"]


@pytest.mark.parametrize("content", [b"a,b,a\n1,2,3\n", b"a,\xe9\n1,2\n"])
def test_names_of_columns_have_to_be_names(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(FileError, match="column"):
        open_source(path)


@pytest.mark.parametrize("name", ["ROWS.JSONL", "rows.Json", "ROWS.CSV", "rows.Parquet"])
def test_the_kind_of_a_file_may_be_in_capitals(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".Parquet":
        parquet.write_table(pa.table({"a": ["b"]}), path)
    else:
        path.write_text("a\nb\n" if path.suffix == ".CSV" else '{"a": "b"}\n')
    assert list(open_source(path).rows()) == [{"a": "b"}]


@pytest.fixture
def odd(tmp_path):
    """Parquet with what Python has no value for: a year of six digits, a time in a zone of another
    planet, and text that is none; two columns have no name.
    """
    path = tmp_path / "odd.parquet"
    far = pa.array([1, 400_000 * 365 * 86_400 * 1000], pa.timestamp("ms"))
    text = pa.StringArray.from_buffers(2, *pa.array([b"good", b"\xff"]).buffers()[1:])
    there = pa.array([1, 2], pa.timestamp("ms", tz="Mars/Phobos"))
    names = ["when", "there", "text", "question", "", ""]
    columns = [far, there, text, pa.array(["x", "y"]), pa.array([1, 2]), pa.array([3, 4])]
    parquet.write_table(pa.table(columns, names=names), path)
    return path


def test_a_cell_without_a_value_concerns_who_reads_it(odd):
    source = open_source(odd)
    assert [row["question"] for row in source.rows()] == ["x", "y"]
    assert [row["text"] for row in source.rows()] == ["good", UNREADABLE]
    assert [row["when"] is UNREADABLE for row in source.rows()] == [False, True]
    assert [row["there"] for row in source.rows()] == [UNREADABLE, UNREADABLE]


def test_only_the_columns_that_are_taken_are_read(odd):
    rows = open_source(odd).rows(1, ["question"])
    assert list(rows) == [{"question": "y"}]
    assert list(open_source(odd).rows(0, ["options"])) == [{}, {}]


def test_a_row_group_is_not_read_as_a_whole(tmp_path):
    path = tmp_path / "large.parquet"
    texts = pa.array([os.urandom(500).hex() for _ in range(20_000)])
    parquet.write_table(pa.table({"question": texts}), path)
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() for _ in open_source(path).rows()) - before
    assert most < texts.nbytes / 2


MIB = 2**20


@pytest.fixture
def repeated(tmp_path):
    """A file of a few KiB: rows with a text of some MiB that is written once for all, after some
    with a short one.
    """

    def repeated(rows, large, before=0, times=1):
        places = pa.array([0] * before * times + [1] * rows * times, pa.int32())
        texts = pa.DictionaryArray.from_arrays(places, pa.array(["q", "x" * large]))
        if times > 1:
            offsets = pa.array(range(0, len(texts) + 1, times), pa.int32())
            texts = pa.ListArray.from_arrays(offsets, texts)
        columns = {"question": texts, "A": ["a"] * (before + rows), "B": ["b"] * (before + rows)}
        path = tmp_path / "repeated.parquet"
        kept = {"write_statistics": False, "store_schema": False, "compression": "zstd"}
        parquet.write_table(pa.table(columns), path, dictionary_pagesize_limit=2**26, **kept)
        assert path.stat().st_size < 2**14
        return path

    return repeated


@pytest.mark.parametrize(
    "rows",
    [
        {"rows": 300, "large": 4 * MIB},
        {"rows": 300, "large": 4 * MIB, "before": 500},
        {"rows": 300, "large": MIB, "times": 8},
    ],
    ids=["large", "large after small", "lists"],
)
def test_few_rows_are_decoded_at_once_where_they_are_large(repeated, rows):
    """128 of them, however large they were: gigabytes, from a file of a kilobyte."""
    path = repeated(**rows)
    before, most, count = pa.total_allocated_bytes(), 0, 0
    for _ in open_source(path).rows():
        most, count = max(most, pa.total_allocated_bytes() - before), count + 1
    assert most < 160 * MIB
    assert count == rows["rows"] + rows.get("before", 0)


def test_small_rows_are_decoded_many_at_once(path_of_small_rows):
    with _opened(path_of_small_rows) as file:
        sizes = [batch.num_rows for batch in _batches(file, path_of_small_rows, 0, ["question"])]
    assert sum(sizes) == 5000
    assert sizes.count(128) > 30


@pytest.fixture
def path_of_small_rows(tmp_path):
    path = tmp_path / "small.parquet"
    texts = [f"Is {number} even?" for number in range(5000)]
    table = pa.table({"question": texts, "other": texts})
    with parquet.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table[:1000])
        writer.write_table(table[:0])
        writer.write_table(table[1000:], row_group_size=1000)
    return path


def test_few_rows_are_held_to_understand_a_file(repeated):
    source = open_source(repeated(100, 4 * MIB))
    tracemalloc.start()
    understand(source, Wanted())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 256 * MIB


@pytest.mark.parametrize(("size", "count"), [(1, 1), (250_000, 3), (10**6, 5)])
@pytest.mark.parametrize(
    "row", ["x" * 10**5, {"a": [{"b": "x" * 10**5}]}, ("", ["x" * 50_000] * 2)]
)
def test_rows_are_held_up_to_a_size(row, size, count):
    rows = iter([row] * 10)
    assert len(list(few(rows, 5, size))) == count
    assert len(list(rows)) == 10 - count


MANY = [f"n{number}" for number in range(200_000)]


@pytest.mark.timeout(100)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_name_twice_is_found_among_many(tmp_path, name):
    """Each name was looked for in all others, for minutes."""
    path = tmp_path / name
    names = [*MANY, MANY[-1]]
    if path.suffix == ".csv":
        path.write_text(f"{','.join(names)}\n")
        with pytest.raises(FileError, match="two columns named 'n199999'"):
            open_source(path)
    else:
        path.write_text(f"{{{', '.join(f'{json.dumps(each)}: 1' for each in names)}}}\n")
        [row] = open_source(path).rows()
        assert str(row) == "has 'n199999' twice"


@pytest.mark.timeout(100)
def test_many_names_are_checked_in_one_go(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(f"{','.join(MANY)}\n{','.join(MANY)}\n")
    assert [len(row) for row in open_source(path).rows()] == [len(MANY)]


def test_any_number_of_columns_is_a_header(tmp_path):
    """More than there are characters for as letters."""
    path = tmp_path / "rows.csv"
    path.write_text(f"question{',' * 0x110000},a\nq{',' * 0x110000},o\n")
    [row] = open_source(path).rows()
    assert (row["question"], row["a"]) == ("q", "o")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_long_name_is_shortened_in_a_message(tmp_path, name):
    path, long = tmp_path / name, "x" * 10_000
    if path.suffix == ".csv":
        path.write_text(f"{long},{long}\n1,2\n")
        with pytest.raises(FileError) as refused:
            open_source(path)
        said = str(refused.value).removeprefix(str(path))
    else:
        path.write_text(f'{{"{long}": 1, "{long}": 2}}\n')
        [said] = map(str, open_source(path).rows())
    assert len(said) < 200


def test_a_column_of_objects_is_read_in_part(tmp_path):
    path = tmp_path / "rows.parquet"
    row = {"question": {"stem": "Q", "other": 1}, "x": 2}
    parquet.write_table(pa.Table.from_pylist([row]), path)
    assert list(open_source(path).rows(0, ["question.stem"])) == [{"question": {"stem": "Q"}}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.txt", b"x", "what kind of file"),
        ("rows.jsonl", b"\n", "holds no questions"),
        ("rows.json", b'[{"a": 1}', "one JSON list that is not whole"),
        ("rows.json", b'[{"a": 1,\n"a": 2}]', "an object has 'a' twice"),
        ("rows.parquet", b"no parquet", "cannot be read"),
        ("missing.jsonl", None, "No such file"),
    ],
)
def test_what_is_no_file_of_rows_is_refused(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match=said):
        open_source(path)


@pytest.mark.parametrize(
    "content",
    [
        '[{"question": "Q"},\n {"question": "R"}]',
        '[\n{"question": "Q"}, {"question": "R"}]',
        '{\n "question": "Q"\n}\n{\n "question": "R"\n}\n',
        '{\n "name": "n",\n "examples": [{"question": "Q"}, {"question": "R"}]\n}',
        '\ufeff{"question": "Q"}\n\n{"question": "R"}',
    ],
)
def test_json_may_be_lines_a_list_or_objects_over_many_lines(tmp_path, content):
    path = tmp_path / "rows.json"
    path.write_text(content, encoding="utf-8")
    assert list(open_source(path).rows()) == [{"question": "Q"}, {"question": "R"}]


ROW = {"question": "Q, then?", "A": "x", "B": "y", "answer": "B"}


@pytest.mark.parametrize(
    ("name", "content", "dialect"),
    [
        ("rows.csv", "question;A;B;answer\nQ, then?;x;y;B\n", Dialect()),
        ("rows.csv", "question\tA\tB\tanswer\nQ, then?\tx\ty\tB\n", Dialect()),
        ("rows.txt", "question|A|B|answer\nQ, then?|x|y|B\n", Dialect("|")),
        ("rows.csv", '\ufeffquestion,A,B,answer\n"Q, then?",x,y,B\n', Dialect()),
    ],
)
def test_columns_are_found_between_other_characters(tmp_path, name, content, dialect):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert list(open_source(path, dialect).rows()) == [ROW]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_read(tmp_path, encoding):
    path = tmp_path / "rows.csv"
    path.write_text("question,A\nÉté,x\n", encoding=encoding)
    told = Dialect(encoding=encoding) if encoding == "latin-1" else Dialect()
    assert list(open_source(path, told).rows()) == [{"question": "Été", "A": "x"}]
    with pytest.raises(FileError, match="no encoding is named 'x'"):
        open_source(path, Dialect(encoding="x"))


def test_a_byte_of_another_encoding_is_told_as_what_it_is(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"question,A,B,answer\nCaf\xe9,x,y,B\nTea,x,y,A\n")
    source = open_source(path)
    columns = understand(source, Wanted())
    cafe, tea = (read_item(row, columns) for row in source.rows())
    wrong = "byte 0xe9 at character 4 is not UTF-8; --encoding latin-1 reads it"
    assert str(cafe.error) == f"question: {wrong}"
    assert tea.answer == 0


def test_quotes_may_be_text(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text('question\tA\n"Yes" is\tx\n"No\ty\n')
    with pytest.raises(FileError, match=r"a quote in line 3 .*--quoting none"):
        open_source(path)
    rows = list(open_source(path, Dialect(quoting="none")).rows())
    assert [row["question"] for row in rows] == ['"Yes" is', '"No']
