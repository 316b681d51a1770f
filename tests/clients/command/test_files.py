"""Files of questions, as every command reads them."""

import pytest
from tests.clients.command.output import TIN, rows

from trueodds.cli.files import OpenFile
from trueodds.files import Wanted, open_source, understand

CHAT = {
    "messages": [{"role": "user", "content": "Is tin a metal?"}],
    "options": ["yes", "no"],
}


def test_prompts_of_ones_own_stand_in_a_file(command, write):
    """The prompt that the service writes, written by hand; and a conversation."""
    prompt = "Is tin a metal?\nA. yes\nB. no\nAnswer:"
    begun = {**CHAT, "answer_prefix": "It is"}
    result = command(
        "score", "aligned", write(TIN, {"prompt": prompt, "options": ["yes", "no"]}, CHAT, begun)
    )
    assert result.exit_code == 0, result.stdout
    asked, prompted, chat, prefixed = rows(result)
    assert prompted.pop("raw_because") != asked.pop("raw_because"), "a reading of its own"
    assert prompted == asked
    assert chat["probabilities"] != prefixed["probabilities"] != asked["probabilities"]


def test_an_error_names_the_row_of_the_file(command, write):
    """Rows that are no question are not sent, and count all the same."""
    one = {**TIN, "options": ["yes"]}
    result = command("score", "aligned", write("{", one, 7, TIN, "{", one, "{"))
    assert result.exit_code == 1
    found = [row.get("error", {}) for row in rows(result)]
    assert [error.get("reason") for error in found] == [
        *("BAD_ROW", "INVALID_FIELD", "BAD_ROW", None),
        *("BAD_ROW", "INVALID_FIELD", "BAD_ROW"),
    ]
    for row in (1, 5):
        assert found[row]["field"] == f"questions[{row}].options"
        assert found[row]["message"].startswith(f"questions[{row}].options: has 1 options")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is not JSON (Expecting property name"),
        ("7", "is not a JSON object"),
        ("[" * 100_000, "recursion"),
        ({"options": ["a", "b"]}, "question: is missing"),
        ({"question": "?"}, "options: is missing"),
        ({**TIN, "prompt": "Tin?"}, "prompt: is one too many"),
        ({**CHAT, "prompt": "Tin?"}, "messages: is one too many"),
        ({**TIN, "answer_prefix": "It is"}, "answer_prefix: goes with messages only"),
        ({**CHAT, "answer_prefix": 7}, "answer_prefix has to be a string, not 7"),
        (
            {**CHAT, "messages": "Tin?"},
            "messages: has to be a list of objects",
        ),
        ({**CHAT, "messages": ["Tin?"]}, "messages: has to be a list of objects with role and"),
        ({**CHAT, "messages": [{"role": "user"}]}, "messages[0] has to have role and content"),
        ({"prompt": 7, "options": ["a", "b"]}, "prompt: has to be a string, not 7"),
        ({**TIN, "question": 7}, "question: has to be a string, not 7"),
        ({**TIN, "options": "ab"}, "options has to be a list of strings, not 'ab'"),
        ({**TIN, "options": {"a": 1}}, "options: has to be a list of strings"),
        ({**TIN, "options": ["a", None]}, "options[1] has to be a string, not None"),
        ({**TIN, "labels": ["x"]}, "labels: 1 for 2 options"),
        ('{"question": "\\ud800", "options": ["a", "b"]}', "text: half a surrogate pair"),
    ],
)
def test_a_wrong_line_is_named(command, write, line, said):
    """It costs no other line its score; a fit of some of the questions would be another fit."""
    path = write(TIN, "", line)
    scored = command("score", "aligned", path)
    assert scored.exit_code == 1
    good, bad = rows(scored)
    assert good["choice"] in (0, 1)
    assert bad["error"]["reason"] == "BAD_ROW"
    assert bad["error"]["message"].startswith("line 3: ")
    assert said in bad["error"]["message"]
    result = command("fit", "aligned", path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {path}, line 3: ")
    assert said in result.stderr


def test_ids_go_in_and_come_out(command, write):
    asked = [{"id": 1, **TIN, "answer": "a"}, {"id": "two", **TIN, "options": []}, TIN]
    result = command("score", "aligned", write(*asked, {"id": 4, "question": 3}))
    assert result.exit_code == 1
    first, second, third, fourth = rows(result)
    assert first["id"] == "1"
    assert "confidence" in first
    assert (second["id"], second["error"]["reason"]) == ("two", "INVALID_FIELD")
    assert "id" not in third
    assert (fourth["id"], fourth["error"]["reason"]) == ("4", "BAD_ROW")


def test_every_command_reads_files_in_the_same_way(command, write, activated, task, tmp_path):
    """CSV with semicolons, answers from 1 that only an option tells."""
    path = tmp_path / "rows.csv"
    lines = "".join(f"Is {number} a metal?;yes;no;1\n" for number in range(9))
    path.write_text(f"Question;A;B;Answer\n{lines}")
    name = activated(3)
    report = ["report", name]
    commands = (["fit", "aligned", "--method", "temperature"], ["evaluate", name], report)
    for args in commands:
        refused = command(*args, path)
        assert refused.exit_code == 1
        assert "--answers from-0 or --answers from-1 decides" in refused.stderr
    assert command("score", "aligned", path).exit_code == 0, "which reads no answers"
    for args in (["score", "aligned"], ["evaluate", name], report):
        shown = command(*args, path, "--answers", "from-1", "--dry-run")
        assert shown.exit_code == 0, shown.stderr
        assert "answer: Answer (from-1)" in shown.stdout
        assert "line 2: Is 0 a metal?\n  yes  <- right\n  no\n" in shown.stdout
    shown = command("fit", "aligned", path, "--task", task, "--answers", "from-1", "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    assert "  yes  <- right" in shown.stderr


def test_a_file_that_cannot_be_read_is_named(command, tmp_path, write):
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"question": "a",\n "options": ["\xe9"]}')
    for path, said in (
        (tmp_path / "nothing.jsonl", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (write("", name="empty.jsonl"), "holds no questions"),
        (latin, "byte 0xe9 at character 33 is not UTF-8; --encoding latin-1 reads it"),
    ):
        result = command("score", "aligned", path)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: {path}")
        assert said in result.stderr
    result = command("score", "aligned", "-", stdin="{")
    assert result.stderr.startswith("error: standard input, line 1: is not JSON")


def test_as_many_columns_as_are_read_are_told(write):
    row = {"question": "Q", "options": ["x", "y"], **{f"n{n}": 1 for n in range(50_000)}}
    source = open_source(write(row))
    told = OpenFile(source, understand(source, Wanted())).told()
    assert told.endswith(" and 49,950 more")
    assert len(told) < 10_000
