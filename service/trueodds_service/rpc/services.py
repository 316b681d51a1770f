"""The services of the contract, made once for every door."""

from typing import NamedTuple

from trueodds.v1 import calibration_pb2, model_pb2, scoring_pb2
from trueodds_service.config import Settings
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.alerts import Alerts
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.checks import Checks
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.rpc.calibration.servicer import CalibrationServicer
from trueodds_service.rpc.models import ModelServicer
from trueodds_service.rpc.scoring.servicer import ScoringServicer

DESCRIPTORS = (
    scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"],
    calibration_pb2.DESCRIPTOR.services_by_name["CalibrationService"],
    model_pb2.DESCRIPTOR.services_by_name["ModelService"],
)
"""The services of the contract, in the order of ``Services``."""


class Services(NamedTuple):
    """What answers each service of the contract."""

    scoring: ScoringServicer
    calibration: CalibrationServicer
    models: ModelServicer

    @classmethod
    def of(
        cls,
        settings: Settings,
        catalog: Catalog,
        calibrators: Calibrators,
        outcomes: Outcomes,
        alerts: Alerts,
        checks: Checks,
    ) -> "Services":
        limits = settings.limits
        return cls(
            ScoringServicer(
                catalog,
                calibrators,
                outcomes,
                limits,
                require_calibrated=settings.require_calibrated,
            ),
            CalibrationServicer(catalog, calibrators, outcomes, alerts, checks, limits),
            ModelServicer(catalog, calibrators, limits),
        )
