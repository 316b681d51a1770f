"""Which column is taken for what, over the layouts that benchmarks come in."""

import pytest
from tests import pages

from trueodds.files import Columns, FileError, Wanted, read_item
from trueodds.files.answers import Answers
from trueodds.files.cells import UNREADABLE
from trueodds.files.names import all_names

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
    "in JSON": {"question": "Q", "options": '["w", "x", "y", "z"]', "answer": "C"},
    "in Python": {"question": "Q", "options": "['w', 'x', 'y', 'z']", "answer": "C"},
    "labels that are numbers": {
        "question": "Q",
        "choices": {"text": ["w", "x", "y", "z"], "label": [1, 2, 3, 4]},
        "answer": 3,
    },
    "TruthfulQA": {
        "question": "Q",
        "mc1_targets": {"choices": ["w", "x", "y", "z"], "labels": [0, 0, 1, 0]},
        "mc2_targets": {"choices": ["w", "x"], "labels": [1, 1]},
    },
    "BIG-bench": {"input": "Q", "target_scores": {"w": 0, "x": 0, "y": 1, "z": 0}},
    "capitals": {"": 7, "Question": "Q", "A": "w", "B": "x", "C": "y", "D": "z", "Answer": "C"},
    "by its text": {"question": "Q", "options": ["w", "x", "y", "z"], "answer": "y"},
}  # fmt: skip


@pytest.mark.parametrize("row", LAYOUTS.values(), ids=LAYOUTS)
def test_the_layouts_of_benchmarks_are_known(understood, row):
    [item] = understood(row).items
    assert item.error is None
    assert item.unusable is None
    assert item.question.text == "Q"
    assert item.question.options == ("w", "x", "y", "z")
    assert item.answer == 2
    wanted = {str(row[name]) for name in ("id", "question_id", "ind") if name in row}
    assert item.id in (wanted or {None})


def test_labels_of_the_file_are_shown_to_the_model(understood):
    [item] = understood(LAYOUTS["ARC, numbered"]).items
    assert item.question.labels == ("1", "2", "3", "4")


COPA = {"premise": "P", "choice1": "x", "choice2": "y", "question": "cause", "idx": 3}
MEDMCQA = {"id": "e", "question": "Q", "opa": "w", "opb": "x", "opc": "y", "opd": "z"}
LETTERED = {"question": "Q", "A": "w", "B": "x", "C": "y", "D": "z"}


@pytest.mark.parametrize(
    ("row", "layout", "answer"),
    [
        ({"goal": "Q", "sol1": "x", "sol2": "y", "label": 1}, "piqa", 1),
        ({"goal": "Q", "sol1": "x", "sol2": "y", "label": 0}, "piqa", 0),
        ({**COPA, "label": 1}, "copa", 1),
        ({"sentence": "Q", "option1": "x", "option2": "y", "answer": "1"}, "winogrande", 0),
        (
            {
                "context": "P",
                "question": "Q",
                "answerA": "x",
                "answerB": "y",
                "answerC": "z",
                "label": "1",
            },
            "siqa",
            0,
        ),
    ],
)
def test_a_layout_that_is_certain_says_where_answers_begin(understood, row, layout, answer):
    found = understood(row)
    assert found.columns.layout == layout
    assert found.items[0].answer == answer


def test_the_premise_of_copa_is_asked(understood):
    [cause, effect, neither] = understood(
        {**COPA, "label": 0}, {**COPA, "question": "effect", "label": 0}, {**COPA, "question": "?"}
    ).items
    assert (cause.question.passage, effect.question.passage) == ("P", "P")
    assert cause.question.text == "What was the cause of this?"
    assert effect.question.text == "What happened as a result?"
    assert str(neither.error) == "question: has to be cause or effect"


@pytest.mark.parametrize(
    ("row", "name", "answers", "found"),
    [
        (LETTERED, "answer", [1, 2, 3, 4], [0, 1, 2, 3]),
        (LETTERED, "answer", [1, 2, 3, 0], [1, 2, 3, 0]),
        (LETTERED, "answer", ["1", "2", "1", "4"], [0, 1, 0, 3]),
        (MEDMCQA, "cop", [1, 4], [0, 3]),
        (MEDMCQA, "cop", [0, 3], [0, 3]),
        (LETTERED, "answer", [2.0, 4.0], [1, 3]),
    ],
)
def test_the_whole_file_says_where_answers_begin(understood, row, name, answers, found):
    """A 0, or the number of options, shows it, however late."""
    uncertain = [{**row, name: 1}] * 100
    rows = [{**row, name: answer} for answer in answers]
    items = understood(*uncertain, *rows).items
    assert [item.answer for item in items[100:]] == found
    assert {item.answer for item in items[:100]} == {1 if 0 in answers else 0}


