"""The content of a store as records, and what holds between them."""

from dataclasses import dataclass
from datetime import datetime

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.errors import BadArchive
from trueodds_service.store.records import Activation, FitRequest


@dataclass(frozen=True, slots=True)
class KeptCalibrator:
    """A calibrator; a deleted one is there for the histories that name it."""

    calibrator: Calibrator
    deleted: bool


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A named request to fit, and the calibrator that it gave."""

    request: FitRequest
    calibrator_id: str
    created_at: datetime
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many records of each kind."""

    calibrators: int = 0
    activations: int = 0
    requests: int = 0

    def __str__(self) -> str:
        return (
            f"calibrators: {self.calibrators:,}, activations: {self.activations:,}, "
            f"requests: {self.requests:,}"
        )


@dataclass(frozen=True, slots=True)
class Archive:
    """All that a store keeps; each kind in the order in which it came.

    Raises:
        BadArchive: a record refers to none, or to one of another scope, or comes out of order.
    """

    calibrators: tuple[KeptCalibrator, ...]
    activations: tuple[Activation, ...]
    requests: tuple[KeptRequest, ...]

    @property
    def numbers(self) -> Numbers:
        return Numbers(len(self.calibrators), len(self.activations), len(self.requests))

    def __post_init__(self) -> None:
        scopes = {each.calibrator.id: each.calibrator.scope for each in self.calibrators}
        if len(scopes) < len(self.calibrators):
            raise BadArchive("a calibrator is there twice")
        known = {*scopes.values()}
        seen: dict[int, Activation] = {}
        last = 0
        for each in self.activations:
            named = f"activation {each.sequence}"
            if each.sequence <= last:
                raise BadArchive(f"{named} comes after {last}")
            if each.calibrator_id is not None and scopes.get(each.calibrator_id) != each.scope:
                raise BadArchive(f"{named} is of a calibrator that is not there, in its scope")
            if each.scope not in known:
                raise BadArchive(f"{named} is in a scope without calibrators")
            if each.parent is not None and (
                each.parent not in seen or seen[each.parent].scope != each.scope
            ):
                raise BadArchive(f"{named} lies on one that is not there, in its scope")
            seen[each.sequence], last = each, each.sequence
        for request in self.requests:
            scope = scopes.get(request.calibrator_id)
            if scope is None or scope.tenant != request.tenant:
                raise BadArchive(f"request {request.request.id!r}: its calibrator is not there")
