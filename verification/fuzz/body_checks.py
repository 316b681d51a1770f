"""What the service promises of every decision: how it ends, what it tells, what it never tells."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from verification.fuzz.bodies import CALIBRATORS, SYSTEMONE
from verification.fuzz.known import MARKER

_STATUSES = {200, 400, 404, 413}
# What 413 is for.
_TOO_MUCH = {"BODY_TOO_LARGE", "REQUEST_TOO_LONG"}
_TELLTALE = MARKER[:10]
_SUM_TOLERANCE = 1e-9
# Fields of a body that it may lack, and places that are in no body.
_ROOTS = {"body", "x-trueodds-task", "model", "input", "state", "questions", "decisions"}


def broken_promises(path: str, sent: bytes, status: int, told: bytes) -> Iterator[str]:
    """Each in a few words, the same for the same fault."""
    if status not in _STATUSES:
        yield f"{status}"
    try:
        answer = json.loads(told, parse_constant=_refused)
    except ValueError:
        yield f"{status} without JSON"
        return
    body = _read(sent)
    if status != 200:
        yield from _of_error(path, status, answer, body)
    elif body is None:
        yield "answers what is no JSON"
    elif path == CALIBRATORS:
        if not answer["calibrators"]:
            yield "a fit without a calibrator"
    elif path == SYSTEMONE:
        yield from _of_answers(list(body["questions"]), list(answer["answers"]), answer, body)
    else:
        names = [question.get("name") for question in body["questions"]]
        told_names = [each["name"] for each in answer["answers"]]
        yield from _of_answers(names, told_names, answer, body)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _read(sent: bytes) -> Any:
    """A body as an object; None where it is none."""
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_error(path: str, status: int, told: Any, body: Any) -> Iterator[str]:
    error = told.get("error", {})
    # vLLM's route has HTTP's status as the code, and our reason beside it.
    whose, reason = ("vLLM's", "reason") if path == SYSTEMONE else ("OpenAI's", "code")
    if set(error) != {"message", "type", "param", "code", reason} or not (
        error["message"] and error[reason] and error["code"] in (status, error[reason])
    ):
        yield f"{status} in other words than {whose}"
        return
    reason = error[reason]
    if _TELLTALE in json.dumps(error):
        yield f"{status} tells a prompt"
    if (status == 413) != (reason in _TOO_MUCH):
        yield f"{status} ({reason})"
    param = error["param"]
    if reason in ("INVALID_FIELD", "PROMPT_TOO_LONG") and not param:
        yield f"{status} ({reason}) without a field"
    if param and body is not None and (wrong := _no_place(param, body)):
        yield f"{status} ({reason}) at {wrong}: no such field"


def _no_place(param: str, body: dict[str, Any]) -> str | None:
    """The path up to where it leads nowhere; None where its first field and all indices are."""
    if not any(
        param == each or param.startswith((f"{each}.", f"{each}[")) for each in body.keys() | _ROOTS
    ):
        return re.sub(r"\d+", "*", param)
    place: Any = body
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", param):
        if index:
            if not isinstance(place, list) or int(index) >= len(place):
                return re.sub(r"\d+", "*", param)
            place = place[int(index)]
        elif isinstance(place, dict) and name in place:
            place = place[name]
        else:
            break
    return None


def _of_answers(
    wanted: list[Any], told: list[Any], answer: Any, body: dict[str, Any]
) -> Iterator[str]:
    if wanted != told:
        yield "not one answer a question, in their order"
        return
    given = answer["answers"]
    for each in given.values() if isinstance(given, dict) else given:
        yield from _of_answer(each, body)
    if not answer["usage"]["input_tokens"] > 0:
        yield "a decision that read nothing"


def _of_answer(answer: Any, body: dict[str, Any]) -> Iterator[str]:
    if answer["type"] == "refusal":
        if not answer["label_mass"] < (body.get("min_option_mass") or 1):
            yield "a refusal of labels that hold enough"
        return
    after = _probabilities(answer)
    facts = {
        "probabilities": all(0 <= each <= 1 for each in after) and _sums_to_one(after),
        "raw probabilities": _sums_to_one(answer["raw_probabilities"]),
        "calibration": answer["calibrated"] or _is_near(after, answer["raw_probabilities"]),
        "required calibration": answer["calibrated"] or not body.get("require_calibrated"),
        "reason to be raw": bool(answer["raw_because"]) != answer["calibrated"],
        "label mass": 0 <= answer["label_mass"] <= 1,
        "confidence": answer.get("confidence", max(after)) == max(after) or "score" in answer,
        "expected level": "score" not in answer
        or math.isclose(answer["score"], sum(n * each for n, each in enumerate(after))),
        "labels": len({*answer["labels"]}) == len(after),
        "receipt": bool(answer["receipt"]) == body.get("receipts", False),
    }
    yield from (f"an answer's {fact} is wrong" for fact, holds in facts.items() if not holds)


def _probabilities(answer: Any) -> list[float]:
    found = answer.get("probabilities")
    if found is None:
        return [answer["probability"], 1 - answer["probability"]]
    if isinstance(found, dict):
        return list(found.values())
    return [each["probability"] for each in found]


def _sums_to_one(probabilities: list[float]) -> bool:
    return abs(math.fsum(probabilities) - 1) <= _SUM_TOLERANCE


def _is_near(one: list[float], other: list[float]) -> bool:
    return all(abs(a - b) <= _SUM_TOLERANCE for a, b in zip(one, other, strict=True))
