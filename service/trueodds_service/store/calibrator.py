"""The calibrator: an immutable record, named by its content."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from datetime import UTC, datetime
from typing import Any

from trueodds_service.store.frozen import FrozenMapping
from trueodds_service.store.records import (
    ADDED,
    Provenance,
    Scope,
    Selection,
    calibrator_name,
    told_by,
)

_ID_DIGITS = 16
_NOT_CONTENT = {"id", "created_at"}
_TEMPERATURE = "temperature"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrator:
    """A fitted calibrator, what it is for, and where it comes from.

    ``id`` follows from everything but ``created_at``: the same fit of the same data by the same
    software has the same id, and any other fit has another. ``parameters`` are all that applying
    it takes, finite numbers by name; ``metrics`` are finite as well: a value that JSON or a
    database cannot keep exactly is refused. ``fallback`` says what was done instead of ``method``,
    ``selection`` how the method was chosen, where it was.

    Raises:
        ValueError: a number is out of its range, or ``created_at`` has no time zone.
    """

    id: str = field(init=False)
    scope: Scope
    method: str
    parameters: Mapping[str, Sequence[float]]
    at_bound: bool = False
    undetermined: bool = False
    provenance: Provenance = field(default_factory=Provenance)
    metrics: Mapping[str, float] = field(default_factory=dict)
    fallback: str = field(default="", metadata=ADDED)
    selection: Selection | None = field(default=None, metadata=ADDED)
    keeps_choice: bool = field(default=True, metadata=ADDED)
    bias_correction: str = field(default="", metadata=ADDED)
    created_at: datetime = field(default_factory=_now)

    def __post_init__(self) -> None:
        # 1 and 1.0 are one number, and have to give one id.
        parameters = {name: tuple(map(float, each)) for name, each in self.parameters.items()}
        metrics = {name: float(value) for name, value in self.metrics.items()}
        _check_finite("parameters", parameters)
        _check_finite("metrics", {name: (value,) for name, value in metrics.items()})
        if any(value <= 0 for value in parameters.get(_TEMPERATURE, ())):
            raise ValueError("temperature is not above 0")
        if self.created_at.tzinfo is None:
            raise ValueError("created_at has no time zone")
        object.__setattr__(self, "parameters", FrozenMapping(parameters))
        object.__setattr__(self, "metrics", FrozenMapping(metrics))
        object.__setattr__(self, "created_at", self.created_at.astimezone(UTC))
        object.__setattr__(self, "id", _content_id(self))

    @property
    def temperature(self) -> float | None:
        """The fitted temperature; ``None`` where the calibrator is more than one temperature."""
        if self.parameters.keys() <= {_TEMPERATURE, "log_prior"}:
            return next(iter(self.parameters.get(_TEMPERATURE, ())), None)
        return None

    @property
    def degenerate(self) -> str:
        """Why the data did not determine it, in words; empty where they did."""
        reasons = [self.fallback] if self.fallback else []
        if self.at_bound:
            reasons.append("the temperature ran into the bounds of the search")
        if self.undetermined:
            reasons.append("the items hold no information about the temperature")
        return "; ".join(reasons)

    @property
    def name(self) -> str:
        """The resource name, ``models/{model}/calibrators/{id}``."""
        return calibrator_name(self.scope.model, self.id)


def _check_finite(what: str, numbers: Mapping[str, Sequence[float]]) -> None:
    if unfit := [name for name, each in numbers.items() if not all(map(math.isfinite, each))]:
        raise ValueError(f"{what} are not finite: {', '.join(sorted(unfit))}")


def _content_id(calibrator: Calibrator) -> str:
    """The first digits of the SHA-256 of the content's canonical JSON.

    Every field takes part unless it is named as no content, so a new field cannot be forgotten.
    """
    content = _plain(calibrator)
    if calibrator.parameters.keys() == {_TEMPERATURE}:
        # As records were written when every calibrator was one temperature.
        (content[_TEMPERATURE],) = content.pop("parameters")[_TEMPERATURE]
    canonical = json.dumps(
        content, default=_plain, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def _plain(part: Any) -> dict[str, Any]:
    """A record or a mapping inside the content, as the dictionary that JSON knows."""
    if isinstance(part, Mapping):
        return dict(part)
    if not is_dataclass(part):
        raise TypeError(f"{type(part).__name__} cannot be part of a calibrator's content")
    return told_by(part, but=_NOT_CONTENT)
