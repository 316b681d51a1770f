"""The `trueodds` command, as a user sees it: what it prints, and how it ends."""

import io
import json
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from pyarrow import parquet
from rich.console import Console

from trueodds import (
    Calibrator,
    Candidate,
    Client,
    Estimate,
    Evaluation,
    Method,
    Prior,
    ReliabilityBin,
    Report,
    RiskCoverage,
    Selection,
)
from trueodds.cli.calibrators import LABELLED
from trueodds.cli.main import app
from trueodds.cli.tables import calibrator_table
from trueodds_service.core.calibrators.methods import SPECS
from trueodds_service.flows.active_calibrators import Calibrators

TIN = {"question": "Is tin a metal?", "options": ["yes", "no"]}
CHAT = {
    "messages": [{"role": "user", "content": "Is tin a metal?"}],
    "options": ["yes", "no"],
}
NOBODY = "models/aligned/calibrators/0123456789abcdef"
COMMANDS = {
    (): "score",
    ("serve",): "trueodds serve serve.yaml",
    ("check",): "trueodds check serve.yaml",
    ("serve-config",): "trueodds serve-config serve.yaml > serve-config.yaml",
    ("score",): "trueodds score demo-aligned -q",
    ("bulk",): "trueodds bulk demo-aligned questions.jsonl",
    ("fit",): "trueodds fit demo-aligned questions.jsonl",
    ("fit-decisions",): "trueodds fit-decisions demo-aligned decisions.jsonl",
    ("evaluate",): "trueodds evaluate models/",
    ("calibrate",): "trueodds calibrate demo-aligned answers.jsonl",
    ("report",): "trueodds report demo-aligned 0f3a",
    ("calibrators",): "rollback",
    ("calibrators", "list"): "trueodds calibrators list demo-aligned",
    ("calibrators", "show"): "trueodds calibrators show models/",
    ("calibrators", "activate"): "trueodds calibrators activate models/",
    ("calibrators", "delete"): "trueodds calibrators delete models/",
    ("calibrators", "rollback"): "trueodds calibrators rollback models/",
    ("calibrators", "export"): "trueodds calibrators export calibrators.jsonl",
    ("calibrators", "import"): "trueodds calibrators import calibrators.jsonl",
    ("keys",): "rotate",
    ("keys", "create"): "trueodds keys create nightly",
    ("keys", "list"): "trueodds keys list",
    ("keys", "revoke"): "trueodds keys revoke 1a2b3c4d5e6f",
    ("keys", "rotate"): "trueodds keys rotate 1a2b3c4d5e6f",
    ("audit",): "trueodds audit",
    ("outcomes",): "trueodds outcomes outcomes.jsonl",
    ("drift",): "trueodds drift models/",
    ("alerts",): "trueodds alerts demo-aligned",
    ("models",): "trueodds models",
    ("demo",): "trueodds demo",
}


def rows(result):
    """Standard output, which is JSON Lines and nothing else."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in result.stdout.splitlines()]


def tree(commands, path=()):
    yield path
    for command in commands.registered_commands:
        yield (*path, command.name or command.callback.__name__)
    for group in commands.registered_groups:
        yield from tree(group.typer_instance, (*path, group.name))


@pytest.fixture
def activated(service, task):
    """Fits and activates a calibrator of this temperature for the test's task; its name."""

    def activated(temperature, **options):
        options = {"options": 2, "activate": True, **options}
        with Client(service.app.address) as client:
            return client.fit(
                model="aligned",
                task=task,
                method=Method.CONSTANT,
                temperature=temperature,
                **options,
            ).name

    return activated


# Help and usage


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_help_has_an_example(command, args):
    result = command(*args, "--help")
    assert result.exit_code == 0
    assert COMMANDS[args] in result.stdout


def test_every_command_is_in_these_tests():
    assert set(tree(app)) == set(COMMANDS)


