"""Readings of `python -m studies.paren_options` beside those of `studies.real.read`.

`python -m studies.real.gather FOLDER --data DATA` takes the answers to MMLU in conversations that
lie in FOLDER, read with transformers in float32 from the service's own prompts, and writes them as
`studies/results/real_chat.npz`, each at its question's place among all of `studies.real.tasks`.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.arrays import save_arrays
from studies.paper.readings import MMLU
from studies.paren_options import SHOTS, cell, mmlu
from studies.real.tasks import Task, index, load
from studies.results import RESULTS

# Asked by its chat template, as the service's readings are not.
MODEL = "smollm2+chat"
WAYS = ("paren", "letter")
_MOST_OPTIONS = 5

Arrays = dict[str, NDArray[Any]]


def gather(folder: Path) -> Arrays:
    """The arrays of one file, the questions in the order in which they were asked."""
    arrays: Arrays = {}
    for way in WAYS:
        for shots in (0, SHOTS):
            with np.load(folder / cell(MODEL, way, shots)) as found:
                names = sorted({key.partition("/")[0] for key in found})
                labels = [found[f"{name}/labels"] for name in names]
                logprobs = np.concatenate([found[f"{name}/logprobs"] for name in names])
                formats = np.concatenate([found[f"{name}/format"] for name in names])
            sizes = [len(each) for each in labels]
            arrays["tasks"] = np.array([f"{MMLU}/{name}" for name in names])
            arrays["task"] = np.repeat(np.arange(len(names)), sizes).astype(np.uint8)
            arrays["labels"] = np.concatenate(labels).astype(np.uint8)
            wide = np.full((len(logprobs), _MOST_OPTIONS), np.nan)
            wide[:, : logprobs.shape[1]] = logprobs
            key = f"{MODEL}/{way}/{shots}"
            # Half precision, as there: a thousandth of a nat, about.
            arrays[f"{key}/logprobs"] = wide.astype(np.float16)
            arrays[f"{key}/format"] = formats.astype(np.float16)
            arrays[f"{key}/mass"] = np.exp(logprobs).sum(axis=1).astype(np.float16)
    return arrays


def placed(arrays: Arrays, data: Path) -> Arrays:
    """The same at the places that the questions have among all; NaN where nothing was asked.

    A row of MMLU that `tasks` leaves out, since an option of it is empty, is left out.
    """
    tasks = load(data)
    asked, places = _places(arrays, tasks, data / "mmlu")
    found = index(tasks)
    if (found["labels"][places] != arrays["labels"][asked]).any():
        raise SystemExit("other answers than in DATA: these are not readings of its questions")
    for key in arrays.keys() - found.keys():
        values = arrays[key]
        found[key] = np.full((len(found["labels"]), *values.shape[1:]), np.nan, values.dtype)
        found[key][places] = values[asked]
    return found


def _places(
    arrays: Arrays, tasks: list[Task], folder: Path
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows, and the place of each row's question; one that occurs twice has two places."""
    free: dict[tuple[str, str, tuple[str, ...]], list[int]] = defaultdict(list)
    known = ((task.name, question) for task in tasks for question in task.questions)
    for place, (name, question) in enumerate(known):
        free[name, question.text, tuple(question.options)].append(place)
    sizes = np.bincount(arrays["task"]).tolist()
    names = [str(name).removeprefix(f"{MMLU}/") for name in arrays["tasks"]]
    pairs, row = [], 0
    for name, size in zip(names, sizes, strict=True):
        (task,) = mmlu(folder, [name], size)
        for each in task.asked:
            if found := free[f"{MMLU}/{name}", each.question.text, each.question.options]:
                pairs.append((row, found.pop(0)))
            row += 1
    rows, places = np.array(pairs, np.intp).T
    return rows, places


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.gather", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="holds mmlu/ and agieval/")
    parser.add_argument("--output", type=Path, default=RESULTS / "real_chat.npz")
    options = parser.parse_args()
    save_arrays(placed(gather(options.folder), options.data), options.output)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
