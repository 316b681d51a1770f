"""What the store answers about several calibrators at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.frozen import FrozenMapping
from trueodds_service.store.records import Scope


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is active at one version of the store."""

    version: int
    active: Mapping[Scope, Calibrator]

    def __post_init__(self) -> None:
        object.__setattr__(self, "active", FrozenMapping(self.active))


class Page(NamedTuple):
    """A part of a listing, and the token of the next part: empty on the last page."""

    calibrators: list[Calibrator]
    next_page_token: str
