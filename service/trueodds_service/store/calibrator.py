"""The calibrator: an immutable record, named by its content."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime

from trueodds_service.store.frozen import FrozenMapping
from trueodds_service.store.records import Provenance, Scope

_ID_DIGITS = 16
_NOT_CONTENT = {"id", "created_at"}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrator:
    """A fitted temperature, what it is for, and where it comes from.

    ``id`` follows from everything but ``created_at``: the same fit of the same data by the same
    software has the same id, and any other fit has another. ``temperature`` is finite and above
    0, ``metrics`` are finite: a value that JSON or a database cannot keep exactly is refused.

    Raises:
        ValueError: a number is out of its range, or ``created_at`` has no time zone.
    """

    id: str = field(init=False)
    scope: Scope
    method: str
    temperature: float
    at_bound: bool = False
    undetermined: bool = False
    provenance: Provenance = field(default_factory=Provenance)
    metrics: Mapping[str, float] = field(default_factory=dict)
    created_at: datetime = field(default_factory=_now)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature is {self.temperature}, not a finite number above 0")
        if unfit := [name for name, value in self.metrics.items() if not math.isfinite(value)]:
            raise ValueError(f"metrics are not finite: {', '.join(sorted(unfit))}")
        if self.created_at.tzinfo is None:
            raise ValueError("created_at has no time zone")
        # 1 and 1.0 are one temperature, and have to give one id.
        metrics = {name: float(value) for name, value in self.metrics.items()}
        object.__setattr__(self, "temperature", float(self.temperature))
        object.__setattr__(self, "metrics", FrozenMapping(metrics))
        object.__setattr__(self, "created_at", self.created_at.astimezone(UTC))
        object.__setattr__(self, "id", _content_id(self))

    @property
    def name(self) -> str:
        """The resource name, ``models/{model}/calibrators/{id}``."""
        return f"models/{self.scope.model}/calibrators/{self.id}"


def _content_id(calibrator: Calibrator) -> str:
    """The first digits of the SHA-256 of the content's canonical JSON.

    Every field takes part unless it is named as no content, so a new field cannot be forgotten.
    """
    content = {
        each.name: getattr(calibrator, each.name)
        for each in fields(calibrator)
        if each.name not in _NOT_CONTENT
    }
    canonical = json.dumps(
        content, default=_plain, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def _plain(part: object) -> dict[str, object]:
    """A record or a mapping inside the content, as the dictionary that JSON knows."""
    if isinstance(part, Mapping):
        return dict(part)
    if is_dataclass(part):
        return {each.name: getattr(part, each.name) for each in fields(part)}
    raise TypeError(f"{type(part).__name__} cannot be part of a calibrator's content")