@pytest.mark.parametrize(
    ("row", "name", "answer"),
    [
        (LETTERED, "answer", 1),
        (LETTERED, "answer", "2"),
        (MEDMCQA, "cop", 2),
        ({"ctx": "Q", "ending0": "x", "ending1": "y"}, "label", 1),
        ({"question": "Q", "options": '["x", "y"]'}, "answer", "1"),
        ({"question": "Q", "first": 1, "options": ["1", "0"]}, "answer", "1"),
    ],
)
def test_numbers_that_may_count_from_either_are_refused(understood, row, name, answer):
    rows = [{**row, name: answer}] * 5
    with pytest.raises(FileError) as refused:
        understood(*rows)
    said = str(refused.value)
    assert f"answers in {name!r} may be " in said
    assert "--answers from-0" in said
    assert "--answers from-1" in said
    assert "right under from-0: " in said
    assert "right under from-1: " in said
    assert "line 3" in said
    assert ": Q" in said
    first, second = (
        understood(*rows, wanted=Wanted(answers=told)).items[0].answer
        for told in (Answers.FROM_0, Answers.FROM_1)
    )
    assert (first, second) == (int(answer), int(answer) - 1)


@pytest.mark.parametrize(("layout", "answer"), [("medmcqa", 0), ("medmcqa-hub", 1)])
def test_a_layout_that_is_named_decides(understood, layout, answer):
    found = understood({**MEDMCQA, "cop": 1}, wanted=Wanted(layout=layout))
    assert found.items[0].answer == answer


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(layout="piqua"), "no layout is named 'piqua'; known are trueodds, piqa"),
        (Wanted(layout="piqa"), "the layout piqa has other columns: goal, sol1, sol2"),
    ],
)
def test_a_layout_that_is_none_is_refused(understood, wanted, said):
    with pytest.raises(FileError, match=said):
        understood({**LETTERED, "answer": "A"}, wanted=wanted)


def test_a_layout_whose_answers_are_others_is_refused(understood):
    rows = [{"goal": "Q", "sol1": "x", "sol2": "y", "label": label} for label in (1, 2, 2)]
    with pytest.raises(FileError, match="from-0 or from-1"):
        understood(*rows)


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Q", "mc2_targets": {"choices": ["x", "y", "z"], "labels": [1, 1, 0]}},
        {"input": "Q", "target_scores": {"x": 1, "y": 1, "z": 0}},
    ],
)
def test_several_right_answers_are_told(understood, row):
    column = next(name for name in row if "target" in name)
    [item] = understood(row, wanted=Wanted(options=(column,))).items
    assert item.question.options == ("x", "y", "z")
    assert (item.answer, item.unusable) == (None, f"{column}: has 2 right answers")


def test_one_list_of_classes_for_a_whole_file(understood):
    classes = ("positive", "negative")
    texts = [{"text": "fine", "label": "positive"}, {"text": "dull", "label": "negative"}]
    items = understood(*texts, wanted=Wanted(classes=classes)).items
    assert [item.question.options for item in items] == [classes, classes]
    assert [item.question.text for item in items] == ["fine", "dull"]
    assert [item.answer for item in items] == [0, 1]


def test_what_the_caller_says_comes_first(understood):
    row = {
        "question": "not this", "mine": "Q", "x1": "a", "x2": "b", "key": 2, "text": "P", "n": 7,
        "kind": "law", "answer": "A",
    }  # fmt: skip
    found = understood(
        row,
        wanted=Wanted(
            question="mine",
            options=("x1", "x2"),
            answer="key",
            passage="text",
            id="n",
            task="kind",
            answers=Answers.FROM_1,
        ),
    )
    assert found.columns == Columns(
        None, "mine", ("x1", "x2"), "key", "text", "n", "kind", Answers.FROM_1
    )
    [item] = found.items
    assert (item.question.text, item.question.passage, item.answer) == ("Q", "P", 1)
    assert (item.id, item.task) == ("7", "law")


