"""`trueodds bulk` over a real channel: whole, resumed, with bad rows, and never twice."""

import json
import math
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

import trueodds
from trueodds import Client, Example, Format, Method, Question, bulk
from trueodds._convert import scoring as _messages
from trueodds.bulk import job
from trueodds.bulk.parts import Parts
from trueodds.bulk.table import SCHEMA
from trueodds.cli.bulk import BAD_ROWS
from trueodds.files import BadRow, Columns, FileError, Wanted, open_source, understand
from trueodds.files.text import Dialect
from trueodds.v1.scoring_pb2 import Identity
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import PromptFault


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """So that few rows make many parts, and parts many messages."""
    monkeypatch.setattr(job, "_PART", 40)
    monkeypatch.setattr(job, "BATCH", 16)


def row(number):
    options = ["yes", "no"] if number % 3 else ["yes", "no", "never"]
    return {"id": f"q{number}", "question": f"Is {number} even?", "options": options, "answer": 0}


def question(number):
    return Question(row(number)["question"], row(number)["options"])


@pytest.fixture
def run_bulk(relay, command, monkeypatch):
    """Runs the command against the relay."""

    def run(*args):
        monkeypatch.setenv("TRUEODDS_SERVER", relay.address)
        return command("bulk", "aligned", *args)

    return run


@pytest.fixture
def output(tmp_path):
    return tmp_path / "answers.parquet"


def rows_of(path):
    return parquet.read_table(path).to_pylist()


def test_a_row_may_have_a_receipt_by_which_its_outcome_is_told(
    run_bulk, command, service, write, output
):
    asked = ["--receipts", "-o", output]
    bad = {"id": "bad", "question": "Is it?"}
    result = run_bulk(write(row(1), bad, row(2)), *asked)
    assert result.exit_code == BAD_ROWS, result.stderr
    receipts = [each["receipt"] for each in rows_of(output)]
    assert receipts[1] is None, "what has no answer"
    outcomes = [{"receipt": each, "answer": 0} for each in receipts if each]
    told = command(
        "outcomes", write(*outcomes, name="outcomes.jsonl"), "--server", service.app.address
    )
    assert told.stdout == "2 new, 0 corrected, 0 known already\n"


def test_without_being_asked_for_there_are_no_receipts(run_bulk, write, output):
    questions = write(row(1))
    assert run_bulk(questions, "-o", output).exit_code == 0
    assert [each["receipt"] for each in rows_of(output)] == [None]
    again = run_bulk(questions, "--receipts", "-o", output)
    assert again.exit_code == 1
    assert "is of a run with other settings (settings: " in again.stderr


def parts_of(output):
    return output.with_name(f"{output.name}.parts")


def test_every_row_is_answered_as_the_client_answers_it(run_bulk, client, write, output):
    path = write(*(row(number) for number in range(130)))
    result = run_bulk(path, "-o", output, "--task", "t", "--format", "letter")
    assert result.exit_code == 0, result.stderr
    assert "question: question; options: options; answer: answer" in result.stderr
    assert "130 rows; 0 errors" in result.stderr
    expected = client.score_batch(
        [question(number) for number in range(130)],
        model="aligned",
        task="t",
        reading=Format.LETTER,
    )
    found = rows_of(output)
    assert [each["row"] for each in found] == list(range(130))
    assert [each["id"] for each in found] == [f"q{number}" for number in range(130)]
    for got, answer in zip(found, expected, strict=True):
        options = answer.options
        assert got["task"] == "t"
        assert got["labels"] == [each.label for each in options]
        assert got["logprobs"] == [each.logprob for each in options]
        assert got["probabilities"] == [each.probability for each in options]
        assert got["calibrated_probabilities"] == [each.calibrated_probability for each in options]
        assert (got["choice"], got["confidence"]) == (answer.choice, answer.confidence)
        assert got["option_mass"] == answer.option_mass
        assert got["format_probability"] == answer.format_probability
        assert got["correct"] is (answer.choice == 0)
        assert got["error_code"] is None
    assert not parts_of(output).exists()


