"""Values of enums ↔ those of the contract."""

from collections.abc import Mapping
from typing import TypeVar

from trueodds import errors
from trueodds.answer import AnswerSetMethod
from trueodds.calibrator import BiasCorrection, Method
from trueodds.model import ModelState
from trueodds.reading import Format, Normalization, OrderCorrection
from trueodds.v1 import calibration_pb2, model_pb2, reading_pb2, scoring_pb2

Value = TypeVar("Value", bound=int)
Name = TypeVar("Name")

FORMATS = {
    Format.LETTER: reading_pb2.FORMAT_LETTER,
    Format.PAREN: reading_pb2.FORMAT_PAREN,
    Format.PAREN_OPTIONS: reading_pb2.FORMAT_PAREN_OPTIONS,
    Format.TEXT: reading_pb2.FORMAT_TEXT,
}
NORMALIZATIONS = {
    Normalization.SUM: reading_pb2.NORMALIZATION_SUM,
    Normalization.TOKENS: reading_pb2.NORMALIZATION_TOKENS,
    Normalization.BYTES: reading_pb2.NORMALIZATION_BYTES,
    Normalization.CHARACTERS: reading_pb2.NORMALIZATION_CHARACTERS,
    Normalization.PMI: reading_pb2.NORMALIZATION_PMI,
}
ORDERS = {
    OrderCorrection.NONE: reading_pb2.ORDER_CORRECTION_UNSPECIFIED,
    OrderCorrection.CYCLIC: reading_pb2.ORDER_CORRECTION_CYCLIC,
    OrderCorrection.PRIOR: reading_pb2.ORDER_CORRECTION_PRIOR,
}
METHODS = {method: calibration_pb2.Method.Value(f"METHOD_{method.name}") for method in Method}
METHOD_NAMES = {message: name for name, message in METHODS.items()}
SET_METHODS = {
    AnswerSetMethod.LAC: scoring_pb2.ANSWER_SET_METHOD_LAC,
    AnswerSetMethod.APS: scoring_pb2.ANSWER_SET_METHOD_APS,
}
STATES = {
    model_pb2.STATE_STARTING: ModelState.STARTING,
    model_pb2.STATE_READY: ModelState.READY,
    model_pb2.STATE_LOST: ModelState.LOST,
    model_pb2.STATE_FAILED: ModelState.FAILED,
}
CORRECTIONS = {
    calibration_pb2.BIAS_CORRECTION_UNSPECIFIED: BiasCorrection.NONE,
    calibration_pb2.BIAS_CORRECTION_BATCH: BiasCorrection.BATCH,
    calibration_pb2.BIAS_CORRECTION_CONTEXTUAL: BiasCorrection.CONTEXTUAL,
}


def known(names: Mapping[Value, Name], value: Value, what: str) -> Name:
    """The name of an enum's value, which a newer server may have more of."""
    if value not in names:
        raise errors.NotServed(f"the server knows a {what} that this client does not: upgrade it")
    return names[value]
