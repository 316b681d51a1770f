"""What `trueodds score` prints: each row's outcome, in the order of the file, as it comes."""

import json
import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import typer

from trueodds import errors
from trueodds.answer import Answer
from trueodds.cli.console import out
from trueodds.cli.tables import answer_table
from trueodds.cli.terminal import takes_unicode
from trueodds.errors import InvalidRequest, TrueoddsError
from trueodds.files import Item
from trueodds.question import Question


class Printer:
    """Prints the outcomes of the rows that are asked, and between them the rows that are none.

    An error names its row by the place in the file, ``questions[N]``, from 0.
    """

    def __init__(self, items: Sequence[Item], *, table: bool, with_set: bool) -> None:
        self._items = items
        self._rows = [row for row, item in enumerate(items) if item.question is not None]
        self._table, self._with_set = table, with_set
        self._printed = 0
        self.failed = False
        self.answers = 0
        self.low_mass = 0
        """How many of the answers hold next to nothing of the probability."""
        self.stale = 0
        """How many answers another calibrator might have given: the store was away."""

    @property
    def asked(self) -> list[Question]:
        return [item.question for item in self._items if item.question is not None]

    def on_outcome(self, index: int, outcome: Answer | TrueoddsError) -> None:
        """Takes the outcome of ``asked[index]``, in their order."""
        row = self._rows[index]
        self._print_bad_rows(row)
        if isinstance(outcome, Answer):
            self.answers += 1
            self.low_mass += outcome.low_option_mass
            self.stale += outcome.calibration_stale
        elif outcome.field.startswith("questions["):
            # The service counts what was sent; rows that are no question were not.
            outcome = errors.counted_from(outcome, row - index)
        self._print(outcome)

    def finish(self) -> None:
        """Prints the rows behind the last that is asked."""
        self._print_bad_rows(len(self._items))

    def _print_bad_rows(self, stop: int) -> None:
        while self._printed < stop:
            item = self._items[self._printed]
            field = "" if item.error is None else item.error.field
            self._print(
                InvalidRequest(f"{item.place}: {item.error}", reason="BAD_ROW", field=field)
            )

    def _print(self, outcome: Answer | TrueoddsError) -> None:
        item = self._items[self._printed]
        self._printed += 1
        self.failed |= isinstance(outcome, TrueoddsError)
        if self._table:
            out.print(answer_table(item.question or Question(), outcome))
            return
        named = {} if item.id is None else {"id": item.id}
        row = named | _row(outcome, with_set=self._with_set)
        typer.echo(json.dumps(row, ensure_ascii=not takes_unicode(), allow_nan=False))


def _row(outcome: Answer | TrueoddsError, *, with_set: bool) -> dict[str, Any]:
    if isinstance(outcome, TrueoddsError):
        return {
            "error": {"reason": outcome.reason, "field": outcome.field, "message": str(outcome)}
        }
    logprobs = [option.logprob for option in outcome.options]
    top = [{"text": token.text, "logprob": token.logprob} for token in outcome.top_tokens]
    return {
        "choice": outcome.choice,
        "label": outcome.options[outcome.choice].label,
        "confidence": outcome.confidence,
        "calibrated_confidence": outcome.calibrated_confidence,
        "probabilities": [option.probability for option in outcome.options],
        "calibrated_probabilities": [option.calibrated_probability for option in outcome.options],
        # JSON has no infinity.
        "logprobs": [logprob if math.isfinite(logprob) else None for logprob in logprobs],
        "format_probability": outcome.format_probability,
        "option_mass": outcome.option_mass,
        "low_option_mass": outcome.low_option_mass,
        "entropy": outcome.entropy,
        "abstained": outcome.abstained,
        **({"answer_set": list(outcome.answer_set)} if with_set else {}),
        "calibrator": outcome.calibrator,
        "raw_because": outcome.raw_because or None,
        "calibration_stale": outcome.calibration_stale,
        **_turn(outcome),
        "identity": asdict(outcome.identity),
        **({"receipt": b64encode(outcome.receipt).decode()} if outcome.receipt else {}),
        **({} if outcome.kept is None else {"kept": outcome.kept}),
        **({"top_tokens": top} if top else {}),
    }


def _turn(answer: Answer) -> dict[str, Any]:
    """Who answered in a cascade, and what decided that; empty without one."""
    if answer.answered_by is None:
        return {}
    return {
        "answered_by": answer.answered_by,
        "cascade_calibrator": answer.cascade_calibrator,
        "skipped_because": answer.skipped_because or None,
        "prompt_tokens": answer.prompt_tokens,
        "cached_tokens": answer.cached_tokens,
        "cost": answer.cost,
    }
