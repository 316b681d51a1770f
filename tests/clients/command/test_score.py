"""`trueodds score`, and what `bulk` shares with it, as a user sees them."""

import json

import pytest
from pyarrow import parquet
from tests.clients.command.output import TIN, rows

from trueodds_service.flows.active_calibrators import Calibrators


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


def test_a_score_abstains_below_a_confidence(command, write, activated, task):
    activated(2.0)
    for least, abstained in ((0, False), (1, True)):
        asked = ["score", "aligned", write(TIN), "--task", task, "--min-confidence", least]
        [row] = rows(command(*asked))
        assert row["abstained"] == abstained
        assert "answer_set" not in row


def test_a_question_that_fails_keeps_its_place_and_the_status_says_so(command, write):
    result = command("score", "aligned", write(TIN, {"question": "?", "options": []}, TIN))
    assert result.exit_code == 1
    first, failed, last = rows(result)
    assert first == last
    assert failed["error"]["field"] == "questions[1].options"
    assert failed["error"]["reason"] == "INVALID_FIELD"
    assert failed["error"]["message"].startswith("questions[1].options: has 0 options")


def test_answers_that_hold_next_to_nothing_are_told(command, write, doubtful):
    """How many, and what to do; and not a word where there are none."""
    args = ("--format", "letter", "--server", doubtful.app.address)
    long = {**TIN, "question": "Is tin a metal? " * 100}
    result = command("score", "aligned", write(TIN, long, "{", long, TIN), *args)
    assert [row.get("low_option_mass") for row in rows(result)] == [False, True, None, True, False]
    assert "warning: low option mass in 2 of 4 answers: " in result.stderr
    assert "another --format, or worked examples by --shots" in result.stderr
    assert command("score", "aligned", write(TIN, TIN), *args).stderr == ""


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
