"""The small records around a calibrator: what it is for, whence it comes, when it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trueodds_service.store.frozen import FrozenMapping


@dataclass(frozen=True, slots=True)
class Scope:
    """What a calibrator is fitted for; it is never applied to anything else.

    ``revision`` covers the model's weights, configuration and adapter. The empty ``task`` is the
    scope of the model's default. ``reading`` names the way of reading (``Reading.key``), and
    ``options`` counts the options of a question.
    """

    model: str
    revision: str
    task: str
    reading: str
    format_version: int
    options: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a calibrator was fitted from.

    ``teacher`` and ``teacher_revision`` are empty where no teacher was needed, ``items`` is 0 and
    ``data_hash`` empty where no data was. ``versions`` maps software to its version.
    """

    teacher: str = ""
    teacher_revision: str = ""
    items: int = 0
    data_hash: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", FrozenMapping(self.versions))


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
