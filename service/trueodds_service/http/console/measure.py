"""A calibrator measured on questions with answers, before and after."""

import json
import operator
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from trueodds_service.errors import InvalidInput, ServiceError, Unauthenticated
from trueodds_service.http.console.contract import Fields
from trueodds_service.http.console.drawing import Reliability, Square
from trueodds_service.http.console.listing import get
from trueodds_service.http.console.visit import Visit, sentence
from trueodds_service.http.console.words import percent
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
            "name": shown["name"],
            "reading": {"format": reading},
            "questions": {"items": list(questions(visit.form.get("questions", "")))},
        }
        last = await visit.contract.last_of("CalibrationService/EvaluateCalibrator", request)
    except Unauthenticated:
        raise
    except ServiceError as error:
        return await _page(visit, said=sentence(error), status=code(error))
    return await _page(visit, report=as_shown(last["report"]))


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


def as_shown(report: Fields) -> Fields:
    """A ``Report`` of the contract in the words and pictures of the page."""
    sides = {
        side: Reliability(report[side]["equalWidth"], Square()) for side in ("before", "after")
    }
    return {
        "items": report["items"],
        "few": report["items"] < _FEW,
        "same_data": report["dataHash"] == report["calibrator"]["provenance"]["dataHash"],
        "sides": sides,
        "metrics": {side: report[side]["metrics"] for side in sides},
        "verdict": _verdict(report),
        "abstentions": report["abstentions"],
        "differences": report["differences"],
    }


def _verdict(report: Fields) -> str:
    """Whether it does better, by log loss, and whether that may be chance."""
    difference = report["differences"].get("nll")
    sure = ""
    if difference is not None:
        if difference["upper"] < 0:
            sure = "It does better by more than chance explains."
        elif difference["lower"] > 0:
            sure = "It does worse by more than chance explains."
        else:
            sure = "On so many questions it cannot be told apart from no calibrator."
    before, after = (
        Reliability(report[side]["equalWidth"], Square()) for side in ("before", "after")
    )
    right, now_right = percent(before.right), percent(after.right)
    said = f"The model was right {right} of the time, and said {percent(before.said)}. With this"
    if right == now_right:
        return f"{said} calibrator it says {percent(after.said)}. {sure}"
    # It may change the choice.
    return f"{said} calibrator it is right {now_right}, and says {percent(after.said)}. {sure}"


async def _calibrator(visit: Visit) -> Fields:
    parameters = visit.request.path_params
    return await get(visit.contract, parameters["model"], parameters["id"])


async def _page(
    visit: Visit, *, said: str = "", report: Fields | None = None, status: int = 200
) -> Response:
    shown = await _calibrator(visit)
    return visit.page(
        "measure.html",
        status,
        calibrator=shown,
        can_read=shown["scope"]["reading"] in READINGS,
        questions=visit.form.get("questions", ""),
        said=said,
        report=report,
    )
