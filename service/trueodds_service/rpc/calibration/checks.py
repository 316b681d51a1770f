"""CheckCalibratorRequest → CheckQuery, checked, and what was found → messages."""

from dataclasses import replace

import numpy as np

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.core.fitting.data import UNKNOWN
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.checks import CheckQuery, Comparison
from trueodds_service.rpc.calibration.fits import fit_reading
from trueodds_service.rpc.calibration.items import parse_questions
from trueodds_service.rpc.calibration.proposals import proposal_message
from trueodds_service.rpc.names import model_name, parse_calibrator, parse_model
from trueodds_service.rpc.timestamps import timestamp_message


def parse_check(request: pb.CheckCalibratorRequest, limits: Limits) -> CheckQuery:
    """Raises InvalidInput."""
    model, calibrator = parse_calibrator(request.name, "name")
    if not request.HasField("questions"):
        raise InvalidInput("questions", "are required")
    reading = teacher_reading = fit_reading(request.reading, "reading", limits)
    if request.HasField("teacher_reading"):
        teacher_reading = fit_reading(request.teacher_reading, "teacher_reading", limits)
    with field("questions"):
        source = parse_questions(
            request.questions, reading, limits, teacher_reading=teacher_reading, mixed=True
        )
    return CheckQuery(
        model=model,
        calibrator=calibrator,
        # A check has to do without answers.
        source=replace(source, answers=np.full(len(source.questions), UNKNOWN)),
        reading=reading,
        teacher_reading=teacher_reading,
        teacher=parse_model(request.teacher, "teacher") if request.teacher else None,
        propose=request.propose,
    )


def check_message(found: Comparison, model: str) -> pb.TeacherCheck:
    """``model`` is that of the calibrator."""
    check = found.check
    fit_questions, fit_disagreeing = found.fit or (0, 0)
    return pb.TeacherCheck(
        create_time=timestamp_message(check.created_at),
        teacher=model_name(check.teacher),
        questions=check.questions,
        disagreeing=check.disagreeing,
        fit_questions=fit_questions,
        fit_disagreeing=fit_disagreeing,
        p_value=found.p_value,
        proposal=None if check.proposal is None else proposal_message(check.proposal, model),
    )
