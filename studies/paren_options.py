"""Options shown as "A. …" or as "(A) …", answered "(A)" or "A": what models make of each.

Causal models in folders, on MMLU in its own files, or the demo pair on its tasks; zero-shot and
after five worked examples; with `--chat` in conversations. `python -m studies.paren_options --help`
describes the arguments. Each way of asking is a file in `build/studies/paren_options` as soon as
it is read, and is not read again; `python -m studies.paren_compare` tells what they say.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studies.arrays import save_arrays
from studies.demo_pair import MODEL_FOLDERS, POOL, SEED
from studies.reader import Reader
from trueodds_demo.world import TASKS, Example, held_out, shots
from trueodds_service.prompts.formats import BUILT_IN
from trueodds_service.prompts.question import Question, letters

WAYS = ("paren", "paren-options", "letter")
SHOTS = 5
FOLDER = Path("build/studies/paren_options")


@dataclass(frozen=True)
class Task:
    """Questions, all with the same number of options, and worked examples."""

    name: str
    worked: list[Example]
    asked: list[Example]


def mmlu(folder: Path, subjects: list[str], count: int) -> Iterator[Task]:
    """The first questions of each subject; of all 57 where none is named."""
    everyone = sorted(path.stem.removesuffix("_test") for path in folder.glob("test/*_test.csv"))
    for subject in subjects or everyone:
        worked = _read(folder / "dev" / f"{subject}_dev.csv")
        asked = _read(folder / "test" / f"{subject}_test.csv")
        yield Task(subject, worked[:SHOTS], asked[:count])


def _read(path: Path) -> list[Example]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Example(path.stem, Question(text, tuple(options), letters(4)), "ABCD".index(answer), ())
            for text, *options, answer in csv.reader(file)
        ]


def demo(names: list[str], count: int) -> Iterator[Task]:
    """Questions that no other figure is fitted on."""
    for name in names or TASKS:
        asked = held_out(name, POOL + count, seed=SEED)[POOL:]
        yield Task(name, shots(name, SHOTS), asked)


def cell(model: str, way: str, count: int) -> str:
    """The file of what a model says, asked in one way; in chat, the name ends in "+chat"."""
    return f"{model}-{way}-{count}.npz"


def ask(reader: Reader, tasks: list[Task], way: str, count: int, chat: bool, path: Path) -> None:
    """Writes the labels, ln p of the options and p(F | x) of every task's questions."""
    arrays = {}
    for task in tasks:
        found = reader.read(task.asked, task.worked[:count], BUILT_IN[way], chat=chat)
        arrays[f"{task.name}/labels"] = np.array([each.answer for each in task.asked])
        arrays[f"{task.name}/logprobs"] = found.logprobs
        arrays[f"{task.name}/format"] = found.format
    save_arrays(arrays, path)


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.paren_options", description=__doc__)
    parser.add_argument("--model", type=Path, action="append", help="a folder; else the demo pair")
    parser.add_argument("--chat", action="store_true", help="by the models' chat templates")
    parser.add_argument("--mmlu", type=Path, help="the folder that holds MMLU's dev and test")
    parser.add_argument("--tasks", nargs="+", default=[], help="not all of them")
    parser.add_argument("--questions", type=int, default=100, help="of each task")
    parser.add_argument("--output", type=Path, default=FOLDER, help=f"a folder, not {FOLDER}")
    given = parser.parse_args()
    read = mmlu(given.mmlu, given.tasks, given.questions) if given.mmlu else None
    tasks = list(read or demo(given.tasks, given.questions))
    folders = {each.name: each for each in given.model or ()} or MODEL_FOLDERS
    for name, folder in folders.items():
        reader = Reader(folder)
        for way in WAYS:
            for count in (0, SHOTS):
                path = given.output / cell(name + "+chat" * given.chat, way, count)
                if path.exists():
                    continue
                started = time.perf_counter()
                ask(reader, tasks, way, count, given.chat, path)
                print(f"{time.perf_counter() - started:4.0f} s  {path.name}", flush=True)


if __name__ == "__main__":
    main()
