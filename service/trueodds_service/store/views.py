"""What the store answers about several calibrators at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.frozen import FrozenMapping
from trueodds_service.store.records import Damaged, Scope


class Mark(NamedTuple):
    """The version of the store, and when it came to be so: a backup counts on from less."""

    version: int
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is active at one version of the store.

    ``damaged`` are the scopes whose active record cannot be read, each with the record's id.
    """

    version: int
    active: Mapping[Scope, Calibrator]
    damaged: Mapping[Scope, str] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def mark(self) -> Mark:
        return Mark(self.version, self.since)

    def __post_init__(self) -> None:
        object.__setattr__(self, "active", FrozenMapping(self.active))
        object.__setattr__(self, "damaged", FrozenMapping(self.damaged))


class Page(NamedTuple):
    """A part of a listing, and the token of the next part: empty on the last page.

    ``damaged`` are what is left of records that belong here and cannot be read.
    """

    calibrators: list[Calibrator]
    next_page_token: str
    damaged: tuple[Damaged, ...] = ()
