"""Resource names: models/{model} and models/{model}/calibrators/{calibrator}.

A cascade without a name of its own is named by its models, in the order of their turns:
models/{model}+{model}.
"""

import re

from trueodds_service.config import MOST_CASCADED
from trueodds_service.errors import InvalidInput
from trueodds_service.store.records import calibrator_name

__all__ = [
    "calibrator_name",
    "model_name",
    "parse_calibrator",
    "parse_calibrator_of",
    "parse_model",
]

_NAME = "[a-z0-9._-]{1,63}"
_MODEL = re.compile(rf"models/({_NAME}(?:\+{_NAME}){{0,{MOST_CASCADED - 1}}})")
_CALIBRATOR = re.compile(rf"{_MODEL.pattern}/calibrators/([0-9a-f]{{1,64}})")


def model_name(model: str) -> str:
    return f"models/{model}"


def parse_model(name: str, field: str) -> str:
    """The model's own name. Raises InvalidInput at ``field``."""
    match = _MODEL.fullmatch(name)
    if match is None:
        raise InvalidInput(field, _expected("models/{model}", name))
    turns = match[1].split("+")
    if len(set(turns)) < len(turns):
        raise InvalidInput(field, "names a model twice")
    return match[1]


def parse_calibrator(name: str, field: str) -> tuple[str, str]:
    """The model's own name and the calibrator's id. Raises InvalidInput at ``field``."""
    match = _CALIBRATOR.fullmatch(name)
    if match is None:
        pattern = "models/{model}/calibrators/{calibrator}, whose last part is hexadecimal"
        raise InvalidInput(field, _expected(pattern, name))
    return match[1], match[2]


def parse_calibrator_of(model: str, name: str, field: str) -> str:
    """The id of a calibrator of this model. Raises InvalidInput at ``field``."""
    owner, calibrator_id = parse_calibrator(name, field)
    if owner != model:
        raise InvalidInput(field, f"belongs to models/{owner}, not to the model asked")
    return calibrator_id


def _expected(pattern: str, name: str) -> str:
    return f"has to be {pattern}" if name else f"is required, as {pattern}"
