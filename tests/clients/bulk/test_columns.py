"""Which column is taken for what, over the layouts that benchmarks come in."""

import pytest

from trueodds.bulk import BulkError, Columns, Wanted, find_columns
from trueodds.bulk.cells import UNREADABLE
from trueodds.bulk.errors import BadRow
from trueodds.bulk.items import read_item

# A row of each data set as its publishers write it, with contents of ours.
LAYOUTS = {
    "MMLU": {"question": "Q", "subject": "law", "choices": ["w", "x", "y", "z"], "answer": 2},
    "MMLU-Pro": {
        "question_id": 70,
        "question": "Q",
        "options": ["w", "x", "y", "z"],
        "answer": "C",
        "answer_index": 2,
        "cot_content": "",
    },
    "ARC": {
        "id": "Mercury_1",
        "question": "Q",
        "choices": {"text": ["w", "x", "y", "z"], "label": ["A", "B", "C", "D"]},
        "answerKey": "C",
    },
    "ARC, numbered": {
        "id": "NYSEDREGENTS_1",
        "question": "Q",
        "choices": {"text": ["w", "x", "y", "z"], "label": ["1", "2", "3", "4"]},
        "answerKey": "3",
    },
    "ARC, as published": {
        "id": "Mercury_1",
        "question": {
            "stem": "Q",
            "choices": [
                {"text": text, "label": label} for text, label in zip("wxyz", "ABCD", strict=True)
            ],
        },
        "answerKey": "C",
    },
    "OpenBookQA": {
        "id": "7-980",
        "question_stem": "Q",
        "choices": {"text": ["w", "x", "y", "z"], "label": ["A", "B", "C", "D"]},
        "answerKey": "C",
    },
    "HellaSwag": {
        "ind": 24,
        "activity_label": "Roof shingle removal",
        "ctx": "Q",
        "endings": ["w", "x", "y", "z"],
        "label": "2",
    },
    "AGIEval": {
        "passage": None,
        "question": "Q",
        "options": ["(A)w", "(B)x", "(C)y", "(D)z"],
        "label": "C",
        "answer": None,
    },
    "MMLU, as published": {
        "question": "Q", "A": "w", "B": "x", "C": "y", "D": "z", "answer": "C",
    },
    "MedMCQA": {
        "id": "e9ad", "question": "Q", "opa": "w", "opb": "x", "opc": "y", "opd": "z", "cop": 2,
    },
    "CSV": {"question": "Q", "options": '["w", "x", "y", "z"]', "answer": "2"},
    "by its text": {"question": "Q", "options": ["w", "x", "y", "z"], "answer": "y"},
}  # fmt: skip


@pytest.mark.parametrize("row", LAYOUTS.values(), ids=LAYOUTS)
def test_the_layouts_of_benchmarks_are_known(row):
    columns = find_columns([row], Wanted())
    item = read_item(row, columns)
    assert item.error is None
    assert item.question.text == "Q"
    assert item.question.options == ("w", "x", "y", "z")
    assert item.answer == 2
    wanted = {str(row[name]) for name in ("id", "question_id", "ind") if name in row}
    assert item.id in (wanted or {None})


def test_labels_of_the_file_are_shown_to_the_model():
    row = LAYOUTS["ARC, numbered"]
    assert read_item(row, find_columns([row], Wanted())).question.labels == ("1", "2", "3", "4")


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        # WinoGrande counts from 1, as its columns do; PIQA's columns do, but its labels do not.
        ({"sentence": "Q", "option1": "x", "option2": "y", "answer": "2"}, 1),
        ({"ctx": "Q", "ending0": "x", "ending1": "y", "label": 1}, 1),
    ],
)
def test_answers_count_as_the_columns_of_the_options_do(row, answer):
    assert read_item(row, find_columns([row], Wanted())).answer == answer


def test_what_the_caller_says_comes_first():
    row = {
        "question": "not this", "mine": "Q", "x1": "a", "x2": "b", "key": 2, "text": "P", "n": 7,
        "kind": "law", "answer": "A",
    }  # fmt: skip
    wanted = Wanted(
        question="mine",
        options=("x1", "x2"),
        answer="key",
        passage="text",
        id="n",
        task="kind",
        first_answer=1,
    )
    columns = find_columns([row], wanted)
    assert columns == Columns("mine", ("x1", "x2"), "key", "text", "n", "kind", 1, False, "place")
    item = read_item(row, columns)
    assert (item.question.text, item.question.passage, item.answer) == ("Q", "P", 1)
    assert (item.id, item.task) == ("7", "law")


def test_what_the_caller_rules_out_is_not_taken():
    row = {"question": "Q", "options": ["x", "y"], "answer": 0, "id": "i", "passage": "P"}
    columns = find_columns([row], Wanted(answer="", id="", passage=""))
    assert (columns.answer, columns.id, columns.passage) == (None, None, None)


