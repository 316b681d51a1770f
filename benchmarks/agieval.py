"""AGIEval's English multiple-choice sets (Zhong et al. 2023), where they are on this machine."""

import json
import os
import re
from pathlib import Path
from random import Random

from benchmarks.workload import Round, Tasks, in_lane, one_by_one
from trueodds import Example, Question

SHOTS = 5
_BESIDE = Path(__file__).parents[1] / "../shared/data/agieval"
_LABEL = re.compile(r"^\s*\([A-E]\)\s*")


def folder() -> Path:
    """``$AGIEVAL``, else ``../shared/data/agieval`` beside the repository."""
    return Path(os.environ.get("AGIEVAL") or _BESIDE)


def load() -> dict[str, list[Example]]:
    """The sets by name, with their answers; nothing where they are not found."""
    return {path.stem: _read(path) for path in sorted(folder().glob("*.jsonl"))}


def rounds(tasks: Tasks, per_task: int, alone: int, count: int, lane: int) -> list[Round]:
    """``count`` rounds of every set, with 5 shots each.

    A round has other shots than any before it, so that none is answered from the prefix cache
    of another. Shots are of the shorter half: with five long ones no question would fit.
    """
    found = []
    for number in range(count):
        batches, singles = [], []
        for name, examples in load().items():
            rng = Random(f"{name}/{number}")
            by_length = sorted(examples, key=lambda example: len(_text(example)))
            shots = rng.sample(by_length[: len(by_length) // 2], SHOTS)
            asked = [example.question for example in examples if example not in shots]
            rng.shuffle(asked)
            task = tasks.of(
                name, in_lane(shots, lane), asked[: 2 * (per_task + alone)], per_task + alone
            )
            batches.append(task.part(0, per_task))
            singles += one_by_one(task.part(per_task, per_task + alone))
        found.append(Round(batches, singles))
    return found


def _text(example: Example) -> str:
    question = example.question
    return question.passage + question.text + "".join(question.options)


def _read(path: Path) -> list[Example]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        options = [_LABEL.sub("", option).strip() for option in row["options"]]
        if row["question"].strip() and all(options):
            question = Question(row["question"], options, passage=row["passage"] or "")
            found.append(Example(question, ord(row["label"]) - ord("A")))
    return found
