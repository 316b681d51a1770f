"""The commands and programs of README.md and docs do what the pages say: with curl, with Python."""

import asyncio
import json
import re
import shlex
import shutil
import subprocess

import pyarrow
import pytest
from google.protobuf import descriptor_pool, json_format
from google.protobuf.message_factory import GetMessageClass
from pyarrow import parquet
from tests import pages
from tests.conftest import _serving
from typer.testing import CliRunner

import trueodds
from trueodds.cli.main import app


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("pages") / "store.sqlite"


@pytest.fixture(scope="module")
def demo(weights, run, store):
    names = {"demo-base": {}, "demo-aligned": {"teacher": "demo-base"}, "small": {}, "large": {}}
    models = [
        {"name": name, "weights": weights, "engine": {"backend": "fake"}, **more}
        for name, more in names.items()
    ]
    # Of a fake engine's 4,096 tokens no few hold much probability: nothing is refused for it.
    settings = {
        "http": "127.0.0.1:0",
        "models": models,
        "cascades": [{"name": "both", "models": ["small", "large"]}],
        "decisions": {"min_option_mass": 0.0},
    }
    with _serving(weights, run, store, **settings) as service:
        yield service


@pytest.mark.parametrize("piece", pages.of("curl"), ids=str)
def test_a_request_with_curl_is_answered(demo, piece):
    command = piece.text.replace("http://localhost:50080", demo.url)
    said = subprocess.run(
        ["bash", "-c", f"{command} --silent --show-error --fail-with-body"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    for line in said.stdout.splitlines():
        json.loads(line)


@pytest.mark.parametrize("piece", pages.of("grpcurl"), ids=str)
def test_a_request_with_grpcurl_is_answered(demo, piece):
    """Without grpcurl: it makes a message of the JSON, and calls the method of that name."""
    _, plain, data, body, address, name = shlex.split(piece.text)
    assert (plain, data, address) == ("-plaintext", "-d", "localhost:50051")
    method = descriptor_pool.Default().FindMethodByName(name.replace("/", "."))
    request = json_format.Parse(body, GetMessageClass(method.input_type)())
    call = demo.channel.unary_unary(
        f"/{name}", type(request).SerializeToString, GetMessageClass(method.output_type).FromString
    )
    assert sum(option.probability for option in call(request).answer.options) == pytest.approx(1)


QUESTIONS = [
    {"question": f"Is {number} a prime?", "options": ["yes", "no"]} for number in range(2, 202)
]
FILES = {
    "questions": False,
    "yesterday": False,
    "labelled": True,
    "others": True,
    "benchmark": True,
    "mmlu": True,
    "hellaswag": True,
}
"""The files that the pages have, and whether their questions have answers."""
PREDICATE = {"type": "predicate", "name": "refund", "instructions": "Is it about money?"}
DECISIONS = [{"input": f"Bill {number}", "questions": [PREDICATE]} for number in range(5)]


@pytest.fixture(scope="module")
def labelled(demo):
    """Nine times in ten with what the model would answer: fits find something to learn."""
    asked = [trueodds.Question(each["question"], each["options"]) for each in QUESTIONS]
    with trueodds.Client(demo.app.address) as client:
        answers = client.score_batch(asked, model="demo-aligned")
    return [
        {**row, "answer": answer.choice if number % 10 else 1 - answer.choice}
        for number, (row, answer) in enumerate(zip(QUESTIONS, answers, strict=True))
    ]


@pytest.fixture
def at_the_files(store, labelled, weights, tmp_path, monkeypatch):
    """In a folder with the files that the pages tell of, the service's own configuration too."""
    monkeypatch.chdir(tmp_path)
    for name, has_answers in FILES.items():
        rows = labelled if has_answers else QUESTIONS
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    (tmp_path / "decisions.jsonl").write_text("\n".join(map(json.dumps, DECISIONS)))
    claims = [{"confidence": number % 40 / 40} for number in range(200)]
    (tmp_path / "today.jsonl").write_text("\n".join(map(json.dumps, claims)))
    known = [{**each, "correct": number % 3 > 0} for number, each in enumerate(claims)]
    (tmp_path / "hosted.jsonl").write_text("\n".join(map(json.dumps, known)))
    model = {"name": "my-model", "weights": str(weights), "engine": {"backend": "fake"}}
    settings = {"listen": "127.0.0.1:0", "store": f"sqlite:///{store}", "models": [model]}
    (tmp_path / "serve.yaml").write_text(json.dumps(settings))


def told(stdout, pattern, before):
    """The newest name of this pattern that a command has told, or the one before."""
    return [before, *re.findall(pattern, stdout)][-1]


@pytest.mark.parametrize("page", sorted({each.page for each in pages.of("trueodds")}))
def test_the_commands_of_a_page_work(demo, at_the_files, page, monkeypatch, tmp_path):
    monkeypatch.setenv("TRUEODDS_SERVER", demo.app.address)
    with trueodds.Client(demo.app.address) as client:
        # What some pages have from a page before them.
        constant = {"method": trueodds.Method.CONSTANT, "temperature": 2.0, "options": 2}
        client.fit(model="small", task="primes", activate=True, **constant)
        client.fit(model="demo-aligned", task="reviews", activate=True, **constant)
        calibrator = client.fit(model="demo-aligned", **constant).name
    key = "1a2b3c4d5e6f"
    for piece in (each for each in pages.of("trueodds") if each.page == page):
        line = re.sub(r"CALIBRATOR|models/[a-z-]+/calibrators/0f3a", calibrator, piece.text)
        for said, meant in (
            ("1a2b3c4d5e6f", key),
            ("my-model", "demo-aligned"),
            ("score demo ", "score demo-aligned "),
            ("http://localhost:50080", demo.url),
            ("127.0.0.2:50051", demo.app.address),
            ("127.0.0.3:50051", demo.app.address),
            ("postgresql://…", f"sqlite:///{tmp_path}/other.sqlite"),
        ):
            line = line.replace(said, meant)
        command, _, target = line.partition(" > ")
        result = CliRunner().invoke(app, shlex.split(command, comments=True)[1:])
        assert result.exit_code == 0, f"{piece}: {result.output}"
        assert result.output, f"{piece}: says nothing"
        if target:
            (tmp_path / target.strip()).write_text(result.stdout)
        calibrator = told(result.stdout, "models/[a-z-]+/calibrators/[0-9a-f]{16}", calibrator)
        key = told(result.output, r"\b[0-9a-f]{12}\b", key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs OpenSSL")
def test_the_certificates_to_try_it_with_are_taken(start_service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *script, models = (each.text for each in pages.PIECES if each.page == "deploy/README.md")
    subprocess.run(["bash", "-ec", "\n".join(script)], check=True, capture_output=True)
    service = start_service(
        tls={
            "cert": tmp_path / "localhost.crt",
            "key": tmp_path / "localhost.key",
            "client_ca": tmp_path / "ca.crt",
        },
        listen="localhost:0",
    )
    line = models.replace("localhost:50051", service.app.address)
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    assert "aligned" in result.output


@pytest.fixture
def run_program(demo):
    """Runs a page's program against the service; its names are put beside those that are given."""

    def run_program(piece, names):
        program = piece.text
        for said, meant in (
            ("http://localhost:50080", demo.url),
            ("localhost:50051", demo.app.address),
            ("my-model", "demo-aligned"),
        ):
            program = program.replace(said, meant)
        exec(compile(program, str(piece), "exec"), names)  # noqa: S102

    return run_program


OUTCOMES = pages.beginning("answer = client.score(question")
REPORT = pages.beginning("from pathlib import Path\n\nfrom trueodds.report")
BACKEND = pages.beginning("from trueodds import AsyncClient, DeadlineExceeded")


@pytest.mark.parametrize(
    "piece",
    # The others need what stands before them, and have tests of their own below.
    [each for each in pages.of("program") if each not in (OUTCOMES, REPORT, BACKEND)],
    ids=str,
)
def test_a_program_of_the_pages_runs(run_program, piece, capsys):
    run_program(piece, {})
    assert capsys.readouterr().out


def test_the_pages_program_tells_outcomes(run_program, demo):
    with trueodds.Client(demo.app.address) as client:
        question = trueodds.Question("Which is a bird?", ("bat", "moth", "wren"))
        names = {"trueodds": trueodds, "client": client, "question": question}
        names["keep"] = lambda receipt: names.update(receipt=receipt)
        run_program(OUTCOMES, names)
        told_again = client.record_outcomes([trueodds.Outcome(names["receipt"], 2)])
    assert (told_again.recorded, told_again.unchanged) == (0, 1)


def test_the_pages_program_writes_a_report(run_program, demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with trueodds.Client(demo.app.address) as client:
        calibrator = client.fit(
            model="demo-aligned",
            task="reports",
            method=trueodds.Method.CONSTANT,
            temperature=2.0,
            options=2,
        )
        examples = [
            trueodds.Example(trueodds.Question(f"Is {i} even?", ("yes", "no")), i % 2)
            for i in range(20)
        ]
        names = {"client": client, "calibrator": calibrator, "examples": examples}
        run_program(REPORT, names)
    written = trueodds.Report.from_json((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written == names["report"]
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_backends_program_leaves_unsure_messages_to_a_person(run_program, demo):
    with trueodds.Client(demo.app.address) as client:
        client.fit(
            model="demo-aligned",
            task="triage",
            method=trueodds.Method.CONSTANT,
            temperature=1000.0,  # nobody is sure of anything
            options=3,
            activate=True,
        )
    assert asyncio.run(_team(run_program)) is None


async def _team(run_program):
    names = {}
    run_program(BACKEND, names)
    async with names["client"]:
        return await names["team_for"]("Where is my refund?")