def test_what_was_taken_is_told():
    said = str(find_columns([LAYOUTS["AGIEval"]], Wanted()))
    assert said == (
        "question: question; options: options (without the letters before them); "
        "answer: label; passage: –; id: –; task: –"
    )


@pytest.mark.parametrize(
    ("row", "wanted", "said"),
    [
        ({"text": "Q"}, Wanted(), "no column looks like the options.*--options.*text"),
        ({"options": ["x", "y"]}, Wanted(), "no column looks like the question.*--question"),
        (
            {"question": "Q", "options": ["x", "y"]},
            Wanted(answer="key"),
            "no row has a column 'key'",
        ),
    ],
)
def test_what_is_not_found_is_asked_for(row, wanted, said):
    with pytest.raises(BulkError, match=said):
        find_columns([row], wanted)


def test_a_column_is_known_however_late_it_shows():
    rows = [BadRow("is not JSON")] * 100
    rows += [{"question": "Q", "options": ["x", "y"], "passage": None}] * 100
    rows += [{"question": "Q", "options": ["x", "y"], "kind": "law"}, *rows]
    columns = find_columns(rows, Wanted(passage="passage", task="kind"))
    assert (columns.question, columns.passage, columns.task) == ("question", "passage", "kind")


PLAIN = Columns(
    "question", ("options",), "answer", "passage", "id", "task", 0, letters=False, answers=""
)
GOOD = {"question": "Q", "options": ["x", "y"], "answer": 1, "id": 5, "task": "t"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"question": None}, "question"),
        ({"question": 7}, "question"),
        ({"question": "  "}, "question"),
        ({"options": None}, "options"),
        ({"options": "x"}, "options"),
        ({"options": "[x"}, "options"),
        ({"options": ["x", None]}, "options"),
        ({"options": ["x", ""]}, "options"),
        ({"options": {"text": ["x", "y"], "label": ["A"]}}, "options"),
        ({"answer": 2}, "answer"),
        ({"answer": "C"}, "answer"),
        ({"answer": True}, "answer"),
        ({"answer": 0.5}, "answer"),
        ({"answer": [1]}, "answer"),
        ({"answer": "none of them"}, "answer"),
        ({"passage": 3}, "passage"),
        ({"task": " t"}, "task"),
        ({"task": None}, "task"),
        ({"question": "\ud800"}, ""),
        ({"question": UNREADABLE}, "question"),
        ({"options": ["x", float("nan")]}, "options"),
        ({"answer": UNREADABLE}, "answer"),
        ({"options": ["1", "0"], "answer": "1"}, "answer"),
        ({"options": ["B", "A"], "answer": "A"}, "answer"),
    ],
)
def test_a_bad_row_says_where(change, field):
    item = read_item({**GOOD, **change}, PLAIN)
    assert item.question is None
    assert item.error.field == field
    assert item.id == "5"


@pytest.mark.parametrize("answer", [None, "", -1, "-1", float("nan")])
def test_a_row_may_keep_its_answer_to_itself(answer):
    item = read_item({**GOOD, "answer": answer}, PLAIN)
    assert (item.error, item.answer) == (None, None)


@pytest.mark.parametrize(
    ("options", "answers", "found"),
    [
        (["2", "4", "6"], ["4", "2", "6"], [1, 0, 2]),
        ([2, 4, 6], [4, 2, 6], [1, 0, 2]),
        (["2", "4", "6"], ["0", "2", "1"], [0, 2, 1]),
        ([2.5, 0.5], [0.5, 2.5], [1, 0]),
        (["-1", "0", "1"], ["-1", "1", "0"], [0, 2, 1]),
        (["B", "A", "none"], ["A", "none"], [1, 2]),
        (["B", "A", "none"], ["A", "C"], [0, 2]),
    ],
)
def test_an_answer_means_the_same_in_the_whole_file(options, answers, found):
    """Where one row shows what answers are, those that could be either are that too."""
    rows = [{"question": "Q", "options": options, "answer": answer} for answer in answers]
    columns = find_columns(rows, Wanted())
    assert [read_item(row, columns).answer for row in rows] == found


def test_who_says_that_answers_are_numbers_is_believed():
    row = {"question": "Q", "options": ["1", "0"], "answer": "1"}
    assert read_item(row, find_columns([row], Wanted(first_answer=0))).answer == 1
    assert read_item(row, find_columns([row], Wanted())).error is not None


def test_what_is_missing_may_be_nan():
    """As pandas writes it."""
    row = {"question": "Q", "A": "x", "B": "y", "C": float("nan"), "passage": float("nan")}
    item = read_item(row, find_columns([row, {**row, "C": "z", "passage": "P"}], Wanted()))
    assert (item.question.options, item.question.passage) == (("x", "y"), "")


def test_letters_are_taken_off_where_every_option_has_its_own():
    columns = find_columns([{"question": "Q", "options": ["(A) x", "(B) y"]}], Wanted())
    row = {"question": "Q", "options": ["(A) is a letter", "so is (B)"]}
    assert columns.letters
    assert read_item(row, columns).question.options == tuple(row["options"])
