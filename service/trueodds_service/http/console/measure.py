"""Calibrators measured on questions with answers: one, or two side by side, and none."""

import json
import operator
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
        return await _page(visit, said=sentence(error), status=code(error))
    return await _page(visit, report=as_shown([each["report"] for each in reports]))


def questions(text: str) -> Iterator[Fields]:
    """Lines of JSON as ``FitQuestion``s. Raises InvalidInput, which names the line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise InvalidInput("questions", "are required, one a line")
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            yield _question(row)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InvalidInput(
                f"line {number}",
                'is no question with its answer, such as {"text": "…", "options": ["…", "…"], '
                '"answer": 0}',
            ) from None


def _question(row: Any) -> Fields:
    """Raises ValueError, KeyError, TypeError or AttributeError at what is none."""
    options, answer = row["options"], row["answer"]
    if not isinstance(options, list) or isinstance(answer, bool):
        raise TypeError
    options = [_text(each) for each in options]
    # Its index, or its words.
    place = options.index(answer) if isinstance(answer, str) else operator.index(answer)
    question = {
        "text": _text(row["text"]),
        "passage": _text(row.get("passage") or ""),
        "options": [{"text": each} for each in options],
    }
    return {"question": question, "answer": place}


def _text(value: Any) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError


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
