"""Rows of files, as other libraries write them."""

import csv
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from trueodds.bulk import BulkError, open_source
from trueodds.bulk.errors import BadRow

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
    ("name", "content", "said"),
    [
        ("rows.txt", b"x", "what kind of file"),
        ("rows.jsonl", b"\n", "holds no rows"),
        ("rows.json", b'[{"a": 1}]', "one object a line"),
        ("rows.parquet", b"no parquet", "cannot be read"),
        ("missing.jsonl", None, "No such file"),
    ],
)
def test_what_is_no_file_of_rows_is_refused(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BulkError, match=said):
        open_source(path)
