"""MMLU's 57 subjects and AGIEval's four sets, with five worked examples each."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueodds import Example, Question

SHOTS = 5
_LABEL = re.compile(r"^\s*\([A-E]\)\s*")


@dataclass(frozen=True)
class Task:
    """Questions, all with the same number of options, their right answers, and worked examples."""

    name: str
    shots: list[Example]
    asked: list[Example]

    @property
    def questions(self) -> list[Question]:
        return [each.question for each in self.asked]

    @property
    def labels(self) -> list[int]:
        return [each.answer or 0 for each in self.asked]


def load(data: Path, at_most: int | None = None) -> list[Task]:
    """All tasks of a folder with mmlu/ and agieval/, with ``at_most`` questions of each.

    Questions are in an order of their own, so that the first of them are a sample of all.
    """
    return [_some(task, at_most) for task in (*_mmlu(data / "mmlu"), *_agieval(data / "agieval"))]


def index(tasks: Sequence[Task]) -> dict[str, NDArray[Any]]:
    """What a file of readings says of its questions: the tasks' names, each question's task, and
    its right answer.
    """
    sizes = [len(task.asked) for task in tasks]
    return {
        "tasks": np.array([task.name for task in tasks]),
        "task": np.repeat(np.arange(len(tasks)), sizes).astype(np.uint8),
        "labels": np.array([label for task in tasks for label in task.labels], np.uint8),
    }


def _some(task: Task, at_most: int | None) -> Task:
    asked = task.asked.copy()
    Random(f"asked/{task.name}").shuffle(asked)  # noqa: S311
    return Task(task.name, task.shots, asked[:at_most])


def _mmlu(folder: Path) -> list[Task]:
    names = sorted(path.stem.removesuffix("_test") for path in folder.glob("test/*_test.csv"))
    return [
        Task(
            f"mmlu/{name}",
            _rows(folder / "dev" / f"{name}_dev.csv")[:SHOTS],
            _rows(folder / "test" / f"{name}_test.csv"),
        )
        for name in names
    ]


def _rows(path: Path) -> list[Example]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if all(cell.strip() for cell in row)]
    return [Example(Question(text, options), "ABCD".index(a)) for text, *options, a in rows]


def _agieval(folder: Path) -> list[Task]:
    """It has no worked examples: five of the shorter half of its questions are, and not asked."""
    tasks = []
    for path in sorted(folder.glob("*.jsonl")):
        examples = [_read(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
        known = [each for each in examples if each]
        short = sorted(known, key=lambda each: _length(each.question))[: len(known) // 2]
        shots = Random(f"shots/{path.stem}").sample(short, SHOTS)  # noqa: S311
        asked = [each for each in known if each not in shots]
        tasks.append(Task(f"agieval/{path.stem}", shots, asked))
    return tasks


def _read(row: dict[str, object]) -> Example | None:
    """None for a row with an empty option, which no question may have."""
    options = [_LABEL.sub("", option).strip() for option in row["options"]]  # type: ignore[attr-defined]
    text, passage = str(row["question"]).strip(), str(row["passage"] or "")
    if not (text and all(options)):
        return None
    return Example(Question(text, options, passage=passage), "ABCDE".index(str(row["label"])))


def _length(question: Question) -> int:
    return len(question.passage) + len(question.text) + sum(map(len, question.options))
