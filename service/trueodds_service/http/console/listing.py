"""Calibrators as the contract lists them."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from trueodds_service.http.console.contract import Contract, Fields
from trueodds_service.http.console.words import last_part
from trueodds_service.rpc.names import calibrator_name

_PAGE = 1000
_MOST_PAGES = 10
# Confidences, from the least that a choice can have.
_POINTS = 64
_FURTHEST = 1 - 1e-4
# The way of reading of confidences alone.
_ALONE = "confidence"
# Methods that give each option a weight: what they do to a confidence depends on the option. A
# cascade's threshold does nothing to one.
_NO_EFFECT = {"METHOD_VECTOR", "METHOD_MATRIX", "METHOD_CASCADE"}


async def all_of(
    contract: Contract, model: str, task: str | None = None
) -> tuple[list[Fields], list[Fields]]:
    """A model's calibrators, the newest first, and what is left of those that are damaged."""
    found: list[Fields] = []
    damaged: list[Fields] = []
    token = ""
    for _ in range(_MOST_PAGES):
        request: Fields = {"model": f"models/{model}", "pageSize": _PAGE, "pageToken": token}
        if task is not None:
            request["task"] = task
        page = await contract.ask("CalibrationService/ListCalibrators", request)
        found += map(as_shown, page["calibrators"])
        damaged += page["damaged"]
        token = page["nextPageToken"]
        if not token:
            break
    return found, damaged


async def active_of(contract: Contract, model: str) -> tuple[list[Fields], list[Fields]]:
    """What is active for a model, in the order of the tasks; first what is whole, then what is
    damaged, in whose place nothing answers.
    """
    found, damaged = (
        sorted(filter(_is_active, each), key=_task_and_options)
        for each in await all_of(contract, model)
    )
    return found, damaged


def damaged_in_scope(damaged: Sequence[Fields], calibrator: Fields) -> str:
    """The id of the active one whose damage has this calibrator's scope refuse; else empty."""
    return next(
        (
            last_part(each["name"])
            for each in damaged
            if _is_active(each) and each["scope"] == calibrator["scope"]
        ),
        "",
    )


def by_task(calibrators: Sequence[Fields]) -> Mapping[str, list[Fields]]:
    """The same by task; the default comes first."""
    tasks: dict[str, list[Fields]] = {}
    for each in sorted(calibrators, key=lambda each: str(each["scope"]["task"])):
        tasks.setdefault(each["scope"]["task"], []).append(each)
    return tasks


def as_shown(calibrator: Fields) -> Fields:
    """A calibrator of the contract with what JSON left out, its model and its id."""
    model, _, identifier = calibrator["name"].removeprefix("models/").partition("/calibrators/")
    absent = {"temperature": None, "active": False, "keepsChoice": True, "selection": None}
    return {**absent, **calibrator, "model": model, "id": identifier}


async def get(contract: Contract, model: str, identifier: str) -> Fields:
    """Raises NotFound."""
    name = calibrator_name(model, identifier)
    answer = await contract.ask("CalibrationService/GetCalibrator", {"name": name})
    return as_shown(answer["calibrator"])


async def effect(contract: Contract, calibrator: Fields) -> list[tuple[float, float]]:
    """What a calibrator makes of each confidence, where the other options share the rest alike.

    Empty for a cascade, and where the result depends on which option is chosen.
    """
    has_bias = calibrator["biasCorrection"] != "BIAS_CORRECTION_UNSPECIFIED"
    if has_bias or calibrator["method"] in _NO_EFFECT:
        return []
    alone = calibrator["scope"]["reading"] == _ALONE
    options = calibrator["scope"]["options"] or 2
    least = 0.0 if alone else 1 / options
    # Not at a tie, which has no choice; denser towards certainty, where most of what an aligned
    # model says lies.
    shares = [1 - (1 - step / _POINTS) ** 2 for step in range(1, _POINTS + 1)]
    said = [least + (_FURTHEST - least) * share for share in shares]
    items: list[Fields] = [
        {"confidence": p}
        if alone
        else {"logprobs": [math.log(p), *[math.log((1 - p) / (options - 1))] * (options - 1)]}
        for p in said
    ]
    task = calibrator["scope"]["task"]
    request = {"name": calibrator["name"], "task": task, "items": items}
    answer = await contract.ask("CalibrationService/Calibrate", request)
    return [
        (p, _of_first(outcome["scores"]))
        for p, outcome in zip(said, answer["outcomes"], strict=True)
        if "scores" in outcome
    ]


def _of_first(scores: Fields) -> float:
    """What the first option has, which a calibrator may have made the less likely; or the answer
    of a confidence alone.
    """
    probabilities: list[float] = scores["calibratedProbabilities"]
    return probabilities[0] if probabilities else float(scores["calibratedConfidence"])


def at(curve: Sequence[tuple[float, float]], said: float) -> float | None:
    """What a curve makes of one confidence, by linear interpolation; None without a curve."""
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x0 <= said <= x1:
            return y0 + (y1 - y0) * (said - x0) / (x1 - x0)
    return None


def _is_active(calibrator: Fields) -> bool:
    return bool(calibrator.get("active"))


def _task_and_options(calibrator: Fields) -> tuple[str, int]:
    return calibrator["scope"]["task"], calibrator["scope"]["options"]
