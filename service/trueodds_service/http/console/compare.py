"""Two calibrators beside each other, and what differs."""

from collections.abc import Iterator

from starlette.responses import Response

from trueodds_service.errors import InvalidInput
from trueodds_service.http.console import words
from trueodds_service.http.console.calibrator import curve_of, effect_in_words
from trueodds_service.http.console.contract import Fields
from trueodds_service.http.console.drawing import Square
from trueodds_service.http.console.listing import all_of, get
from trueodds_service.http.console.visit import Visit

Row = tuple[str, str, str]


async def show(visit: Visit) -> Response:
    model, names = visit.asked("model"), (visit.asked("one"), visit.asked("other"))
    if not (model and all(names)):
        raise InvalidInput("address", "has to name a model and two calibrators: model, one, other")
    one, other = [await get(visit.contract, model, name) for name in names]
    curves = [await curve_of(visit, each) for each in (one, other)]
    found, _ = await all_of(visit.contract, model, one["scope"]["task"])
    return visit.page(
        "compare.html",
        one=one,
        other=other,
        curves=curves,
        effects=[effect_in_words(each) for each in curves],
        square=Square(),
        rows=differences(one, other),
        # An address may name any two, also of two tasks.
        choices=list({each["id"]: each for each in (*found, one, other)}.values()),
    )


def differences(one: Fields, other: Fields) -> list[Row]:
    """What is not the same of two calibrators, in words; what is, is left out."""
    return [
        (name, first, second)
        for (name, first), (_, second) in zip(_facts(one), _facts(other), strict=True)
        if first != second
    ]


def _facts(calibrator: Fields) -> Iterator[tuple[str, str]]:
    scope, provenance = calibrator["scope"], calibrator["provenance"]
    yield "Answers now", "yes" if calibrator["active"] else "no"
    yield "Fitted", words.when(calibrator["createTime"])
    yield "What it is", words.method(calibrator["method"])
    yield "Temperature", words.temperature(calibrator["temperature"])
    yield "Questions fitted on", words.count(provenance["items"])
    yield "Of these with an answer", words.count(provenance["labelled"])
    yield "Teacher", provenance["teacher"].removeprefix("models/") or "none"
    yield "Task", words.task(scope["task"])
    yield "Options", words.options(scope["options"])
    yield "Read as", scope["reading"]
    yield "Model’s revision", words.short(scope["modelRevision"])
    yield "Data", words.short(provenance["dataHash"]) or "none"
    for name, title, is_share in METRICS:
        value = calibrator["metrics"].get(name)
        said = "–" if value is None else words.percent(value) if is_share else words.decimal(value)
        yield title, said
    yield "Fit is degenerate", calibrator["degenerate"] or "no"


# What was measured on the items of the fit itself.
METRICS = (
    ("accuracy", "Was right", True),
    ("confidence_before", "Said before", True),
    ("confidence_after", "Says after", True),
    ("ece_before", "Calibration error before", False),
    ("ece_after", "Calibration error after", False),
    ("null_ece_after", "Calibration error of chance alone", False),
    ("nll_before", "Log loss before", False),
    ("nll_after", "Log loss after", False),
    ("kl_before", "Distance from the teacher before", False),
    ("kl_after", "Distance from the teacher after", False),
)
