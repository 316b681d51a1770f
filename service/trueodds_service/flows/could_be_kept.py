"""Whether a calibrator that comes from elsewhere is one that a fit could have kept here."""

import re

from trueodds_service.caller import NAME
from trueodds_service.core.decisions.cascade import METHOD as CASCADE
from trueodds_service.flows.apply_calibrator import applied_by
from trueodds_service.flows.cascade_promise import check_thresholds
from trueodds_service.legible import is_legible
from trueodds_service.store.calibrator import Calibrator

# A cascade without a name of its own is called by those of its models.
_MODEL = re.compile(rf"{NAME.pattern}(?:\+{NAME.pattern})*")


def check_could_be_kept(calibrator: Calibrator) -> None:
    """Raises ValueError, with the reason, where it could not be called by its names or applied."""
    scope = calibrator.scope
    if not _MODEL.fullmatch(scope.model):
        raise ValueError(f"{scope.model!r} is no name of a model")
    if scope.tenant and not NAME.fullmatch(scope.tenant):
        raise ValueError(f"{scope.tenant!r} is no name of a tenant")
    if not is_legible(scope.task):
        raise ValueError(f"the task {scope.task!r} is not printable, or has space around it")
    if calibrator.method == CASCADE:
        check_thresholds(calibrator)
    else:
        applied_by(calibrator)
