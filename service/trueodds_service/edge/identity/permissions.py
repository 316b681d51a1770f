"""Which permission each method of the contract takes: all of it stands here."""

from collections.abc import Mapping
from types import MappingProxyType

from trueodds_service.caller import Caller, Permission
from trueodds_service.errors import Forbidden

_SCORE = {
    "ScoringService": ("Score", "BatchScore", "StreamScore"),
    "ModelService": ("ListModels", "GetModel", "Tokenize"),
    "CalibrationService": (
        *("GetCalibrator", "ListCalibrators", "Calibrate", "RecordOutcomes", "GetDrift"),
        *("EvaluateCalibrator", "StreamEvaluateCalibrator", "ListAlerts"),
    ),
}
_FIT = {
    "CalibrationService": (
        *("FitCalibrator", "StreamFitCalibrator", "CheckCalibrator"),
        *("ActivateCalibrator", "RollbackCalibrator", "DeleteCalibrator"),
    ),
}

PERMISSIONS: Mapping[str, Permission] = MappingProxyType(
    {
        f"trueodds.v1.{service}/{method}": permission
        for permission, services in ((Permission.SCORE, _SCORE), (Permission.FIT, _FIT))
        for service, methods in services.items()
        for method in methods
    }
)


def check(caller: Caller, method: str) -> None:
    """Raises Forbidden where a method takes a permission that the caller lacks."""
    require(PERMISSIONS[method], caller)


def require(needed: Permission, caller: Caller) -> None:
    """Raises Forbidden, which names the permission that the caller lacks."""
    if needed not in caller.permissions:
        raise Forbidden(f"this takes the permission {needed.value}, which {caller.name} has not")