def test_a_row_may_have_more_options_than_the_alphabet_has_letters(run_bulk, write, output):
    many = [f"option {number}" for number in range(128)]
    assert run_bulk(write({**row(0), "options": many}, row(1)), "-o", output).exit_code == 0
    labels = rows_of(output)[0]["labels"]
    assert (labels[:2], labels[26:28], labels[127]) == (["A", "B"], ["AA", "AB"], "DX")


def test_bad_rows_are_reported_and_cost_no_other(run_bulk, write, output):
    path = write(row(0), '{"question": 3}', row(2), "no JSON", row(4))
    result = run_bulk(path, "-o", output)
    assert result.exit_code == BAD_ROWS
    assert "5 rows; 2 errors" in result.stderr
    found = rows_of(output)
    wrong = "INVALID_ARGUMENT"
    assert [each["error_code"] for each in found] == [None, wrong, None, wrong, None]
    assert (found[1]["error_reason"], found[1]["error_field"]) == ("BAD_ROW", "options")
    assert found[3]["error"].startswith("line 4: is not JSON (")
    assert found[1]["choice"] is None
    assert math.isclose(sum(found[2]["probabilities"]), 1)


@pytest.mark.parametrize("column", ["id", "task", "question", "options", "answer", "unused"])
def test_half_a_character_costs_its_row_at_most(run_bulk, write, output, column):
    rows = [{**row(number), "task": "t", "unused": ""} for number in range(3)]
    half = "\ud800"
    rows[1][column] = [half, "no"] if column == "options" else half
    result = run_bulk(write(*rows), "-o", output, "--task-column", "task")
    harmless = column in ("answer", "unused")
    assert result.exit_code == (0 if harmless else BAD_ROWS), result.stderr
    wrong = [each["error_reason"] for each in rows_of(output)]
    assert wrong == [None, None if harmless else "BAD_ROW", None]


def test_an_answer_that_is_none_is_counted_and_costs_no_score(run_bulk, write, output):
    path = write(row(0), {**row(1), "answer": 7}, {**row(2), "options": ["x", "x"]})
    result = run_bulk(path, "-o", output, "--format", "letter")
    assert result.exit_code == 0, result.stderr
    assert "3 rows; 0 errors" in result.stderr
    assert "1 answer is not usable; line 2: answer: is no option (from-0)" in result.stderr
    found = rows_of(output)
    assert [each["answer"] for each in found] == [0, None, 0]
    assert [each["correct"] is None for each in found] == [False, True, False]
    assert [each["choice"] is None for each in found] == [False, False, False]
    assert found[1]["answer_error"] == "line 2: answer: is no option (from-0)"


def test_a_dry_run_shows_the_file_and_scores_nothing(run_bulk, write, output):
    path = write({"goal": "Open it", "sol1": "pull", "sol2": "push", "label": 1})
    result = run_bulk(path, "-o", output, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "layout: piqa; question: goal; options: sol1, sol2; answer: label (from-0); passage: –; "
        "id: –; task: –",
        "line 1: Open it",
        "  pull",
        "  push  <- right",
    ]
    assert not output.exists()
    assert not parts_of(output).exists()


def test_what_is_uncertain_is_refused_with_the_option_that_decides(run_bulk, write, output):
    path = write({"question": "Q", "A": "x", "B": "y", "C": "z", "answer": 1})
    result = run_bulk(path, "-o", output)
    assert result.exit_code == 1
    assert "--answers from-0 or --answers from-1 decides" in result.stderr
    assert not parts_of(output).exists()
    assert run_bulk(path, "-o", output, "--answers", "from-1").exit_code == 0
    assert rows_of(output)[0]["answer"] == 0


def test_what_the_service_says_of_a_row_names_its_field_within_the_row(run_bulk, write, output):
    long = {**row(1), "question": "word " * 3000}
    assert run_bulk(write(row(0), long, row(2)), "-o", output).exit_code == BAD_ROWS
    found = rows_of(output)[1]
    assert found["error_reason"] == "PROMPT_TOO_LONG"
    assert found["error_field"] == "text"
    assert found["error"].startswith("text: ")
    assert found["id"] == "q1"


