"""Questions a second: vLLM offline, the bare engine, and the service over gRPC, in one run.

Every system is started first and idle while another works, and each round measures all of them
on the same questions, so that what the machine does meanwhile meets them alike. What counts is
the ratio.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import yaml

from benchmarks.engines import Bare, EngineProcess, Offline
from benchmarks.report import console, report, summary
from benchmarks.workload import Round, Task, rounds
from trueodds import Answer, Client
from trueodds_demo import world
from trueodds_demo.service import MODELS, running
from trueodds_service.config import VllmSettings

MODEL = "model"
ALONE = 5  # questions of a task that are asked one at a time, in a round


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    add = parser.add_argument
    add("--weights", type=Path, default=MODELS / "aligned", help="the model's folder")
    add("--engine", type=json.loads, default={}, help="settings of the engines, as JSON")
    add("--questions", type=int, default=100, help="of each of the seven tasks, a round")
    add("--rounds", type=int, default=5, help="measured, after one to warm up")
    add("--output", type=Path, default=Path("build/bench/cpu.json"))
    options = parser.parse_args()
    settings = VllmSettings.model_validate(options.engine)
    work = rounds(options.weights, options.questions, ALONE, options.rounds + 1)
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack, console.status("starting three engines …") as status:
        systems = _start(options.weights, settings, stack)
        for number, asked in enumerate(work):
            status.update(f"round {number} of {options.rounds}")
            for name, (tasks, measure) in systems(asked).items():
                count = sum(len(task.questions) for task in tasks)
                rates.setdefault(name, []).append(count / measure(tasks))
    measured = {name: found[1:] for name, found in rates.items()}
    result = summary(options.questions * len(world.TASKS), measured)
    report(result, options.output)


Measurement = tuple[list[Task], Callable[[Sequence[Task]], float]]


def _start(
    weights: Path, settings: VllmSettings, stack: ExitStack
) -> Callable[[Round], dict[str, Measurement]]:
    """Starts every system; what to measure in a round, and how: tasks → seconds."""
    engines = []
    for start in (Offline, Bare):
        engines.append(EngineProcess(start, weights, settings))
        stack.callback(engines[-1].stop)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    address = stack.enter_context(running(config(folder, weights, settings)))
    client = stack.enter_context(Client(address))
    client.wait_until_ready()

    def batches(tasks: Sequence[Task]) -> float:
        started = time.perf_counter()
        for task in tasks:
            for outcome in client.score_batch(task.questions, model=MODEL, shots=task.shots):
                if not isinstance(outcome, Answer):
                    raise outcome
        return time.perf_counter() - started

    def one_at_a_time(tasks: Sequence[Task]) -> float:
        started = time.perf_counter()
        for task in tasks:
            client.score(task.questions[0], model=MODEL, shots=task.shots)
        return time.perf_counter() - started

    return lambda work: {
        "LLM.generate, token ids": (work.batches, engines[0].seconds),
        "AsyncLLM, token ids": (work.batches, engines[1].seconds),
        "service, BatchScore, text": (work.batches, batches),
        "AsyncLLM, one at a time": (work.alone, engines[1].seconds),
        "service, Score, one at a time": (work.alone, one_at_a_time),
    }


def config(folder: Path, weights: Path, settings: VllmSettings) -> Path:
    model = {
        "name": MODEL,
        "weights": str(weights.resolve()),
        "engine": settings.model_dump(exclude_none=True),
    }
    path = folder / "serve.yaml"
    content = {"listen": "127.0.0.1:0", "store": "sqlite:///s.sqlite", "models": [model]}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
