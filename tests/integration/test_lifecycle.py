"""The service as processes: it stops without a trace, and replaces an engine that is killed."""

import contextlib
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from trueodds import Answer, Client, Question, TrueoddsError
from trueodds_demo.service import MODELS, running


def configure(folder: Path, **processes: int) -> Path:
    """Ray Serve as it is, with engines that start at once: their models, and how many processes."""
    path = folder / "serve.yaml"
    models = [
        {
            "name": name,
            "weights": str(MODELS / "base"),
            "engine": {"backend": "fake", "processes": count},
        }
        for name, count in (processes or {"fake": 1}).items()
    ]
    content = {"listen": "127.0.0.1:0", "store": "sqlite:///s.sqlite", "models": models}
    path.write_text(yaml.safe_dump(content))
    return path


def started_processes() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def lose_none(client: Client, model: str, kill: Callable[[], None]) -> None:
    """Kills a process of the model's engine while questions are asked, and looks at the answers."""
    asked = [Question(f"Is {number} even?", ("yes", "no")) for number in range(2000)]
    expected = client.score_batch(asked[:5], model=model)
    outcomes: list[object] = []
    caller = threading.Thread(
        target=lambda: outcomes.extend(client.score_batch(asked, model=model))
    )
    caller.start()
    kill()
    caller.join(timeout=120)
    assert len(outcomes) == len(asked)
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert outcomes[:5] == expected
    assert all(served.ready for served in client.wait_until_ready())


@pytest.mark.timeout(600)  # four processes start, and two of them twice
def test_no_request_is_lost_with_an_engine_and_no_process_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine_of: Callable[[str], psutil.Process]
) -> None:
    # Another Ray, which does not answer: the service starts its own.
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    before = started_processes()
    with (
        running(configure(tmp_path, fake=1, several=2)) as address,
        Client(address) as client,
    ):
        client.wait_until_ready()
        for model in ("fake", "several"):
            lose_none(client, model, lambda name=model: engine_of(name).kill())
        during = started_processes() - before
        assert len(during) > 3
    _, alive = psutil.wait_procs(during, timeout=60)
    assert alive == []


def test_an_engine_that_cannot_load_says_why(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(MODELS / "base", damaged)
    (damaged / "model.safetensors").write_bytes(b"no weights")
    path = tmp_path / "serve.yaml"
    models = [{"name": "damaged", "weights": str(damaged)}]
    path.write_text(yaml.safe_dump({"listen": "127.0.0.1:0", "models": models}))
    command = [sys.executable, "-m", "trueodds", "serve", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 1
    pattern = r"error: the service did not come up\n  damaged: \S*Error\b.*\n  the logs .*\n"
    assert re.fullmatch(pattern, ended.stderr), "the engine's own error, without a trace"


@contextlib.contextmanager
def serving(path: Path) -> Iterator[subprocess.Popen[str]]:
    """`trueodds serve`, with what it says on both streams; killed if the test has not ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trueodds", "serve", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(process: "subprocess.Popen[str]", wanted: str) -> list[str]:
    """The lines up to the first that begins so. Fails where there is none."""
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if line.startswith(wanted):
            return lines
    raise AssertionError(f"{wanted!r} is not in {lines}")


def test_nothing_outlives_a_service_that_is_killed_and_a_lost_model_is_a_line(
    tmp_path: Path, engine_of: Callable[[str], psutil.Process]
) -> None:
    before = started_processes()
    with serving(configure(tmp_path)) as service:
        until(service, "ready: fake")
        started = started_processes() - before
        engine_of("fake").kill()
        assert until(service, "fake is back") == [
            "fake is lost: its engine is being replaced\n",
            "fake is back\n",
        ]
        started |= started_processes() - before
        assert len(started) > 4
        service.kill()
        _, alive = psutil.wait_procs(started, timeout=60)
        assert alive == []


@pytest.mark.parametrize("processes", [1, 6])
def test_a_signal_while_it_starts_ends_it_cleanly(tmp_path: Path, processes: int) -> None:
    before = started_processes()
    with serving(configure(tmp_path)) as service:
        until(service, "starting")
        while len(started := started_processes() - before) < processes:
            assert service.poll() is None
        service.terminate()
        said, _ = service.communicate(timeout=120)
        assert (service.returncode, said.splitlines()[-1:]) == (0, ["stopping …"]), said
        assert "Traceback" not in said
        _, alive = psutil.wait_procs(started | (started_processes() - before), timeout=60)
        assert alive == []


def test_a_model_that_fails_is_named_and_the_others_are_served(tmp_path: Path) -> None:
    path = configure(tmp_path)
    damaged = tmp_path / "damaged"
    shutil.copytree(MODELS / "base", damaged)
    (damaged / "model.safetensors").write_bytes(b"no weights")
    content = yaml.safe_load(path.read_text())
    content["models"].append({"name": "damaged", "weights": str(damaged)})
    path.write_text(yaml.safe_dump(content))
    with serving(path) as service:
        said = until(service, "not ready: damaged; serving fake")
        assert any(line.startswith("damaged has failed: ") for line in said)
        assert "Traceback" not in "".join(said)
        address = said[1].removeprefix("listening on ").strip()
        with Client(address) as client:
            question = Question("Is 2 even?", ("yes", "no"))
            assert client.score(question, model="fake").options
            with pytest.raises(TrueoddsError, match="damaged has failed: "):
                client.score(question, model="damaged")