def test_what_the_caller_rules_out_is_not_taken(understood):
    row = {"question": "Q", "options": ["x", "y"], "answer": 0, "id": "i", "passage": "P"}
    columns = understood(row, wanted=Wanted(answer="", id="", passage="")).columns
    assert (columns.answer, columns.id, columns.passage) == (None, None, None)


def test_what_was_taken_is_told(understood):
    shown = pages.beginning("layout: agieval").text
    assert f"{understood(LAYOUTS['AGIEval']).columns}\n" == shown


@pytest.mark.parametrize(
    ("row", "wanted", "said"),
    [
        ({"text": "Q"}, Wanted(), "no column looks like the options.*--options-column.*text"),
        ({"options": ["x", "y"], "n": 1}, Wanted(), "like the question.*--question-column"),
        (
            {"question": "Q", "options": ["x", "y"]},
            Wanted(answer="key"),
            "no row has a column 'key'. The columns: question, options",
        ),
        (
            {"question": "Q", "sentence": "S", "options": ["x", "y"]},
            Wanted(),
            "the question may be in question or in sentence; name it with --question-column",
        ),
        (
            {"question": "Q", "context": "S", "story": "T", "options": ["x", "y"]},
            Wanted(),
            "the passage may be in story or in context; name it with --passage-column",
        ),
    ],
)
def test_what_is_not_certain_is_asked_for(understood, row, wanted, said):
    with pytest.raises(FileError, match=said):
        understood(row, wanted=wanted)


def test_a_column_is_known_however_late_it_shows(understood):
    rows = ["no JSON"] * 100
    rows += [{"question": "Q", "options": ["x", "y"], "passage": None}] * 100
    rows += [{"question": "Q", "options": ["x", "y"], "kind": "law"}, *rows]
    columns = understood(*rows, wanted=Wanted(passage="passage", task="kind")).columns
    assert (columns.question, columns.passage, columns.task) == ("question", "passage", "kind")


PLAIN = Columns(None, "question", ("options",), "answer", "passage", "id", "task", Answers.FROM_0)
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
        ({"options": "['x' 'y']"}, "options"),
        ({"options": ["x", None]}, "options"),
        ({"options": ["x", ""]}, "options"),
        ({"options": {"text": ["x", "y"], "label": ["A"]}}, "options"),
        ({"options": {"choices": ["x", "y"], "labels": [0, 2]}}, "options"),
        ({"passage": 3}, "passage"),
        ({"task": " t"}, "task"),
        ({"task": None}, "task"),
        ({"question": "\ud800"}, ""),
        ({"question": "\udce9"}, "question"),
        ({"question": UNREADABLE}, "question"),
        ({"options": ["x", float("nan")]}, "options"),
    ],
)
def test_a_bad_row_says_where(change, field):
    item = read_item({**GOOD, **change}, PLAIN)
    assert item.question is None
    assert item.error.field == field
    assert item.id == "5"


@pytest.mark.parametrize(
    "answer", [2, "C", True, 0.5, [1], "none of them", UNREADABLE, "x", "\ud800"]
)
def test_a_bad_answer_costs_the_row_its_answer_only(answer):
    item = read_item({**GOOD, "answer": answer}, PLAIN)
    assert item.question is not None
    assert (item.error, item.answer) == (None, None)
    assert item.unusable == "answer: is no option (from-0)"


@pytest.mark.parametrize("answer", [None, "", -1, "-1", float("nan")])
def test_a_row_may_keep_its_answer_to_itself(answer):
    item = read_item({**GOOD, "answer": answer}, PLAIN)
    assert (item.error, item.answer, item.unusable) == (None, None, None)


def test_two_equal_options_make_their_text_no_answer(understood):
    row = {"question": "Q", "options": ["x", "x", "y"]}
    by_text = understood(*({**row, "answer": answer} for answer in "xyy")).items
    assert [item.answer for item in by_text] == [None, 2, 2]
    assert by_text[0].unusable == "answer: is the text of several options"
    assert by_text[0].question.options == ("x", "x", "y")
    by_letter = understood({**row, "answer": "B"}).items
    assert [item.answer for item in by_letter] == [1]


