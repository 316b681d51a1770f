"""Every model's answers to every question that it was asked, as the studies' readers write them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# What is a task as a whole, too: MMLU, and the demo's world. Each set of AGIEval is one alone.
MMLU, WORLD = "mmlu", "world"
# An option that a model rules out, or that its question does not have.
_RULED_OUT = -1e4
# What a file says of its questions.
_INDEX = {"tasks", "task", "labels"}


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
    """The readings of one or several files, which hold other models' answers to the same questions.

    A model may have been asked less than others: fewer questions, or in fewer ways.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._arrays: dict[str, NDArray[np.generic]] = {}
        for path in paths:
            with np.load(path) as arrays:
                found = dict(arrays)
            for key in _INDEX & self._arrays.keys():
                if not np.array_equal(found[key], self._arrays[key]):
                    raise ValueError(f"{path} is of other questions")
            self._arrays |= found
        self.subjects: list[str] = [str(name) for name in self._arrays["tasks"]]
        self._task = self._arrays["task"].astype(np.int64)
        self._labels = self._arrays["labels"].astype(np.int64)

    @property
    def models(self) -> list[str]:
        """By name, in the order of the files."""
        names = (key.split("/")[0] for key in self._arrays if key.endswith("/format"))
        return list(dict.fromkeys(names))

    def ways(self, model: str) -> list[str]:
        """In which it was asked."""
        asked = (key.removesuffix("/format") for key in self._arrays if key.endswith("/format"))
        parts = (key.partition("/") for key in asked)
        return [way for name, _, way in parts if name == model]

    @property
    def tasks(self) -> list[str]:
        """MMLU, AGIEval's sets, the world."""
        return list(dict.fromkeys(_task(name) for name in self.subjects))

    def asked(self, model: str, way: str) -> list[str]:
        """The tasks of which it was asked something."""
        answered = np.unique(self._task[self._answered(model, way)])
        return list(dict.fromkeys(_task(self.subjects[place]) for place in answered))

    def of(self, model: str, way: str, task: str) -> Answers:
        """The questions of a task, or of one subject of it, that were asked in this way."""
        chosen = [place for place, name in enumerate(self.subjects) if task in (name, _task(name))]
        key = f"{model}/{way}"
        logprobs = self._arrays[f"{key}/logprobs"].astype(np.float64)
        rows = np.flatnonzero(np.isin(self._task, chosen) & self._answered(model, way))
        options = int((~np.isnan(logprobs[rows])).any(axis=0).sum())
        prior = self._arrays.get(f"{key}/prior", np.full((len(self.subjects), options), np.nan))
        return Answers(
            np.maximum(np.nan_to_num(logprobs[rows, :options], nan=_RULED_OUT), _RULED_OUT),
            self._arrays[f"{key}/format"][rows].astype(np.float64),
            self._arrays[f"{key}/mass"][rows].astype(np.float64),
            self._labels[rows],
            rows,
            prior.astype(np.float64)[self._task[rows], :options],
        )

    def common(self, asked: Sequence[tuple[str, str]], task: str) -> list[Answers]:
        """What models answered, each asked in a way, to the questions that all of them were."""
        found = [self.of(*each, task) for each in asked]
        places = [each.place.tolist() for each in found]
        shared = list(set(places[0]).intersection(*places[1:]))
        return [each.take(np.isin(each.place, shared)) for each in found]

    def _answered(self, model: str, way: str) -> NDArray[np.bool_]:
        return ~np.isnan(self._arrays[f"{model}/{way}/format"].astype(np.float64))


def _task(subject: str) -> str:
    collection, _, name = subject.partition("/")
    return collection if collection in (MMLU, WORLD) else name
