"""Where a GPU's time goes while `LLM.generate` answers a round: its kernels, by what they do.

Their sum is what a GPU needs that is never idle. So it bounds every service whose engine takes
steps of this size.
"""

import argparse
import asyncio
import json
import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks import profiles, shapes
from benchmarks.machine import called, machine, versions
from benchmarks.report import console, write
from benchmarks.systems.vllm import Offline
from trueodds import Format

# The first that a kernel's name fits.
_KINDS = {
    "attention": re.compile("flash|fmha|attention", re.IGNORECASE),
    "matrix products": re.compile("gemm|nvjet|cutlass|splitk", re.IGNORECASE),
    "copies": re.compile("memcpy|memset", re.IGNORECASE),
}
_REST = "norms, activations, positions, probabilities"
_SHOWN = 15


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    add = parser.add_argument
    add("--shape", choices=sorted(shapes.SHAPES), default="1b", help="a Llama's, dummy weights")
    add("--questions", type=int, default=40, help="of each of 57 subjects")
    add("--engine", type=json.loads, default={}, help="engine settings, as JSON")
    add("--output", type=Path, default=Path("build/bench/kernels.json"))
    options = parser.parse_args()
    # The engine in this process, where the profiler sees it.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    sizes = profiles.Sizes(rounds=1, tasks=57, questions=options.questions, alone=0)
    prepared = profiles.gpu(sizes, Format.LETTER, options.engine, 1, options.shape)
    [[first, second]] = prepared.work
    system = Offline(prepared.weights, prepared.settings)
    asyncio.run(system.score(first.batches))
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        started = time.perf_counter()
        asyncio.run(system.score(second.batches))
        wall = time.perf_counter() - started
    by_kind: Counter[str] = Counter()
    by_name: Counter[str] = Counter()
    for event in profiler.key_averages():
        kind = next((kind for kind, names in _KINDS.items() if names.search(event.key)), _REST)
        by_kind[kind] += event.self_device_time_total
        by_name[event.key[:120]] += event.self_device_time_total
    per_question = {kind: round(each / second.items, 1) for kind, each in by_kind.most_common()}
    result: dict[str, Any] = {
        "command": called("benchmarks.kernels"),
        "machine": machine(),
        "versions": versions(),
        **prepared.about,
        "max_batch_tokens": prepared.settings.max_batch_tokens,
        "questions": second.items,
        "microseconds_a_question": per_question,
        "questions_per_second": {
            "if the GPU were never idle": round(1e6 * second.items / by_kind.total(), 1),
            "LLM.generate": round(second.items / wall, 1),
        },
        "kernels": {
            name: round(each / second.items, 1) for name, each in by_name.most_common(_SHOWN)
        },
    }
    console.print_json(json.dumps(result))
    write(result, options.output)


if __name__ == "__main__":
    main()
