"""Options shown as "A. …" or as "(A) …", answered with "(A)" or "A": which way is better?

Any causal models in folders, on MMLU in its own files, or the demo pair on its tasks; zero-shot
and after five worked examples. `python -m studies.paren_options --help` describes the arguments.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from studies.demo_pair import MODEL_FOLDERS, POOL, SEED
from studies.reader import Reader
from trueodds_demo.world import Example, held_out, shots
from trueodds_service.core.distributions import answer_distribution
from trueodds_service.core.metrics import evaluate
from trueodds_service.prompts.formats import BUILT_IN
from trueodds_service.prompts.question import Question, letters

WAYS = ("paren", "paren-options", "letter")
SHOTS = 5

Task = tuple[str, list[Example], list[Example]]
"""A name, worked examples and questions."""


def mmlu(folder: Path, subjects: list[str], count: int) -> Iterator[Task]:
    """The first questions of each subject."""
    for subject in subjects:
        worked = _read(folder / "dev" / f"{subject}_dev.csv")
        yield subject, worked[:SHOTS], _read(folder / "test" / f"{subject}_test.csv")[:count]


def _read(path: Path) -> list[Example]:
    with path.open(newline="") as file:
        return [
            Example(path.stem, Question(text, tuple(options), letters(4)), "ABCD".index(answer), ())
            for text, *options, answer in csv.reader(file)
        ]


def demo(tasks: list[str], count: int) -> Iterator[Task]:
    """Questions that no other figure is measured on."""
    for task in tasks:
        asked = held_out(task, POOL + count, seed=SEED)[POOL:]
        yield task, shots(task, SHOTS), asked


def row(reader: Reader, way: str, worked: int, tasks: list[Task]) -> str:
    """Accuracy, confidence, ECE and its noise floor, and the mean p(F | x), of all the tasks."""
    reads = [reader.read(asked, examples[:worked], BUILT_IN[way]) for _, examples, asked in tasks]
    groups: dict[int, list[int]] = {}
    for place, read in enumerate(reads):
        groups.setdefault(read.logprobs.shape[1], []).append(place)
    found, weights = [], []
    for places in groups.values():
        scores = np.concatenate([reads[place].logprobs for place in places])
        labels = [each.answer for place in places for each in tasks[place][2]]
        found.append(evaluate(answer_distribution(scores), np.array(labels)))
        weights.append(len(labels))
    told = (
        float(np.average([getattr(each, name) for each in found], weights=weights))
        for name in ("accuracy", "confidence", "ece", "null_ece", "nll")
    )
    formats = float(np.concatenate([read.format for read in reads]).mean())
    return " | ".join([way, str(worked), *(f"{value:.3f}" for value in (*told, formats))])


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.paren_options", description=__doc__)
    parser.add_argument("--model", type=Path, action="append", help="a folder; else the demo pair")
    parser.add_argument("--mmlu", type=Path, help="the folder that holds MMLU's dev and test")
    parser.add_argument("--tasks", nargs="+", default=["knowledge", "openbook", "logic"])
    parser.add_argument("--questions", type=int, default=1_000, help="of each task")
    given = parser.parse_args()
    tasks = list(
        mmlu(given.mmlu, given.tasks, given.questions)
        if given.mmlu
        else demo(given.tasks, given.questions)
    )
    print("model | format | shots | accuracy | confidence | ECE | its noise | NLL | p(F | x)")
    for folder in given.model or MODEL_FOLDERS.values():
        reader = Reader(folder)
        for way in WAYS:
            for worked in (0, SHOTS):
                print(f"{folder.name} | {row(reader, way, worked, tasks)}", flush=True)


if __name__ == "__main__":
    main()
