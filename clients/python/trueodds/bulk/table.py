"""The columns of the output, and the rows of a part as an Arrow table."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa
from google.rpc import code_pb2, status_pb2

from trueodds import errors
from trueodds.files.items import Item
from trueodds.v1 import scoring_pb2

# What became of a row: an answer, or why there is none.
Result: TypeAlias = scoring_pb2.Answer | status_pb2.Status | None

_NUMBERS = pa.list_(pa.float64())

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("task", pa.string(), nullable=False),
        pa.field("options", pa.list_(pa.string())),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("logprobs", _NUMBERS),
        pa.field("scores", _NUMBERS),
        pa.field("probabilities", _NUMBERS),
        pa.field("calibrated_probabilities", _NUMBERS),
        pa.field("choice", pa.int32()),
        pa.field("confidence", pa.float64()),
        pa.field("calibrated_confidence", pa.float64()),
        pa.field("option_mass", pa.float64()),
        pa.field("low_option_mass", pa.bool_()),
        pa.field("format_probability", pa.float64()),
        pa.field("entropy", pa.float64()),
        pa.field("abstained", pa.bool_()),
        pa.field("answer_set", pa.list_(pa.int32())),
        pa.field("calibrator", pa.string()),
        pa.field("calibration_stale", pa.bool_()),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("cached_tokens", pa.int32()),
        pa.field("cost", pa.float64()),
        pa.field("answered_by", pa.string()),
        pa.field("receipt", pa.string()),
        pa.field("answer", pa.int32()),
        pa.field("correct", pa.bool_()),
        pa.field("answer_error", pa.string()),
        pa.field("error_code", pa.string()),
        pa.field("error_reason", pa.string()),
        pa.field("error_field", pa.string()),
        pa.field("error", pa.string()),
    ]
)


def part_table(
    first: int,
    items: Sequence[Item],
    results: Sequence[Result],
    settings: scoring_pb2.ScoreSettings,
) -> pa.Table:
    """Rows ``first`` and on, one an item. What an error leaves open, or nobody asked, is null."""
    with_set = settings.HasField("answer_set")
    rows = [
        {
            "row": first + place,
            "id": item.id,
            "task": settings.task if item.task is None else item.task,
            "options": None if item.question is None else item.question.options,
            "answer": item.answer,
            "answer_error": item.unusable and f"{item.place}: {item.unusable}",
            **_outcome(item, result, with_set=with_set),
        }
        for place, (item, result) in enumerate(zip(items, results, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _outcome(item: Item, result: Result, *, with_set: bool) -> dict[str, Any]:
    if isinstance(result, scoring_pb2.Answer):
        told = {"answer_set": list(result.answer_set)} if with_set else {}
        return _answer(item, result) | told
    if result is not None:
        error = errors.from_status(result)
        # Where the question was in its message is of no use here.
        place, _, field = error.field.partition(".")
        at_question = place.startswith("questions[")
        return {
            "error_code": code_pb2.Code.Name(result.code),
            "error_reason": error.reason,
            "error_field": field if at_question else error.field,
            "error": str(error).removeprefix(f"{place}.") if at_question else str(error),
        }
    wrong = item.error
    return {
        "error_code": "INVALID_ARGUMENT",
        "error_reason": "BAD_ROW",
        "error_field": "" if wrong is None else wrong.field,
        "error": f"{item.place}: {wrong}" if item.place else str(wrong),
    }


def _answer(item: Item, answer: scoring_pb2.Answer) -> dict[str, Any]:
    options = answer.options
    told_mass = answer.HasField("low_option_mass")  # of long texts it is not
    return {
        "labels": [each.label for each in options],
        "logprobs": [each.logprob for each in options],
        "scores": [each.score for each in options],
        "probabilities": [each.probability for each in options],
        "calibrated_probabilities": [each.calibrated_probability for each in options],
        "choice": answer.choice,
        "confidence": answer.confidence,
        "calibrated_confidence": answer.calibrated_confidence,
        "option_mass": answer.option_mass,
        "low_option_mass": answer.low_option_mass if told_mass else None,
        "format_probability": answer.format_probability,
        "entropy": answer.entropy,
        "abstained": answer.abstained,
        "calibrator": answer.calibrator or None,
        "calibration_stale": answer.calibration_stale,
        "prompt_tokens": answer.prompt_tokens,
        "cached_tokens": answer.cached_tokens,
        "cost": answer.cost,
        "answered_by": answer.answered_by or None,
        # In base64, as `trueodds outcomes` takes it.
        "receipt": b64encode(answer.receipt).decode() or None,
        "correct": None if item.answer is None else answer.choice == item.answer,
    }
