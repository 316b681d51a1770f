"""Nothing that callers send is in anything that a whole run of the service writes."""

import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.integration.collector import Collector

from trueodds import Client, Example, Question, Text, TrueoddsError
from trueodds_demo.service import ALIGNED, BASE

# Of letters that hexadecimal numbers lack, so that no name of a file has it by chance.
SECRET = "xyzzyplugh"  # noqa: S105 (stands for one)
_SESSION = re.compile(r"(/\S*?/session_[\w.-]+)")


def secret(place: str) -> str:
    return f"{SECRET}-{place}"


def question(count: int = 2, text: str = "") -> Question:
    options = [secret(f"option-{number}") for number in range(count)]
    labels = [f"{SECRET}{number}" for number in range(count)]
    return Question(text or secret("text"), options, labels=labels, passage=secret("passage"))


@pytest.fixture
def written(server: str, service_folder: Path) -> Iterator[list[Path]]:
    """What the service's processes write to: all that Ray's, and what `trueodds serve` says."""
    sessions = {
        found[1]
        for process in psutil.Process().children(recursive=True)
        for found in _SESSION.finditer(" ".join(_command(process)))
    }
    assert sessions, "Ray's processes are told where their session is"
    folders = [service_folder, *map(Path, sessions)]
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.fixture
def all_told(client: Client, http_url: str) -> None:
    """Calls of every kind with secrets in them, those that fail among them."""
    shots = [Example(question(), 1)]
    client.score(question(), model=BASE, shots=shots)
    client.score(Question(prompt=Text(secret("prompt")), options=[" a", " b"]), model=BASE)
    client.score_batch([question(), question(1), question(text=f"{SECRET} " * 5000)], model=BASE)
    for wrong in (
        lambda: client.score(question(), model=secret("model")),
        lambda: client.score(question(1), model=BASE),
        lambda: client.score(question(), model=BASE, task=secret("task"), require_calibrated=True),
        lambda: client.fit(shots, model=ALIGNED, task=secret("task")),
        lambda: client.calibrate([[0.0, secret("number")]], name=secret("calibrator")),
    ):
        with pytest.raises((TrueoddsError, ValueError, TypeError)):
            wrong()
    decision = {"type": "predicate", "name": secret("name"), "question": secret("question")}
    for path, body in (
        ("/v1/decisions", {"model": BASE, "input": secret("input"), "decisions": [decision]}),
        ("/v1/decisions", {"model": BASE, secret("field"): secret("value")}),
        ("/v1/systemone", {"model": BASE, "state": {SECRET: secret("state")}}),
        (f"/{secret('path')}?{secret('query')}", {}),
        ("/trueodds.v1.ScoringService/Score", {"question": {"text": secret("json")}}),
    ):
        _post(http_url + path, body)


def _post(url: str, body: object) -> None:
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {secret('key')}",
        "x-request-id": f"{secret('id')} is no id",
        "cookie": f"session={secret('cookie')}",
    }
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request):  # noqa: S310
        pass


def test_nothing_that_a_run_writes_holds_what_callers_sent(
    all_told: None, written: list[Path], http_url: str, collector: Collector
) -> None:
    logs = [path for path in written if path.suffix in {".log", ".err", ".out"}]
    assert any(BASE in path.read_text(errors="replace") for path in logs), "these are the logs"
    holders = [path for path in written if SECRET in path.read_text(errors="replace").lower()]
    assert holders == []
    collector.trace_of_a_question(http_url, BASE)
    told = [str(each.span) for each in collector.received]
    assert len(told) > 20, "of what was asked before it"
    assert SECRET not in "".join(told).lower()
