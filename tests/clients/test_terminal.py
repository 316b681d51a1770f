"""The command on terminals, pipes and files that do not take its output, and when it is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from trueodds import Client, InvalidRequest, Method, NotFound
from trueodds._channel import BATCH
from trueodds._convert import calibrators as _calibrators
from trueodds._convert import questions as _questions
from trueodds.v1 import calibration_pb2, scoring_pb2

FULL = Path("/dev/full")
ONE = ("-q", "?", "-o", "a", "-o", "b")
COMMAND = (sys.executable, "-m", "trueodds")
NOBODY = "models/aligned/calibrators/0123456789abcdef"
ASKED = {"question": "Łódź – où?", "options": ["è", "日本"], "labels": ["ä", "ß"]}


@pytest.fixture
def start(service):
    """Starts the command in a process; ``encoding`` is that of its terminal."""
    processes = []

    def start(*args, encoding="utf-8", address=service.app.address, **options):
        environment = {
            **os.environ,
            "TRUEODDS_SERVER": address,
            "PYTHONIOENCODING": encoding,
            "PYTHONUTF8": "0",
        }
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([*COMMAND, *map(str, args)], env=environment, **options)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_poor_terminal_gets_json_that_says_the_same(start, write, encoding):
    process = start("score", "aligned", write(ASKED), "--format", "letter", encoding=encoding)
    printed, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    assert json.loads(printed.decode(encoding))["label"] in ASKED["labels"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_poor_terminal_gets_tables(start, write, encoding):
    letter = ("--table", "--format", "letter")
    process = start("score", "aligned", write(ASKED), *letter, encoding=encoding)
    printed, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    assert rb"\u65e5\u672c" in printed


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "args", [("models",), ("score", "aligned", "-q", "?", "-o", "a", "-o", "b")]
)
def test_a_full_output_is_told(start, args):
    with FULL.open("w") as full:
        process = start(*args, stdout=full)
        _, complaints = process.communicate()
    assert process.returncode == 1
    assert complaints.decode() == ("error: the output cannot be written: No space left on device\n")


def test_a_pipe_that_nobody_reads_ends_it_quietly(start, write):
    read, written = os.pipe()
    os.close(read)
    process = start("score", "aligned", write(*[ASKED] * 3), stdout=written)
    os.close(written)
    _, complaints = process.communicate()
    assert (process.returncode, complaints) == (1, b"")


WIDE = "a column whose name is longer than a narrow terminal is wide"
FOREIGN = (f"question,choices,answer,{WIDE}", "Which?,\"['a', 'b']\",0,x")
SAID = {
    "what a file is taken for": (("score", "aligned"), FOREIGN, ()),
    "a fit": (
        ("fit", "aligned"),
        FOREIGN,
        ("--method", "temperature", "--activate", "--task", "narrow"),
    ),
    "an error": (("score", "a-model-of-a-long-name-that-is-missing"), FOREIGN, ()),
}


@pytest.mark.parametrize("of", SAID)
def test_a_narrow_terminal_changes_nothing_of_what_is_said(command, write, monkeypatch, of):
    """Where a line ends is left to the terminal: whoever reads a log has it as it was said."""
    (name, model), rows, options = SAID[of]
    args = (name, model, write(*rows, name="questions.csv"), *options)
    wide = command(*args)
    monkeypatch.setenv("COLUMNS", "30")
    narrow = command(*args)
    assert narrow.stderr == wide.stderr
    assert max(map(len, wide.stderr.splitlines())) > 40


# A kill in the middle


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_what_was_answered_before_a_kill_is_printed(start, slow_server, write, sent, status):
    """The second message is held by the server; the first one's answers are there meanwhile."""
    slow_server.hang_at = BATCH
    asked = [
        {"question": f"{number}?", "options": ["a", "b"], "id": number} for number in range(300)
    ]
    process = start("score", "aligned", write(*asked), address=slow_server.address)
    printed = [json.loads(process.stdout.readline()) for _ in range(BATCH)]
    assert [row["id"] for row in printed] == [str(number) for number in range(BATCH)]
    assert {"confidence", "identity"} <= printed[-1].keys()
    process.send_signal(sent)
    assert process.communicate() == (b"", b"")
    assert process.returncode == status


@pytest.mark.parametrize("command", [("score",), ("bulk", "-o", "answers.parquet")])
def test_sigterm_ends_a_command_that_waits(start, stuck, write, tmp_path, command):
    """What is under way on the server is given up as well."""
    service, engine = stuck
    name, *rest = command
    process = start(name, "aligned", write(ASKED), *rest, address=service.app.address, cwd=tmp_path)
    assert engine.took.wait(60)
    process.terminate()
    printed, _ = process.communicate()
    assert (process.returncode, printed) == (143, b"")
    assert engine.gave_up.wait(60)


