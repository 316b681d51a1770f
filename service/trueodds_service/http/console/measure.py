"""Calibrators measured on questions with answers: one, or two side by side, and none."""

import json
import math
import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from trueodds_service.errors import InvalidInput, ServiceError, Unauthenticated
from trueodds_service.http.console import words
from trueodds_service.http.console.contract import Fields
from trueodds_service.http.console.drawing import Reliability, Square
from trueodds_service.http.console.listing import all_of, get
from trueodds_service.http.console.visit import Visit, sentence
from trueodds_service.http.console.words import last_part, percent
from trueodds_service.http.refusals import code

# What the pages can read again: the built-in formats as they are.
READINGS = {
    "letter": "FORMAT_LETTER",
    "paren": "FORMAT_PAREN",
    "paren-options": "FORMAT_PAREN_OPTIONS",
    "text": "FORMAT_TEXT",
}
_FEW = 100
# What a line may hold; an id is the reader's own.
_KEYS = {"id", "text", "passage", "options", "answer"}
# Where the contract finds fault with a question.
_ITEM = re.compile(r"questions\.items\[(\d+)\]")


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def measure(visit: Visit) -> Response:
    try:
        shown = await _calibrator(visit)
        reading = READINGS.get(shown["scope"]["reading"])
        if reading is None:
            raise InvalidInput("reading", "is one that only the command can measure with")
        request = {
            "reading": {"format": reading},
            "questions": {"items": list(questions(visit.form.get("questions", "")))},
        }
        measured = [shown]
        if beside := visit.form.get("beside", ""):
            measured.append(await get(visit.contract, shown["model"], beside))
        reports = [
            await visit.contract.last_of(
                "CalibrationService/EvaluateCalibrator", {"name": each["name"], **request}
            )
            for each in measured
        ]
    except Unauthenticated:
        raise
    except ServiceError as error:
        told = _in_its_line(error, visit.form.get("questions", ""))
        return await _page(visit, said=sentence(told), status=code(error))
    return await _page(visit, report=as_shown([each["report"] for each in reports]))


def questions(text: str) -> Iterator[Fields]:
    """Lines of JSON as ``FitQuestion``s. Raises InvalidInput, which names the line."""
    lines = _numbered(text)
    if not lines:
        raise InvalidInput("questions", "are required, one a line")
    for number, line in lines:
        try:
            yield _question(json.loads(line, object_pairs_hook=_object, parse_constant=_refuse))
        except _Unclear as error:
            raise InvalidInput(f"line {number}", str(error)) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InvalidInput(
                f"line {number}",
                'is no question with its answer, such as {"text": "…", "options": ["…", "…"], '
                '"answer": 0}',
            ) from None


class _Unclear(Exception):
    """A line may mean more than one thing; what is told of it repeats nothing that it holds."""


def _numbered(text: str) -> list[tuple[int, str]]:
    """The lines that hold something, each with its number in the field.

    Strings of JSON may hold what else breaks lines, such as U+2028.
    """
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _in_its_line(error: ServiceError, text: str) -> ServiceError:
    """An error of the contract as somebody can find it: of an item, the number of its line."""
    lines, named = _numbered(text), getattr(error, "field", "")
    found = _ITEM.match(named)
    if found is None or int(found[1]) >= len(lines):
        return error
    number, _ = lines[int(found[1])]
    rest = named[found.end() :].removeprefix(".").removeprefix("question.")
    said = f"{rest}: {error.message}" if rest else error.message
    return InvalidInput(f"line {number}", said, reason=error.reason)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Unclear("has a field twice")
    return found


def _refuse(_: str) -> None:
    """NaN and Infinity, which are no JSON."""
    raise ValueError


def _question(row: Any) -> Fields:
    """Raises _Unclear; and ValueError, KeyError, TypeError or AttributeError at what is none."""
    if isinstance(row, dict) and not row.keys() <= _KEYS:
        known = ", ".join(sorted(_KEYS))
        raise _Unclear(f"has a field that is not known here; those that are: {known}")
    options = row["options"]
    if not isinstance(options, list):
        raise TypeError
    texts = [_text(each) for each in options]
    question = {
        "text": _text(row["text"]),
        "passage": _text(row.get("passage") or ""),
        "options": [{"text": each} for each in texts],
    }
    return {"question": question, "answer": _place(row["answer"], options, texts)}


def _place(answer: Any, options: Sequence[Any], texts: Sequence[str]) -> int:
    """Of an answer that is the words of an option, or its place."""
    if isinstance(answer, str):
        if texts.count(answer) > 1:
            raise _Unclear("has an answer that is the text of several options")
        return texts.index(answer)
    if isinstance(answer, bool):
        raise TypeError
    place = operator.index(answer)
    meant = {i for i, each in enumerate(options) if each == place or texts[i].strip() == str(place)}
    if meant - {place}:
        raise _Unclear(
            "has an answer that is a number, and may be a place or another option: write the "
            "option as a text, in quotes"
        )
    if not 0 <= place < len(texts):
        raise ValueError
    return place


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    if isinstance(value, float) and not math.isfinite(value):  # such as 1e999
        raise ValueError
    return str(value)


