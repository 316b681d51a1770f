"""Nothing that callers send is in anything that a whole run of the service writes."""

import contextlib
import hashlib
import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from tests.integration.collector import Collector, collecting

from trueodds import Client, Example, Question, Text, TrueoddsError
from trueodds.errors import Unauthenticated
from trueodds_demo.service import ALIGNED, BASE, demo_config, running

# Of letters that hexadecimal numbers lack, so that no name of a file has it by chance.
SECRET = "xyzzyplugh"  # noqa: S105 (stands for one)
_SESSION = re.compile(r"(/\S*?/session_[\w.-]+)")


def secret(place: str) -> str:
    return f"{SECRET}-{place}"


def question(count: int = 2, text: str = "") -> Question:
    options = [secret(f"option-{number}") for number in range(count)]
    labels = [f"{SECRET}{number}" for number in range(count)]
    return Question(text or secret("text"), options, labels=labels, passage=secret("passage"))


@dataclass(frozen=True)
class Run:
    """A service with the real engine that asks for keys: where it answers and writes, and a key."""

    address: str
    http_url: str
    folder: Path
    collector: Collector
    key: str

    @property
    def wrong_key(self) -> str:
        """One with the id of the right one."""
        key_id = self.key.split("_")[1]
        return f"to_{key_id}_{hashlib.sha256(SECRET.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("with-keys")
    config = demo_config(folder)
    content = yaml.safe_load(config.read_text())
    with socket.create_server(("127.0.0.1", 0)) as free:
        content["http"] = f"127.0.0.1:{free.getsockname()[1]}"
    content["access"] = "keys"
    for model in content["models"]:
        model["engine"] = {"kv_cache_gib": 0.5}
    with collecting() as collector:
        content["tracing"] = {"endpoint": collector.endpoint, "share": 1}
        config.write_text(yaml.safe_dump(content))
        # As an operator does it, who sees it this once.
        made = subprocess.run(
            [
                *(sys.executable, "-m", "trueodds", "keys", "create", "scorer"),
                *("--can", "score,fit", "--config", str(config)),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        key = made.stdout.strip()
        with running(config) as address:
            with Client(address, api_key=key) as client:
                client.wait_until_ready()
            yield Run(address, f"http://{content['http']}", folder, collector, key)


@pytest.fixture
def written(run: Run) -> list[Path]:
    """What the service's processes write to: all that Ray's, and what `trueodds serve` says."""
    sessions = {
        found[1]
        for process in psutil.Process().children(recursive=True)
        for found in _SESSION.finditer(" ".join(_command(process)))
    }
    assert sessions, "Ray's processes are told where their session is"
    folders = [run.folder, *map(Path, sessions)]
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.fixture
def all_told(run: Run) -> None:
    """Calls of every kind with secrets in them, those that fail among them."""
    with Client(run.address, api_key=run.key) as client:
        tell(client)
    for wrong in (run.wrong_key, secret("key")):
        with Client(run.address, api_key=wrong) as client, pytest.raises(Unauthenticated):
            client.score(question(), model=BASE)
    for key in (run.key, run.wrong_key, secret("key")):
        post(run.http_url, key)


def tell(client: Client) -> None:
    """Over gRPC."""
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


def post(url: str, key: str) -> None:
    """Over HTTP."""
    decision = {"type": "predicate", "name": secret("name"), "question": secret("question")}
    for path, body in (
        ("/v1/decisions", {"model": BASE, "input": secret("input"), "decisions": [decision]}),
        ("/v1/decisions", {"model": BASE, secret("field"): secret("value")}),
        ("/v1/systemone", {"model": BASE, "state": {SECRET: secret("state")}}),
        (f"/{secret('path')}?{secret('query')}", {}),
        ("/trueodds.v1.ScoringService/Score", {"question": {"text": secret("json")}}),
    ):
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {key}",
            "x-request-id": f"{secret('id')} is no id",
            "cookie": f"session={secret('cookie')}",
        }
        request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)  # noqa: S310
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request):  # noqa: S310
            pass


def test_nothing_that_a_run_writes_holds_what_callers_sent(
    all_told: None, run: Run, written: list[Path]
) -> None:
    logs = [path for path in written if path.suffix in {".log", ".err", ".out"}]
    assert any(BASE in path.read_text(errors="replace") for path in logs), "these are the logs"
    # A key's id is public; what comes after it is not.
    planted = [SECRET, *(key.rpartition("_")[2] for key in (run.key, run.wrong_key))]
    holders = [
        (path, place)
        for path in written
        for content in [path.read_bytes().lower()]
        for place, each in enumerate(planted)
        if each.encode() in content
    ]
    assert holders == [], "the file, and the place of what it holds"
    run.collector.trace_of_a_question(run.http_url, BASE, key=run.key)
    told = "".join(str(each.span) for each in run.collector.received)
    assert len(run.collector.received) > 20, "of what was asked before it"
    assert [place for place, each in enumerate(planted) if each in told.lower()] == []
