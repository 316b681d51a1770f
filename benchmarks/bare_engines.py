"""`LLM.generate` in several processes, on one GPU and on more of the same host, with no service.

What more GPUs bring here, the host allows; what they bring the service less, the service costs.
"""

import argparse
import json
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import profiles, shapes
from benchmarks.machine import called, machine, versions
from benchmarks.process import SystemProcess
from benchmarks.report import console, write
from benchmarks.systems.vllm import Offline
from benchmarks.workload import Round
from trueodds import Format


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare_engines", description=__doc__)
    add = parser.add_argument
    add("--shape", choices=sorted(shapes.SHAPES), default="1b", help="a Llama's, dummy weights")
    add("--gpus", type=int, default=2)
    add("--processes", type=int, default=4, help="on each GPU")
    add("--questions", type=int, default=320, help="of each of 57 subjects")
    add("--rounds", type=int, default=3, help="measured, after one to warm up")
    add("--output", type=Path, default=Path("build/bench/bare-engines.json"))
    options = parser.parse_args()
    sizes = profiles.Sizes(options.rounds, tasks=57, questions=options.questions, alone=0)
    prepared = profiles.gpu(sizes, Format.LETTER, {}, 2, options.shape)
    rates: dict[int, list[float]] = {1: [], options.gpus: []}
    with ExitStack() as stack:
        engines = []
        for gpu in range(options.gpus):
            os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
            for _ in range(options.processes):
                engines.append(SystemProcess(Offline, prepared.weights, prepared.settings))
                stack.callback(engines[-1].stop)
        for engine in engines:
            engine.wait()
        for number, rounds in enumerate(zip(*prepared.work, strict=True)):
            for (gpus, found), work in zip(rates.items(), rounds, strict=True):
                rate = _rate(engines[: gpus * options.processes], work)
                if number:
                    found.append(round(rate, 1))
    one, all_of_them = map(statistics.median, rates.values())
    result: dict[str, Any] = {
        "command": called("benchmarks.bare_engines"),
        "machine": machine(),
        "versions": versions(),
        **prepared.about,
        "processes_a_gpu": options.processes,
        "questions_per_second": rates,
        "ratio_to_one_gpu": round(all_of_them / one, 3),
    }
    console.print_json(json.dumps(result))
    write(result, options.output)


def _rate(engines: Sequence[SystemProcess], work: Round) -> float:
    """Questions a second: the sum of what each does of its part of the tasks."""
    parts = [work.batches[number :: len(engines)] for number in range(len(engines))]
    with ThreadPoolExecutor(len(engines)) as at_once:
        seconds = list(at_once.map(SystemProcess.seconds, engines, parts))
    questions = [sum(len(task.prompts) for task in part) for part in parts]
    return sum(map(float.__truediv__, map(float, questions), seconds))


if __name__ == "__main__":
    main()
