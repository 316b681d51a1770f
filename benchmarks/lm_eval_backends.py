"""lm-eval's ``simple_evaluate`` with ``--model trueodds`` and ``--model vllm``, on label tasks: the
same tasks, in one run, one after the other; questions a second, and the accuracy of both.
"""

import argparse
import logging
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from datasets import Dataset
from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask

from benchmarks import agieval
from benchmarks.machine import machine, versions
from benchmarks.report import console, write
from benchmarks.systems.lm_eval import LmEval
from benchmarks.systems.service import MODEL, config
from trueodds import Client, Example
from trueodds.lm_eval import TrueoddsLM
from trueodds_demo.service import MODELS, running
from trueodds_service.config import VllmSettings

_LETTERS = "ABCDE"


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lm_eval_backends", description=__doc__
    )
    add = parser.add_argument
    add("--weights", type=Path, default=MODELS / "aligned", help="the model's folder")
    add("--questions", type=int, default=20, help="of each task, a round")
    add("--shots", type=int, default=agieval.SHOTS)
    add("--rounds", type=int, default=2, help="measured, after one to warm up")
    add("--output", type=Path, default=Path("build/bench/lm-eval-backends.json"))
    options = parser.parse_args()
    for name in ("lm_eval", "lm-eval"):
        logging.getLogger(name).setLevel(logging.ERROR)
    sets = agieval.load()
    if not sets:
        parser.error("set AGIEVAL to the folder of AGIEval's sets")
    settings = VllmSettings()
    rounds: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        address = stack.enter_context(running(config(folder, options.weights, settings)))
        client = stack.enter_context(Client(address))
        client.wait_until_ready()
        backends = {
            "trueodds": TrueoddsLM(MODEL, address),
            "vllm": LmEval(options.weights, settings)._model,
        }
        for number in range(options.rounds + 1):
            # A round has shots and questions of its own: no cache knows them.
            tasks = {
                name: _rows(examples, options.questions, options.shots, number)
                for name, examples in sets.items()
            }
            rounds.append({name: _evaluate(each, tasks) for name, each in backends.items()})
            console.print(rounds[-1])
    measured = rounds[1:]
    ratios = [each["vllm"]["seconds"] / each["trueodds"]["seconds"] for each in measured]
    items = options.questions * len(sets)
    result = {
        "items": items,
        "shots": options.shots,
        "machine": machine(),
        "versions": versions(),
        "rows": [
            {
                "name": f"lm-eval --model {name}",
                "questions_per_second": round(
                    items / statistics.median(each[name]["seconds"] for each in measured), 1
                ),
            }
            for name in backends
        ],
        "times_as_fast": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "same_accuracy": all(
            each["trueodds"]["accuracy"] == each["vllm"]["accuracy"] for each in rounds
        ),
        "rounds": measured,
    }
    write(result, options.output)
    console.print(
        f"{result['times_as_fast']} times as fast (at least {result['lowest']}); "
        f"same accuracy: {result['same_accuracy']}"
    )


def _evaluate(backend: Any, tasks: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Seconds of the whole evaluation, and the accuracy in each task."""
    made = [_task(name, rows) for name, rows in tasks.items()]
    started = time.perf_counter()
    with redirect_stderr(StringIO()):  # its progress bars
        results = simple_evaluate(backend, tasks=made, bootstrap_iters=0)
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds, 2),
        "accuracy": {name: results["results"][name]["acc,none"] for name in tasks},
    }


def _rows(examples: Sequence[Example], count: int, shots: int, number: int) -> list[dict[str, Any]]:
    """Questions after worked examples from the shorter half, so that they fit."""
    rng = Random(number)
    by_length = sorted(examples, key=lambda each: len(_ask(each)))
    short = by_length[: len(by_length) // 2]
    worked = rng.sample(short, shots)
    asked = rng.sample([each for each in short if each not in worked], count)
    before = "".join(f"{_ask(each)} {_LETTERS[each.answer or 0]}\n\n" for each in worked)
    return [
        {
            "context": before + _ask(each),
            "choices": [f" {letter}" for letter in _LETTERS[: len(each.question.options)]],
            "gold": each.answer,
        }
        for each in asked
    ]


def _ask(example: Example) -> str:
    question = example.question
    options = "".join(
        f"{letter}. {option}\n" for letter, option in zip(_LETTERS, question.options, strict=False)
    )
    return f"{question.passage}\n{question.text}\n{options}Answer:".lstrip()


def _task(name: str, rows: list[dict[str, Any]]) -> ConfigurableTask:
    return ConfigurableTask(
        config={
            "task": name,
            "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "context",
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
            "metadata": {"version": 1},
        }
    )


if __name__ == "__main__":
    main()
