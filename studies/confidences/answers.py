"""What models claimed of their answers, and whether these were right, as option scores."""

import csv
import gzip
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.fitting.data import FitData

Floats = NDArray[np.float64]

DATASETS = ("mmlu", "hellaswag")
PHRASINGS = (1, 2)

# Both sets have four options. A model's share of them is below a quarter only where it was taken
# of more than them, as Falcon's was.
_OPTIONS = 4
_MOST_OPTIONS = 16
# Confidences have five digits: 1 is anything from here on.
_CERTAIN = 1 - 5e-6


@dataclass(frozen=True)
class Answers:
    """n answers of one model: which question, how sure, (n,) in (1/k, 1), and whether right.

    The confidences are those of a choice among ``options`` = k, the others alike: as many as it
    takes for the choice to be the likeliest.
    """

    question: NDArray[np.int64]
    confidence: Floats
    correct: NDArray[np.bool_]
    options: int

    def __len__(self) -> int:
        return len(self.confidence)

    def take(self, places: NDArray[np.generic]) -> "Answers":
        """The answers of a mask or of indices."""
        return Answers(
            self.question[places], self.confidence[places], self.correct[places], self.options
        )

    def among(self, options: int) -> "Answers":
        """The same of a choice among ``options`` options: a map of confidence is for any number."""
        return replace(self, confidence=_above_chance(self.confidence, options), options=options)

    @property
    def probs(self) -> Floats:
        """Answer distributions, (n, k): the choice is option 0, all others share the rest."""
        rest = (1 - self.confidence) / (self.options - 1)
        return np.column_stack([self.confidence, *[rest] * (self.options - 1)])

    @cached_property
    def scores(self) -> Floats:
        """What a calibrator takes: ln of ``probs``."""
        return np.asarray(np.log(self.probs))

    @property
    def labels(self) -> NDArray[np.int64]:
        """Option 0 where the choice was right, another where it was wrong."""
        return np.where(self.correct, 0, 1)

    @property
    def fit_data(self) -> FitData:
        """What the service's methods fit on."""
        return FitData(self.scores, labels=self.labels)


Key = tuple[str, str, int]  # dataset, model, phrasing


def read(folder: Path) -> dict[Key, Answers]:
    """All answers but those that nobody could parse."""
    rows: dict[Key, list[tuple[int, float, bool]]] = defaultdict(list)
    for dataset in DATASETS:
        with gzip.open(folder / f"{dataset}.csv.gz", "rt", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["grade"] != "unparseable":
                    key = (dataset, row["model"], int(row["phrasing"]))
                    claim = float(row["confidence"]), row["grade"] == "correct"
                    rows[key].append((int(row["question"]), *claim))
    return {key: _answers(found) for key, found in rows.items()}


def _answers(rows: list[tuple[int, float, bool]]) -> Answers:
    questions, claims, correct = zip(*rows, strict=True)
    confidence = np.array(claims)
    # One answer in a thousand may lie below: it is raised.
    lowest = max(float(np.quantile(confidence, 0.001)), 1 / _MOST_OPTIONS)
    options = max(_OPTIONS, math.ceil(1 / lowest - 1e-3))
    claimed = _above_chance(np.minimum(confidence, _CERTAIN), options)
    return Answers(np.array(questions), claimed, np.array(correct), options)


def _above_chance(confidence: Floats, options: int) -> Floats:
    return np.maximum(confidence, (1 + 1e-6) / options)
