"""Decisions on the demo pair: the calibration error by type and number of options.

`python -m studies.decisions` starts the demo's service, calibrates each task's decisions from five
of them without answers (``teacher_kl``), asks held-out ones by `POST /v1/decisions`, and writes
`studies/results/decisions.json`.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml

from studies.paper.effects import ece, interval
from studies.results import RESULTS, save
from trueodds import Client
from trueodds_demo.service import ALIGNED, demo_config, running
from trueodds_demo.world import TASKS, Example, held_out
from trueodds_service.core.metrics.reliability import null_ece

FROM, MEASURED, SEED = 5, 400, 2
_AT_ONCE = 16
_WAIT = httpx.Timeout(300)
# Tasks of two options, from the lower level to the higher: asked in all three types.
_LEVELS = {"sentiment": ("negative", "positive"), "toxicity": ("not toxic", "toxic")}


@dataclass(frozen=True)
class Asked:
    """A decision of one question, and the place of the right answer in its probabilities."""

    body: dict[str, Any]
    answer: int


def decisions(kind: str, task: str) -> list[Asked]:
    """Held-out questions of a task as decisions: those to fit on first."""
    found = []
    for example in held_out(task, FROM + MEASURED, SEED):
        question, answer = _question(kind, task, example)
        text = example.question.passage or example.question.text
        found.append(Asked({"input": text, "questions": [question | {"name": task}]}, answer))
    return found


def _question(kind: str, task: str, example: Example) -> tuple[dict[str, Any], int]:
    options = example.question.options
    said = options[example.answer]
    asked: dict[str, Any] = {"type": kind, "instructions": example.question.text}
    match kind:
        case "choice":
            return asked | {"choices": [{"value": each} for each in options]}, example.answer
        case "score":
            levels = _LEVELS[task]
            return asked | {"levels": [{"label": each} for each in levels]}, levels.index(said)
        case _:
            _, highest = _LEVELS[task]
            return asked | {"instructions": f"This is {highest}."}, int(said != highest)


def cases() -> Iterator[tuple[str, str]]:
    """Types and tasks."""
    for task in TASKS:
        yield "choice", task
    for kind in ("predicate", "score"):
        for task in _LEVELS:
            yield kind, task


async def study(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """A row for each type and task."""
    return [await _row(http, kind, task) for kind, task in cases()]


async def _row(http: httpx.AsyncClient, kind: str, task: str) -> dict[str, Any]:
    every = decisions(kind, task)
    pool, measured = every[:FROM], every[FROM:]
    [fitted] = await _fit(http, pool)
    # Also one that the service calls degenerate, for what it would do is what is asked here.
    named = {"name": fitted["name"], "force": True}
    await _post(http, "/trueodds.v1.CalibrationService/ActivateCalibrator", named)
    free = asyncio.Semaphore(_AT_ONCE)

    async def ask(each: Asked) -> Any:
        body = each.body | {"model": ALIGNED, "min_option_mass": 0.0}
        async with free:
            [answer] = (await _post(http, "/v1/decisions", body))["answers"]
            return answer

    answers = await asyncio.gather(*map(ask, measured))
    right = np.array([each.answer for each in measured])
    row: dict[str, Any] = {
        "type": kind,
        "task": task,
        "options": len(answers[0]["raw_probabilities"]),
        "n": len(measured),
        "temperature": fitted["temperature"],
        "degenerate": fitted["degenerate"],
        "label_mass": float(np.mean([each["label_mass"] for each in answers])),
    }
    raw = np.array([each["raw_probabilities"] for each in answers])
    row["accuracy"] = float((raw.argmax(axis=1) == right).mean())
    return row | {"before": _measured(raw, right), "after": _measured(_calibrated(answers), right)}


async def _fit(http: httpx.AsyncClient, pool: list[Asked]) -> list[dict[str, Any]]:
    body = {
        "model": ALIGNED,
        "method": "teacher_kl",
        "decisions": [each.body for each in pool],
    }
    found: list[dict[str, Any]] = (await _post(http, "/v1/decisions/calibrators", body))[
        "calibrators"
    ]
    return found


async def _post(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    response = await http.post(path, json=body)
    if response.is_error:
        raise RuntimeError(f"{path}: {response.text}")
    return response.json()


def _calibrated(answers: list[Any]) -> Any:
    """(n, k); a predicate's one probability is that of yes, its first option."""
    return np.array(
        [
            [each["probability"], 1 - each["probability"]]
            if each["type"] == "predicate"
            else [option["probability"] for option in each["probabilities"]]
            for each in answers
        ]
    )


def _measured(probabilities: Any, right: Any) -> dict[str, Any]:
    confidence = np.minimum(probabilities.max(axis=1), 1.0)
    correct = (probabilities.argmax(axis=1) == right).astype(np.float64)
    return {
        "confidence": float(confidence.mean()),
        "ece": interval(lambda counts: ece(confidence, correct, counts), len(right)),
        "null_ece": null_ece(confidence),
    }


async def _studied(address: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=_WAIT) as http:
        return await study(http)


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.decisions", description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS / "decisions.json")
    parser.add_argument("--http", default="127.0.0.1:50089", help="where the service answers HTTP")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = demo_config(Path(folder))
        content = yaml.safe_load(config.read_text(encoding="utf-8")) | {"http": options.http}
        config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        with running(config) as address:
            with Client(address) as client:
                client.wait_until_ready()
            rows = asyncio.run(_studied(options.http))
    save({"from": FROM, "model": ALIGNED, "rows": rows}, options.output)
    for row in rows:
        print(
            f"{row['type']:9} {row['task']:10} {row['options']} options: ECE "
            f"{row['before']['ece']['mean']:.3f} to {row['after']['ece']['mean']:.3f}, "
            f"accuracy {row['accuracy']:.2f}, T {row['temperature']:.2f}"
        )


if __name__ == "__main__":
    main()
