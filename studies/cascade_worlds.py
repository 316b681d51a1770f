"""Pairs of models whose answers are recorded, for the study of cascades."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.confidences.answers import Key, read
from studies.demo_pair import DUMP, MODEL_FOLDERS, Dump, questions
from studies.paper.readings import MMLU, Readings
from studies.reader import computed_tokens, prompts_of
from studies.real.tokens import TOKENS, WAY
from studies.results import READINGS
from trueodds_demo.service import ALIGNED, BASE
from trueodds_demo.world import TASKS, shots
from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.prompts.formats import PAREN
from trueodds_service.prompts.tokenizer import PromptTokenizer

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

# The teacher needs no answers, and few questions.
TAUGHT = 20

# A token of the first in tokens of the last: by the parameters that each token goes through, in
# billions, and for GPT by the price of a prompt's token when these answers were recorded.
CLAIMS = {
    ("Llama-7b", "Llama-70b"): 6.7 / 69.0,
    ("Llama-13b", "Llama-70b"): 13.0 / 69.0,
    ("Yi-6b", "Yi-34b"): 6.1 / 34.4,
    ("Mistral", "Mixtral"): 7.2 / 12.9,
    ("gpt-3.5-turbo", "gpt-4-turbo"): 1 / 10,
}
# SmolLM2 135M, in a conversation, then Gemma 3 270M; the demo pair has two models of one size.
REAL = ("smollm2+chat", "gemma", 135 / 270)
DEMO_COST = 1.0
ALL_TASKS = "all seven"
_LONGEST = 2**15

Calibrate = Callable[[Labels], Floats]
"""From the places of a fit to the calibrated distributions of all questions, (n, k)."""


@dataclass(frozen=True)
class World:
    """A pair of models on n questions: the first's answers, (n, k), and who is right, (n,).

    ``cost`` is a token of the first in tokens of the last. ``tokens``, (n, 2), are those that an
    engine of either computes for each question once the worked examples are in its cache; all 1
    where they are not known.
    """

    data: str
    task: str
    first: str
    last: str
    cost: float
    raw: Floats
    labels: Labels
    last_right: NDArray[np.bool_]
    tokens: Floats
    calibrate: Calibrate

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.raw.argmax(axis=1) == self.labels)

    @property
    def costs(self) -> Floats:
        """Of asking either model each question, (n, 2), in tokens of the last."""
        return self.tokens * [self.cost, 1]


def claims(folder: Path) -> Iterator[World]:
    """Pairs of the twelve large models, of which the choice's confidence is all that is known."""
    answers = read(folder)
    for dataset in dict.fromkeys(dataset for dataset, _, _ in answers):
        for (first, last), cost in CLAIMS.items():
            keys: tuple[Key, Key] = (dataset, first, 1), (dataset, last, 1)
            own, others = (answers[key] for key in keys)
            _, mine, theirs = np.intersect1d(own.question, others.question, return_indices=True)
            own, others = own.take(mine), others.take(theirs)

            def calibrate(some: Labels, own: Any = own) -> Floats:
                found = fit(Method.BETA, own.take(some).fit_data).calibrator
                # Below chance another option would be the likeliest: the choice was made.
                least = (1 + 1e-6) / own.options
                confidence = np.maximum(found.apply(own.scores)[:, 0], least)
                rest = (1 - confidence) / (own.options - 1)
                return np.column_stack([confidence, *[rest] * (own.options - 1)])

            tokens = np.ones((len(own.labels), 2))
            pair = (own.probs, own.labels, others.correct, tokens, calibrate)
            yield World("claims", dataset, first, last, cost, *pair)


def demo(dump: Path = DUMP) -> Iterator[World]:
    """The overconfident one of the demo pair first, calibrated by the other from few questions: on
    each task, and on all of them with one threshold and a calibrator a task.
    """
    read_ = Dump(dump)
    worlds = []
    for task in TASKS:
        own, others = (read_.reading(task, model).logprobs for model in (ALIGNED, BASE))
        labels = read_.labels(task)

        def calibrate(some: Labels, own: Floats = own, others: Floats = others) -> Floats:
            few = some[:TAUGHT]
            data = FitData(own[few], teacher_logprobs=others[few])
            return fit(Method.TEACHER_KL, data).calibrator.apply(own)

        right = others.argmax(axis=1) == labels
        pair = (answer_distribution(own), labels, right, _demo_tokens(task), calibrate)
        worlds.append(World("demo", task, ALIGNED, BASE, DEMO_COST, *pair))
    yield from worlds
    yield _together(worlds, ALL_TASKS)


def _demo_tokens(task: str) -> Floats:
    """Both models have one tokenizer."""
    tokenizer = PromptTokenizer.load(MODEL_FOLDERS[ALIGNED], _LONGEST)
    counts = computed_tokens(*prompts_of(tokenizer, questions(task), shots(task), PAREN))
    return np.column_stack([counts, counts]).astype(float)


def _together(worlds: Sequence[World], name: str) -> World:
    """The questions of several tasks as one; those with fewer options have others of no odds."""
    starts = np.cumsum([0, *(len(each.labels) for each in worlds)])
    width = max(each.raw.shape[1] for each in worlds)

    def joined(parts: Sequence[Floats]) -> Floats:
        return np.vstack([np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in parts])

    def calibrate(some: Labels) -> Floats:
        own = [some[(some >= start) & (some < stop)] - start for start, stop in pairwise(starts)]
        return joined([each.calibrate(few) for each, few in zip(worlds, own, strict=True)])

    return World(
        worlds[0].data,
        name,
        worlds[0].first,
        worlds[0].last,
        worlds[0].cost,
        joined([each.raw for each in worlds]),
        np.concatenate([each.labels for each in worlds]),
        np.concatenate([each.last_right for each in worlds]),
        np.vstack([each.tokens for each in worlds]),
        calibrate,
    )


def real(paths: Sequence[Path] = READINGS, tokens: Path = TOKENS) -> Iterator[World]:
    """Two small real models on MMLU, of which neither knows much."""
    first, last, cost = REAL
    own, others = Readings(paths).common([(first, WAY), (last, WAY)], MMLU)
    with np.load(tokens) as counts:
        computed = [counts[f"{model}/{WAY}"][own.place] for model in (first, last)]

    def calibrate(some: Labels) -> Floats:
        data = FitData(own.logprobs[some], labels=own.labels[some])
        return fit(Method.TEMPERATURE, data).calibrator.apply(own.logprobs)

    right = others.logprobs.argmax(axis=1) == others.labels
    raw = answer_distribution(own.logprobs)
    pair = (raw, own.labels, right, np.column_stack(computed).astype(float), calibrate)
    yield World("real", MMLU, first, last, cost, *pair)
