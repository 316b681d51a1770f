"""What `studies.real.read` wrote: every model's answers to every question that it was asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The paper's tasks: MMLU is one, and so is each set of AGIEval.
MMLU = "mmlu"


@dataclass(frozen=True)
class Answers:
    """One model's answers to n questions of k options, asked in one way.

    ``logprobs`` (n, k), ``format`` p(F | x) and ``mass`` (n,), ``labels`` (n,), ``place`` (n,):
    the question's number among all; ``prior`` (n, k) is the model's liking for the labels, NaN
    where it was not measured.
    """

    logprobs: Floats
    format: Floats
    mass: Floats
    labels: NDArray[np.int64]
    place: NDArray[np.int64]
    prior: Floats

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.generic]) -> "Answers":
        """The answers of a mask or of indices."""
        return Answers(**{name: values[rows] for name, values in vars(self).items()})


class Readings:
    """Of one or several files, which hold other models' answers to the same questions."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._arrays: dict[str, NDArray[np.generic]] = {}
        for path in paths:
            with np.load(path) as arrays:
                self._arrays |= dict(arrays)
        self.subjects: list[str] = [str(name) for name in self._arrays["tasks"]]
        self._task = self._arrays["task"].astype(np.int64)
        self._labels = self._arrays["labels"].astype(np.int64)

    @property
    def models(self) -> list[str]:
        """By name, in the order of the files."""
        names = (key.split("/")[0] for key in self._arrays if key.endswith("/format"))
        return list(dict.fromkeys(names))

    @property
    def ways(self) -> list[str]:
        """In which all models were asked."""
        asked = [key.removesuffix("/format") for key in self._arrays if key.endswith("/format")]
        return list(dict.fromkeys(key.partition("/")[2] for key in asked))

    @property
    def tasks(self) -> list[str]:
        """MMLU, and AGIEval's sets."""
        return list(dict.fromkeys(_task(name) for name in self.subjects))

    def of(self, model: str, way: str, task: str) -> Answers:
        """The questions of a task, or of one subject of MMLU, that were asked in this way."""
        chosen = [place for place, name in enumerate(self.subjects) if task in (name, _task(name))]
        key = f"{model}/{way}"
        logprobs = self._arrays[f"{key}/logprobs"].astype(np.float64)
        rows = np.flatnonzero(np.isin(self._task, chosen) & ~np.isnan(logprobs[:, 0]))
        options = int((~np.isnan(logprobs[rows[0]])).sum())
        prior = self._arrays.get(f"{key}/prior", np.full((len(self.subjects), options), np.nan))
        return Answers(
            # A model may rule an option out; what is left of it is next to nothing.
            np.maximum(logprobs[rows, :options], -1e4),
            self._arrays[f"{key}/format"][rows].astype(np.float64),
            self._arrays[f"{key}/mass"][rows].astype(np.float64),
            self._labels[rows],
            rows,
            prior.astype(np.float64)[self._task[rows], :options],
        )

    def both(self, one: tuple[str, str], other: tuple[str, str], task: str) -> tuple[Answers, ...]:
        """Two models' or ways' answers to the questions that both were asked."""
        first, second = self.of(*one, task), self.of(*other, task)
        return (
            first.take(np.isin(first.place, second.place)),
            second.take(np.isin(second.place, first.place)),
        )


def _task(subject: str) -> str:
    collection, _, name = subject.partition("/")
    return collection if collection == MMLU else name
