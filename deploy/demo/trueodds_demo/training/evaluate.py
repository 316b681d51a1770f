"""The figures of a trained pair: calibration of both models, and what repairs the aligned one.

Questions come from the held-out part. The paper's method sees ``UNLABELLED`` spare held-out
questions and no label; it is repeated over ``DRAWS`` draws of them.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueodds_demo.training import metrics
from trueodds_demo.training.base import load_model
from trueodds_demo.training.probe import Reading, read
from trueodds_demo.training.prompts import prompt
from trueodds_demo.training.tokenizer import load_tokenizer
from trueodds_demo.world import TASKS, Example, held_out, shots

UNLABELLED = 5
DRAWS = 20
SPARE = 100
DIGITS = 4

Figures = dict[str, Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Readings:
    """One model's readings of a task's questions, after the worked examples and without."""

    with_shots: Reading
    without: Reading


def evaluate(base: Path, aligned: Path, questions: int, device: str) -> Figures:
    """Figures for every task and their means, on ``questions`` held-out questions a task."""
    tokenizer = load_tokenizer(base)
    models = {"base": load_model(base, device), "aligned": load_model(aligned, device)}
    tasks = {}
    for task in TASKS:
        examples = held_out(task, questions + SPARE)
        worked = shots(task)
        readings = {
            name: Readings(
                read(model, tokenizer, [prompt(each, worked) for each in examples], device),
                read(model, tokenizer, [prompt(each) for each in examples], device),
            )
            for name, model in models.items()
        }
        tasks[task] = task_figures(task, examples, readings)
    return {
        "questions": questions,
        "shots": len(shots(TASKS[0])),
        "unlabelled": UNLABELLED,
        "draws": DRAWS,
        "mean": {
            "base_ece": _mean(each["base"]["ece"] for each in tasks.values()),
            "aligned_ece": _mean(each["aligned"]["ece"] for each in tasks.values()),
            "repaired_ece": _mean(each["repaired"]["ece"] for each in tasks.values()),
        },
        "tasks": tasks,
    }


def task_figures(task: str, examples: list[Example], readings: dict[str, Readings]) -> Figures:
    """One task's figures; the last ``SPARE`` examples are only fitted on."""
    measured = slice(None, -SPARE)
    answers = np.array([each.answer for each in examples])[measured]
    truth = np.array([each.distribution for each in examples])[measured]
    aligned = readings["aligned"].with_shots.logprobs
    teacher = metrics.softmax(readings["base"].with_shots.logprobs)
    rng = Random(f"unlabelled/{task}")
    spare = range(len(examples) - SPARE, len(examples))
    draws = [rng.sample(spare, UNLABELLED) for _ in range(DRAWS)]
    temperatures = [metrics.fit_temperature(aligned[draw], teacher[draw]) for draw in draws]
    errors = [metrics.ece(metrics.softmax(aligned[measured] / t), answers) for t in temperatures]
    labels = np.eye(truth.shape[1])[answers]
    return {
        "truth": {
            "accuracy": _round(metrics.accuracy(truth, answers)),
            "confidence": _round(metrics.confidence(truth)),
            "ece": _round(metrics.ece(truth, answers)),
        },
        **{name: _model_figures(each, measured, answers, truth) for name, each in readings.items()},
        "repaired": {
            "labelled_temperature": _round(metrics.fit_temperature(aligned[measured], labels)),
            "temperature": _mean(temperatures),
            "lowest_temperature": _round(min(temperatures)),
            "highest_temperature": _round(max(temperatures)),
            "ece": _mean(errors),
            "worst_ece": _round(max(errors)),
        },
    }


def _model_figures(
    readings: Readings, measured: slice, answers: metrics.Integers, truth: Floats
) -> Figures:
    probabilities = metrics.softmax(readings.with_shots.logprobs[measured])
    return {
        "accuracy": _round(metrics.accuracy(probabilities, answers)),
        "confidence": _round(metrics.confidence(probabilities)),
        "ece": _round(metrics.ece(probabilities, answers)),
        "nll": _round(metrics.nll(probabilities, answers)),
        "kl_from_truth": _round(metrics.kl(truth, probabilities)),
        "zero_shot_ece": _round(
            metrics.ece(metrics.softmax(readings.without.logprobs[measured]), answers)
        ),
        "option_mass": _mean(readings.with_shots.option_mass[measured]),
        "format_probability": _mean(readings.with_shots.format_probability[measured]),
        "zero_shot_format_probability": _mean(readings.without.format_probability[measured]),
    }


def _mean(values: Any) -> float:
    return _round(mean(map(float, values)))


def _round(value: float) -> float:
    return round(value, DIGITS)
