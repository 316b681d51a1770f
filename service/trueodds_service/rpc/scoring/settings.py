"""Settings of a request, parsed."""

import functools
from typing import TypeAlias

from trueodds.v1 import scoring_pb2
from trueodds_service.config import Limits
from trueodds_service.engine.base import MAX_TOP_TOKENS
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.apply_calibrator import SetRule
from trueodds_service.flows.score import ScoreQuery
from trueodds_service.rpc.calibration.evaluations import SET_METHODS
from trueodds_service.rpc.names import parse_calibrator_of, parse_model
from trueodds_service.rpc.questions import QuestionParser, parse_task
from trueodds_service.rpc.reading import parse_reading

# How many settings are kept parsed, and how long each may be: shots of some 10,000 words.
_KEPT_SETTINGS = 256
_KEPT_BYTES = 2**16

_SET_SCORES = {message: score for score, message in SET_METHODS.items()}


Parsed: TypeAlias = tuple[ScoreQuery, QuestionParser]
"""A query, as yet without questions, and what parses them."""


class SettingsParser:
    """Settings come again with every message of a task, its shots among them: parsed once."""

    def __init__(self, limits: Limits, *, require_calibrated: bool) -> None:
        """``require_calibrated`` holds for requests that do not say."""
        self._limits = limits
        self._require_calibrated = require_calibrated
        self._kept = functools.lru_cache(_KEPT_SETTINGS)(self._of_bytes)

    def parse(self, settings: scoring_pb2.ScoreSettings) -> Parsed:
        """Raises InvalidInput, whose field is relative to the request."""
        if settings.ByteSize() > _KEPT_BYTES:
            return self._parse(settings)
        return self._kept(settings.SerializeToString(deterministic=True))

    def _of_bytes(self, content: bytes) -> Parsed:
        return self._parse(scoring_pb2.ScoreSettings.FromString(content))

    def _parse(self, settings: scoring_pb2.ScoreSettings) -> Parsed:
        with field("settings"):
            model = parse_model(settings.model, "model")
            with field("reading"):
                reading = parse_reading(settings.reading, self._limits)
            parser = QuestionParser(reading, self._limits, settings.options, single=True)
            calibrator = (
                parse_calibrator_of(model, settings.calibrator, "calibrator")
                if settings.calibrator
                else None
            )
            query = ScoreQuery(
                model=model,
                task=parse_task(settings.task, "task"),
                reading=reading,
                shots=parser.shots(settings.shots, "shots"),
                calibrator=calibrator,
                questions=(),
                min_option_mass=_share(settings.min_option_mass, "min_option_mass"),
                min_confidence=_share(settings.min_confidence, "min_confidence"),
                require_calibrated=(
                    settings.require_calibrated
                    if settings.HasField("require_calibrated")
                    else self._require_calibrated
                ),
                answer_sets=_answer_sets(settings, calibrator),
                top_tokens=_top_tokens(settings.top_tokens),
                receipts=settings.receipts,
            )
        return query, parser


def _answer_sets(settings: scoring_pb2.ScoreSettings, calibrator: str | None) -> dict[str, SetRule]:
    if not settings.HasField("answer_set"):
        return {}
    rule = settings.answer_set
    with field("answer_set"):
        score = _SET_SCORES.get(rule.method)
        if score is None:
            raise InvalidInput("method", "is required: LAC or APS")
        threshold = _share(rule.threshold, "threshold")
    if calibrator is None:
        raise InvalidInput("calibrator", "is required: a threshold is for one calibrator")
    return {calibrator: SetRule(score, threshold)}


def _share(value: float, name: str) -> float:
    if not 0 <= value <= 1:
        raise InvalidInput(name, "has to be from 0 to 1")
    return value


def _top_tokens(count: int) -> int:
    if not 0 <= count <= MAX_TOP_TOKENS:
        raise InvalidInput("top_tokens", f"has to be from 0 to {MAX_TOP_TOKENS}")
    return count