def test_rows_may_have_tasks_of_their_own(run_bulk, client, write, output):
    rows = [{**row(number), "kind": f"kind{number % 2}"} for number in range(90)]
    assert run_bulk(write(*rows), "-o", output, "--task-column", "kind").exit_code == 0
    found = rows_of(output)
    assert [each["task"] for each in found] == [each["kind"] for each in rows]
    expected = client.score_batch([question(number) for number in range(90)], model="aligned")
    assert [each["confidence"] for each in found] == [each.confidence for each in expected]


def test_answer_sets_and_abstentions_are_told_where_they_are_asked_for(
    run_bulk, client, write, output, task
):
    calibrator = client.fit(model="aligned", task=task, method=Method.CONSTANT, options=2)
    path = write(row(1), row(2))
    asked = ["--task", task, "--calibrator", calibrator.name, "--answer-set", "aps", "0.99"]
    assert run_bulk(path, "-o", output, *asked, "--min-confidence", "1").exit_code == 0
    for each in rows_of(output):
        assert each["answer_set"][0] == each["choice"]
        assert (each["abstained"], each["calibrator"]) == (True, calibrator.name)
    other = output.with_stem("other")
    assert run_bulk(path, "-o", other).exit_code == 0
    assert [each["answer_set"] for each in rows_of(other)] == [None, None]


def test_shots_come_from_a_file_of_the_same_kind(run_bulk, client, write, output):
    shots = write(row(100), row(101), name="shots.jsonl")
    assert run_bulk(write(row(1), row(2)), "-o", output, "--shots", shots).exit_code == 0
    worked = [Example(question(100), 0), Example(question(101), 0)]
    expected = client.score_batch([question(1), question(2)], model="aligned", shots=worked)
    assert [each["confidence"] for each in rows_of(output)] == [
        each.confidence for each in expected
    ]
    without = write({**row(100), "answer": None}, name="without.jsonl")
    result = run_bulk(write(row(1)), "-o", output.with_stem("other"), "--shots", without)
    assert result.exit_code == 1
    assert "line 1: answer: is missing" in result.stderr


class Killed(BaseException):
    """What a kill -9 is to a test in this process: nothing runs after it."""


@pytest.mark.parametrize("moment", range(12))
def test_a_run_goes_on_wherever_it_was_cut_off(run_bulk, write, output, monkeypatch, moment):
    """Each file that a run writes, renames or removes is a moment to die at."""
    path = write(*(row(number) for number in range(130)))
    whole = output.with_stem("whole")
    assert run_bulk(path, "-o", whole).exit_code == 0
    dies_at(monkeypatch, moment)
    cut_off = False
    try:
        run_bulk(path, "-o", output)
    except (Killed, AssertionError):
        cut_off = True
    monkeypatch.undo()
    assert cut_off or moment > 5
    monkeypatch.setenv("COLUMNS", "200")
    result = run_bulk(path, "-o", output)
    assert result.exit_code == 0, result.stderr
    assert rows_of(output) == rows_of(whole)
    assert not parts_of(output).exists()


def dies_at(monkeypatch, moment):
    """The process dies before, or right after, a file gets its name: there are two moments each."""
    left = [moment]
    renamed = Path.replace

    def replace(self, target):
        if left[0] == 0:
            raise Killed
        found = renamed(self, target)
        if left[0] == 1:
            raise Killed
        left[0] -= 2
        return found

    monkeypatch.setattr(Path, "replace", replace)


def cut_off_run(monkeypatch, run_bulk, *args):
    """A run that dies when its first part is there."""
    with monkeypatch.context() as within:
        dies_at(within, 3)
        with pytest.raises((Killed, AssertionError)):
            run_bulk(*args)


def test_what_is_finished_is_not_asked_again(run_bulk, relay, write, output):
    path = write(*(row(number) for number in range(130)))
    relay.break_after = [4, 0, 0, 0]
    assert run_bulk(path, "-o", output).exit_code == 0
    asked = len(relay.received)
    result = run_bulk(path, "-o", output)
    assert result.exit_code == 0
    assert "130 of them from before" in result.stderr
    assert len(relay.received) == asked


