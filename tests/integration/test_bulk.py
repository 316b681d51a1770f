"""`trueodds bulk` while processes are killed: no row is lost, and none is there twice."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pyarrow import parquet

from trueodds import Answer, Client, Question
from trueodds_demo.service import BASE


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
    """`trueodds bulk` on a service, as a process."""

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


@pytest.mark.timeout(600)  # it may be the first that needs the service
def test_no_kill_loses_or_doubles_a_row(
    server: str, engine_of: Callable[[str], psutil.Process], tmp_path: Path
) -> None:
    # Parts hold 1,024 rows: of three, one at least is there before each end and one is not.
    run = Run(server, BASE, tmp_path, 2_600)

    client_process = run.start()
    until(lambda: run.parts() >= 1)
    client_process.kill()
    client_process.communicate()
    kept = run.parts()

    second = run.start()
    until(lambda: run.parts() > kept or second.poll() is not None)
    engine_of(BASE).kill()
    run.finish(second)
    run.check()
