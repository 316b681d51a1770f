"""What the demo pair says of thousands of held-out questions: read once, kept in a file.

`python -m studies.demo_pair` writes `build/studies/demo_pair.npz`; ``Dump`` reads it. Studies that
need no more than that need no model.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from studies.arrays import save_arrays
from studies.reader import Reader, Reading
from trueodds_demo.service import ALIGNED, BASE, MODELS
from trueodds_demo.world import TASKS, Example, held_out, shots
from trueodds_service.prompts.formats import BUILT_IN

MODEL_FOLDERS = {name: MODELS / name.removeprefix("demo-") for name in (BASE, ALIGNED)}
DUMP = Path("build/studies/demo_pair.npz")

# Other questions than those that figures.json and the demo ask, on which methods were chosen.
SEED = 1
# A task's first questions are drawn from to fit, all others are measured on.
POOL = 1_000
MEASURED = 2_000

# How the demo asks: a format's name and a number of worked examples.
Way = tuple[str, int]
DEMO_WAY: Way = ("paren", 5)

Arrays = dict[str, NDArray[np.generic]]


class Dump:
    """The file that the command writes. Arrays hold the pool first, then the measured."""

    def __init__(self, path: Path = DUMP) -> None:
        with np.load(path) as arrays:
            self._arrays: Arrays = dict(arrays)

    def labels(self, task: str) -> NDArray[np.int64]:
        """The drawn answers, (n,)."""
        return np.asarray(self._arrays[f"{task}/labels"], dtype=np.int64)

    def truth(self, task: str) -> NDArray[np.float64]:
        """The distributions, (n, k), that the answers were drawn from."""
        return np.asarray(self._arrays[f"{task}/truth"], dtype=np.float64)

    def reading(self, task: str, model: str, way: Way = DEMO_WAY) -> Reading:
        """What a model answers when it is asked in one way."""
        key = _key(task, model, way)
        return Reading(
            np.asarray(self._arrays[f"{key}/logprobs"], dtype=np.float64),
            np.asarray(self._arrays[f"{key}/format"], dtype=np.float64),
        )


def questions(task: str) -> list[Example]:
    """The questions of a dump."""
    return held_out(task, POOL + MEASURED, SEED)


def write(output: Path, ways: Sequence[Way], part: slice = slice(None)) -> None:
    """Asks both models a part of every task's questions in each of the ways."""
    arrays: Arrays = {}
    for task in TASKS:
        examples = questions(task)[part]
        arrays[f"{task}/labels"] = np.array([example.answer for example in examples])
        arrays[f"{task}/truth"] = np.array([example.distribution for example in examples])
    # A process a model, for one this small keeps no more than one core busy. Spawned: torch does
    # not survive a fork.
    with ProcessPoolExecutor(len(MODEL_FOLDERS), get_context("spawn")) as pool:
        for found in pool.map(partial(_read, ways=ways, part=part), MODEL_FOLDERS):
            arrays |= found
    save_arrays(arrays, output)
    print(f"written to {output}")


def _read(model: str, ways: Sequence[Way], part: slice) -> Arrays:
    """All that one model is asked."""
    torch.set_num_threads(1)
    reader = Reader(MODEL_FOLDERS[model])
    arrays: Arrays = {}
    for name, count in ways:
        for task in TASKS:
            started = time.perf_counter()
            reading = reader.read(questions(task)[part], shots(task)[:count], BUILT_IN[name])
            key = _key(task, model, (name, count))
            arrays[f"{key}/logprobs"] = reading.logprobs
            arrays[f"{key}/format"] = reading.format
            print(f"{time.perf_counter() - started:4.0f} s  {key}", flush=True)
    return arrays


def _key(task: str, model: str, way: Way) -> str:
    return f"{task}/{model}/{way[0]}/{way[1]}"


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.demo_pair", description=__doc__)
    parser.add_argument("--output", type=Path, default=DUMP)
    write(parser.parse_args().output, [DEMO_WAY])


if __name__ == "__main__":
    main()
