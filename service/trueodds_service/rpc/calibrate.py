"""CalibrateRequest → CalibrateQuery, checked, and what came of it → messages."""

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput, ServiceError, field
from trueodds_service.flows.calibrate import Calibrated, CalibrateQuery, CalibrateResult
from trueodds_service.rpc.items import check_logprobs, score_array
from trueodds_service.rpc.names import parse_calibrator, parse_model
from trueodds_service.rpc.questions import parse_task
from trueodds_service.rpc.reading import parse_reading
from trueodds_service.rpc.status import to_status


def parse_calibrate(request: pb.CalibrateRequest, limits: Limits) -> CalibrateQuery:
    """Raises InvalidInput for what is wrong with the request as a whole."""
    calibrator_id = None
    if request.name:
        model, calibrator_id = parse_calibrator(request.name, "name")
        if request.model and parse_model(request.model, "model") != model:
            raise InvalidInput("model", "is not the model that the calibrator is of")
    else:
        model = parse_model(request.model, "model")
    reading = None
    if request.HasField("reading"):
        with field("reading"):
            reading = parse_reading(request.reading, limits)
    count = len(request.items)
    if not 1 <= count <= limits.max_items:
        raise InvalidInput("items", f"has {count} items; from 1 to {limits.max_items}")
    rows = []
    for index, item in enumerate(request.items):
        try:
            with field(f"items[{index}]"):
                options = len(item.logprobs)
                if not 2 <= options <= limits.max_options:  # noqa: PLR2004 (a choice needs two)
                    raise InvalidInput("logprobs", f"has {options}; from 2 to {limits.max_options}")
                check_logprobs(item.logprobs, options, "logprobs", finite=False)
                rows.append(score_array([item.logprobs])[0])
        except InvalidInput as error:
            rows.append(error)
    return CalibrateQuery(
        model=model,
        calibrator=calibrator_id,
        task=parse_task(request.task, "task"),
        reading=reading,
        options=next((len(row) for row in rows if not isinstance(row, ServiceError)), 0),
        rows=rows,
    )


def calibrate_response(result: CalibrateResult) -> pb.CalibrateResponse:
    return pb.CalibrateResponse(
        outcomes=[_outcome(each) for each in result.outcomes], calibrator=result.calibrator.name
    )


def _outcome(outcome: Calibrated | ServiceError) -> pb.CalibratedOutcome:
    if isinstance(outcome, ServiceError):
        return pb.CalibratedOutcome(error=to_status(outcome))
    return pb.CalibratedOutcome(
        scores=pb.CalibratedScores(
            probabilities=outcome.probabilities.tolist(),
            calibrated_probabilities=outcome.calibrated.tolist(),
            choice=outcome.choice,
            confidence=float(outcome.probabilities[outcome.choice]),
            calibrated_confidence=float(outcome.calibrated[outcome.choice]),
        )
    )
