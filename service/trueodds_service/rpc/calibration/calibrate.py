"""CalibrateRequest → CalibrateQuery, checked, and what came of it → messages."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput, ServiceError, field
from trueodds_service.flows.calibrate import Calibrated, CalibrateQuery, CalibrateResult
from trueodds_service.flows.fit_data import score_rows
from trueodds_service.rpc.calibration.rows import (
    NO_READING,
    RowKind,
    RowReader,
    kind_of,
    parse_step,
    refuse_probabilities,
)
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
    kind = kind_of(request.items)
    reader = RowReader(kind, parse_step(request.probability_step, [kind]), limits, finite=False)
    if reader.alone and reading is not None:
        raise InvalidInput("reading", NO_READING)
    rows: list[NDArray[np.float64] | ServiceError] = []
    for index, item in enumerate(request.items):
        try:
            with field(f"items[{index}]"):
                rows.append(reader.read(item))
        except InvalidInput as error:
            rows.append(error)
    if kind is RowKind.LOGPROBS and not request.allow_probabilities:
        _refuse_probabilities(rows)
    return CalibrateQuery(
        model=model,
        calibrator=calibrator_id,
        task=parse_task(request.task, "task"),
        reading=reading,
        rows=rows,
        alone=reader.alone,
    )


def _refuse_probabilities(rows: Sequence[NDArray[np.float64] | ServiceError]) -> None:
    """Raises InvalidInput where all rows that are none of an error look like probabilities."""
    scores, options = score_rows([row for row in rows if not isinstance(row, ServiceError)])
    if len(scores):
        place = next(place for place, row in enumerate(rows) if not isinstance(row, ServiceError))
        refuse_probabilities(scores, options, f"items[{place}].logprobs")


def calibrate_response(result: CalibrateResult) -> pb.CalibrateResponse:
    return pb.CalibrateResponse(
        outcomes=[_outcome(each) for each in result.outcomes],
        calibrator=result.calibrator,
        calibration_stale=result.stale,
    )


def _outcome(outcome: Calibrated | ServiceError) -> pb.CalibratedOutcome:
    if isinstance(outcome, ServiceError):
        return pb.CalibratedOutcome(error=to_status(outcome))
    if outcome.alone:
        return pb.CalibratedOutcome(
            scores=pb.CalibratedScores(
                confidence=float(outcome.probabilities[0]),
                calibrated_confidence=float(outcome.calibrated[0]),
                calibrator=outcome.calibrator,
            )
        )
    return pb.CalibratedOutcome(
        scores=pb.CalibratedScores(
            probabilities=outcome.probabilities.tolist(),
            calibrated_probabilities=outcome.calibrated.tolist(),
            choice=outcome.choice,
            confidence=float(outcome.probabilities[outcome.choice]),
            calibrated_confidence=float(outcome.calibrated[outcome.choice]),
            calibrator=outcome.calibrator,
        )
    )
