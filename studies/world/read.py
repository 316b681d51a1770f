"""What the models say of held-out questions of the world, read from their weights."""

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from studies.demo_pair import SEED
from studies.paper.comparisons import ASKED
from studies.paper.readings import WORLD
from studies.reader import Reader
from studies.world.models import Weights
from trueodds_demo.world import TASKS, Example, held_out, shots
from trueodds_service.prompts.formats import BUILT_IN

# Of each task.
QUESTIONS = 300
MOST_OPTIONS = 4

Arrays = dict[str, NDArray[Any]]


def index(count: int) -> Arrays:
    """What a file of readings says of its questions."""
    asked = [(place, each) for place, task in enumerate(TASKS) for each in questions(task, count)]
    return {
        "tasks": np.array([f"{WORLD}/{task}" for task in TASKS]),
        "task": np.array([place for place, _ in asked], np.uint8),
        "labels": np.array([each.answer for _, each in asked], np.uint8),
    }


def questions(task: str, count: int) -> list[Example]:
    """Those that are asked."""
    return held_out(task, count, SEED)


def read(model: str, weights: Weights, count: int) -> Arrays:
    """All that one model is asked: ln p of the options, p(F | x), the option mass."""
    torch.set_num_threads(1)
    started, reader = time.perf_counter(), Reader(weights.model, weights.adapter)
    arrays: Arrays = {}
    for way in ASKED:
        name, _, worked = way.partition("/")
        found = [
            reader.read(questions(task, count), shots(task)[: int(worked)], BUILT_IN[name])
            for task in TASKS
        ]
        logprobs = [_wide(each.logprobs) for each in found]
        arrays[f"{model}/{way}/logprobs"] = np.concatenate(logprobs).astype(np.float32)
        arrays[f"{model}/{way}/format"] = np.concatenate([each.format for each in found])
        mass = [np.exp(each.logprobs).sum(axis=1) for each in found]
        arrays[f"{model}/{way}/mass"] = np.concatenate(mass)
    print(f"{time.perf_counter() - started:4.0f} s  {model}", flush=True)
    return arrays


def _wide(logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN beyond the task's options."""
    wide = np.full((len(logprobs), MOST_OPTIONS), np.nan)
    wide[:, : logprobs.shape[1]] = logprobs
    return wide