@pytest.mark.parametrize(
    ("options", "answers", "found"),
    [
        (["2", "4", "6"], ["4", "2", "6"], [1, 0, 2]),
        ([2, 4, 6], ["4", "2", "6"], [1, 0, 2]),
        (["2", "4", "6"], ["0", "2", "1"], [0, 2, 1]),
        ([2.5, 0.5], ["0.5", "2.5"], [1, 0]),
        (["-1", "0", "1"], ["-1", "1", "0"], [0, 2, 1]),
        (["B", "A", "none"], ["A", "none"], [1, 2]),
        (["B", "A", "none"], ["A", "C"], [0, 2]),
    ],
)
def test_an_answer_means_the_same_in_the_whole_file(understood, options, answers, found):
    """Where one row shows what answers are, those that could be either are that too."""
    rows = [{"question": "Q", "options": options, "answer": answer} for answer in answers]
    assert [item.answer for item in understood(*rows).items] == found


def test_answers_that_are_no_options_are_refused(understood):
    with pytest.raises(FileError, match="are no options; --answer-column"):
        understood({"question": "Q", "options": ["x", "y"], "answer": "because"})


def test_a_few_mistakes_do_not_change_what_answers_are(understood):
    rows = [{**LETTERED, "answer": "ABCD"[number % 4]} for number in range(40)]
    items = understood(*rows, {**LETTERED, "answer": "w"}).items
    assert [item.answer for item in items] == [number % 4 for number in range(40)] + [None]


def test_what_is_missing_may_be_nan(understood):
    """As pandas writes it."""
    row = {"question": "Q", "A": "x", "B": "y", "C": float("nan"), "passage": float("nan")}
    item = understood(row, {**row, "C": "z", "passage": "P"}).items[0]
    assert (item.question.options, item.question.passage) == (("x", "y"), "")


def test_letters_are_taken_off_where_every_option_has_its_own(understood):
    row = {"question": "Q", "options": ["(A) is a letter", "so is (B)"]}
    lettered = {"question": "Q", "options": ["(A) x", "(B) y"]}
    found = understood(lettered, row, lettered)
    assert found.columns.letters
    assert found.items[0].question.options == ("x", "y")
    assert found.items[1].question.options == tuple(row["options"])


MANY = {f"n{number}": "" for number in range(50_000)}


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (MANY, Wanted()),
        ({"x" * 10**6: ""}, Wanted()),
        ({"question": "Q", "options": ["x", "y"], **MANY}, Wanted(answer="key")),
        ({"question" + " " * more: "Q" for more in range(1000)}, Wanted()),
    ],
    ids=["many", "long", "no such column", "capitals"],
)
def test_a_message_lists_as_many_columns_as_are_read(understood, row, wanted):
    with pytest.raises(FileError) as refused:
        understood(row, wanted=wanted)
    assert len(str(refused.value)) < 10_000
    assert "more" in str(refused.value) or len(row) == 1


def test_names_inside_of_objects_are_of_a_size_with_what_is_there():
    """Each repeated the name of its object: of two megabytes there came a hundred gigabytes."""
    row = {"x" * 10**5: dict.fromkeys(map(str, range(2000)), 1), "question": {"stem": "Q"}}
    names = all_names([row])
    assert {"question", "question.stem"} <= {*names}
    assert sum(map(len, names)) < 10**6


def test_a_preview_shows_as_many_options_as_are_read(understood):
    row = {"question": "Q", "options": [f"o{n}" for n in range(5000)], "answer": "2"}
    with pytest.raises(FileError, match="and 4,970 more") as refused:
        understood(row)
    assert len(str(refused.value)) < 10_000


def test_any_number_of_options_has_no_letters(understood):
    """More than there are characters for as letters."""
    row = {"question": "Q", "options": ["x"] * 0x110000}
    assert not understood(row, wanted=Wanted(answers=Answers.LETTERS)).columns.letters


@pytest.mark.parametrize(
    "row",
    [
        {"question": ["x" * 10**6], "options": ["x", "y"]},
        {"question": "Q", "options": {"x" * 10**6: 1}},
    ],
)
def test_a_bad_row_does_not_say_all_that_it_holds(row):
    item = read_item(row, Columns("trueodds", "question", ("options",)))
    assert len(str(item.error)) < 200
