"""The small records around a calibrator: what it is for, whence it comes, when it answers."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any

from trueodds_service.store.frozen import FrozenMapping

# Metadata of a field that records from before it do not have. It is content, and written, only
# where it departs from its default: their ids stay what they were, and a gateway from before it
# reads what does without it.
ADDED: Mapping[str, bool] = MappingProxyType({"added": True})


def told_by(record: Any, *, but: Set[str] = frozenset()) -> dict[str, Any]:
    """The fields of a record by name, without those that were added and are at their default."""
    return {
        each.name: value
        for each in fields(record)
        if each.name not in but
        and ((value := getattr(record, each.name)) != each.default or "added" not in each.metadata)
    }


def calibrator_name(model: str, calibrator_id: str) -> str:
    """The resource name, ``models/{model}/calibrators/{id}``."""
    return f"models/{model}/calibrators/{calibrator_id}"


CONFIDENCES_ALONE = "confidence"
"""The ``Scope.reading`` of confidences that the caller has from elsewhere."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a calibrator is fitted for; it is never applied to anything else.

    ``revision`` covers the model's weights, configuration and adapter. The empty ``task`` is the
    scope of the model's default. ``reading`` names the way of reading (``Reading.key``, or
    ``CONFIDENCES_ALONE``), and ``options`` counts the options of a question; 0 is any number.
    ``tenant`` is whose it is: as part of a calibrator's content it keeps the names of two tenants'
    calibrators apart.
    """

    model: str
    revision: str
    task: str
    reading: str
    format_version: int
    options: int
    tenant: str = field(default="", metadata=ADDED)

    @property
    def is_alone(self) -> bool:
        """Whether it is of confidences alone, and never of rows of options."""
        return self.reading == CONFIDENCES_ALONE


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that cannot be read: what is left of it."""

    id: str
    scope: Scope

    @property
    def name(self) -> str:
        """As ``Calibrator.name``."""
        return calibrator_name(self.scope.model, self.id)


@dataclass(frozen=True, slots=True)
class Prior:
    """What a model's other tasks tell of ln T: a normal, and the ids that it comes from."""

    mean: float
    standard_deviation: float
    calibrators: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "calibrators", tuple(self.calibrators))


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a calibrator was fitted from.

    ``teacher`` and all about it are empty where no teacher was needed, ``items`` is 0 and
    ``data_hash`` empty where no data was; ``prompts_hash`` is empty where the caller had the
    scores. ``labelled`` counts the items with an answer. ``outcomes_of`` is the calibrator whose
    answers' outcomes the items were, by its id; empty where they were none. ``versions`` maps
    software to its version. ``measured_with`` are the names of what a cascade's models, all but
    the last, were calibrated with.
    """

    teacher: str = ""
    teacher_revision: str = ""
    items: int = 0
    data_hash: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    labelled: int = field(default=0, metadata=ADDED)
    teacher_reading: str = field(default="", metadata=ADDED)
    prior: Prior | None = field(default=None, metadata=ADDED)
    prompts_hash: str = field(default="", metadata=ADDED)
    outcomes_of: str = field(default="", metadata=ADDED)
    measured_with: tuple[str, ...] = field(default=(), metadata=ADDED)

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", FrozenMapping(self.versions))
        object.__setattr__(self, "measured_with", tuple(self.measured_with))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method that was compared: its mean score and the standard error, lower being better.

    Both are ``None`` where it was not measured; ``excluded`` says why, where it was left out.
    """

    method: str
    score: float | None = None
    standard_error: float | None = None
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """How a method was chosen: by what, why, and among which."""

    criterion: str
    reason: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class FitRequest:
    """The caller's name for a request to fit, and a hash of what it asks for.

    It is the caller's tenant's: another may give the same name.
    """

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Activation:
    """One row of a scope's history: from here on, ``calibrator_id`` answers in ``scope``.

    ``sequence`` grows by one with every row of the whole store. ``calibrator_id`` is ``None``
    where a rollback left nothing active. ``parent`` is the sequence of the row to which a rollback
    of this one returns, ``None`` where it leaves nothing active.
    """

    sequence: int
    scope: Scope
    calibrator_id: str | None
    parent: int | None
    created_at: datetime
