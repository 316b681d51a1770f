"""Whether cost and memory stay as they are when work grows: `trueodds bulk` on files of several
sizes, against the fake engine, so that what is measured is the client and the gateway.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import psutil

from benchmarks.fake_service import MODEL, fake_service, gateway
from benchmarks.machine import called, machine, versions
from benchmarks.report import console, write

# Enough to start everything; what this takes is taken off the other sizes.
_FEW = 128
_POLL_SECONDS = 0.25


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    add = parser.add_argument
    add("--sizes", default="10000,100000,1000000", help="questions of each file")
    add("--output", type=Path, default=Path("build/bench/growth.json"))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": called("benchmarks.growth"),
        "machine": machine(),
        "versions": versions(),
        "sizes": [],
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = stack.enter_context(fake_service())
        serving = gateway()
        for _ in range(2):
            starting, *_ = _bulk(folder, address, serving, _FEW)
        for size in map(int, options.sizes.split(",")):
            seconds, *memory = _bulk(folder, address, serving, size)
            found = {
                "questions": size,
                "questions_per_second": round((size - _FEW) / (seconds - starting), 1),
                **dict(zip(("client_mb", "gateway_mb"), memory, strict=True)),
            }
            console.print(json.dumps(found))
            result["sizes"].append(found)
            write(result, options.output)
    console.print(f"written to {options.output}")


def _bulk(
    folder: Path, address: str, serving: psutil.Process, size: int
) -> tuple[float, float, float]:
    """Seconds, and the peaks of the client's and the gateway's resident memory in MB."""
    questions, output = folder / f"{size}.jsonl", folder / f"{size}.parquet"
    with questions.open("w", encoding="utf-8") as file:
        file.writelines(_lines(size))
    command = [
        *(sys.executable, "-m", "trueodds", "bulk", MODEL, str(questions)),
        *("-o", str(output), "--server", address),
    ]
    output.unlink(missing_ok=True)
    started = time.perf_counter()
    client = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks = [0, 0]
    while client.poll() is None:
        for place, process in enumerate((client, serving)):
            # A process that ends is a moment without memory.
            try:
                peaks[place] = max(peaks[place], process.memory_info().rss)
            except psutil.Error:
                continue
        time.sleep(_POLL_SECONDS)
    seconds = time.perf_counter() - started
    if client.returncode:
        raise RuntimeError(f"trueodds bulk ended with status {client.returncode}")
    questions.unlink()
    return seconds, round(peaks[0] / 1e6, 1), round(peaks[1] / 1e6, 1)


def _lines(size: int) -> Iterator[str]:
    rng = Random(size)
    for number in range(size):
        options = [f"{rng.randrange(1000)} of them" for _ in range(4)]
        question = f"Question {number}: how many of {rng.randrange(10**6)} are left?"
        yield json.dumps({"question": question, "choices": options}) + "\n"


if __name__ == "__main__":
    main()
