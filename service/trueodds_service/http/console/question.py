"""A question tried out: what a model says of it, raw and calibrated."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from trueodds_service.errors import InvalidInput, ServiceError, Unauthenticated
from trueodds_service.http.console.contract import Fields
from trueodds_service.http.console.listing import all_of
from trueodds_service.http.console.visit import Visit, sentence
from trueodds_service.http.console.words import percent
from trueodds_service.http.refusals import code

FORMATS = (
    ("FORMAT_PAREN", "(A), in parentheses"),
    ("FORMAT_LETTER", "A, the letter alone"),
    ("FORMAT_PAREN_OPTIONS", "(A), options listed so too"),
    ("FORMAT_TEXT", "the option’s words"),
)
_TOP_TOKENS = 8
_LOW = 0.5
_EMPTY: Mapping[str, str] = {
    "model": "",
    "task": "",
    "text": "",
    "options": "",
    "format": FORMATS[0][0],
    "least": "",
}


async def show(visit: Visit) -> Response:
    form = {**_EMPTY, "model": visit.asked("model"), "task": visit.asked("task")}
    return await _page(visit, form)


async def answer(visit: Visit) -> Response:
    form = {**_EMPTY, **visit.form}
    try:
        asked = request(form)
        said = await visit.contract.ask("ScoringService/Score", asked)
    except Unauthenticated:
        raise
    except ServiceError as error:
        return await _page(visit, form, said=sentence(error), status=code(error))
    return await _page(visit, form, answer=as_shown(said, form))


def request(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as a ``ScoreRequest``. Raises InvalidInput at what only the form can have wrong."""
    settings: dict[str, Any] = {
        "model": f"models/{form['model']}",
        "task": form["task"].strip(),
        "topTokens": _TOP_TOKENS,
        "reading": {"format": form["format"]},
    }
    if least := form["least"].strip().rstrip("%").strip():
        settings["minConfidence"] = _share(least)
    options = [{"text": each} for each in _options(form)]
    return {"settings": settings, "question": {"text": form["text"], "options": options}}


def _options(form: Mapping[str, str]) -> list[str]:
    """One a line; a text may hold what else breaks lines, such as U+2028."""
    return [line.strip() for line in form["options"].split("\n") if line.strip()]


def _share(percentage: str) -> float:
    try:
        share = float(percentage.replace(",", ".")) / 100
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise InvalidInput("settings.min_confidence", "has to be a percentage, from 0 to 100")
    return share


def as_shown(said: Fields, form: Mapping[str, str]) -> Fields:
    """A ``ScoreResponse`` in the words and the order of the page."""
    answer = said["answer"]
    options = [
        {**option, "text": text, "is_choice": place == answer["choice"]}
        for place, (option, text) in enumerate(zip(answer["options"], _options(form), strict=True))
    ]
    absent = {"calibrated": False, "abstained": False, "lowOptionMass": False}
    return {
        **absent,
        **answer,
        "options": options,
        "chosen": options[answer["choice"]],
        "tokens": _tokens(answer["topTokens"]),
        "about_mass": _about_mass(answer),
        "about_format": _about_format(answer),
        "milliseconds": 1000 * said["timings"]["totalSeconds"],
    }


def _tokens(top: Sequence[Fields]) -> list[Fields]:
    """The likeliest tokens with their probabilities; invisible characters are written out."""
    return [
        {
            "text": _visible(each["text"]),
            "share": math.exp(min(float(each["logprob"]), 0.0)),
        }
        for each in top
    ]


def _visible(text: str) -> str:
    """A token to be read: spaces and line breaks as signs, and what has none as its code."""
    signs = {" ": "␣", "\n": "↵", "\t": "⇥"}
    shown = (
        signs.get(each) or (each if each.isprintable() else f"\\u{ord(each):04x}") for each in text
    )
    return "".join(shown) or "(no text)"


def _about_mass(answer: Fields) -> str:
    mass = percent(answer["optionMass"])
    if answer.get("lowOptionMass"):
        return (
            f"The options hold {mass} of what the model would write: next to nothing. It would "
            "rather say something else, so these are shares of what it hardly considers."
        )
    if answer["optionMass"] < _LOW:
        return f"The options hold only {mass} of what the model would write here."
    return f"The options hold {mass} of what the model would write here."


def _about_format(answer: Fields) -> str:
    format_ = percent(answer["formatProbability"])
    if answer["formatProbability"] < _LOW:
        return (
            f"It answers in this format {format_} of the time: another format, or an example, "
            "may serve it better."
        )
    return f"It answers in this format {format_} of the time."


async def _page(
    visit: Visit,
    form: Mapping[str, str],
    *,
    said: str = "",
    answer: Fields | None = None,
    status: int = 200,
) -> Response:
    models = await visit.models()
    tasks: set[str] = set()
    for each in models:
        found, _ = await all_of(visit.contract, each["id"])
        tasks |= {calibrator["scope"]["task"] for calibrator in found}
    return visit.page(
        "question.html",
        status,
        models=models,
        tasks=sorted(tasks - {""}),
        formats=FORMATS,
        form=form,
        said=said,
        answer=answer,
    )
