"""The options of commands that ask questions: each one's name, help and default, written once."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from trueodds.answer import AnswerSetMethod, AnswerSetRule
from trueodds.options import SCORE, ScoreOptions
from trueodds.reading import Format, Normalization, OrderCorrection, Reading

Table = Mapping[str, tuple[Any, Any]]
"""Annotation and default of each option, by the name of its parameter."""

Command = Callable[..., None]

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_READING = Reading()

READING: Table = {
    "answer_format": (
        Annotated[Format, typer.Option("--format", help="How the model answers.")],
        _READING.format,
    ),
    "normalization": (
        Annotated[Normalization, typer.Option(help="What makes long options comparable.")],
        _READING.normalization,
    ),
    "unconditional_prompt": (
        Annotated[str | None, typer.Option(help="For pmi: the prompt without the question.")],
        _READING.unconditional_prompt,
    ),
    "order": (
        Annotated[OrderCorrection, typer.Option(help="Against a liking for a place or a label.")],
        _READING.order_correction,
    ),
    "sum_variants": (
        Annotated[
            bool,
            typer.Option("--sum-variants", help="Options with and without a space before them."),
        ],
        _READING.sum_variants,
    ),
}
SCORING: Table = {
    **READING,
    "min_option_mass": (
        Annotated[float, typer.Option(min=0, max=1, help="Abstain where the options hold less.")],
        SCORE["min_option_mass"],
    ),
    "min_confidence": (
        Annotated[
            float,
            typer.Option(min=0, max=1, help="Abstain where the calibrated confidence is less."),
        ],
        SCORE["min_confidence"],
    ),
    "answer_set": (
        Annotated[
            tuple[AnswerSetMethod, float] | None,
            typer.Option(
                metavar="RULE THRESHOLD", help="As evaluate tells it; needs --calibrator."
            ),
        ],
        SCORE["answer_set"],
    ),
    "calibrator": (
        Annotated[str | None, typer.Option(help="This calibrator rather than the active one.")],
        SCORE["calibrator"],
    ),
    "require_calibrated": (
        Annotated[
            bool | None,
            typer.Option(
                "--require-calibrated/--allow-raw",
                help="Refuse what no calibrator applies to, or answer it raw; else as the server "
                "does.",
            ),
        ],
        SCORE["require_calibrated"],
    ),
    "receipts": (
        Annotated[bool, typer.Option("--receipts", help="A receipt each, for `outcomes`.")],
        SCORE["receipts"],
    ),
}
DETAILS: Table = {
    "top_tokens": (
        Annotated[int, typer.Option(min=0, max=20, help="How many likeliest tokens to tell.")],
        SCORE["top_tokens"],
    ),
}


def takes(
    parameter: str, table: Table, read: Callable[[dict[str, Any]], Any]
) -> Callable[[Command], Command]:
    """Gives a command the options of a table: its ``parameter`` gets what is read of them."""

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(**arguments: Any) -> None:
            told = {name: arguments.pop(name) for name in table}
            return function(**arguments, **{parameter: read(told)})

        signature = inspect.signature(function, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != parameter]
        added = [
            inspect.Parameter(name, _KEYWORD, default=default, annotation=kind)
            for name, (kind, default) in table.items()
        ]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[each.replace(kind=_KEYWORD) for each in [*own, *added]]
        )
        hints = get_type_hints(function, include_extras=True)
        hints.pop(parameter, None)
        command.__annotations__ = hints | {name: kind for name, (kind, _) in table.items()}
        return command

    return decorate


def reading_options(function: Command) -> Command:
    """How questions are asked and read: the command's parameter ``reading``."""
    return takes("reading", READING, _reading)(function)


def score_options(*, details: bool = False) -> Callable[[Command], Command]:
    """The same and what else there is to say of answers: the command's parameter ``asked``, a
    ``ScoreOptions`` without shots.
    """
    return takes("asked", {**SCORING, **(DETAILS if details else {})}, _asked)


def _reading(told: Mapping[str, Any]) -> Reading:
    return Reading(
        told["answer_format"],
        told["normalization"],
        told["unconditional_prompt"],
        told["sum_variants"],
        told["order"],
    )


def _asked(told: Mapping[str, Any]) -> ScoreOptions:
    rule = told["answer_set"]
    asked: ScoreOptions = {
        "reading": _reading(told),
        "calibrator": told["calibrator"],
        "min_option_mass": told["min_option_mass"],
        "min_confidence": told["min_confidence"],
        "answer_set": rule and AnswerSetRule(*rule),
        "require_calibrated": told["require_calibrated"],
        "top_tokens": told.get("top_tokens", SCORE["top_tokens"]),
        "receipts": told["receipts"],
    }
    return asked