@pytest.mark.parametrize(
    "change",
    [
        ["--task", "other"],
        ["--format", "letter"],
        ["--answer", ""],
        ["--shots"],
        ["--encoding", "latin-1"],
    ],
)
def test_other_settings_are_refused(run_bulk, relay, write, output, change):
    path = write(*(row(number) for number in range(50)))
    other = [*change, write(row(7), name="shots.jsonl")] if change == ["--shots"] else change
    relay.silent.set()
    assert run_bulk(path, "-o", output, "--timeout", "0.3").exit_code == 1
    relay.silent.clear()
    result = run_bulk(path, "-o", output, *other)
    assert result.exit_code == 1
    assert "other settings" in result.stderr
    assert run_bulk(path, "-o", output).exit_code == 0
    result = run_bulk(path, "-o", output, *other)
    assert result.exit_code == 1
    assert "other settings" in result.stderr
    path.write_text(path.read_text() + json.dumps(row(50)) + "\n")
    assert "input" in run_bulk(path, "-o", output).stderr


@pytest.mark.parametrize(
    ("name", "cut_off"),
    [*((field.name, False) for field in Identity.DESCRIPTOR.fields), ("format_version", True)],
)
def test_an_output_is_of_one_model(run_bulk, relay, write, output, monkeypatch, name, cut_off):
    """Also when the other one answers after the stream, or the whole run, was cut off."""
    path = write(*(row(number) for number in range(130)))
    honest = relay._answer
    relay.break_after = [6, 0]

    def changed(request):
        response = honest(request)
        for each in response.outcomes:
            setattr(each.answer.identity, name, 7 if name == "format_version" else "another")
        return response

    def later(request):
        return honest(request) if relay.streams == 1 else changed(request)

    monkeypatch.setattr(relay, "_answer", later)
    if cut_off:
        cut_off_run(monkeypatch, run_bulk, path, "-o", output)
        monkeypatch.setattr(relay, "_answer", changed)
    result = run_bulk(path, "-o", output)
    assert result.exit_code == 1
    assert "another" in result.stderr or "7 now" in result.stderr
    assert not output.exists()
    monkeypatch.setattr(relay, "_answer", honest)
    assert run_bulk(path, "-o", output).exit_code == 0
    assert [each["row"] for each in rows_of(output)] == list(range(130))


def test_an_output_is_of_one_calibrator(run_bulk, client, write, output, monkeypatch, task):
    path = write(*(row(number) for number in range(130)))
    cut_off_run(monkeypatch, run_bulk, path, "-o", output, "--task", task)
    new = client.fit(model="aligned", task=task, method=Method.CONSTANT, options=2, activate=True)
    result = run_bulk(path, "-o", output, "--task", task)
    assert result.exit_code == 1
    assert f"{new.name} now, and was none" in result.stderr
    client.rollback(new.name)
    assert run_bulk(path, "-o", output, "--task", task).exit_code == 0
    assert {each["calibrator"] for each in rows_of(output)} == {None}


def test_a_file_that_is_replaced_meanwhile_is_not_scored(score_file, write, output):
    path = write(*(row(number) for number in range(50)))
    source = open_source(path)
    write(*({**row(number), "question": "Another?"} for number in range(50)))
    with pytest.raises(FileError, match="changed while it was read"):
        score_file(source)
    assert not output.exists()


def test_parts_without_a_beginning_are_no_parts(run_bulk, write, output, monkeypatch):
    """What is left of a removal that was cut off is of settings that nobody knows."""
    path = write(*(row(number) for number in range(130)))
    cut_off_run(monkeypatch, run_bulk, path, "-o", output)
    (parts_of(output) / "manifest.json").unlink()
    assert run_bulk(path, "-o", output, "--task", "other").exit_code == 0
    assert {each["task"] for each in rows_of(output)} == {"other"}


def test_a_row_larger_than_a_message_costs_no_other(run_bulk, write, output):
    path = write(row(0), {**row(1), "question": "w " * 2**22}, row(2))
    assert run_bulk(path, "-o", output).exit_code == BAD_ROWS
    assert [each["error_reason"] for each in rows_of(output)] == [None, "BAD_ROW", None]
    assert "4 MiB" in rows_of(output)[1]["error"]


