"""What a run of the demo found, as immutable records that survive a trip through JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Bin:
    """The questions whose confidence fell between two bounds; zeros where there were none."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float

    def __post_init__(self) -> None:
        """Refuse what no diagram can place."""
        values = (self.lower, self.upper, self.confidence, self.accuracy)
        if not all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in values):
            raise ValueError(f"a bin's numbers lie in [0, 1]: {values}")
        if self.count < 0 or self.lower >= self.upper:
            raise ValueError(f"a bin has a width and a count: {self}")


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its true odds, and what each model made of them."""

    question: str
    options: tuple[str, ...]
    truth: tuple[float, ...]
    raw: tuple[float, ...]
    calibrated: tuple[float, ...]
    teacher: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse a distribution that does not match the options."""
        for values in (self.truth, self.raw, self.calibrated, self.teacher):
            if len(values) != len(self.options):
                raise ValueError("an example needs one probability for every option")


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task, before and after calibration. Bins are of equal width, the same in every task."""

    task: str
    n: int
    options: int
    accuracy_before: float
    accuracy_after: float
    confidence_before: float
    confidence_after: float
    ece_before: float
    ece_after: float
    teacher_ece: float
    temperature: float
    calibrator: str
    null_ece_before: float
    null_ece_after: float
    teacher_accuracy: float
    nll_before: float
    nll_after: float
    brier_before: float
    brier_after: float
    format_probability: float
    bins_before: tuple[Bin, ...]
    bins_after: tuple[Bin, ...]
    example: Example | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a task's result from the mapping that JSON holds."""
        values = dict(data)
        for name in ("bins_before", "bins_after"):
            values[name] = tuple(Bin(**item) for item in values[name])
        example = values.get("example")
        if example is not None:
            question = example["question"]
            lists = {k: tuple(v) for k, v in example.items() if k != "question"}
            values["example"] = Example(question=question, **lists)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run: the tasks' results and the facts of the run."""

    n_per_task: int
    seconds: float
    tasks: tuple[TaskResult, ...]
    aligned_model: str
    teacher_model: str
    engine: str
    questions_per_second: float
    total_questions: int
    fit_questions: int = 5

    def __post_init__(self) -> None:
        """Refuse a report about nothing."""
        if not self.tasks:
            raise ValueError("a report needs at least one task")

    def to_json(self) -> str:
        """Give the report as JSON text; a number that is not finite is an error."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what `to_json` wrote."""
        values = json.loads(text)
        values["tasks"] = tuple(TaskResult.from_dict(task) for task in values["tasks"])
        return cls(**values)
