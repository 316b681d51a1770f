"""`trueodds bulk` while processes are killed: no row is lost, and none is there twice."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from pyarrow import parquet

from trueodds import Answer, Client, Question
from trueodds_demo.service import BASE, MODELS, running


def rows(count: int) -> list[dict[str, object]]:
    names = ("Tom", "Iris", "Jonas")
    return [
        {
            "id": str(number),
            "question": f"Did {names[number % 3]} like film {number}?",
            "options": ["yes", "no"],
            "answer": number % 2,
        }
        for number in range(count)
    ]


class Run:
    """A service with one engine, and `trueodds bulk` on it, as processes."""

    def __init__(self, address: str, model: str, folder: Path, count: int) -> None:
        self._rows = rows(count)
        self._input = folder / "questions.jsonl"
        self._input.write_text("".join(f"{json.dumps(row)}\n" for row in self._rows))
        self.output = folder / "answers.parquet"
        self._model = model
        self._address = address

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "trueodds", "bulk", self._model, str(self._input)]
        arguments = ["-o", str(self.output), "--server", self._address]
        return subprocess.Popen(
            [*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def parts(self) -> int:
        return len(list(self.output.with_name(f"{self.output.name}.parts").glob("rows-*")))

    def finish(self, process: subprocess.Popen[str]) -> None:
        _, said = process.communicate(timeout=180)
        assert process.returncode == 0, said

    def check(self) -> None:
        """Every row is there once, and says what the service says."""
        found = parquet.read_table(self.output).to_pylist()
        assert [each["row"] for each in found] == list(range(len(self._rows)))
        assert [each["id"] for each in found] == [row["id"] for row in self._rows]
        assert all(each["error_code"] is None for each in found)
        step = len(found) // 50
        with Client(self._address) as client:
            asked = [Question(str(row["question"]), ("yes", "no")) for row in self._rows[::step]]
            client.wait_until_ready()
            expected = client.score_batch(asked, model=self._model)
        for each, answer in zip(found[::step], expected, strict=True):
            assert isinstance(answer, Answer)
            assert each["probabilities"] == pytest.approx(
                [option.probability for option in answer.options], abs=1e-3
            )


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def engine_of(model: str, before: set[psutil.Process]) -> psutil.Process:
    return next(
        process
        for process in set(psutil.Process().children(recursive=True)) - before
        if f"engine-{model}" in " ".join(process.cmdline())
    )


@pytest.mark.parametrize(
    ("model", "engine", "count"),
    [("fake", {"backend": "fake"}, 6_000), (BASE, {"backend": "vllm"}, 5_000)],
    ids=["fake engine", "real engine"],
)
def test_no_kill_loses_or_doubles_a_row(
    tmp_path: Path, model: str, engine: dict[str, str], count: int
) -> None:
    config = tmp_path / "serve.yaml"
    entry = {"name": model, "weights": str(MODELS / "base"), "engine": engine}
    config.write_text(
        yaml.safe_dump({"listen": "127.0.0.1:0", "store": "sqlite:///s.sqlite", "models": [entry]})
    )
    before = set(psutil.Process().children(recursive=True))
    with running(config) as address:
        with Client(address) as client:
            client.wait_until_ready()
        run = Run(address, model, tmp_path, count)

        client_process = run.start()
        until(lambda: run.parts() >= 2)
        client_process.kill()
        client_process.communicate()
        kept = run.parts()

        second = run.start()
        until(lambda: run.parts() > kept or second.poll() is not None)
        engine_of(model, before).kill()
        run.finish(second)
        run.check()