def test_a_row_at_which_the_service_fails_costs_no_other(start_faulty, command, write, output):
    """And when it failed once at everything, that leaves no trace."""
    service = start_faulty(faults=2, longest=200)
    rows = [row(number) for number in range(130)]
    rows[77]["question"] = "word " * 100
    server = ["--server", service.app.address]
    assert command("bulk", "aligned", write(*rows), "-o", output, *server).exit_code == BAD_ROWS
    codes = [each["error_code"] for each in rows_of(output)]
    assert codes == [None] * 77 + ["INTERNAL"] + [None] * 52


def test_a_prompt_that_kills_engines_is_its_rows_own_error(
    run_bulk, relay, start_service, write, output
):
    """Asked once: the service has tried it alone, and would lose an engine each time."""

    class Killed(FakeEngine):
        async def score(self, prompts, adapter=None):
            outcomes = await super().score(prompts, adapter)
            return [
                PromptFault("the engine dies of it", reason="ENGINE_KILLED")
                if prompt.length > 200
                else outcome
                for prompt, outcome in zip(prompts, outcomes, strict=True)
            ]

    relay._service = start_service(engines={"aligned": Killed()})
    rows = [row(number) for number in range(130)]
    rows[77]["question"] = "word " * 100
    result = run_bulk(write(*rows), "-o", output)
    assert result.exit_code == BAD_ROWS
    found = rows_of(output)
    reasons = [each["error_reason"] for each in found]
    assert reasons == [None] * 77 + ["ENGINE_KILLED"] + [None] * 52
    assert found[77]["error_code"] == "FAILED_PRECONDITION"
    assert sum(relay.received) == 130, "no row was asked twice"


def test_answers_that_hold_next_to_nothing_are_counted(command, doubtful, write, output):
    """Also where the run had ended before."""
    rows = [row(number) for number in range(60)]
    for number in (7, 50):
        rows[number]["question"] = "word " * 100
    rows[20]["labels"] = ["a long text of a label", "and a second one", "third and last"][
        : len(rows[20]["options"])
    ]
    args = ("--format", "letter", "--server", doubtful.app.address)
    for _ in range(2):
        result = command("bulk", "aligned", write(*rows, "{"), "-o", output, *args)
        assert result.exit_code == BAD_ROWS, result.stderr
        assert "warning: low option mass in 2 of 60 answers: " in result.stderr
        assert "another --format, or worked examples by --shots" in result.stderr
    low = [each["low_option_mass"] for each in rows_of(output)]
    assert [number for number, each in enumerate(low) if each] == [7, 50]
    assert [number for number, each in enumerate(low) if each is None] == [20, 60]


def test_a_file_of_somebody_else_is_left_alone(run_bulk, write, output):
    output.write_bytes(b"mine")
    result = run_bulk(write(row(0)), "-o", output)
    assert result.exit_code == 1
    assert output.read_bytes() == b"mine"


def test_two_runs_do_not_write_one_output(run_bulk, service, write, output):
    path = write(row(0))
    settings = {}
    with Parts(output, settings).opened():
        manifest = parts_of(output) / "manifest.json"
        assert json.loads(manifest.read_text()) == settings
        result = run_bulk(path, "-o", output)
    assert result.exit_code == 1
    assert "another run" in result.stderr


def test_what_is_wrong_with_all_rows_ends_the_run(relay, command, write, output, monkeypatch):
    monkeypatch.setenv("TRUEODDS_SERVER", relay.address)
    result = command("bulk", "nobody", write(row(0)), "-o", output)
    assert result.exit_code == 1
    assert "models/nobody" in result.stderr


def test_a_server_that_restarts_is_waited_for(run_bulk, relay, write, output):
    relay.break_after, relay.refuse = [1, 0, 2], 2
    path = write(*(row(number) for number in range(130)))
    assert run_bulk(path, "-o", output).exit_code == 0
    assert [each["row"] for each in rows_of(output)] == list(range(130))


def test_the_output_is_parquet(run_bulk, write, output):
    result = run_bulk(write(row(0)), "-o", output.with_suffix(".csv"))
    assert result.exit_code == 2
    assert "Parquet" in result.stderr


