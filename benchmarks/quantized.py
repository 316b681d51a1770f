"""How far a model's answers move when vLLM quantizes it at load: AGIEval's questions after five
shots, read by the same engine in bfloat16, in bfloat16 once more, and quantized.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import agieval, shapes
from benchmarks.engines import Bare, EngineProcess
from benchmarks.machine import called, machine, versions
from benchmarks.report import console, write
from benchmarks.workload import Round, Task, Tasks
from trueodds import Format
from trueodds_service.config import VllmSettings

_PLAIN, _AGAIN, _QUANTIZED = "bfloat16", "bfloat16 again", "quantized"


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantized", description=__doc__)
    add = parser.add_argument
    add("--weights", type=Path, required=True, help="a real model's folder")
    add("--quantization", default="fp8", help="as in the configuration")
    add("--questions", type=int, default=200, help="of each of the four sets")
    add("--output", type=Path, default=Path("build/bench/quantized.json"))
    options = parser.parse_args()
    if not agieval.load():
        sys.exit(f"error: no questions in {agieval.folder()}; AGIEVAL names another folder")
    tasks = Tasks(options.weights, Format.LETTER, shapes.CONTEXT // 2)
    [asked] = agieval.rounds(tasks, options.questions, 0, 1, 0)
    result: dict[str, Any] = {
        "command": called("benchmarks.quantized"),
        "machine": machine(),
        "versions": versions(),
        "questions": asked.items,
        "quantization": options.quantization,
    }
    found = {
        name: _read(options.weights, asked, how)
        for name, how in (
            (_PLAIN, "none"),
            (_AGAIN, "none"),
            (_QUANTIZED, options.quantization),
        )
    }
    for name in (_AGAIN, _QUANTIZED):
        result[f"{name}, from {_PLAIN}"] = _distance(found[_PLAIN], found[name])
    console.print_json(json.dumps(result))
    write(result, options.output)


def _read(weights: Path, asked: Round, quantization: str) -> list[NDArray[np.float64]]:
    """ln p of each option over the whole vocabulary, an array of shape (k,) a question."""
    settings = VllmSettings.model_validate(
        {
            "dtype": "bfloat16",
            "quantization": quantization,
            "max_tokens": shapes.CONTEXT // 2,
            "kv_cache_gib": 4,
        }
    )
    engine = EngineProcess(Bare, weights, settings)
    try:
        return engine.measure("score", _small(asked.batches)).scores.logprobs
    finally:
        engine.stop()


def _small(tasks: list[Task]) -> list[Task]:
    """In calls of a size that every run sends alike: so the same prompts share a step."""
    return [task.part(at, at + 64) for task in tasks for at in range(0, len(task.questions), 64)]


def _distance(one: list[NDArray[np.float64]], other: list[NDArray[np.float64]]) -> dict[str, float]:
    """How far apart are the options' logprobs, in nats, and the probabilities among the options."""
    apart = np.abs(np.concatenate(one) - np.concatenate(other))
    shares = [(_among(a), _among(b)) for a, b in zip(one, other, strict=True)]
    moved = np.array([np.abs(a - b).sum() / 2 for a, b in shares])
    surer = np.array([b.max() - a.max() for a, b in shares])
    return {
        "logprob_mean": round(float(apart.mean()), 4),
        "logprob_p99": round(float(np.quantile(apart, 0.99)), 4),
        "logprob_max": round(float(apart.max()), 4),
        "total_variation_mean": round(float(moved.mean()), 4),
        "total_variation_p99": round(float(np.quantile(moved, 0.99)), 4),
        "confidence_change_mean": round(float(surer.mean()), 4),
        "answers_changed": round(float(np.mean([a.argmax() != b.argmax() for a, b in shares])), 4),
    }


def _among(logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities of the options when it is one of them."""
    odds = np.exp(logprobs - logprobs.max())
    shares: NDArray[np.float64] = odds / odds.sum()
    return shares


if __name__ == "__main__":
    main()