def test_the_version(command):
    assert command("--version").stdout.startswith("trueodds 0.")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["score"], "MODEL"),
        (["score", "aligned"], "a file of questions, or one with -q and -o"),
        (["score", "aligned", "x.jsonl", "-q", "Tin?"], "a file of questions, or one with"),
        (["score", "aligned", "x.jsonl", "-o", "yes"], "a file of questions, or one with"),
        (["score", "aligned", "-", "--shots", "-"], "cannot both come from stdin"),
        (["score", "aligned", "-q", "Tin?", "--format", "prose"], "'prose' is not one of"),
        (["score", "aligned", "-q", "Tin?", "--normalization", "x"], "'x' is not one of"),
        (["score", "aligned", "-q", "Tin?", "--order", "x"], "'x' is not one of"),
        (["score", "aligned", "-q", "Tin?", "--top-tokens", "21"], "value for '--top-tokens'"),
        (["score", "aligned", "-q", "Tin?", "--min-option-mass", "2"], "'--min-option-mass'"),
        (["fit", "aligned", "--method", "magic"], "'magic' is not one of"),
        (["fit", "aligned", "-", "--shots", "-"], "cannot both come from stdin"),
        (["fit", "aligned", "--options", "1"], "Invalid value for '--options'"),
        (["report"], "give MODEL, CALIBRATOR and QUESTIONS, or --from"),
        (["report", "aligned", "0f3a"], "give MODEL, CALIBRATOR and QUESTIONS, or --from"),
        (["report", "aligned", "--from", "x.json"], "give MODEL, CALIBRATOR and QUESTIONS, or"),
        (["report", "aligned", "0f3a", "-", "--shots", "-"], "cannot both come from stdin"),
        (["calibrators", "list"], "MODEL"),
        (["calibrators", "show"], "NAME"),
        (["serve"], "config"),
        (["demo", "--questions", "1"], "Invalid value for '--questions'"),
        (["sing"], "No such command 'sing'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2(command, args, said):
    result = command(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


# Score


def test_a_file_is_scored_to_json_lines(command, write, doubtful):
    path = write(TIN, "", {**TIN, "passage": "Tin.", "labels": ["x", "y"], "answer": 1})
    server = ("--server", doubtful.app.address)
    result = command("score", "aligned", path, "--format", "letter", *server)
    assert result.exit_code == 0
    assert result.stderr == ""
    first, second = rows(result)
    assert set(first) == {
        "choice",
        "label",
        "confidence",
        "calibrated_confidence",
        "probabilities",
        "calibrated_probabilities",
        "logprobs",
        "format_probability",
        "option_mass",
        "low_option_mass",
        "entropy",
        "abstained",
        "calibrator",
        "raw_because",
        "calibration_stale",
        "identity",
    }
    assert first["confidence"] == max(first["probabilities"])
    assert sum(first["probabilities"]) == pytest.approx(1)
    assert first["calibrator"] is None
    assert second["label"] in ("x", "y")
    assert second["label"] == ("x", "y")[second["choice"]]


def test_standard_input_is_a_file(command, write):
    from_file = command("score", "aligned", write(TIN))
    from_stdin = command("score", "aligned", "-", stdin=json.dumps(TIN))
    assert from_stdin.exit_code == 0
    assert from_stdin.stdout == from_file.stdout


def test_one_question_is_scored_as_a_file_of_it(command, write):
    one = command("score", "aligned", "-q", TIN["question"], "-o", "yes", "-o", "no")
    assert one.stdout == command("score", "aligned", write(TIN)).stdout


def test_letters_of_any_script_and_separators_stay_in_their_line(command, write):
    odd = {"question": "¿\u2028Cuál?\x85", "options": ["sí", "no"]}
    result = command("score", "aligned", write(json.dumps(odd, ensure_ascii=False), TIN))
    assert result.exit_code == 0
    assert len(rows(result)) == 2


def test_shots_format_and_calibrator_are_used(command, write, activated, task):
    name = activated(2.0, activate=False)
    shots = write({**TIN, "answer": 0}, name="shots.jsonl")
    args = ["score", "aligned", write(TIN), "--task", task]
    [plain] = rows(command(*args))
    [with_shots] = rows(command(*args, "--shots", shots))
    [as_letter] = rows(command(*args, "--format", "letter"))
    [calibrated] = rows(command(*args, "--calibrator", name))
    assert with_shots["logprobs"] != plain["logprobs"]
    assert as_letter["format_probability"] == as_letter["option_mass"]
    assert calibrated["calibrator"] == name
    assert calibrated["calibrated_confidence"] < plain["calibrated_confidence"]


def test_answers_without_a_calibrator_are_refused_where_that_is_asked(
    command, write, activated, task, tmp_path
):
    """Row by row; the calibrator is for two options."""
    name = activated(2.0)
    asked = write(TIN, {**TIN, "options": ["yes", "no", "never"]})
    result = command("score", "aligned", asked, "--task", task, "--require-calibrated")
    assert result.exit_code == 1
    good, refused = rows(result)
    assert (good["calibrator"], good["raw_because"]) == (name, None)
    assert refused["error"]["reason"] == "NOT_CALIBRATED"
    _, raw = rows(command("score", "aligned", asked, "--task", task, "--allow-raw"))
    assert (raw["calibrator"], "3 options" in raw["raw_because"]) == (None, True)
    output = tmp_path / "answers.parquet"
    args = ("bulk", "aligned", asked, "-o", output, "--task", task)
    assert "1 error\n" in command(*args, "--require-calibrated").stderr
    assert parquet.read_table(output)["error_reason"].to_pylist() == [None, "NOT_CALIBRATED"]


@pytest.mark.parametrize("kind", ["score", "bulk"])
def test_a_calibrator_is_named_shortly_where_it_scores(
    command, write, activated, task, tmp_path, kind
):
    name = activated(2.0, activate=False)
    args = ("--calibrator", name.rpartition("/")[2][:12], "--task", task)
    output = tmp_path / "answers.parquet"
    result = command(kind, "aligned", write(TIN), *args, *(("-o", output) * (kind == "bulk")))
    assert result.exit_code == 0, result.stderr
    told = rows(result) if kind == "score" else parquet.read_table(output).to_pylist()
    assert [row["calibrator"] for row in told] == [name]


READING_OPTIONS = {
    "normalization": (["--format", "text", "--normalization", "bytes"], "text+bytes"),
    "pmi": (
        ["--format", "text", "--normalization", "pmi", "--unconditional-prompt", "Answer:"],
        "text+pmi-",
    ),
    "order": (["--order", "cyclic"], "paren+cyclic"),
    "variants": (["--format", "letter", "--sum-variants"], "letter+variants"),
}


@pytest.mark.parametrize(("options", "reading"), READING_OPTIONS.values(), ids=READING_OPTIONS)
def test_a_way_of_reading_is_used_by_score_and_fit(command, write, task, options, reading):
    """What was fitted for it answers with it, and not without."""
    asked = write(*({**TIN, "question": f"Is {number} a metal?"} for number in range(9)))
    fitted = command("fit", "aligned", asked, "--task", task, "--activate", *options)
    assert fitted.exit_code == 0, fitted.stderr
    shown = command("calibrators", "show", fitted.stdout.strip()).stdout
    [line] = [line for line in shown.splitlines() if line.startswith("reading")]
    assert line.split()[1].startswith(reading)
    args = ["score", "aligned", asked, "--task", task]
    assert {row["calibrator"] for row in rows(command(*args, *options))} == {fitted.stdout.strip()}
    assert {row["calibrator"] for row in rows(command(*args))} == {None}


def test_top_tokens_and_abstention(command, write):
    args = ["score", "aligned", write(TIN)]
    [plain] = rows(command(*args))
    [told] = rows(command(*args, "--top-tokens", 3, "--min-option-mass", 1))
    assert [set(token) for token in told["top_tokens"]] == [{"text", "logprob"}] * 3
    assert (plain["abstained"], told["abstained"]) == (False, True)
    assert "top_tokens" not in plain
    assert told["probabilities"] == plain["probabilities"]
    table = command(*args, "--min-option-mass", 1, "--table").stdout
    assert "abstained" in table


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


def test_a_question_that_fails_keeps_its_place_and_the_status_says_so(command, write):
    result = command("score", "aligned", write(TIN, {"question": "?", "options": []}, TIN))
    assert result.exit_code == 1
    first, failed, last = rows(result)
    assert first == last
    assert failed["error"]["field"] == "questions[1].options"
    assert failed["error"]["reason"] == "INVALID_FIELD"
    assert failed["error"]["message"].startswith("questions[1].options: has 0 options")


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


def test_answers_that_hold_next_to_nothing_are_told(command, write, doubtful):
    """How many, and what to do; and not a word where there are none."""
    args = ("--format", "letter", "--server", doubtful.app.address)
    long = {**TIN, "question": "Is tin a metal? " * 100}
    result = command("score", "aligned", write(TIN, long, "{", long, TIN), *args)
    assert [row.get("low_option_mass") for row in rows(result)] == [False, True, None, True, False]
    assert "warning: low option mass in 2 of 4 answers: " in result.stderr
    assert "another --format, or worked examples by --shots" in result.stderr
    assert command("score", "aligned", write(TIN, TIN), *args).stderr == ""


def test_a_table_shows_each_option_as_it_is_written(command, write):
    path = write({"question": "[bold]Tin?[/]", "options": ["[red]:smile:", "no"]}, {**TIN})
    result = command("score", "aligned", path, "--table")
    assert result.exit_code == 0
    for part in ("[bold]Tin?[/]", "[red]:smile:", "Is tin a metal?", "not calibrated", "%"):
        assert part in result.stdout


def test_a_table_shows_why_there_is_no_answer(command):
    result = command("score", "aligned", "-q", "One?", "-o", "one", "--table")
    assert result.exit_code == 1
    assert "questions[0].options: has 1 options" in result.stdout


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
    report = ["report", "aligned", name]
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


# Errors of the server


@pytest.mark.parametrize(
    "args",
    [
        ["score", "aligned", "-q", "Tin?", "-o", "yes", "-o", "no"],
        ["calibrators", "list", "aligned"],
    ],
    ids=lambda args: args[0],
)
def test_without_a_server_it_says_where_it_looked(command, args):
    result = command(*args, "--server", "127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: no trueodds server answers at 127.0.0.1:1.")
    assert "`trueodds serve`" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["score", "nobody", "-q", "?", "-o", "a", "-o", "b"], "nobody"),
        (["score", "no body", "-q", "?", "-o", "a", "-o", "b"], "model: has to be models/{model}"),
        (["fit", "aligned"], "METHOD_TEACHER_KL is fitted from questions or scores"),
        (["fit", "aligned", "--method", "constant"], "METHOD_CONSTANT is fitted from options"),
        (["calibrators", "list", "nobody"], "nobody"),
        (["calibrators", "show", NOBODY], "there is no such calibrator"),
        (
            ["calibrators", "show", "models/aligned/calibrators/CALIBRATOR"],
            "whose last part is hexadecimal",
        ),
        (["calibrators", "activate", "x"], "no calibrator's id begins with 'x'"),
        (["calibrators", "rollback", NOBODY], "there is no such calibrator"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_the_server_refuses_is_one_line(command, args, said):
    result = command(*args)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_timeout_ends_the_wait(command, stuck):
    service, _ = stuck
    args = ["score", "aligned", "-q", "Tin?", "-o", "yes", "-o", "no"]
    result = command(*args, "--timeout", "0.3", "--server", service.app.address)
    assert result.exit_code == 1
    assert "did not answer in time" in result.stderr


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_quiet(stuck):
    service, engine = stuck
    args = ["score", "aligned", "-q", "Tin?", "-o", "yes", "-o", "no"]
    process = subprocess.Popen(
        [sys.executable, "-m", "trueodds", *args, "--server", service.app.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert engine.took.wait(60)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == ("", "")
    assert engine.gave_up.wait(60)


# Fit, calibrators, models


def test_a_fit_prints_the_name_and_says_what_was_found(command, write, task):
    path = write(*({**TIN, "question": f"Is {number} a metal?"} for number in range(9)))
    result = command("fit", "aligned", path, "--task", task, "--activate")
    assert result.exit_code == 0
    assert result.stderr == "teacher_kl, T = 3.0000, active\n"
    [scored] = rows(command("score", "aligned", write(TIN), "--task", task))
    assert result.stdout == f"{scored['calibrator']}\n"


def test_an_answer_that_is_no_option_costs_a_fit_its_row_alone(command, write, task):
    """Where answers are what is learnt from; else the question is as good as any."""
    asked = [{**TIN, "question": f"Is {number} a metal?", "answer": 0} for number in range(20)]
    asked[3]["answer"] = 7
    args = ("fit", "aligned", write(*asked), "--task", task)
    said = "1 answer is not usable"
    for method, count in (("temperature", "19, 19 with an answer"), ("teacher_kl", "20, 19 with")):
        fitted = command(*args, "--method", method)
        assert fitted.exit_code == 0, fitted.stderr
        assert said in fitted.stderr
        assert ("rows are left out; line 4: " in fitted.stderr) == (method == "temperature")
        shown = command("calibrators", "show", fitted.stdout.strip()).stdout
        assert count in shown
    for row in asked:
        row["answer"] = 7
    refused = command(*args[:2], write(*asked), "--answers", "from-0", "--method", "temperature")
    assert refused.exit_code == 1
    assert "none of its answers is usable" in refused.stderr


def test_the_methods_that_learn_from_answers_are_those_of_the_service():
    assert {method.name for method in LABELLED} == {
        method.name for method, spec in SPECS.items() if spec.needs_labels
    } | {"CASCADE"}


def test_a_fit_from_answers_and_one_from_nothing(command, write, task):
    items = [{**TIN, "question": f"Is {number} a metal?", "answer": 0} for number in range(9)]
    args = ["fit", "aligned", "--task", task]
    from_answers = command(*args, write(*items), "--method", "temperature")
    constant = command(*args, "--method", "constant", "--temperature", 1.5, "--options", 2)
    for result in (from_answers, constant):
        assert result.exit_code == 0
        assert result.stdout.startswith("models/aligned/calibrators/")
        assert "not active; see trueodds calibrators activate" in result.stderr
    assert constant.stderr.startswith("constant, T = 1.5000, ")


def test_a_dry_run_shows_what_would_be_stored_and_stores_nothing(command, write, task):
    path = write(*({**TIN, "question": f"Is {number} a metal?"} for number in range(9)))
    result = command("fit", "aligned", path, "--task", task, "--activate", "--dry-run")
    assert result.exit_code == 0
    assert "temperature" in result.stdout
    assert "nothing is stored" in result.stderr
    assert "models/" not in command("calibrators", "list", "aligned", "--task", task).stdout


def test_a_fit_says_what_it_did_instead(command, write, task):
    items = [{**TIN, "question": f"Is {number} a metal?", "answer": 0} for number in range(9)]
    result = command("fit", "aligned", write(*items), "--task", task, "--method", "isotonic")
    said, why = result.stderr.splitlines()
    assert said.startswith("isotonic, ")
    assert why
    named = ["--request-id", task, "--teacher-format", "letter", "--bias-correction", "batch"]
    for _ in range(2):
        again = command("fit", "aligned", write(*items), "--task", task, *named)
        assert again.exit_code == 0
    shown = command("calibrators", "show", again.stdout.strip()).stdout
    assert "letter" in shown
    assert "batch" in shown


def test_a_calibrator_is_evaluated_and_its_thresholds_are_for_score(
    command, write, activated, task
):
    name = activated(2.0)
    items = [
        {**TIN, "question": f"Is {number} a metal?", "answer": number % 2} for number in range(60)
    ]
    told = command("evaluate", name, write(*items), "--target-risk", 0.9, "--miscoverage", 0.2)
    assert told.exit_code == 0
    assert "60 questions" in told.stdout
    for said in ("nll", "null_ece", "0.9", "lac", "aps"):
        assert said in told.stdout
    report = Report.from_json(
        command("evaluate", name, write(*items), "--miscoverage", 0.2, "--json").stdout
    )
    rule = report.answer_sets[1].rule
    assert report.items == 60
    asked = ["score", "aligned", write(TIN), "--task", task, "--calibrator", name]
    [row] = rows(command(*asked, "--answer-set", rule.method.value, rule.threshold))
    likeliest = row["calibrated_probabilities"].index(max(row["calibrated_probabilities"]))
    assert row["answer_set"][0] == likeliest
    for wrong in (["--answer-set", "magic", 0.5], ["--answer-set", "lac"]):
        assert command(*asked, *wrong).exit_code == 2


def test_a_calibrator_is_deleted(command, activated):
    active, other = activated(2.0), activated(3.0, activate=False)
    assert command("calibrators", "delete", other).stdout == f"{other} is deleted\n"
    assert "there is no such calibrator" in command("calibrators", "show", other).stderr
    refused = command("calibrators", "delete", active)
    assert refused.exit_code == 1
    assert "the calibrator is active" in refused.stderr


def test_a_score_abstains_below_a_confidence(command, write, activated, task):
    activated(2.0)
    for least, abstained in ((0, False), (1, True)):
        asked = ["score", "aligned", write(TIN), "--task", task, "--min-confidence", least]
        [row] = rows(command(*asked))
        assert row["abstained"] == abstained
        assert "answer_set" not in row


def test_calibrators_are_listed_with_their_whole_names(command, activated, task):
    first, second = activated(2.0), activated(20.0)
    result = command("calibrators", "list", "aligned", "--task", task)
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if "models/" in line]
    assert len(lines) == 2
    for line, name, temperature in ((lines[0], second, "20.0000"), (lines[1], first, "2.0000")):
        assert name in line
        assert temperature in line
        assert "constant" in line
    assert "●" in lines[0]
    assert "●" not in lines[1]


def test_a_calibrator_is_shown_whole(command, activated, task):
    name = activated(2.0)
    shown = command("calibrators", "show", name).stdout
    lines = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert lines["name"].strip() == name
    assert lines["task"].strip() == task
    assert lines["temperature"].strip() == "2.0000"
    assert lines["active"].strip() == "yes"


def test_activation_and_rollback(command, activated):
    first, second = activated(2.0, activate=False), activated(3.0, activate=False)
    assert command("calibrators", "activate", first).stdout == f"{first} is active\n"
    assert command("calibrators", "activate", second).stdout == f"{second} is active\n"
    assert command("calibrators", "rollback", second).stdout == f"{first} is active again\n"
    refused = command("calibrators", "rollback", second)
    assert refused.exit_code == 1
    assert refused.stderr == "error: the calibrator is not the active one of its scope\n"
    assert command("calibrators", "rollback", first).stdout == "no calibrator is active now\n"


def test_models_are_shown_with_their_state(command, start_service):
    result = command("models")
    assert result.exit_code == 0
    [aligned] = [line for line in result.stdout.splitlines() if "models/aligned" in line]
    assert "ready" in aligned
    assert "models/base" in aligned
    starting = start_service(ready=False).app.address
    assert command("models", "--server", starting).stdout.count("starting") == 2


# Serve and demo


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "cannot be read"),
        ("models: [", "is not YAML near line"),
        ("models: []", "models: "),
        ("models: [{name: a, weights: ., engin: {}}]", "models.0.engin: "),
        ("models: [{name: a, weights: .}]", "the weights of 'a' lack a config.json"),
    ],
)
def test_a_broken_configuration_is_named(tmp_path, config, said):
    path = tmp_path / "serve.yaml"
    if config is not None:
        path.write_text(config)
    result = trueodds("serve", path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_listen_address_is_checked(tmp_path):
    path = tmp_path / "serve.yaml"
    path.write_text("models: [{name: a, weights: .}]")
    result = trueodds("serve", path, "--listen", "50051")
    assert result.returncode == 1
    assert "listen: '50051' is not ADDRESS:PORT" in result.stderr


SERVICE, DEMO = "trueodds-service", "trueodds-demo"
HIDDEN = """
import importlib.abc, sys

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
from trueodds.cli import main
main()
"""


@pytest.mark.parametrize(
    ("args", "hidden", "missing", "pip"),
    [
        (["serve", "serve.yaml"], "yaml", "yaml", SERVICE),
        (["serve", "serve.yaml"], "ray", "ray", SERVICE),
        (["serve", "serve.yaml"], "trueodds_service", f"the distribution {SERVICE}", SERVICE),
        (["check", "serve.yaml"], "trueodds_service", f"the distribution {SERVICE}", SERVICE),
        (["demo"], "psutil", "psutil", DEMO),
        (["demo"], "trueodds_demo", f"the distribution {DEMO}", DEMO),
        (["demo"], "trueodds_service", f"the distribution {SERVICE}", SERVICE),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_plain_installation_says_what_is_missing(tmp_path, weights, args, hidden, missing, pip):
    (tmp_path / "serve.yaml").write_text(f"models: [{{name: a, weights: {weights}}}]")
    result = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(missing=hidden), *args],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout in ("", "starting …\n")
    assert result.stderr == (
        f"error: {missing} is missing: pip install '{pip}[cpu]' (or '{pip}[cuda]')\n"
    )


def trueodds(*args):
    """The command in a process of its own: what it serves would take this one's signals."""
    return subprocess.run(
        [sys.executable, "-m", "trueodds", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )


# Calibrators as they are shown


def test_all_that_a_calibrator_tells_is_shown():
    calibrator = Calibrator(
        name=NOBODY, model="models/aligned", model_revision="r1", task="reviews", reading="paren",
        options=2, method=Method.TEACHER_POOLED, temperature=None, at_bound=False,
        undetermined=False, teacher="models/base", items=5,
        created=datetime(2026, 11, 5, tzinfo=UTC), active=True, metrics={"kl_before": 0.125},
        versions={"numpy": "2.3.4"}, parameters={"scale": (0.5, 1.5), "bias": (0.0,) * 9},
        fallback="too few items", selection=Selection(
            "nll, 5-fold", "the least",
            (Candidate(Method.KDE, excluded="needs answers"), Candidate(Method.BETA, 0.75, 0.01)),
        ), labelled=3, data_hash="d1", prompts_hash="p1", teacher_revision="t1",
        teacher_reading="letter", prior=Prior(0.25, 0.5, ("models/a/calibrators/1",)),
    )  # fmt: skip
    console = Console(width=200, file=io.StringIO())
    console.print(calibrator_table(calibrator))
    shown = {
        tuple(re.split(r"\s{2,}", line.strip(), maxsplit=1))
        for line in console.file.getvalue().splitlines()
    }
    assert shown >= {
        ("task", "reviews"), ("method", "teacher_pooled"), ("temperature", "–"),
        ("scale", "0.5 1.5"), ("bias", "0 0 0 0 0 0 0 0 … (9)"), ("fallback", "too few items"),
        ("teacher revision", "t1"), ("teacher reading", "letter"),
        ("items", "5, 3 with an answer"), ("chosen by", "nll, 5-fold"),
        ("chosen because", "the least"), ("kde", "needs answers"), ("beta", "0.75 ± 0.01"),
        ("prior", "ln T = 0.2500 ± 0.5000, from 1 calibrators"), ("data", "d1"),
        ("prompts", "p1"), ("kl_before", "0.125"), ("numpy", "2.3.4"),
    }  # fmt: skip


# Report


@pytest.fixture
def numbers(tmp_path):
    """A file of a report's numbers."""
    calibrator = Calibrator(
        name=NOBODY, model="models/aligned", model_revision="r", task="", reading="paren",
        options=2, method=Method.CONSTANT, temperature=2.0, at_bound=False, undetermined=False,
        teacher=None, items=0, created=datetime(2026, 11, 5, tzinfo=UTC), active=False,
    )  # fmt: skip
    bins = (ReliabilityBin(0.8, 0.9, 40, 0.85, 0.75, 0.6, 0.86),)
    side = Evaluation({"nll": Estimate(0.7, 0.6, 0.8)}, bins, bins, (RiskCoverage(0.8, 1.0, 0.25),))
    path = tmp_path / "numbers.json"
    path.write_text(Report(calibrator, 40, side, side).to_json(), encoding="utf-8")
    return path


def test_a_report_is_drawn_from_its_numbers_without_a_server(command, numbers, tmp_path):
    page, folder, again = tmp_path / "a/report.html", tmp_path / "figures", tmp_path / "again.json"
    result = command(
        "report", "--from", numbers, "-o", page, "--svg", folder, "--json", again,
        "--server", "localhost:1",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{page}\n"
    assert "What it changes may be chance" in result.stderr
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert again.read_text(encoding="utf-8") == numbers.read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == {
        "reliability.svg", "reliability-equal-mass.svg", "risk-coverage.svg",
    }  # fmt: skip


def test_numbers_come_from_standard_input_too(command, numbers, tmp_path):
    page = tmp_path / "report.html"
    content = numbers.read_text(encoding="utf-8")
    assert command("report", "--from", "-", "-o", page, stdin=content).exit_code == 0
    assert page.exists()
    result = command("report", "--from", "-", "-o", page, stdin="{")
    assert result.stderr.startswith("error: standard input: is not JSON")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"{}", "calibrator is missing"),
    ],
)
def test_numbers_that_are_none_are_named(command, tmp_path, content, said):
    path = tmp_path / "numbers.json"
    if content is not None:
        path.write_bytes(content)
    result = command("report", "--from", path, "-o", tmp_path / "report.html")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {path}")
    assert said in result.stderr
    assert not (tmp_path / "report.html").exists()


def test_a_place_that_cannot_be_written_is_named(command, numbers):
    result = command("report", "--from", numbers, "-o", numbers / "report.html")
    assert result.exit_code == 1
    assert "report.html cannot be written" in result.stderr


def test_a_report_measures_a_calibrator_through_the_service(command, write, activated, tmp_path):
    name = activated(2.0, activate=False)
    asked = [{**TIN, "question": f"Is {number} a metal?", "answer": number % 2}
             for number in range(60)]  # fmt: skip
    page, numbers = tmp_path / "report.html", tmp_path / "numbers.json"
    args = ["-o", page, "--json", numbers, "--target-risk", 0.6, "--miscoverage", 0.2]
    result = command("report", "aligned", name.split("/")[-1], write(*asked), *args)
    assert result.exit_code == 0, result.stderr
    report = Report.from_json(numbers.read_bytes())
    assert (report.calibrator.name, report.items) == (name, 60)
    assert report.after.metrics["accuracy"] == report.before.metrics["accuracy"]
    assert sum(each.count for each in report.after.equal_width) == 60
    assert [rule.target_risk for rule in report.abstentions] == [0.6]
    assert {each.miscoverage for each in report.answer_sets} == {0.2}
    assert not report.in_sample
    content = page.read_text(encoding="utf-8")
    assert "On 60 questions" in content
    assert name in content
    again = command("report", "aligned", name, write(*asked), "-o", tmp_path / "again.html")
    assert again.exit_code == 0


def test_a_report_of_questions_without_answers_names_the_first(command, write, activated):
    name = activated(2.0, activate=False)
    result = command("report", "aligned", name, write({**TIN, "answer": 0}, TIN), "-o", "x.html")
    assert result.exit_code == 1
    assert "questions.items[1]" in result.stderr


def test_a_degenerate_fit_is_told_and_not_activated(command, write, task):
    certain = [{**TIN, "answer": 0}] * 5
    asked = ["fit", "aligned", write(*certain), "--task", task, "--method", "temperature"]
    told = command(*asked, "--activate")
    assert told.exit_code == 1
    assert "not activated: " in told.stderr
    name = told.stdout.strip()
    assert "degenerate" in command("calibrators", "activate", name).stderr
    assert "is active" in command("calibrators", "activate", name, "--force").stdout


def test_answers_of_a_store_that_is_away_are_told(command, write, task, tmp_path, monkeypatch):
    args = ("aligned", write(TIN), "--task", task)
    assert "the store of calibrators" not in command("score", *args).stderr
    monkeypatch.setattr(Calibrators, "stale_seconds", 70.0)
    told = command("score", *args)
    assert [row["calibration_stale"] for row in rows(told)] == [True]
    warning = "warning: the store of calibrators was away for 1 of 1 answer"
    assert warning in told.stderr
    output = tmp_path / "answers.parquet"
    assert warning in command("bulk", *args, "-o", output).stderr
    assert parquet.read_table(output)["calibration_stale"].to_pylist() == [True]
    assert "of 70 s ago" in " ".join(command("models").stdout.split())