@dataclass(frozen=True, slots=True)
class Side:
    """What the questions say of no calibrator, ``css`` "before", or of one. ``differences`` are
    those to none, ``cost`` is that of a cascade in that of its last model alone.
    """

    css: str
    title: str
    reliability: Reliability
    metrics: Fields
    differences: Fields = field(default_factory=dict)
    abstentions: Sequence[Fields] = ()
    cost: Fields | None = None


# Classes of the calibrator that the page is of, and of the one beside it.
_CSS = ("after", "beside")


def as_shown(reports: Sequence[Fields]) -> Fields:
    """``Report``s of the contract on the same questions, in the words and pictures of the page."""
    first = reports[0]
    names = [words.short(last_part(each["calibrator"]["name"])) for each in reports]
    # A threshold of a cascade is measured against the last model alone.
    cascade = first.get("cascade")
    alone = f"{last_part(cascade['parts'][-1]['model'])} alone" if cascade else ""
    sides = [_side("before", alone or "Without", first["before"])]
    for css, name, each in zip(_CSS, names, reports, strict=False):
        title = "With it" if len(reports) == 1 else f"With {name}"
        cost = (each.get("cascade") or {}).get("relativeCost")
        told = (each["differences"], each["abstentions"], cost)
        sides.append(_side(css, title, each["after"], *told))
    return {
        "items": first["items"],
        "few": first["items"] < _FEW,
        "flattered": [
            name
            for name, each in zip(names, reports, strict=True)
            if each["dataHash"] == each["calibrator"]["provenance"]["dataHash"]
        ],
        "sides": sides,
        "alone": alone,
        "verdict": _verdict(sides, names, alone),
    }


def _side(
    css: str,
    title: str,
    measured: Fields,
    differences: Fields | None = None,
    abstentions: Sequence[Fields] = (),
    cost: Fields | None = None,
) -> Side:
    reliability = Reliability(measured["equalWidth"], Square())
    return Side(css, title, reliability, measured["metrics"], differences or {}, abstentions, cost)


def _verdict(sides: Sequence[Side], names: Sequence[str], alone: str) -> str:
    """Whether each does better than none, or than the last model of a cascade ``alone``, by log
    loss, and whether that may be chance.
    """
    before, *after = sides
    right, model = percent(before.reliability.right), alone or "The model"
    said = [f"{model} was right {right} of the time, and said {percent(before.reliability.said)}."]
    for name, side in zip(names, after, strict=True):
        which = "this calibrator" if len(after) == 1 else name
        found = percent(side.reliability.right), percent(side.reliability.said)
        # It may change the choice.
        keeps = found[0] == right
        said.append(
            f"With {which} it says {found[1]}."
            if keeps
            else f"With {which} it is right {found[0]}, and says {found[1]}."
        )
        said.append(_sure(side.differences.get("nll"), alone or "no calibrator"))
        said.append(_cost(side.cost, alone))
    return " ".join(filter(None, said))


def _sure(difference: Fields | None, other: str) -> str:
    if difference is None:
        return ""
    if difference["upper"] < 0:
        return "It does better by more than chance explains."
    if difference["lower"] > 0:
        return "It does worse by more than chance explains."
    return f"On so many questions it cannot be told apart from {other}."


def _cost(cost: Fields | None, alone: str) -> str:
    if cost is None:
        return ""
    share, low, high = (percent(cost[name]) for name in ("value", "lower", "upper"))
    return f"It costs {share} of {alone} ({low} to {high})."


async def _calibrator(visit: Visit) -> Fields:
    parameters = visit.request.path_params
    return await get(visit.contract, parameters["model"], parameters["id"])


async def _page(
    visit: Visit, *, said: str = "", report: Fields | None = None, status: int = 200
) -> Response:
    shown = await _calibrator(visit)
    found, _ = await all_of(visit.contract, shown["model"], shown["scope"]["task"])
    return visit.page(
        "measure.html",
        status,
        calibrator=shown,
        others=[each for each in found if _is_like(each, shown)],
        can_read=shown["scope"]["reading"] in READINGS,
        questions=visit.form.get("questions", ""),
        beside=visit.form.get("beside", ""),
        said=said,
        report=report,
    )


def _is_like(one: Fields, shown: Fields) -> bool:
    """Whether the same questions can be measured with another, too."""
    counts = {one["scope"]["options"], shown["scope"]["options"]} - {0}
    same = one["scope"]["reading"] == shown["scope"]["reading"]
    return one["id"] != shown["id"] and same and len(counts) <= 1