@pytest.mark.parametrize("wrong", ["folder", "file/below.parquet"])
@pytest.mark.parametrize("kind", ["report", "bulk"])
def test_outputs_that_cannot_be_written_are_found_before_the_work(
    command, write, tmp_path, kind, wrong
):
    (tmp_path / "file").write_text("")
    path = tmp_path / wrong
    if wrong == "folder":
        path = path.with_suffix(".parquet")
        path.mkdir()
    questions = write(ASKED)
    args = {
        "report": ("report", "models/missing/calibrators/0f3a", questions, "-o", path),
        "bulk": ("bulk", "missing", questions, "-o", path),
    }
    result = command(*args[kind])
    assert result.exit_code == 1
    assert f"{path} cannot be written" in result.stderr.replace("\n", "")
    assert "missing" not in result.stderr, "the server was asked"


# --wait


def test_wait_ends_when_a_server_never_comes(command):
    result = command("models", "--server", "127.0.0.1:1", "--wait", 0.01)
    assert result.exit_code == 1
    assert "no trueodds server answers at 127.0.0.1:1" in result.stderr


def test_wait_is_for_the_model_that_is_asked(command, service):
    assert command("models", "--wait", 5).exit_code == 0
    asked = (*ONE, "--wait", 5)
    assert command("score", "aligned", *asked).exit_code == 0
    missing = command("score", "missing", *asked)
    assert missing.exit_code == 1
    assert "models/missing is no model of this server" in missing.stderr


@pytest.mark.parametrize("doing", ["list", "show", "activate", "rollback", "delete"])
def test_calibrators_wait_for_a_server(command, doing):
    """``--wait`` is for the server, and for the model that a whole name tells."""
    named = NOBODY if doing != "list" else "aligned"
    result = command("calibrators", doing, named, "--server", "127.0.0.1:1", "--wait", 0.01)
    assert result.exit_code == 1
    assert "no trueodds server answers at 127.0.0.1:1" in result.stderr
    known = command("calibrators", doing, named, "--wait", 5)
    assert ("there is no such calibrator" in known.stderr) == (doing != "list")
    missing = named.replace("aligned", "missing")
    result = command("calibrators", doing, missing, "--wait", 5)
    assert "models/missing is no model of this server" in result.stderr


def test_help_says_that_a_beginning_of_an_id_will_do(command):
    for args in (["show"], ["activate"], ["rollback"], ["delete"]):
        assert "what begins no other ID" in command("calibrators", *args, "--help").stdout
    assert "what begins no other ID" in command("evaluate", "--help").stdout


# Short names of calibrators


@pytest.fixture(scope="module")
def names(service):
    """The names of two calibrators of one model."""
    with Client(service.app.address) as client:
        return [
            client.fit(
                model="aligned",
                task=f"short-{place}",
                method=Method.CONSTANT,
                temperature=2,
                options=2,
            ).name
            for place in range(2)
        ]


@pytest.mark.parametrize("digits", [16, 12])
def test_a_calibrator_is_named_by_its_id_or_how_it_begins(connect, service, command, names, digits):
    client = connect(service.app.address)
    for name in names:
        short = name.rpartition("/")[2][:digits]
        assert client.calibrator(short).name == name
        assert client.calibrator(f"models/aligned/calibrators/{short}").name == name
        shown = command("calibrators", "show", short)
        assert shown.exit_code == 0
        assert name in shown.stdout


def test_a_beginning_of_several_or_of_none_is_refused(connect, service, names):
    client = connect(service.app.address)
    with pytest.raises(NotFound, match="begins with 'xyz'"):
        client.calibrator("xyz")
    with pytest.raises(InvalidRequest, match="the ids of 2 calibrators") as caught:
        _calibrators.only_calibrator("0a", ["models/m/calibrators/0a1", "models/m/calibrators/0a2"])
    assert caught.value.reason == "AMBIGUOUS_NAME"
    assert _calibrators.only_calibrator("0a", ["models/m/calibrators/0a", "x/0a2"]).endswith("/0a")


# JSON


def test_what_is_zero_or_false_is_there_for_a_reader_of_json(service, connect, ask, names):
    """A reader of the contract's JSON finds choice 0 and abstained false written out."""
    request = scoring_pb2.ScoreRequest(
        settings={"model": "models/aligned", "top_tokens": 1},
        question=_questions.question_message(ask()),
    )
    answer = service.scoring.Score(request).answer
    for message in (answer, *answer.options, *answer.top_tokens):
        # What only PMI, a cascade and an answer that is kept have.
        absent = {"unconditionalLogprob", "answeredBy", "kept"}
        assert _optional(message) - absent <= MessageToDict(message).keys()
    found = service.calibration.GetCalibrator(
        calibration_pb2.GetCalibratorRequest(name=names[0])
    ).calibrator
    assert _optional(found) <= MessageToDict(found).keys()


def _optional(message):
    return {
        each.json_name
        for each in message.DESCRIPTOR.fields
        if each.has_presence and each.message_type is None
    }
