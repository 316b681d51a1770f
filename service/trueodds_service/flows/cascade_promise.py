"""What a cascade promises, and how a request and a stored record say it."""

from collections.abc import Mapping
from dataclasses import dataclass

from trueodds_service.core.decisions.cascade import Target
from trueodds_service.errors import InvalidInput
from trueodds_service.store.calibrator import Calibrator

MIN_CONFIDENCE = "min_confidence"
"""What a cascade's calibrator calls its thresholds; beside them it has the target."""


@dataclass(frozen=True, slots=True)
class CascadePromise:
    """That what ``target`` names is no more than ``share``, in (0, 1)."""

    target: Target
    share: float

    @property
    def needs_answers(self) -> bool:
        """Whether nothing can be promised without knowing what is right."""
        return self.target is Target.RISK


def promise_of(shares: Mapping[Target, float | None]) -> CascadePromise:
    """The promise of the one target that is given. Raises InvalidInput, by its name."""
    given = {target: share for target, share in shares.items() if share is not None}
    if not given:
        raise InvalidInput(Target.RISK, f"METHOD_CASCADE needs it, or {Target.PASSED_ON}")
    if len(given) > 1:
        raise InvalidInput(Target.PASSED_ON, f"does not go with {Target.RISK}: say one of them")
    [(target, share)] = given.items()
    if not 0 < share < 1:
        raise InvalidInput(target, "has to be above 0 and below 1")
    return CascadePromise(target, share)


def check_no_promise(shares: Mapping[Target, float | None]) -> None:
    """Raises InvalidInput where a target is given with another method than a cascade's."""
    for target, share in shares.items():
        if share is not None:
            raise InvalidInput(target, "goes with METHOD_CASCADE only")


def promise_in(record: Calibrator) -> CascadePromise:
    """What a cascade's calibrator promises."""
    target = next(each for each in Target if each in record.parameters)
    (share,) = record.parameters[target]
    return CascadePromise(target, share)


def check_thresholds(record: Calibrator) -> None:
    """Raises ValueError where a cascade's record does not have what its flows read of it."""
    given = dict(record.parameters)
    thresholds = given.pop(MIN_CONFIDENCE, ())
    if not 1 <= len(thresholds) == len(record.provenance.measured_with):
        raise ValueError(f"{len(thresholds)} thresholds, not one a model that is measured")
    [(target, share)] = given.items() if len(given) == 1 else [("", ())]
    if target not in set(Target) or len(share) != 1 or not 0 < share[0] < 1:
        raise ValueError("it does not promise one share, above 0 and below 1")
