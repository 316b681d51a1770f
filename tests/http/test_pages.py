"""The commands of README.md and docs do what the pages say, with curl itself."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from tests.conftest import _serving

ROOT = Path(__file__).parents[2]


def commands():
    for page in ("README.md", "docs/http.md", "docs/decisions.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"```\n(curl .*?)```", text, re.DOTALL):
            yield pytest.param(block, id=f"{page} {block.split()[1].rpartition('/')[2]}")


@pytest.fixture(scope="module")
def demo(weights, run, tmp_path_factory):
    names = {"demo-base": {}, "demo-aligned": {"teacher": "demo-base"}}
    models = [
        {"name": name, "weights": weights, "engine": {"backend": "fake"}, **more}
        for name, more in names.items()
    ]
    store = tmp_path_factory.mktemp("pages") / "store.sqlite"
    with _serving(weights, run, store, http="127.0.0.1:0", models=models) as service:
        yield service


@pytest.mark.parametrize("command", commands())
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
