"""What the bodies of both contracts share: how they are checked, and our own fields in them."""

import json
import math
import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trueodds_service.core.decisions.conformal import ConformalScore
from trueodds_service.errors import InvalidInput, NotFound
from trueodds_service.flows.apply_calibrator import SetRule
from trueodds_service.rpc.json_bodies import beside, check_names, not_json, path_of
from trueodds_service.rpc.names import model_name, parse_calibrator_of, parse_model

Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_OPTION = re.compile(r"options\[(\d+)\]")
Body = TypeVar("Body", bound=BaseModel)
Part = TypeVar("Part")
# One fault is told; millions of them would take the memory and the time of all.
Many: TypeAlias = Annotated[list[Part], Field(fail_fast=True)]


class Strict(BaseModel):
    """A part of a body: what it does not name is refused, and nothing is taken for another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AnswerSet(Strict):
    """How the answers of one calibrator become answer sets, as its evaluation tells."""

    calibrator: str
    method: Literal["lac", "aps"]
    threshold: Share


class Ours(Strict):
    """Fields of a request that are ours. None is as the service's configuration says."""

    task: str | None = None
    """The task of all questions; without one, each has its name's."""
    require_calibrated: bool | None = None
    """Refuse the request where no calibrator applies."""
    min_option_mass: Share | None = None
    """Refuse a question of which the labels hold less of the probability; None is as the
    configuration has it for the model that answers."""
    min_confidence: Share = 0.0
    """Answers below it are marked as ``abstained``."""
    order: Literal["as_asked", "cyclic"] = "as_asked"
    """Whether choices are asked in every cyclic order, and averaged."""
    label_seed: Seed | None = None
    """Give the options of choices their labels in an order by chance, by this seed."""
    answer_sets: Many[AnswerSet] = []
    """The sets of the answers that these calibrators give."""
    receipts: bool = False
    """Give each answer a receipt, by which its outcome is told later."""

    def set_rules(self, model: str) -> dict[str, SetRule]:
        """The rules by their calibrators' ids, each the model's own. Raises InvalidInput."""
        rules: dict[str, SetRule] = {}
        for place, each in enumerate(self.answer_sets):
            name = f"answer_sets[{place}].calibrator"
            calibrator = parse_calibrator_of(model, each.calibrator, name)
            if calibrator in rules:
                raise InvalidInput(name, "has a rule already")
            rules[calibrator] = SetRule(ConformalScore(each.method), each.threshold)
        return rules


async def parsed(model: type[Body], body: bytes) -> Body:
    """Raises InvalidInput, with the path of the first thing that is wrong."""
    return await beside(len(body), partial(_parsed, model, body))


def _parsed(model: type[Body], body: bytes) -> Body:
    try:
        request = model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    else:
        # Pydantic takes the last of two with one name: a question, or an option, would be lost.
        check_names(body)
        return request
    # Where a text or a list may stand, the list's fault is told if it was a list.
    first = max(found, key=lambda each: (each["loc"][:1] == found[0]["loc"][:1], len(each["loc"])))
    if first["type"] == "json_invalid":
        raise not_json()
    # What is there twice is counted once, and would be told as too few.
    check_names(body)
    whole = json.loads(body)
    path = _path(first, whole)
    if first["type"].endswith("_type"):
        # Of a union, each type that may stand here has a fault of its own.
        types = [each for each in found if each["type"].endswith("_type")]
        here = [_message(each) for each in types if _path(each, whole) == path]
        raise InvalidInput(path, _any_of(here))
    raise InvalidInput(path, _message(first))


def check_options(name: str, options: Sequence[str]) -> None:
    """Raises InvalidInput at options, as the model is told them, that cannot be told apart."""
    said = [each.strip() for each in options]
    if not all(said):
        raise InvalidInput(name, "has an option that says nothing")
    if len({*said}) < len(said):
        raise InvalidInput(name, "has two options that the model would read alike")


def option_of(said: str) -> int | None:
    """The option that a field of the domain's question is of, such as ``options[1].text``."""
    found = _OPTION.match(said)
    return None if found is None else int(found[1])


def model_of(given: str) -> str:
    """A model's own name, of one with ``models/`` before it or without. Raises NotFound.

    What can be no name here, as that of a repository, is a model that is not here.
    """
    try:
        return parse_model(model_name(given.removeprefix("models/")), "model")
    except InvalidInput:
        raise NotFound("there is no model of this name", reason="MODEL_NOT_FOUND") from None


def as_json(value: Any, name: str) -> str:
    """A value as the model reads it. Raises InvalidInput, with ``name`` as where it is."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has no such number, but for readers who make infinity of 1e999
        problem = "NaN, which JSON has not" if _has_nan(value) else "a number that is too large"
        raise InvalidInput(name, f"has {problem}") from None


def _has_nan(value: Any) -> bool:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
        elif isinstance(each, float) and math.isnan(each):
            return True
    return False


def _path(problem: Any, body: Any) -> str:
    """Where in the body a problem is: pydantic puts the members of unions that it has tried into
    the place, which are in no body.
    """
    place: list[str | int] = []
    value = body
    *inside, last = problem["loc"] or ("",)
    for part in inside:
        if _holds(value, part):
            place.append(part)
            value = value[part]
    if _holds(value, last) or problem["type"] == "missing":
        place.append(last)
    return path_of(place)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(part, str):
        return isinstance(value, dict) and part in value
    return isinstance(value, list) and part < len(value)


def _any_of(messages: Sequence[str]) -> str:
    """As "input should be a valid string or a valid boolean"."""
    first, *others = dict.fromkeys(messages)
    return " or ".join((first, *(each.removeprefix("input should be ") for each in others)))


def _message(problem: Any) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "missing" | "union_tag_not_found":
            return "is required" if problem["type"] == "missing" else "lacks its type"
        case "extra_forbidden":
            return "is no field here"
        case "union_tag_invalid":
            return f"has to have one of the types {context['expected_tags']}"
        case _:
            said = str(problem["msg"]).removeprefix("Value error, ")
            return said[:1].lower() + said[1:]
