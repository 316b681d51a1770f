"""The commands and programs of README.md and docs do what the pages say: with curl, with Python."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest
from tests.conftest import _serving

import trueodds

ROOT = Path(__file__).parents[2]


def commands():
    for page in ("docs/start.md", "docs/http.md", "docs/decisions.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"```\n(curl .*?)```", text, re.DOTALL):
            yield pytest.param(block, id=f"{page} {block.split()[1].rpartition('/')[2]}")


@pytest.fixture(scope="module")
def demo(weights, run, tmp_path_factory):
    names = {"demo-base": {}, "demo-aligned": {"teacher": "demo-base"}, "small": {}, "large": {}}
    models = [
        {"name": name, "weights": weights, "engine": {"backend": "fake"}, **more}
        for name, more in names.items()
    ]
    store = tmp_path_factory.mktemp("pages") / "store.sqlite"
    # Of a fake engine's 4,096 tokens no few hold much probability: nothing is refused for it.
    settings = {
        "http": "127.0.0.1:0",
        "models": models,
        "cascades": [{"name": "both", "models": ["small", "large"]}],
        "decisions": {"min_option_mass": 0.0},
    }
    with _serving(weights, run, store, **settings) as service:
        yield service


@pytest.mark.parametrize("command", [*commands()])
def test_a_command_of_the_pages_is_answered(demo, command):
    command = command.replace("http://localhost:50080", demo.url)
    said = subprocess.run(
        ["bash", "-c", f"{command.strip()} --silent --show-error --fail-with-body"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    for line in said.stdout.splitlines():
        json.loads(line)


@pytest.fixture
def run_program(demo):
    """Runs a page's program against the service; its names are put beside those that are given."""

    def run_program(page, names):
        text = (ROOT / page).read_text(encoding="utf-8")
        # What comes after the first is run elsewhere: it needs more than a service.
        program, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        for said, meant in (
            ("http://localhost:50080", demo.url),
            ("localhost:50051", demo.app.address),
            ("my-model", "demo-aligned"),
        ):
            program = program.replace(said, meant)
        exec(compile(program, page, "exec"), names)  # noqa: S102

    return run_program


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/start.md",
        "docs/scoring.md",
        "docs/calibration.md",
        "docs/decisions.md",
        "docs/cascades.md",
        "docs/guides/researcher.md",
    ],
)
def test_a_program_of_the_pages_runs(run_program, page, capsys):
    run_program(page, {})
    assert capsys.readouterr().out


def test_the_pages_program_tells_outcomes(run_program, demo):
    with trueodds.Client(demo.app.address) as client:
        question = trueodds.Question("Which is a bird?", ("bat", "moth", "wren"))
        names = {"trueodds": trueodds, "client": client, "question": question}
        names["keep"] = lambda receipt: names.update(receipt=receipt)
        run_program("docs/outcomes.md", names)
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
        run_program("docs/reports.md", names)
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
    run_program("docs/guides/backend.md", names)
    async with names["client"]:
        return await names["team_for"]("Where is my refund?")
