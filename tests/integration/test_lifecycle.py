"""The service as processes: it stops without a trace, and replaces an engine that is killed."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml

from trueodds import Answer, Client, Question, TrueoddsError, Unavailable
from trueodds_demo.service import MODELS, running


def configure(folder: Path, *, replicas: int = 1, gateways: int = 1, **engine: float | str) -> Path:
    """Ray Serve as it is, with engines that start at once."""
    path = folder / "serve.yaml"
    settings = {"backend": "fake", "replicas": replicas, **engine}
    model = {"name": "model", "weights": str(MODELS / "base"), "engine": settings}
    content = {
        "listen": "127.0.0.1:0",
        "store": "sqlite:///s.sqlite",
        "gateways": gateways,
        "models": [model],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def started_processes() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


# The real engine is killed in test_bulk.py, and in test_suspects.py by what it is asked.
@pytest.mark.parametrize(
    ("replicas", "gateways"), [(1, 1), (2, 2)], ids=["alone", "one-of-two-behind-two-gateways"]
)
def test_an_engine_that_is_killed_is_replaced_no_request_is_lost_and_no_process_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicas: int, gateways: int
) -> None:
    # Another Ray, which does not answer: the service starts its own.
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    before = started_processes()
    questions = [Question(f"Is {number} even?", ("yes", "no")) for number in range(2000)]
    config = configure(tmp_path, replicas=replicas, gateways=gateways)
    with running(config) as address, contextlib.ExitStack() as stack:
        # Connections of their own: the kernel deals them out among the gateways.
        # A replacement is there in seconds, or on a busy machine in more than a call's minute.
        clients = [
            stack.enter_context(Client(address, timeout=240))
            for _ in range(1 if gateways == 1 else 6)
        ]
        clients[0].wait_until_ready()
        expected = clients[0].score_batch(questions, model="model")
        assert all(isinstance(outcome, Answer) for outcome in expected)
        with ThreadPoolExecutor(len(clients)) as threads:
            calls = [
                threads.submit(client.score_batch, questions, model="model") for client in clients
            ]
            killed(before)
            for call in calls:
                assert_same(call.result(timeout=240), expected)
        assert all(model.ready for model in clients[0].wait_until_ready())
        during = started_processes() - before
        assert len(during) > 3
    _, alive = psutil.wait_procs(during, timeout=60)
    assert alive == []


def killed(before: set[psutil.Process]) -> None:
    """Kills one replica that was not there before, as the system does."""
    next(engines(before)).kill()


def engines(before: set[psutil.Process]) -> Iterator[psutil.Process]:
    for process in started_processes() - before:
        with contextlib.suppress(psutil.Error):
            if "engine-model" in " ".join(process.cmdline()):
                yield process


def assert_same(outcomes: Sequence[object], expected: Sequence[object]) -> None:
    for outcome, right in zip(outcomes, expected, strict=True):
        assert isinstance(outcome, Answer)
        assert isinstance(right, Answer)
        logprobs = [option.logprob for option in outcome.options]
        assert logprobs == pytest.approx([option.logprob for option in right.options], abs=1e-4)


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


_SLOW_STOP = """
import os, signal, time
from trueodds_service.serving import environment
from trueodds_service.serving.signals import end_on_signals, kept_from_ray

environment.prepare()
environment.keep_to_this_machine()
import ray

end_on_signals()
try:
    with kept_from_ray():
        ray.init(address="local", include_dashboard=False, log_to_driver=False)
        {inside}
    {outside}
except SystemExit:
    pass  # as `serve`
finally:
    end = time.monotonic() + 5
    while time.monotonic() < end:  # a signal ends a sleep
        time.sleep(0.1)
    ray.shutdown()
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_a_stop_that_takes_longer_than_ray_allows_is_no_abort(place: str) -> None:
    """Ray's own handler of SIGTERM ends the process by SIGABRT after three seconds."""
    places = {"inside": "", "outside": ""} | {place: "signal.raise_signal(signal.SIGTERM)"}
    command = [sys.executable, "-c", _SLOW_STOP.format(**places)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (ended.returncode, ended.stdout) == (0, "stopped\n"), ended.stderr


def test_a_model_that_fails_is_named_a_lost_one_is_a_line_and_nothing_outlives_a_kill(
    tmp_path: Path,
) -> None:
    path = configure(tmp_path)
    damaged = tmp_path / "damaged"
    shutil.copytree(MODELS / "base", damaged)
    (damaged / "model.safetensors").write_bytes(b"no weights")
    content = yaml.safe_load(path.read_text())
    content["models"].append({"name": "damaged", "weights": str(damaged)})
    path.write_text(yaml.safe_dump(content))
    before = started_processes()
    with serving(path) as service:
        said = until(service, "not ready: damaged; serving model")
        assert any(line.startswith("damaged has failed: ") for line in said)
        assert "Traceback" not in "".join(said)
        address = said[1].removeprefix("listening on ").strip()
        with Client(address) as client:
            question = Question("Is 2 even?", ("yes", "no"))
            assert client.score(question, model="model").options
            with pytest.raises(TrueoddsError, match="damaged has failed: "):
                client.score(question, model="damaged")

        started = started_processes() - before
        killed(before)
        # Beside what is logged, which is JSON, and of the one that failed before.
        said = [line for line in until(service, "model is back") if line.startswith("model ")]
        assert said == ["model is lost: its engine is being replaced\n", "model is back\n"]
        started |= started_processes() - before
        assert len(started) > 4
        service.kill()
        _, alive = psutil.wait_procs(started, timeout=60)
        assert alive == []


def test_what_is_under_way_when_it_is_told_to_stop_is_answered_and_systemd_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configure(tmp_path, seconds=2.0)
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(tmp_path / "notify"))
    systemd.settimeout(120)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = f"127.0.0.1:{free.getsockname()[1]}"
    path.write_text(path.read_text() + f"metrics: {metrics}\n")
    with systemd, serving(path) as service, ThreadPoolExecutor(1) as thread:
        address = until(service, "listening on ")[-1].removeprefix("listening on ").strip()
        with Client(address, retries=0) as client:
            hears(systemd, "READY=1")
            until(service, "ready: ")
            assert all(model.ready for model in client.models())
            hears(systemd, "WATCHDOG=1")
            service.send_signal(signal.SIGUSR1)
            hears(systemd, "RELOADING=1")
            hears(systemd, "READY=1")
            hears(systemd, "WATCHDOG=1")
            of_ray = [process.environ() for process in psutil.Process(service.pid).children(True)]
            assert len(of_ray) > 3
            assert not any({"NOTIFY_SOCKET", "WATCHDOG_USEC"} & each.keys() for each in of_ray)
            question = Question("Is 2 even?", ("yes", "no"))
            call = thread.submit(client.score, question, model="model")
            while not call.done() and prompts_under_way(metrics) == 0:
                pass
            service.terminate()
            hears(systemd, "STOPPING=1")
            assert call.result(timeout=120).options
            with pytest.raises(Unavailable):
                client.score(question, model="model")
        service.communicate(timeout=120)
        assert service.returncode == 0


def hears(systemd: socket.socket, wanted: str) -> None:
    """Waits for the next datagram that begins so."""
    while not systemd.recv(4096).decode().startswith(wanted):
        pass


def prompts_under_way(metrics: str) -> float:
    with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:
        said = answer.read().decode()
    found = re.findall(r"^trueodds_engine_prompts_under_way\{.*\} (\S+)$", said, re.MULTILINE)
    return sum(map(float, found))