def test_without_pyarrow_it_says_what_to_install(run_bulk, write, output, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delattr(trueodds, "bulk")
    for name in [each for each in sys.modules if each.startswith("trueodds.bulk")]:
        monkeypatch.delitem(sys.modules, name)
    result = run_bulk(write(row(0)), "-o", output)
    assert result.exit_code == 1
    assert "pip install 'trueodds[bulk]'" in result.stderr


def test_any_number_of_rows_that_ask_nothing(run_bulk, write, output):
    path = write(row(0), *["no JSON"] * 100, row(101))
    assert run_bulk(path, "-o", output).exit_code == BAD_ROWS
    found = rows_of(output)
    assert len(found) == 102
    assert [each["error_code"] is None for each in found] == [True] + [False] * 100 + [True]


class Bad:
    """A file of bad rows only; ``kept`` tells how many of them have been kept, as each is read."""

    path, digest, count, dialect = "bad.jsonl", "", 400, Dialect()

    def __init__(self, folder):
        self.kept = []
        self._folder = folder

    def check_unchanged(self):
        pass

    def placed(self, start, columns):
        for number in range(400):
            self.kept.append(len(list(self._folder.glob("rows-*"))))
            yield f"line {number + 1}", BadRow(f"{number} is bad")


@pytest.fixture
def score_file(relay, output):
    def score_file(source):
        columns = Columns("trueodds", "question", ("options",))
        settings = _messages.settings_message("aligned")
        with Client(relay.address) as client:
            return bulk.score_file(client, source, columns, output, settings)

    return score_file


def test_rows_that_ask_nothing_are_not_piled_up(score_file, output):
    source = Bad(parts_of(output))
    assert score_file(source).errors == 400
    assert source.kept[-1] >= 8, "of the nine parts before the last"


def test_a_file_that_grows_while_it_is_read_is_no_success(score_file, output):
    source = Bad(parts_of(output))
    source.count = 399
    with pytest.raises(FileError, match="changed while it was read"):
        score_file(source)
    assert not output.exists()


def test_an_output_that_cannot_be_written_says_so(run_bulk, write, tmp_path):
    (tmp_path / "taken").write_text("a file")
    result = run_bulk(write(row(0)), "-o", tmp_path / "taken" / "answers.parquet")
    assert result.exit_code == 1
    assert "taken" in result.stderr


def test_the_client_need_not_be_a_command(relay, write, output):
    with Client(relay.address) as client:
        source = open_source(write(row(0), row(1)))
        columns = understand(source, Wanted())
        settings = _messages.settings_message("aligned")
        seen = []
        summary = bulk.score_file(
            client, source, columns, output, settings, lambda *each: seen.append(each)
        )
    assert (summary.rows, summary.errors, summary.resumed) == (2, 0, 0)
    assert seen[-1] == (2, 0)


def test_a_part_is_of_a_size_that_can_be_held(tmp_path, monkeypatch):
    """A part of 1,024 rows was gigabytes, of a file of a kilobyte."""
    monkeypatch.setattr(job, "_PART", 1024)
    path = tmp_path / "repeated.parquet"
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 200), pa.array(["x" * 2**20]))
    table = pa.table({"question": texts, "A": ["a"] * 200, "B": ["b"] * 200})
    parquet.write_table(table, path, compression="zstd")
    columns = Columns(None, "question", ("A", "B"))
    sizes, firsts = [], []
    for part in job._parts(open_source(path), columns, 0):
        firsts.append(part.first)
        sizes.append(len(part.items))
    assert sizes == [64, 64, 64, 8]
    assert firsts == [0, 64, 128, 192]


def test_parts_are_merged_to_groups_of_a_size_that_can_be_held(tmp_path):
    output = tmp_path / "merged.parquet"
    row = {"task": "t", "options": ["x" * 2**20]}
    parts = Parts(output, {})
    with parts.opened():
        for first in range(0, 280, 70):
            rows = [{**row, "row": first + place} for place in range(70)]
            parts.add(first, pa.Table.from_pylist(rows, schema=SCHEMA), {})
        parts.merge()
    with parquet.ParquetFile(output) as file:
        groups = [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]
    assert groups == [140, 140]
